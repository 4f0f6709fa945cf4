"""Clients over HTTP/2: many streams at once, resets at every step, windows that stay shut for a while, tunnels."""
import asyncio
import os
import time

import h2.errors

from content import block, differs, pieces
from frames import BINARY, CLOSE, PING, PONG, TEXT, frame, read_message
from good import FAULTS, delete, echo, get, head, parts, public, wait
from http1 import Cut, Peer
from http2 import Client2, Connection, Shared
from ugly import REFUSALS, refuse


async def many_streams(run, place, every, width):
    """`width` streams on one connection, for as long as the connection lives; now and then it is made anew."""
    shared = Shared(place)
    workers = [asyncio.create_task(stream_after_stream(run, shared, every * width)) for _ in range(width)]
    while await run.pause(20):
        shared.renew()
    await asyncio.gather(*workers)
    shared.renew()


async def stream_after_stream(run, shared, every):
    client = Client2(run, f"http2 {shared.place.name}", shared)
    while await run.pause(every):
        await run.random.choice((get, get, get, head, delete, echo, echo, wait, parts, public))(run, client)


async def bursts(run, place, every, size):
    """Many requests in one moment, over one connection."""
    shared = Shared(place)
    clients = [Client2(run, f"http2 burst {place.name}", shared) for _ in range(size)]
    while await run.pause(every):
        await asyncio.gather(*(get(run, client) for client in clients))
    shared.renew()


async def mortal_streams(run, place, every):
    shared = Shared(place)
    client = Client2(run, f"mortal upstream http2 {place.name}", shared)
    while await run.pause(every):
        await get(run, client, "mortal", "mortal")
    shared.renew()


async def refused_streams(run, place, every):
    shared = Shared(place)
    client = Client2(run, f"refused http2 {place.name}", shared)
    while await run.pause(every):
        await refuse(run, client, run.random.choice(REFUSALS))
    shared.renew()


async def aborting_streams(run, place, every):
    """Resets streams at random steps, or leaves the whole connection at one."""
    shared = Shared(place)
    while await run.pause(every):
        try:
            connection = await shared.get()
            await reset_at(run, connection, run.random.randrange(5))
            if run.random.random() < 0.1:
                run.random.choice((connection.abort, connection.close))()
        except FAULTS:
            run.record.notes["aborted before it was aborted"] += 1
        run.record.kinds[f"aborted http2 {place.name}"] += 1
    shared.renew()


async def reset_at(run, connection, step):
    token, begun = run.token(), run.record.begun
    if step == 0:
        begun["aborted", "GET"] += 1
        stream = connection.begin("GET", "/aborted/1", token)
    elif step == 1:
        begun["aborted", "POST"] += 1
        stream = connection.begin("POST", "/aborted/1", token, end=False)
        await stream.send(b"y" * run.random.randrange(60_000))
    elif step == 2:
        begun["wait", "GET"] += 1
        stream = connection.begin("GET", "/wait/900", token)
        await asyncio.sleep(run.random.random() / 10)
    elif step == 3:
        begun["events", "GET"] += 1
        stream = connection.begin("GET", "/events/80", token)
        await stream.answer_head()
    else:
        begun["slow-download", "GET"] += 1
        stream = connection.begin("GET", "/slow-download/8000000/1", token)
        await stream.answer_head()
        await stream.event()
    stream.reset(run.random.choice((h2.errors.ErrorCodes.CANCEL, h2.errors.ErrorCodes.NO_ERROR, h2.errors.ErrorCodes.INTERNAL_ERROR)))


async def upload_streams(run, place, every, size, rate):
    """Large uploads over HTTP/2; the upstream compares every byte."""
    kind, number = f"upload http2 {place.name}", 0
    while await run.pause(every if number else 3):
        number, seed, begin, sent, connection = number + 1, run.random.randrange(4), time.monotonic(), 0, None
        try:
            connection = await Connection.connect(place)
            stream = connection.begin("PUT", f"/upload/{seed}", run.token(), end=False)
            for piece in pieces(size, seed):
                assert await stream.send(piece), "the stream was closed"
                sent += len(piece)
                await run.throttle(begin, sent, rate)
            await stream.send(b"", end=True)
            status, _ = await stream.answer_head()
            content = b"".join([piece async for piece in stream.pieces()])
            assert status == 200 and b'"wrong": null' in content and b'"bytes": %d,' % size in content, f"{status} {content[:200]!r}"
            run.record.good(kind, "upload", "PUT", status)
            run.record.notes["bytes up"] += size
        except FAULTS as fault:
            run.record.failed(kind, "files", begin, f"after {sent} of {size} bytes: {fault!r}")
            run.record.begun["upload", "PUT"] += 1
        if connection:
            connection.close()


async def download_streams(run, place, every, size, rate, route="download"):
    """Large downloads over HTTP/2, read no faster than `rate` bytes a second; every byte is compared."""
    kind = f"{'download' if route == 'download' else 'slow reader'} http2 {place.name}"
    number = 0
    while await run.pause(every if number else 3):
        number, seed, begin, got, connection = number + 1, run.random.randrange(4), time.monotonic(), 0, None
        try:
            connection = await Connection.connect(place, 1 << 20 if route == "download" else 65535)
            stream = connection.begin("GET", f"/{route}/{size}/{seed}", run.token())
            status, _ = await stream.answer_head()
            assert status == 200, f"{status}"
            async for piece in stream.pieces():
                assert not differs(block(seed), got, piece), f"other bytes after {got}"
                got += len(piece)
                await run.throttle(begin, got, rate)
            assert got == size, f"{got} bytes"
            run.record.good(kind, route, "GET", status)
            run.record.notes["bytes down"] += size
        except FAULTS as fault:
            run.record.failed(kind, "files", begin, f"after {got} of {size} bytes: {fault!r}", begun=got > 0)
            run.record.begun[route, "GET"] += 1
        if connection:
            connection.close()


async def event_streams(run, place, count=80):
    """Server-sent events over HTTP/2, several on one connection."""
    kind, shared = f"events http2 {place.name}", Shared(place)

    async def one():
        while await run.pause(1):
            begin, got = time.monotonic(), 0
            try:
                stream = (await shared.get()).begin("GET", f"/events/{count}", run.token())
                status, _ = await stream.answer_head()
                assert status == 200, f"{status}"
                last = time.monotonic()
                async for piece in stream.pieces():
                    for event in piece.split(b"\n\n")[:-1]:
                        assert event == b"id: %d\ndata: %d" % (got, got), f"event {got}: {event!r}"
                        got += 1
                    now = time.monotonic()
                    run.record.largest["seconds between events"] = max(run.record.largest["seconds between events"], now - last)
                    last = now
                assert got == count, f"{got} events"
                run.record.good(kind, "events", "GET", status)
            except FAULTS as fault:
                run.record.failed(kind, "files", begin, f"after {got} events: {fault!r}", begun=got > 0)
                run.record.begun["events", "GET"] += 1
    await asyncio.gather(*(one() for _ in range(4)))
    shared.renew()


# Tunnels

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class Tunnel:
    """A WebSocket over either protocol: `send` and `receive` of whole messages."""

    def __init__(self, reader, write, close, abort):
        self.reader, self.write, self.close, self.abort = reader, write, close, abort

    async def send(self, kind, payload):
        await self.write(frame(kind, payload, mask=True))

    async def receive(self):
        try:
            return await asyncio.wait_for(read_message(self.reader), 30)
        except asyncio.IncompleteReadError:
            raise Cut("the tunnel ended", True) from None
        except TimeoutError:
            raise Cut("nothing came for 30 s", True) from None


async def open_over_http1(run, place, token):
    """`(status, tunnel)`; the handshake of RFC 6455 section 4.1."""
    peer = await Peer.connect(place, limit=1 << 18)
    fields = [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13"), ("sec-websocket-key", KEY)]
    await peer.send(peer.head("GET", "/tunnel", token, fields))
    status, answer = await peer.answer_head()
    if status != 101:
        await peer.content("GET", status, answer)
        peer.close()
        return status, None
    assert answer.get("sec-websocket-accept") == ACCEPT and answer.get("upgrade", "").lower() == "websocket", f"{answer}"
    return status, Tunnel(peer.reader, peer.send, peer.close, peer.abort)


async def open_over_http2(run, shared, token):
    """`(status, tunnel)`; the handshake of RFC 8441 section 5."""
    connection = await shared.get()
    assert connection.tunnels, "SETTINGS_ENABLE_CONNECT_PROTOCOL was not sent"
    stream = connection.begin("CONNECT", "/tunnel", token, [("sec-websocket-version", "13")], end=False, protocol="websocket")
    status, _ = await stream.answer_head()
    if status != 200:
        [piece async for piece in stream.pieces()]
        return status, None
    reader = asyncio.StreamReader(limit=1 << 18)

    async def feed():
        try:
            async for piece in stream.pieces():
                reader.feed_data(piece)
        except Cut:
            pass
        reader.feed_eof()
    feeding = asyncio.create_task(feed())

    async def write(data):
        if not await stream.send(data):
            raise Cut("the stream was closed", True)

    def close():
        stream.reset()
        feeding.cancel()
    return status, Tunnel(reader, write, close, close)


async def tunnels(run, place, every, shared=None):
    """Tunnels of some seconds each; every message must come back as it was sent, and the end must be the one agreed on."""
    kind = f"websocket {'http2' if shared else 'http1'} {place.name}"
    opened = 200 if shared else 101
    while await run.pause(every):
        begin, tunnel, status, echoed = time.monotonic(), None, None, 0
        run.record.begun["tunnel", "GET"] += 1
        try:
            status, tunnel = await (open_over_http2(run, shared, run.token()) if shared else open_over_http1(run, place, run.token()))
            assert status == opened, f"{status}"
            for _ in range(run.random.randrange(1, 40)):
                payload = os.urandom(run.random.choice((0, 5, 125, 126, 3000, 65535, 70_000)))
                sent = run.random.choice((TEXT, BINARY, PING))
                payload = payload.hex().encode() if sent == TEXT else payload[:125] if sent == PING else payload
                await tunnel.send(sent, payload)
                assert await tunnel.receive() == (PONG if sent == PING else sent, payload), "another message came back"
                echoed += 1
                await run.sleep(run.random.random())
            await tunnel.send(CLOSE, b"\x03\xe8")
            assert await tunnel.receive() == (CLOSE, b"\x03\xe8"), "another close came back"
            assert not await asyncio.wait_for(tunnel.reader.read(1), 10), "something came after the close"
            run.record.kinds[kind] += 1
            run.record.notes["messages echoed"] += echoed
        except FAULTS as fault:
            run.record.failed(kind, "files", begin, f"after {echoed} messages: {fault!r}", status, tunnel is not None)
        if tunnel:
            tunnel.close()
    if shared:
        shared.renew()


async def aborting_tunnels(run, place, every, shared=None):
    """Goes away from a tunnel: in the middle of a frame, while the answer is on its way, or without a word."""
    while await run.pause(every):
        run.record.begun["tunnel", "GET"] += 1
        try:
            _, tunnel = await (open_over_http2(run, shared, run.token()) if shared else open_over_http1(run, place, run.token()))
            if tunnel:
                await tunnel.write(run.random.choice((b"", frame(BINARY, os.urandom(3000), mask=True)[:-100], frame(BINARY, os.urandom(60_000), mask=True))))
                await asyncio.sleep(run.random.choice((0, 0.01, 0.3)))
                run.random.choice((tunnel.abort, tunnel.close))()
                run.record.kinds[f"aborted websocket {'http2' if shared else 'http1'} {place.name}"] += 1
        except FAULTS:
            run.record.notes["aborted before it was aborted"] += 1
    if shared:
        shared.renew()


async def refused_tunnels(run, place, every):
    """A token that does not open the route: the handshake must be refused before the upstream hears of it."""
    kind = f"refused websocket {place.name}"
    while await run.pause(every):
        begin = time.monotonic()
        token, expected, reason = run.random.choice(((None, 401, "no_token"), (run.stage.signer.token("openid"), 403, "insufficient_scope")))
        try:
            status, tunnel = await open_over_http1(run, place, token)
            assert status == expected, f"{status} instead of {expected}"
            run.record.refused(kind, "tunnel", "GET", status, reason)
        except FAULTS as fault:
            run.record.failed(kind, "files", begin, repr(fault))
