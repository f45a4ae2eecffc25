// An identity provider: `node idp.mjs <port> <redirect uri> <logout uri>`, with packages from NODE_PATH's
// parent. Prints `ready` when it listens. People sign in by name alone; `groups` follow from the name.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { generateKeyPairSync } from 'node:crypto';

const [, , port, redirectUri, logoutUri, packages] = process.argv;
const require = createRequire(`${packages}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')).href);

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const issuer = `http://127.0.0.1:${port}`;
const client = (id, more) => ({
  client_id: id,
  redirect_uris: [redirectUri],
  grant_types: ['authorization_code', 'client_credentials', 'refresh_token'],
  response_types: ['code'],
  backchannel_logout_uri: logoutUri,
  backchannel_logout_session_required: true,
  ...more,
});

const provider = new Provider(issuer, {
  jwks: { keys: [{ ...rsa, kid: 'rsa', alg: 'RS256', use: 'sig' }, { ...ec, kid: 'ec', alg: 'ES256', use: 'sig' }] },
  clients: [
    client('prov', { client_secret: 'a secret: with + signs' }),
    client('dpop', { client_secret: 'dpop secret', dpop_bound_access_tokens: true }),
  ],
  claims: { openid: ['sub'], profile: ['name', 'preferred_username', 'groups'], email: ['email'] },
  conformIdTokenClaims: false,
  features: {
    backchannelLogout: { enabled: true },
    clientCredentials: { enabled: true },
    dPoP: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'https://prov.example.com',
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'read', audience: 'https://prov.example.com', accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  pkce: { required: () => true },
  // It asks no address of this machine by itself; the tests are there.
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      name: `${id} of the peer`,
      preferred_username: id,
      email: `${id}@example.test`,
      groups: id.startsWith('op') ? ['ops', 'everyone'] : ['everyone'],
    }),
  }),
});
for (const event of ['server_error', 'grant.error', 'backchannel.error']) {
  provider.on(event, (...args) => {
    const error = args.find((a) => a instanceof Error);
    console.error(event, error?.message, error?.cause?.message ?? '');
  });
}
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
