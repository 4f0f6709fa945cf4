// Chromium: pages, EventSource and WebSocket, over HTTP/1.1 in clear text and over HTTP/2 with TLS.

import { strict as assert } from "node:assert";

import { chromium } from "playwright-core";

/** A page of the gateway, and the handshakes of its WebSockets as Chromium tells them. */
async function onPage(stage, base, work) {
  const browser = await chromium.launch({
    executablePath: stage.chromium,
    // As root there is no sandbox, and every page is ours.
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
  });
  try {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    const session = await context.newCDPSession(page);
    await session.send("Network.enable");
    const protocols = [];
    const handshakes = [];
    session.on("Network.responseReceived", ({ response }) => protocols.push(response.protocol));
    session.on("Network.webSocketHandshakeResponseReceived", ({ response }) => handshakes.push(response.status));
    assert.equal((await page.goto(`${base}/page`)).status(), 200);
    await work(page, handshakes, protocols);
  } finally {
    await browser.close();
  }
}

/** In the page: the data of all events, and how long it took. */
function listen(count) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(`/events/${count}`);
    const data = [];
    source.onmessage = (event) => {
      data.push(Number(event.data));
      if (data.length === count) {
        source.close();
        resolve(data);
      }
    };
    source.onerror = () => reject(new Error(`the stream ended after ${data.length} events`));
  });
}

/** In the page: sends messages of many sizes, one after the other and in one go; whether each came back. */
async function talk() {
  const socket = new WebSocket("/tunnel".replace(/^/, location.origin.replace(/^http/, "ws")));
  socket.binaryType = "arraybuffer";
  const got = [];
  let wake = () => {};
  socket.onmessage = (event) => (got.push(event.data), wake());
  const closed = new Promise((done) => (socket.onclose = (event) => done([event.code, event.wasClean])));
  await new Promise((resolve, reject) => ((socket.onopen = resolve), (socket.onerror = () => reject(new Error("not opened")))));
  const next = async () => {
    while (got.length === 0) await new Promise((done) => (wake = done));
    return got.shift();
  };
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 1_000_000]) {
    const text = "ö".repeat(size / 2);
    socket.send(text);
    if ((await next()) !== text) return `a text of ${size} came back otherwise`;
    const bytes = new Uint8Array(size).map((_, position) => position * 7);
    socket.send(bytes);
    const back = new Uint8Array(await next());
    if (back.length !== size || !back.every((byte, position) => byte === bytes[position])) return `${size} bytes came back otherwise`;
  }
  for (let n = 0; n < 500; n += 1) socket.send(`message ${n}`);
  for (let n = 0; n < 500; n += 1) if ((await next()) !== `message ${n}`) return `message ${n} came back otherwise`;
  socket.close(1000, "enough");
  return JSON.stringify(await closed);
}

function browserCases(name, base, protocol, opened) {
  return [
    [`Chromium, ${name}: EventSource`, (stage) =>
      onPage(stage, base(stage), async (page, _, protocols) => {
        assert.deepEqual(await page.evaluate(listen, 12), Array.from({ length: 12 }, (_, n) => n));
        assert.deepEqual([...new Set(protocols)], [protocol]);
      })],
    [`Chromium, ${name}: WebSocket, opened with ${opened}`, (stage) =>
      onPage(stage, base(stage), async (page, handshakes) => {
        assert.equal(await page.evaluate(talk), '[1000,true]');
        assert.deepEqual(handshakes, [opened]);
      })],
    [`Chromium, ${name}: ten WebSockets beside one another`, (stage) =>
      onPage(stage, base(stage), async (page, handshakes) => {
        const ended = await page.evaluate(`Promise.all(Array.from({length: 10}, ${talk}))`);
        assert.deepEqual(ended, Array(10).fill('[1000,true]'));
        assert.deepEqual(handshakes, Array(10).fill(opened));
      })],
    [`Chromium, ${name}: a WebSocket without a token is refused where one is needed`, (stage) =>
      onPage(stage, base(stage), async (page) => {
        const url = `${base(stage).replace(/^http/, "ws")}/small/1`;
        const outcome = await page.evaluate((url) => new Promise((done) => (new WebSocket(url).onclose = (event) => done(event.code))), url);
        assert.equal(outcome, 1006);
      })],
  ];
}

export const cases = [
  ...browserCases("HTTP/1.1", (stage) => `http://127.0.0.1:${stage.clear}`, "http/1.1", 101),
  // 200 is the answer to an extended CONNECT (RFC 8441), 101 would be HTTP/1.1's.
  ...browserCases("HTTP/2 over TLS", (stage) => `https://127.0.0.1:${stage.tls}`, "h2", 200),
];
