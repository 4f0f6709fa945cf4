"""An HTTP/1.1 upstream, written by hand so that it shares no code with the gateway: `upstream.py serve PORT [CHAIN KEY]`.

SIGTERM ends it gently: what was begun is ended, nothing new is taken.
"""
import asyncio
import base64
import hashlib
import json
import os
import random
import signal
import ssl
import sys

from content import block, differs, pieces
from frames import BINARY, CLOSE, PART, PING, PONG, TEXT, frame, read_frame

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Server:
    def __init__(self):
        self.ending, self.busy, self.idle = False, 0, set()
        self.gone = asyncio.Event()

    async def connection(self, reader, writer):
        try:
            while not self.ending:
                self.idle.add(writer)
                head = await reader.readuntil(b"\r\n\r\n")
                self.idle.discard(writer)
                self.busy += 1
                try:
                    keep = await self.request(head, reader, writer)
                finally:
                    self.busy -= 1
                if not keep:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            pass
        finally:
            self.idle.discard(writer)
            writer.close()
            if self.ending and not self.busy:
                self.gone.set()

    async def request(self, head, reader, writer):
        """Answers one request; whether the connection may be used again."""
        lines = head.decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ")
        fields = {}
        for line in filter(None, lines[1:]):
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        if fields.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        kind, *rest = path.lstrip("/").partition("?")[0].split("/")
        if kind == "tunnel":
            await tunnel(fields, reader, writer)
            return False
        body = Body(fields, reader)
        if kind in ("upload", "slow", "aborted"):
            answer = await measure(body, rest)
        elif kind == "download" or kind == "slow-download":
            await body.all()
            await download(writer, int(rest[0]), int(rest[1]))
            return True
        elif kind == "events" or kind == "parts":
            await body.all()
            await streamed(writer, int(rest[0]), kind == "events")
            return True
        elif kind == "echo":
            return await echo(writer, fields, await body.all())
        else:
            await body.all()
            if kind == "wait":
                await asyncio.sleep(int(rest[0]) / 1000)
            answer = {"path": path, "pid": os.getpid(), "access": fields.get("scopegate-access"), "method": method}
        return await reply(writer, method, answer, close=self.ending or random.random() < 0.01)

    async def end(self, listening):
        self.ending = True
        listening.close()
        # What arrives in this very moment is still answered.
        await asyncio.sleep(0.5)
        for writer in list(self.idle):
            writer.close()
        if self.busy:
            await self.gone.wait()
        os._exit(0)


class Body:
    """A request's content, piece by piece."""

    def __init__(self, fields, reader):
        self.reader = reader
        self.chunked = "chunked" in fields.get("transfer-encoding", "").lower()
        self.left = int(fields.get("content-length", 0))

    async def pieces(self):
        while self.left and not self.chunked:
            piece = await self.reader.read(min(self.left, 1 << 18))
            if not piece:
                raise ConnectionError("ended early")
            self.left -= len(piece)
            yield piece
        while self.chunked:
            size = int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16)
            if not size:
                while await self.reader.readuntil(b"\r\n") != b"\r\n":
                    pass
                return
            while size:
                piece = await self.reader.read(min(size, 1 << 18))
                if not piece:
                    raise ConnectionError("ended early")
                size -= len(piece)
                yield piece
            await self.reader.readexactly(2)

    async def all(self):
        return b"".join([piece async for piece in self.pieces()])


async def measure(body, rest):
    """Takes content of any length; what came, and whether it was what its sender says that it is."""
    size, digest, wrong = 0, hashlib.sha256(), None
    expected = block(int(rest[0])) if rest and rest[0].isdecimal() else None
    async for piece in body.pieces():
        if expected and wrong is None and differs(expected, size, piece):
            wrong = size
        size += len(piece)
        digest.update(piece)
    return {"bytes": size, "sha256": digest.hexdigest(), "wrong": wrong}


async def reply(writer, method, answer, status="200 OK", close=False):
    body = json.dumps(answer).encode()
    ending = "connection: close\r\n" if close else ""
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{ending}\r\n"
    writer.write(head.encode() + (b"" if method == "HEAD" else body))
    await writer.drain()
    return not close


async def echo(writer, fields, body):
    """The request's content, framed as the request was."""
    if "transfer-encoding" in fields:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for start in range(0, len(body), 5000):
            piece = body[start:start + 5000]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        writer.write(b"0\r\n\r\n")
    else:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    await writer.drain()
    return True


async def download(writer, size, seed):
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
    for piece in pieces(size, seed):
        writer.write(piece)
        await writer.drain()


async def streamed(writer, count, events):
    """Server-sent events four times a second, or small parts at once one after the other."""
    kind = b"text/event-stream" if events else b"text/plain"
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncache-control: no-store\r\ntransfer-encoding: chunked\r\n\r\n" % kind)
    for number in range(count):
        text = b"id: %d\ndata: %d\n\n" % (number, number) if events else b"part %d\n" % number
        writer.write(b"%x\r\n%b\r\n" % (len(text), text))
        await writer.drain()
        await asyncio.sleep(0.25 if events else 0.005)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def tunnel(fields, reader, writer):
    """A WebSocket that sends every frame back (RFC 6455)."""
    accept = base64.b64encode(hashlib.sha1(fields["sec-websocket-key"].encode() + MAGIC).digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: " + accept + b"\r\n\r\n")
    while True:
        kind, payload, last = await read_frame(reader)
        if kind in (PART, TEXT, BINARY):
            writer.write(frame(kind, payload, last=last))
        elif kind == PING:
            writer.write(frame(PONG, payload))
        elif kind == CLOSE:
            writer.write(frame(CLOSE, payload))
            await writer.drain()
            return
        await writer.drain()


async def main():
    server = Server()
    tls = None
    if sys.argv[3:]:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(*sys.argv[3:])
    listening = await asyncio.start_server(server.connection, "127.0.0.1", int(sys.argv[2]), limit=1 << 18, backlog=512, ssl=tls)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: asyncio.ensure_future(server.end(listening)))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
