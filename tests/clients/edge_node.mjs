// Node's own clients: http and https with kept connections, fetch (undici), http2.

import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";

/** One request by `http` or `https`: `{status, body, socket, reused}`. */
function ask(stage, agent, where, { method = "GET", path, content }) {
  const over = where.ca ? https : http;
  return new Promise((resolve, reject) => {
    const request = over.request({ ...where, agent, method, path, headers: { authorization: `Bearer ${stage.token}`, host: "gateway.test" } }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode, body: Buffer.concat(parts), socket: request.socket, reused: request.reusedSocket }));
    });
    request.on("error", reject);
    request.end(content);
  });
}

async function keepsConnection(stage, over, where) {
  const agent = new over.Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set();
  for (let n = 0; n < 200; n += 1) {
    const content = randomBytes(n * 50);
    const { status, body, socket } = await ask(stage, agent, where, { method: "POST", path: "/echo/1", content });
    assert.equal(status, 200);
    assert.ok(body.equals(content));
    sockets.add(socket);
  }
  // The gateway closes a connection that has rested for 3 s; the agent notices, and opens another.
  const resting = [...sockets].at(-1);
  if (!resting.destroyed) await new Promise((done) => resting.once("close", done));
  const again = await ask(stage, agent, where, { path: "/small/1" });
  assert.equal(again.status, 200);
  agent.destroy();
  assert.equal(sockets.size, 1);
}

/** Many requests over one HTTP/2 session. */
async function session(stage, url, options) {
  const client = http2.connect(url, options);
  const ended = new Promise((resolve, reject) => client.once("error", reject).once("close", resolve));
  const one = (n) =>
    new Promise((resolve, reject) => {
      const content = randomBytes(n * 700);
      const stream = client.request({ ":method": "POST", ":path": `/echo/${n}`, authorization: `Bearer ${stage.token}` });
      const parts = [];
      let status;
      stream.on("response", (fields) => (status = fields[":status"]));
      stream.on("data", (part) => parts.push(part));
      stream.on("error", reject);
      stream.on("end", () => resolve([status, Buffer.concat(parts).equals(content)]));
      stream.end(content);
    });
  const answers = await Promise.race([ended, Promise.all(Array.from({ length: 100 }, (_, n) => one(n)))]);
  for (const answer of answers) assert.deepEqual(answer, [200, true]);
  await new Promise((resolve, reject) => client.ping((fault) => (fault ? reject(fault) : resolve())));
  assert.equal(client.remoteSettings.enableConnectProtocol, true, "SETTINGS_ENABLE_CONNECT_PROTOCOL");
  client.close();
  await ended;
}

/** A stream that the client resets: the session goes on. */
async function cancels(stage) {
  const client = http2.connect(`http://127.0.0.1:${stage.clear}`);
  const fields = { ":path": "/wait/5000", authorization: `Bearer ${stage.token}` };
  for (let n = 0; n < 20; n += 1) {
    const stream = client.request(fields);
    if (stream.pending) await new Promise((done) => stream.once("ready", done));
    const closed = new Promise((done) => stream.once("close", done));
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await closed;
  }
  const stream = client.request({ ...fields, ":path": "/small/1" });
  const status = await new Promise((resolve, reject) => stream.once("response", (answer) => resolve(answer[":status"])).once("error", reject));
  stream.resume();
  assert.equal(status, 200);
  client.destroy();
}

export const cases = [
  ["Node, http.Agent with kept connections", (stage) => keepsConnection(stage, http, { host: "127.0.0.1", port: stage.clear })],
  ["Node, http.Agent at a unix socket", (stage) => keepsConnection(stage, http, { socketPath: stage.socket })],
  ["Node, https.Agent with kept connections", (stage) => keepsConnection(stage, https, { host: "127.0.0.1", port: stage.tls, ca: stage.ca, servername: "gateway.test" })],
  ["Node, https.Agent resumes sessions", async (stage) => {
    const agent = new https.Agent({ maxCachedSessions: 10 });
    const where = { host: "127.0.0.1", port: stage.tls, ca: stage.ca, servername: "gateway.test" };
    await ask(stage, agent, where, { path: "/small/1" });
    const { status, socket } = await ask(stage, agent, where, { path: "/small/2" });
    assert.equal(status, 200);
    assert.ok(socket.isSessionReused());
  }],
  ["Node, fetch: 300 requests, 30 at a time", async (stage) => {
    for (let round = 0; round < 10; round += 1) {
      const statuses = await Promise.all(
        Array.from({ length: 30 }, async (_, n) => {
          const response = await fetch(`http://127.0.0.1:${stage.clear}/small/${n}`, { headers: { authorization: `Bearer ${stage.token}` } });
          assert.equal((await response.json()).path, `/small/${n}`);
          return response.status;
        }),
      );
      assert.ok(statuses.every((status) => status === 200));
    }
  }],
  ["Node, fetch: an upload that is streamed, and one that is given up", async (stage) => {
    const authorization = `Bearer ${stage.token}`;
    const body = () => new ReadableStream({ pull: (controller) => (controller.enqueue(new Uint8Array(100_000)), (rest -= 1) === 0 && controller.close()) });
    let rest = 50;
    const response = await fetch(`http://127.0.0.1:${stage.clear}/upload/none`, { method: "PUT", duplex: "half", headers: { authorization }, body: body() });
    assert.equal((await response.json()).bytes, 5_000_000);
    const giving = fetch(`http://127.0.0.1:${stage.clear}/wait/5000`, { headers: { authorization }, signal: AbortSignal.timeout(200) });
    await assert.rejects(giving, { name: "TimeoutError" });
  }],
  ["Node, http2 in clear text: 100 streams at once", (stage) => session(stage, `http://127.0.0.1:${stage.clear}`, {})],
  ["Node, http2 over TLS: 100 streams at once", (stage) => session(stage, `https://127.0.0.1:${stage.tls}`, { ca: stage.ca, servername: "gateway.test" })],
  ["Node, http2: streams that are cancelled leave the session alone", cancels],
];
