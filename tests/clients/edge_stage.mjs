// The gateway with every kind of listener, upstreams behind it, and what clients need to reach it.

import { execFile, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const HERE = dirname(fileURLToPath(import.meta.url));
const SOAK = join(HERE, "../soak");
const [ISSUER, AUDIENCE] = ["https://issuer.test", "https://api.test"];

const POLICY = `scopes:
  items:       {describe: Manage items, side: user}
  admin.items: {describe: Manage every item, side: admin}
routes:
  - {path: "/small/{n}", upstream: api, methods: {GET: {user: items}}}
  - {path: "/wait/{ms}", upstream: api, methods: {GET: {user: items}}}
  - {path: "/echo/{n}", upstream: api, methods: {POST: {user: items}, PUT: {user: items}}}
  - {path: "/upload/{seed}", upstream: api, methods: {PUT: {user: items}}}
  - {path: "/download/{size}/{seed}", upstream: api, methods: {GET: {user: items}}}
  - {path: "/admin/{n}", upstream: api, methods: {GET: {admin: admin.items}}}
  - {path: "/page", upstream: page, methods: {GET: public}}
  - {path: "/events/{n}", upstream: api, methods: {GET: public}}
  - {path: "/tunnel", upstream: api, methods: {GET: public}}
  - {path: "/soak.Calls/{method}", upstream: calls, methods: {POST: {user: items}}}
  - {path: "/soak.Admin/{method}", upstream: calls, methods: {POST: {admin: admin.items}}}
`;

/** A port that is free now. */
function freePort() {
  return new Promise((done) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

/** Waits until `condition` holds, for at most 30 s. */
async function until(what, condition) {
  const end = Date.now() + 30_000;
  while (Date.now() < end) {
    try {
      if (await condition()) return;
    } catch {
      // Not yet.
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`not within 30 s: ${what}`);
}

/** A certificate authority, and certificates of it: for two names of the gateway, and for a client. */
function makeCertificates(folder) {
  const openssl = (...words) => execFileSync("openssl", words, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=edge");
  for (const name of ["gateway.test", "other.test", "client"]) {
    openssl("req", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    writeFileSync(join(folder, "extensions"), `basicConstraints=CA:FALSE\nsubjectAltName=DNS:${name},IP:127.0.0.1\n`);
    openssl("x509", "-req", "-in", `${name}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-out", `${name}.pem`, "-extfile", "extensions");
  }
}

/** A page that any browser may have: what it does is up to the test. */
async function startPage() {
  const server = createHttpServer((_, response) => response.setHeader("content-type", "text/html").end("<!doctype html><title>edge</title>"));
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return server;
}

/** Starts the gateway; resolves when it is ready. */
export async function startGateway({ binary, python, chromium }) {
  const folder = mkdtempSync(join(tmpdir(), "scopegate-edge-"));
  makeCertificates(folder);
  const minted = execFileSync(
    binary,
    ["token", "mint", "--new-key", join(folder, "keys"), "--issuer", ISSUER, "--audience", AUDIENCE, "--scope", "items", "--subject", "nora", "--format", "json"],
    { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
  );
  const token = JSON.parse(minted).token;
  const [clear, tls, mutual, admin, api, calls] = await Promise.all(Array.from({ length: 6 }, freePort));
  const socket = join(folder, "gateway.sock");
  const page = await startPage();
  const certificates = ["gateway.test", "other.test"].map((name) => ({ chain: `${name}.pem`, key: `${name}.key` }));
  const file = {
    listeners: [
      { address: `127.0.0.1:${clear}` },
      { address: `unix:${socket}` },
      { address: `127.0.0.1:${tls}`, tls: { certificates } },
      { address: `127.0.0.1:${mutual}`, tls: { certificates, client_ca: "ca.pem", client_certificate: "require" } },
    ],
    admin: { address: `127.0.0.1:${admin}` },
    workers: 2,
    issuers: [{ issuer: ISSUER, audience: [AUDIENCE], keys: { file: "keys/jwks.json" } }],
    upstreams: {
      api: { endpoints: [`http://127.0.0.1:${api}`] },
      calls: { endpoints: [`http://127.0.0.1:${calls}`], protocol: "http2" },
      page: { endpoints: [`http://127.0.0.1:${page.address().port}`] },
    },
    limits: { keep_alive: "3s" },
    policy: ["routes.yaml"],
  };
  writeFileSync(join(folder, "routes.yaml"), POLICY);
  writeFileSync(join(folder, "scopegate.yaml"), JSON.stringify(file));
  const processes = [];
  const start = (command, words) => processes.push(spawn(command, words, { stdio: ["ignore", "ignore", "inherit"] }));
  start(python, [join(SOAK, "upstream.py"), "serve", String(api)]);
  start(python, [join(SOAK, "calls.py"), "serve", String(calls)]);
  start(resolve(binary), ["serve", "--config", join(folder, "scopegate.yaml")]);
  const stop = async () => {
    page.closeAllConnections();
    page.close();
    for (const child of processes.reverse()) {
      if (child.exitCode !== null) continue;
      const ended = new Promise((done) => child.once("exit", done));
      child.kill(child === processes[0] ? "SIGTERM" : "SIGKILL");
      await ended;
    }
    rmSync(folder, { recursive: true });
  };
  const stage = {
    ...{ folder, token, clear, tls, mutual, socket, python, chromium, soak: SOAK, stop },
    path: (name) => join(folder, name),
    ca: readFileSync(join(folder, "ca.pem")),
    /** Runs a command; its output, or an error with what it said. */
    async run(command, words, input = "") {
      const running = promisify(execFile)(command, words, { encoding: "utf8", timeout: 60_000, maxBuffer: 1 << 26 });
      running.child.stdin.on("error", () => {});
      running.child.stdin.end(input);
      return running;
    },
    /** The sum of a family's samples that hold a text. */
    async metric(family, label = "") {
      const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
      const lines = text.split("\n").filter((line) => line.startsWith(family) && line.includes(label));
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
    },
  };
  try {
    await until("the gateway is ready", async () => (await fetch(`http://127.0.0.1:${admin}/readyz`)).ok);
    await until("the upstream answers", async () => (await fetch(`http://127.0.0.1:${api}/small/1`)).ok);
  } catch (error) {
    await stop();
    throw error;
  }
  return stage;
}
