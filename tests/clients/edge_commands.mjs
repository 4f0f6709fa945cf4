// curl, h2load and openssl.

import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";

/** curl with these options: `{status, version, connects, body}` of each answer. */
async function curl(stage, options, targets) {
  const write = "\n%{http_code} %{http_version} %{num_connects}\n";
  const words = ["--silent", "--show-error", "--max-time", "30", "--header", `authorization: Bearer ${stage.token}`, "--write-out", write];
  const { stdout } = await stage.run("curl", [...words, ...options, ...targets]);
  return [...stdout.matchAll(/([^]*?)\n(\d+) ([\d.]+) (\d+)\n/g)].map(([, body, status, version, connects]) => ({
    ...{ body, version },
    status: Number(status),
    connects: Number(connects),
  }));
}

const overTls = (stage) => ["--cacert", stage.path("ca.pem"), "--resolve", `gateway.test:${stage.tls}:127.0.0.1`];
const secure = (stage, path) => `https://gateway.test:${stage.tls}${path}`;

/** Three requests with one curl: one connection, and the version that was to be spoken. */
async function keepsOneConnection(stage, options, base, version) {
  if (options.includes("--http2-prior-knowledge")) {
    // curl 7.88, Debian's, cannot use such a connection a second time, whoever the server is.
    for (const n of [1, 2, 3]) {
      const [answer] = await curl(stage, options, [`${base}/small/${n}`]);
      assert.deepEqual([answer.status, answer.version], [200, version]);
    }
    return;
  }
  const answers = await curl(stage, options, [1, 2, 3].map((n) => `${base}/small/${n}`));
  assert.deepEqual(
    answers.map((answer) => [answer.status, answer.version, answer.connects]),
    [[200, version, 1], [200, version, 0], [200, version, 0]],
  );
  answers.forEach((answer, n) => assert.equal(JSON.parse(answer.body).path, `/small/${n + 1}`));
}

/** 20 MiB sent and received, with `Expect: 100-continue` or of unknown length. */
async function carriesContent(stage, options, base) {
  const content = randomBytes(20 << 20);
  writeFileSync(stage.path("content"), content);
  for (const more of [["--upload-file", stage.path("content")], ["--request", "PUT", "--header", "transfer-encoding: chunked", "--data-binary", `@${stage.path("content")}`]]) {
    const [answer] = await curl(stage, [...options, ...more], [`${base}/upload/none`]);
    assert.equal(answer.status, 200, answer.body);
    assert.equal(JSON.parse(answer.body).bytes, content.length);
  }
  await stage.run("curl", ["--silent", "--fail", "--max-time", "30", "--header", `authorization: Bearer ${stage.token}`, "--output", stage.path("got"), ...options, `${base}/download/20000000/1`]);
  const { stdout } = await stage.run("wc", ["-c", stage.path("got")]);
  assert.match(stdout, /^20000000 /);
}

async function isRefused(stage, options, base) {
  const [answer] = await curl(stage, options, [`${base}/admin/1`]);
  assert.equal(answer.status, 403);
  assert.equal(JSON.parse(answer.body).reason, "insufficient_scope");
}

function curlCases() {
  const clear = (stage) => `http://127.0.0.1:${stage.clear}`;
  const ways = [
    ["HTTP/1.1", () => ["--http1.1"], clear, "1.1"],
    ["HTTP/1.1, where h2c is offered by Upgrade", () => ["--http2"], clear, "1.1"],
    ["HTTP/2, prior knowledge", () => ["--http2-prior-knowledge"], clear, "2"],
    ["HTTP/1.1 over TLS", (stage) => ["--http1.1", ...overTls(stage)], (stage) => secure(stage, ""), "1.1"],
    ["HTTP/2 by ALPN", (stage) => ["--http2", ...overTls(stage)], (stage) => secure(stage, ""), "2"],
    ["HTTP/1.1 at a unix socket", (stage) => ["--unix-socket", stage.socket], () => "http://gateway.test", "1.1"],
    ["HTTP/2 at a unix socket", (stage) => ["--http2-prior-knowledge", "--unix-socket", stage.socket], () => "http://gateway.test", "2"],
  ];
  return ways.flatMap(([name, options, base, version]) => [
    [`curl, ${name}: three requests`, (stage) => keepsOneConnection(stage, options(stage), base(stage), version)],
    [`curl, ${name}: 20 MiB each way`, (stage) => carriesContent(stage, options(stage), base(stage))],
    [`curl, ${name}: refused without the scope`, (stage) => isRefused(stage, options(stage), base(stage))],
  ]);
}

/** h2load: every answer must be 2xx. */
async function h2load(stage, options, url, count = 3000) {
  const { stdout } = await stage.run("h2load", ["--requests", String(count), "--header", `authorization: Bearer ${stage.token}`, ...options, url]);
  const [, succeeded, failed] = stdout.match(/(\d+) succeeded, (\d+) failed/);
  assert.match(stdout, new RegExp(`status codes: ${count} 2xx, 0 3xx, 0 4xx, 0 5xx`), stdout);
  assert.deepEqual([succeeded, failed], [String(count), "0"], stdout);
  return stdout.match(/finished in .*/)[0];
}

/** What `openssl s_client` says of a connection over which one request is sent. */
function openssl(stage, port, words, path = "/small/1") {
  return new Promise((resolve, reject) => {
    const child = spawn("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", "gateway.test", "-CAfile", stage.path("ca.pem"), ...words]);
    let said = "";
    let asked = false;
    const timer = setTimeout(() => child.kill(), 20_000);
    const take = (data) => {
      said += data;
      // The client reads commands from its input as soon as the handshake is over.
      if (!asked && /Verify return code/.test(said)) {
        asked = true;
        child.stdin.write(`GET ${path} HTTP/1.1\r\nhost: gateway.test\r\nauthorization: Bearer ${stage.token}\r\nconnection: close\r\n\r\n`);
      }
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.stdin.on("error", () => {});
    child.once("error", reject);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve(said);
    });
  });
}

async function resumes(stage, version) {
  const session = stage.path(`session-${version}`);
  const first = await openssl(stage, stage.tls, [`-tls${version}`, "-sess_out", session]);
  assert.match(first, /^New, TLSv1/m, first);
  assert.match(first, /HTTP\/1\.1 200/, first);
  const second = await openssl(stage, stage.tls, [`-tls${version}`, "-sess_in", session]);
  assert.match(second, new RegExp(`^Reused, TLSv${version.replace("_", ".")}`, "m"), second);
  assert.match(second, /HTTP\/1\.1 200/, second);
}

const opensslCases = [
  ["openssl: TLS 1.2 sessions are resumed", (stage) => resumes(stage, "1_2")],
  ["openssl: TLS 1.3 sessions are resumed", (stage) => resumes(stage, "1_3")],
  ["openssl: TLS 1.1 is not spoken", async (stage) => {
    const said = await openssl(stage, stage.tls, ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    assert.doesNotMatch(said, /HTTP\/1\.1 200/);
    assert.match(said, /alert (protocol version|handshake failure)/, said);
  }],
  ["openssl: the certificate is chosen by SNI", async (stage) => {
    assert.match(await openssl(stage, stage.tls, ["-verify_hostname", "gateway.test"]), /subject=CN = gateway\.test/);
    const other = await openssl(stage, stage.tls, ["-servername", "other.test", "-verify_hostname", "other.test"]);
    assert.match(other, /subject=CN = other\.test/);
    assert.match(other, /Verify return code: 0 \(ok\)/);
  }],
  ["openssl: ALPN takes HTTP/2 first, HTTP/1.1 if it is all there is, and nothing else", async (stage) => {
    assert.match(await openssl(stage, stage.tls, ["-alpn", "http/1.1,h2"]), /ALPN protocol: h2/);
    assert.match(await openssl(stage, stage.tls, ["-alpn", "http/1.1"]), /ALPN protocol: http\/1\.1/);
    assert.match(await openssl(stage, stage.tls, ["-alpn", "smtp"]), /alert no application protocol/);
  }],
  ["openssl: a client certificate opens the listener that asks for one", async (stage) => {
    const shown = ["-cert", stage.path("client.pem"), "-key", stage.path("client.key")];
    for (const version of ["-tls1_2", "-tls1_3"]) {
      const said = await openssl(stage, stage.mutual, [version, ...shown]);
      assert.match(said, /HTTP\/1\.1 200/, said);
    }
  }],
  ["openssl: without one, and with one of another CA, it stays shut", async (stage) => {
    await stage.run("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=client", "-keyout", stage.path("stranger.key"), "-out", stage.path("stranger.pem")]);
    for (const version of ["-tls1_2", "-tls1_3"]) {
      assert.match(await openssl(stage, stage.mutual, [version]), /alert (certificate required|handshake failure|bad certificate)/);
      const said = await openssl(stage, stage.mutual, [version, "-cert", stage.path("stranger.pem"), "-key", stage.path("stranger.key")]);
      assert.match(said, /alert (unknown ca|bad certificate|certificate unknown|decrypt error|handshake failure)/, said);
      assert.doesNotMatch(said, /HTTP\/1\.1 200/);
    }
  }],
  ["openssl: a session of a client with a certificate is resumed", async (stage) => {
    const shown = ["-tls1_3", "-cert", stage.path("client.pem"), "-key", stage.path("client.key")];
    await openssl(stage, stage.mutual, [...shown, "-sess_out", stage.path("session-client")]);
    const said = await openssl(stage, stage.mutual, [...shown, "-sess_in", stage.path("session-client")]);
    assert.match(said, /^Reused, TLSv1\.3/m, said);
    assert.match(said, /HTTP\/1\.1 200/, said);
  }],
];

export const cases = [
  ...curlCases(),
  ["curl: a client certificate", async (stage) => {
    const reach = ["--cacert", stage.path("ca.pem"), "--resolve", `gateway.test:${stage.mutual}:127.0.0.1`];
    const shown = ["--cert", stage.path("client.pem"), "--key", stage.path("client.key")];
    const [answer] = await curl(stage, [...reach, ...shown], [`https://gateway.test:${stage.mutual}/small/1`]);
    assert.deepEqual([answer.status, answer.version], [200, "2"]);
    await assert.rejects(curl(stage, reach, [`https://gateway.test:${stage.mutual}/small/1`]));
  }],
  ["h2load, HTTP/2 in clear text", (stage) => h2load(stage, ["--clients", "8", "--max-concurrent-streams", "20"], `http://127.0.0.1:${stage.clear}/small/1`)],
  ["h2load, HTTP/2 over TLS", (stage) => h2load(stage, ["--clients", "8", "--max-concurrent-streams", "20"], `https://127.0.0.1:${stage.tls}/small/1`)],
  ["h2load, HTTP/1.1", (stage) => h2load(stage, ["--h1", "--clients", "16"], `http://127.0.0.1:${stage.clear}/small/1`)],
  ["h2load, HTTP/1.1 over TLS", (stage) => h2load(stage, ["--h1", "--clients", "16"], `https://127.0.0.1:${stage.tls}/small/1`)],
  ["h2load, 64 KiB each way", async (stage) => {
    writeFileSync(stage.path("content-64k"), randomBytes(65536));
    return h2load(stage, ["--clients", "4", "--max-concurrent-streams", "10", "--data", stage.path("content-64k")], `http://127.0.0.1:${stage.clear}/echo/1`, 500);
  }],
  ...opensslCases,
];
