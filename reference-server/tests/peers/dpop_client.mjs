// A client as oauth4webapi makes one: `node dpop_client.mjs <base> <user> <password> <packages>`. Signs in with a
// proof of possession, uses the token in every way it may and may not be used, and prints what came of each
// as one JSON object.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [, , base, username, password, packages] = process.argv;
const require = createRequire(`${packages}/`);
const oauth = await import(pathToFileURL(require.resolve('oauth4webapi')).href);

const client = { client_id: 'prov' };
const insecure = { [oauth.allowInsecureRequests]: true };
const holder = async (algorithm = 'ES256') =>
  oauth.DPoP(client, await oauth.generateKeyPair(algorithm));

// Sends JSON with a proof; once more where the server asks for a nonce.
async function post(path, body, dpop) {
  const url = new URL(base + path);
  let asked = 0;
  for (;;) {
    const headers = new Headers({ 'content-type': 'application/json' });
    if (dpop) await dpop.addProof(url, headers, 'POST');
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
    dpop?.cacheNonce(response, url);
    const answer = await response.json();
    if (answer.code === 'auth.proof_nonce_required' && asked++ === 0) continue;
    return { status: response.status, asked, answer };
  }
}

// Asks for a resource; says with what scheme and error the server asks again.
async function get(token, path, dpop) {
  const url = new URL(base + path);
  for (let asked = 0; ; asked++) {
    try {
      const options = { ...insecure, ...(dpop && { DPoP: dpop }) };
      const response = await oauth.protectedResourceRequest(
        token, 'GET', url, new Headers(), null, options);
      return { status: response.status, asked, body: await response.json() };
    } catch (error) {
      if (oauth.isDPoPNonceError(error) && asked === 0) continue;
      const challenges = (error.cause ?? []).map?.(({ scheme, parameters }) =>
        [scheme, parameters.error ?? '', parameters.algs ?? ''].join(' '));
      return { status: error.status, asked, challenges };
    }
  }
}

const told = {};
const issuer = new URL(base);
const as = await oauth
  .discoveryRequest(issuer, insecure)
  .then((response) => oauth.processDiscoveryResponse(issuer, response));
told.algorithms = as.dpop_signing_alg_values_supported;

const own = await holder();
const signedIn = await post('/api/v1/auth/login', { username, password }, own);
const tokens = signedIn.answer;
told.thumbprint = await own.calculateThumbprint();
told.login = { status: signedIn.status, asked: signedIn.asked, token_type: tokens.token_type };
const me = '/api/v1/auth/me?view=a%20b';
told.with_proof = await get(tokens.access_token, me, own);
told.again = await get(tokens.access_token, '/api/v1/auth/sessions', own);
told.as_bearer = await get(tokens.access_token, me);
told.by_thief = await get(tokens.access_token, me, await holder());

// One proof, shown twice.
const url = new URL(`${base}/api/v1/auth/me`);
const headers = new Headers({ authorization: `DPoP ${tokens.access_token}` });
await own.addProof(url, headers, 'GET', tokens.access_token);
const shown = async () => (await fetch(url, { headers })).status;
told.replay = [await shown(), await shown()];

// A resource server of oauth4webapi's takes our token, by our JWKS.
const other = new URL('https://board.example.com/orders');
const asked = new Headers({ authorization: `DPoP ${tokens.access_token}` });
await own.addProof(other, asked, 'GET', tokens.access_token);
const claims = await oauth.validateJwtAccessToken(
  as, new Request(other, { headers: asked }), 'cli', { ...insecure, requireDPoP: true });
told.elsewhere = { sub: claims.sub, jkt: claims.cnf.jkt };

const refresh_token = tokens.refresh_token;
told.refresh_by_thief = (await post('/api/v1/auth/refresh', { refresh_token }, await holder())).status;
told.refresh_without = (await post('/api/v1/auth/refresh', { refresh_token })).status;
const next = await post('/api/v1/auth/refresh', { refresh_token }, own);
told.refresh = { status: next.status, token_type: next.answer.token_type };
told.refreshed = (await get(next.answer.access_token, me, own)).status;

// Keys of another kind do as well.
const edwards = await holder('EdDSA').catch(() => holder('Ed25519'));
const second = await post('/api/v1/auth/login', { username, password }, edwards);
told.edwards = (await get(second.answer.access_token, me, edwards)).status;
told.others = [];
for (const algorithm of ['ES384', 'PS256', 'RS256']) {
  const other = await holder(algorithm);
  const { answer } = await post('/api/v1/auth/login', { username, password }, other);
  const { status } = await get(answer.access_token, me, other);
  told.others.push([algorithm, status]);
}
console.log(JSON.stringify(told));
