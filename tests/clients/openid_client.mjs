// openid-client: OpenID Connect as applications use it.

import assert from "node:assert/strict";

import * as client from "openid-client";

import { Browser } from "./browser.mjs";
import { API } from "./server.mjs";
import { CALLBACK, addUser, authorize } from "./stage.mjs";

const SCOPE = "openid profile automations apps:read offline_access";

async function application(server, authentication) {
  const isPublic = authentication === undefined;
  const scopes = SCOPE.split(" ").flatMap((scope) => ["--scope", scope]);
  const words = ["--name", "Dashboard", "--redirect-uri", CALLBACK, ...scopes, ...(isPublic ? ["--public"] : [])];
  const { client: added, client_secret: secret } = await server.administer("client", "add", ...words);
  const how = isPublic ? client.None() : authentication(secret);
  const options = { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] };
  return client.discovery(new URL(server.issuer), added.id, undefined, how, options);
}

/** An authorization request with PKCE, state and nonce, and what checks its response. */
async function request(config, parameters = {}) {
  const checks = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
    idTokenExpected: true,
  };
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: SCOPE,
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: "S256",
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    ...parameters,
  });
  return { url, checks };
}

async function journey(server, authentication) {
  const user = await addUser(server, "nora");
  const config = await application(server, authentication);
  const { url, checks } = await request(config);
  const answered = await authorize(url, user, { untick: ["apps:read"] });
  // RFC 9207 §2: openid-client compares it, and refuses a response without it, for the metadata promises it.
  assert.equal(answered.searchParams.get("iss"), server.issuer);
  const tokens = await client.authorizationCodeGrant(config, answered, checks);
  assert.equal(tokens.scope, "automations offline_access openid profile");
  assert.equal(tokens.claims().sub, user.sub);
  assert.equal(tokens.token_type, "bearer");
  const profile = await client.fetchUserInfo(config, tokens.access_token, user.sub);
  assert.deepEqual(profile, { sub: user.sub, name: "NORA", preferred_username: "nora" });

  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
  assert.equal(refreshed.scope, tokens.scope);
  assert.notEqual(refreshed.refresh_token, tokens.refresh_token);
  await client.tokenRevocation(config, refreshed.refresh_token);
  await assert.rejects(client.refreshTokenGrant(config, refreshed.refresh_token), { error: "invalid_grant" });
  await assert.rejects(client.fetchUserInfo(config, refreshed.access_token, user.sub));
}

export const cases = [
  ["openid-client: a journey with client_secret_basic", (server) => journey(server, client.ClientSecretBasic)],
  ["openid-client: a journey with client_secret_post", (server) => journey(server, client.ClientSecretPost)],
  ["openid-client: a journey of a public client", (server) => journey(server, undefined)],
  [
    "openid-client: an access token is introspected until it is revoked",
    async (server) => {
      const user = await addUser(server, "nora");
      const config = await application(server, client.ClientSecretBasic);
      const { url, checks } = await request(config);
      const tokens = await client.authorizationCodeGrant(config, await authorize(url, user), checks);
      const shown = await client.tokenIntrospection(config, tokens.access_token);
      assert.deepEqual([shown.active, shown.sub, shown.username], [true, user.sub, "nora"]);
      assert.equal(shown.scope, SCOPE.split(" ").sort().join(" "));
      await client.tokenRevocation(config, tokens.access_token);
      assert.deepEqual(await client.tokenIntrospection(config, tokens.access_token), { active: false });
      assert.equal((await client.tokenIntrospection(config, tokens.refresh_token)).active, true);
    },
  ],
  [
    "openid-client: who is logged in and has approved everything sees no page",
    async (server) => {
      const user = await addUser(server, "nora");
      const config = await application(server, client.ClientSecretBasic);
      const browser = new Browser(CALLBACK);
      const first = await request(config);
      await client.authorizationCodeGrant(config, await authorize(first.url, user, { browser }), first.checks);
      const { url, checks } = await request(config, { prompt: "none" });
      await browser.go(url);
      assert.equal(browser.page, undefined, browser.page);
      const tokens = await client.authorizationCodeGrant(config, browser.url, checks);
      assert.equal(tokens.claims().sub, user.sub);
      const stranger = new Browser(CALLBACK);
      const silent = await request(config, { prompt: "none" });
      await stranger.go(silent.url);
      await assert.rejects(client.authorizationCodeGrant(config, stranger.url, silent.checks), { error: "login_required" });
    },
  ],
  [
    "openid-client: a refusal comes back as access_denied, with iss",
    async (server) => {
      const user = await addUser(server, "nora");
      const config = await application(server, client.ClientSecretBasic);
      const { url, checks } = await request(config);
      const answered = await authorize(url, user, { button: "Deny" });
      assert.equal(answered.searchParams.get("iss"), server.issuer);
      await assert.rejects(client.authorizationCodeGrant(config, answered, checks), { error: "access_denied" });
    },
  ],
  [
    "openid-client: another issuer's response is refused",
    async (server) => {
      const user = await addUser(server, "nora");
      const config = await application(server, client.ClientSecretBasic);
      const { url, checks } = await request(config);
      const answered = await authorize(url, user);
      for (const iss of ["https://attacker.example", undefined]) {
        const mixed = new URL(answered);
        if (iss === undefined) mixed.searchParams.delete("iss");
        else mixed.searchParams.set("iss", iss);
        const refused = client.authorizationCodeGrant(config, mixed, checks);
        await assert.rejects(refused, (error) => error.cause.message.includes('"iss" (issuer)'));
      }
      const tokens = await client.authorizationCodeGrant(config, answered, checks);
      assert.equal(tokens.claims().iss, server.issuer);
    },
  ],
  [
    "openid-client: client credentials, for one resource",
    async (server) => {
      const words = ["--name", "Job", "--scope", "automations", "--scope", "apps:read"];
      const { client: added, client_secret: secret } = await server.administer("client", "add", ...words);
      const how = client.ClientSecretBasic(secret);
      const options = { execute: [client.allowInsecureRequests], algorithm: "oauth2" };
      const config = await client.discovery(new URL(server.issuer), added.id, undefined, how, options);
      const tokens = await client.clientCredentialsGrant(config, { scope: "apps:read", resource: API });
      assert.deepEqual([tokens.scope, tokens.refresh_token], ["apps:read", undefined]);
      const asked = client.clientCredentialsGrant(config, { scope: "admin.automations" });
      await assert.rejects(asked, { error: "invalid_scope" });
    },
  ],
];
