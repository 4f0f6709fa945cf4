// The built binary with a configuration of its own, and the clients that it answers.

import { execFileSync, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const POLICY = `scopes:
  automations:       {describe: Manage your automations, implies: [automations:read], admin: admin.automations}
  automations:read:  {describe: See your automations}
  apps:read:         {describe: See your apps}
  admin.automations: {describe: Manage all automations of the tenant}
`;

/** Starts the server; resolves when it serves. */
export async function startServer(binary) {
  const folder = mkdtempSync(join(tmpdir(), "scopegate-browser-"));
  writeFileSync(join(folder, "policy.yaml"), POLICY);
  writeFileSync(
    join(folder, "authorization-server.yaml"),
    `issuer: http://127.0.0.1:0
address: 127.0.0.1:0
database: database.sqlite
audience: [https://api.example.com]
policy: [policy.yaml]
`,
  );
  const child = spawn(binary, ["authorization-server", "--config", join(folder, "authorization-server.yaml")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let password;
  const issuer = await new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      password ??= line.match(/one-time password\s+(\S+)/)?.[1];
      if (line.startsWith("{") && JSON.parse(line).msg === "serving") resolve(JSON.parse(line).issuer);
    });
  });
  return {
    issuer,
    password,
    addClient: (client) => addClient(binary, folder, client),
    stop: async () => {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}

function addClient(binary, folder, { id, name, redirectUris, scopes, trusted = false }) {
  const many = (option, values) => values.flatMap((value) => [option, value]);
  execFileSync(binary, [
    ...["authorization-server", "client", "add", id, "--config", join(folder, "authorization-server.yaml")],
    ...["--name", name, "--public", ...(trusted ? ["--trusted"] : [])],
    ...many("--redirect-uri", redirectUris),
    ...many("--scope", scopes),
  ]);
}

/** A client's redirect URI: keeps what it is sent, and may send its visitor on. */
export async function startCallback(host = "127.0.0.1") {
  const seen = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://callback");
    if (url.pathname === "/on") {
      response.writeHead(302, { location: `${url.searchParams.get("to")}${url.search}` }).end();
      return;
    }
    if (url.pathname === "/callback") seen.push(url.searchParams);
    const page = pages.get(url.pathname) ?? "<!doctype html><title>The application</title><h1>The application</h1>";
    response.writeHead(200, { "content-type": "text/html" }).end(page);
  });
  const pages = new Map();
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, host, resolve);
  });
  const address = host.includes(":") ? `[${host}]` : host;
  return {
    port: server.address().port,
    origin: `http://${address}:${server.address().port}`,
    uri: `http://${address}:${server.address().port}/callback`,
    /** What came last. */
    last: () => seen.at(-1),
    count: () => seen.length,
    /** Serves a page of a stranger's. */
    serve: (path, html) => pages.set(path, html),
    stop: () => new Promise((resolve) => server.close(resolve)),
  };
}

/** An authorization request, and what redeems its code. */
export function authorizationRequest(issuer, parameters) {
  const verifier = randomBytes(32).toString("base64url");
  const url = new URL("/oauth/authorize", issuer);
  const all = {
    response_type: "code",
    state: randomBytes(9).toString("base64url"),
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    ...parameters,
  };
  for (const [name, value] of Object.entries(all)) url.searchParams.set(name, value);
  return { url: url.href, verifier, state: all.state, client: parameters.client_id, redirectUri: parameters.redirect_uri };
}

/** Redeems a code; the token response. */
export async function redeem(issuer, request, code) {
  const response = await fetch(new URL("/oauth/token", issuer), {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      code,
      client_id: request.client,
      redirect_uri: request.redirectUri,
      code_verifier: request.verifier,
    }),
  });
  return response.json();
}
