// oauth4webapi: each message by itself, checked as strictly as its RFC allows; and jose for the tokens.

import assert from "node:assert/strict";

import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";

import { API } from "./server.mjs";
import { CALLBACK, addUser, authorize } from "./stage.mjs";

const SCOPE = "openid automations offline_access";
const INSECURE = { [oauth.allowInsecureRequests]: true };

async function discover(server, algorithm) {
  const issuer = new URL(server.issuer);
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...INSECURE }));
}

async function application(server, ...more) {
  const scopes = SCOPE.split(" ").flatMap((scope) => ["--scope", scope]);
  const words = ["--name", "Dashboard", "--redirect-uri", CALLBACK, ...scopes, ...more];
  const { client: added, client_secret: secret } = await server.administer("client", "add", ...words);
  return { client: { client_id: added.id }, authentication: oauth.ClientSecretBasic(secret) };
}

/** Everything up to the tokens. */
async function tokens(as, { client, authentication }, user, parameters = {}) {
  const [verifier, state, nonce] = [
    oauth.generateRandomCodeVerifier(),
    oauth.generateRandomState(),
    oauth.generateRandomNonce(),
  ];
  const url = new URL(as.authorization_endpoint);
  const all = {
    client_id: client.client_id,
    redirect_uri: CALLBACK,
    response_type: "code",
    scope: SCOPE,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
    ...parameters,
  };
  for (const [name, value] of Object.entries(all)) url.searchParams.set(name, value);
  const answered = await authorize(url, user);
  const callback = oauth.validateAuthResponse(as, client, answered, state);
  const redeem = () =>
    oauth.authorizationCodeGrantRequest(as, client, authentication, callback, CALLBACK, verifier, INSECURE);
  const response = await redeem();
  const options = { expectedNonce: nonce, requireIdToken: true, maxAge: 300 };
  const result = await oauth.processAuthorizationCodeResponse(as, client, response, options);
  await oauth.validateApplicationLevelSignature(as, response, INSECURE);
  return { result, redeem, nonce };
}

async function introspect(as, { client, authentication }, token) {
  const response = await oauth.introspectionRequest(as, client, authentication, token, INSECURE);
  return oauth.processIntrospectionResponse(as, client, response);
}

export const cases = [
  [
    "oauth4webapi: RFC 8414 and OpenID discovery are one document",
    async (server) => assert.deepEqual(await discover(server, "oauth2"), await discover(server, "oidc")),
  ],
  [
    "oauth4webapi: code with PKCE, ID token, JWT access token of RFC 9068, refresh, revocation",
    async (server) => {
      const as = await discover(server, "oauth2");
      const user = await addUser(server, "nora");
      const application_ = await application(server);
      const { client, authentication } = application_;
      const { result, nonce } = await tokens(as, application_, user);
      const claims = oauth.getValidatedIdTokenClaims(result);
      assert.deepEqual([claims.iss, claims.sub, claims.aud, claims.nonce], [server.issuer, user.sub, client.client_id, nonce]);
      assert.ok(claims.auth_time <= claims.iat && claims.at_hash.length === 22);

      const request = new Request(API, { headers: { authorization: `Bearer ${result.access_token}` } });
      const verified = await oauth.validateJwtAccessToken(as, request, API, INSECURE);
      assert.deepEqual([verified.sub, verified.client_id, verified.roles], [user.sub, client.client_id, ["User"]]);
      assert.equal(verified.exp - verified.iat, 300);
      await assert.rejects(oauth.validateJwtAccessToken(as, request, "https://other.example.com", INSECURE));

      const refresh = (token) => oauth.refreshTokenGrantRequest(as, client, authentication, token, INSECURE);
      const next = await oauth.processRefreshTokenResponse(as, client, await refresh(result.refresh_token));
      assert.equal(next.scope, result.scope);
      const replayed = oauth.processRefreshTokenResponse(as, client, await refresh(result.refresh_token));
      await assert.rejects(replayed, { error: "invalid_grant" });
      assert.equal((await introspect(as, application_, next.access_token)).active, false);
      const revoked = await oauth.revocationRequest(as, client, authentication, next.refresh_token, INSECURE);
      await oauth.processRevocationResponse(revoked);
    },
  ],
  [
    "oauth4webapi: a code is redeemed once, and a second time ends what it gave",
    async (server) => {
      const as = await discover(server, "oauth2");
      const application_ = await application(server);
      const { result, redeem } = await tokens(as, application_, await addUser(server, "nora"));
      assert.equal((await introspect(as, application_, result.access_token)).active, true);
      const again = oauth.processAuthorizationCodeResponse(as, application_.client, await redeem());
      await assert.rejects(again, { error: "invalid_grant" });
      assert.equal((await introspect(as, application_, result.access_token)).active, false);
      assert.equal((await introspect(as, application_, result.refresh_token)).active, false);
    },
  ],
  [
    "oauth4webapi: a protected resource introspects tokens of others, and others do not",
    async (server) => {
      const as = await discover(server, "oauth2");
      const user = await addUser(server, "nora");
      const { result } = await tokens(as, await application(server), user, { resource: API });
      const credentials = async (...words) => {
        const added = await server.administer("client", "add", ...words);
        return {
          client: { client_id: added.client.id },
          authentication: oauth.ClientSecretBasic(added.client_secret),
        };
      };
      const gateway = await credentials("gateway", "--name", "Gateway", "--introspects");
      const shown = await introspect(as, gateway, result.access_token);
      assert.deepEqual([shown.active, shown.sub, shown.roles], [true, user.sub, ["User"]]);
      assert.deepEqual(shown.aud, [API, server.issuer]);
      assert.deepEqual(await introspect(as, gateway, result.refresh_token), { active: false });
      const other = await credentials("other", "--name", "Other", "--scope", "automations");
      assert.deepEqual(await introspect(as, other, result.access_token), { active: false });
    },
  ],
  [
    "oauth4webapi: client credentials, and why a client is refused",
    async (server) => {
      const as = await discover(server, "oauth2");
      const added = await server.administer("client", "add", "--name", "Job: a+b", "--scope", "automations");
      const client = { client_id: added.client.id };
      const ask = (authentication, parameters) =>
        oauth.clientCredentialsGrantRequest(as, client, authentication, new URLSearchParams(parameters), INSECURE);
      const good = oauth.ClientSecretPost(added.client_secret);
      const result = await oauth.processClientCredentialsResponse(as, client, await ask(good, {}));
      assert.equal(result.scope, "automations");
      const wrong = await ask(oauth.ClientSecretBasic("wrong"), {});
      await assert.rejects(oauth.processClientCredentialsResponse(as, client, wrong), oauth.WWWAuthenticateChallengeError);
      assert.equal(wrong.status, 401);
      const target = await ask(good, { resource: "https://other.example.com" });
      await assert.rejects(oauth.processClientCredentialsResponse(as, client, target), { error: "invalid_target" });
    },
  ],
  [
    "jose: both keys of a rotation verify",
    async (server) => {
      const as = await discover(server, "oauth2");
      const added = await server.administer("client", "add", "--name", "Job", "--scope", "automations");
      const client = { client_id: added.client.id };
      const authentication = oauth.ClientSecretBasic(added.client_secret);
      const rotated = await server.administer("key", "rotate");
      const response = await oauth.clientCredentialsGrantRequest(as, client, authentication, {}, INSECURE);
      const { access_token: token } = await oauth.processClientCredentialsResponse(as, client, response);
      const published = await (await fetch(as.jwks_uri)).json();
      assert.equal(published.keys.length, 2);
      assert.ok(published.keys.some((key) => key.kid === rotated.kid));
      assert.notEqual(decodeProtectedHeader(token).kid, rotated.kid, "the next key does not sign yet");
      const keys = createRemoteJWKSet(new URL(as.jwks_uri));
      const options = { issuer: server.issuer, audience: API, typ: "at+jwt", algorithms: ["ES256"] };
      const { payload } = await jwtVerify(token, keys, options);
      assert.deepEqual([payload.sub, payload.client_id], [added.client.id, added.client.id]);
    },
  ],
];
