// A provider of logins for tests: panva's, certified, with one client and two people. It is told its
// port and where Tarn stands, prints a line when it listens, and lives until its input ends.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [tools, port, callback] = process.argv.slice(2);
const entry = createRequire(`${tools}/`).resolve('oidc-provider');
const { Provider } = await import(pathToFileURL(entry).href);

const people = {
  ada: { sub: 'ada', preferred_username: 'ada', email: 'ada@example.org', groups: ['staff', 'sre'] },
  eve: { sub: 'eve', preferred_username: 'eve', groups: ['visitors'] },
};

const server = createServer();
server.listen(Number(port), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'tarn',
      client_secret: 'not a secret in a test',
      redirect_uris: [callback],
      response_types: ['code'],
      grant_types: ['authorization_code'],
    }],
    claims: { openid: ['sub'], profile: ['preferred_username'], email: ['email'], groups: ['groups'] },
    scopes: ['openid', 'profile', 'email', 'groups'],
    // As certified by default: what is asked for by scope is told by the user info, not by the token.
    pkce: { required: () => true },
    findAccount: (_, id) => people[id] && { accountId: id, claims: async () => people[id] },
    cookies: { keys: ['only for a test'] },
    features: { devInteractions: { enabled: true } },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
// Whoever has read the line may stop reading; notices are for nobody.
process.stdout.on('error', () => {});
process.stdin.resume().on('end', () => process.exit(0));
