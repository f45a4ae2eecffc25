// A client of the identity provider of `idp.mjs`: `node dpop_token.mjs <issuer> <resource> <packages>`. Prints
// an access token that the provider bound to a key, and proofs for `GET <resource>` by that key and another.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [, , issuer, resource, packages] = process.argv;
const require = createRequire(`${packages}/`);
const oauth = await import(pathToFileURL(require.resolve('oauth4webapi')).href);

const insecure = { [oauth.allowInsecureRequests]: true };
const client = { client_id: 'dpop' };
const as = await oauth
  .discoveryRequest(new URL(issuer), insecure)
  .then((response) => oauth.processDiscoveryResponse(new URL(issuer), response));
const holder = async () => oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
const [own, thief] = [await holder(), await holder()];
const secret = oauth.ClientSecretBasic('dpop secret');
const granted = async () => {
  const response = await oauth.clientCredentialsGrantRequest(
    as, client, secret, { scope: 'read' }, { DPoP: own, ...insecure });
  return oauth.processClientCredentialsResponse(as, client, response);
};
const tokens = await granted().catch((error) => {
  if (oauth.isDPoPNonceError(error)) return granted();
  throw error;
});
const proof = async (dpop) => {
  const headers = new Headers();
  await dpop.addProof(new URL(resource), headers, 'GET', tokens.access_token);
  return headers.get('dpop');
};
console.log(JSON.stringify({
  token: tokens.access_token,
  token_type: tokens.token_type,
  proof: await proof(own),
  another: await proof(own),
  of_thief: await proof(thief),
}));
