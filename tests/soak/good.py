"""Clients that do everything right over HTTP/1.1: every answer must be the right one."""
import asyncio
import json
import os
import time

from content import block, differs, pieces
from http1 import Cut, Malformed, Peer

FAULTS = (Cut, Malformed, OSError, TimeoutError, ValueError, AssertionError)


class Client:
    """Requests one after the other, over a connection that is kept while both sides like."""

    def __init__(self, run, kind, place, keep=True):
        self.run, self.kind, self.place, self.keep, self.peer = run, kind, place, keep, None

    async def exchange(self, route, method, path, upstream="api", expect=200, **request):
        """One request; `(status, fields, content)`, or None when it failed."""
        begin, record = time.monotonic(), self.run.record
        begun = False
        try:
            try:
                status, fields, content = await self.attempt(method, path, request)
            except Cut as cut:
                # RFC 9112 section 9.3.1: a kept connection may end at any time, and the request that met it is sent once more.
                if cut.begun or not self.was_kept or "nothing came" in str(cut):
                    raise
                record.sent_again.append((f"{self.kind}: {method} {path}", time.monotonic()))
                record.begun[route, method] += 1
                status, fields, content = await self.attempt(method, path, request)
        except FAULTS as fault:
            begun = getattr(fault, "begun", False)
            record.failed(self.kind, upstream, begin, f"{method} {path}: {fault!r}", begun=begun)
            record.begun[route, method] += 1
            self.close()
            return None
        if status != expect:
            record.answered_wrongly(self.kind, route, method, upstream, begin, status, f"{method} {path}: {status} {content[:200]!r}")
            return None
        return status, fields, content, begin

    async def attempt(self, method, path, request):
        if self.peer is None or not self.peer.open or self.peer.reader.at_eof():
            self.close()
            self.peer = await Peer.connect(self.place)
        self.was_kept = self.peer.used > 0
        try:
            answer = await self.peer.request(method, path, **request)
        except BaseException:
            self.close()
            raise
        if not self.keep or not self.peer.open:
            self.close()
        return answer

    def close(self):
        if self.peer:
            self.peer.close()
        self.peer = None


async def small_requests(run, place, every, keep=True):
    """All that a small request can be, over kept or over fresh connections."""
    kind = f"http1 {place.name} {'kept' if keep else 'fresh'}"
    client = Client(run, kind, place, keep)
    try:
        while await run.pause(every):
            if client.peer and run.random.random() < 0.01:
                client.close()
            await run.random.choice((get, get, get, head, delete, echo, echo, wait, parts, public))(run, client)
    finally:
        client.close()


def right(run, client, route, method, answer, good, what="another content"):
    """Counts an answer as good, or as a failure when its content is not what it should be."""
    if good:
        run.record.good(client.kind, route, method, answer[0], answer[3])
    else:
        run.record.answered_wrongly(client.kind, route, method, None, answer[3], answer[0], f"{what}: {answer[2][:200]!r}")


async def get(run, client, route="small", upstream="api", token=None):
    path = f"/{route}/{run.random.randrange(10000)}"
    if answer := await client.exchange(route, "GET", path, upstream, token=token or run.token()):
        right(run, client, route, "GET", answer, json.loads(answer[2])["path"] == path)


async def head(run, client):
    if answer := await client.exchange("small", "HEAD", "/small/1", token=run.token()):
        right(run, client, "small", "HEAD", answer, not answer[2])


async def delete(run, client):
    if answer := await client.exchange("small", "DELETE", "/small/2", token=run.token()):
        right(run, client, "small", "DELETE", answer, json.loads(answer[2])["access"] == "user")


async def echo(run, client):
    method, body = run.random.choice(("POST", "PUT")), os.urandom(run.random.choice((0, 1, 100, 4000, 70_000)))
    fields = [("expect", "100-continue")] if run.random.random() < 0.05 else []
    answer = await client.exchange("echo", method, "/echo/1", token=run.token(), body=body, chunked=run.random.random() < 0.5, fields=fields)
    if answer:
        right(run, client, "echo", method, answer, answer[2] == body)


async def wait(run, client):
    """A long poll."""
    if answer := await client.exchange("wait", "GET", f"/wait/{run.random.choice((20, 200, 900))}", token=run.token()):
        right(run, client, "wait", "GET", answer, True)


async def parts(run, client):
    if answer := await client.exchange("parts", "GET", "/parts/5", token=run.token()):
        right(run, client, "parts", "GET", answer, answer[2] == b"".join(b"part %d\n" % n for n in range(5)))


async def public(run, client):
    if answer := await client.exchange("open", "GET", "/open/1", token=run.random.choice((None, "not.a.token"))):
        right(run, client, "open", "GET", answer, json.loads(answer[2])["access"] == "public")


async def distinct_tokens(run, place, every):
    """Each request with a token that nobody has seen."""
    client = Client(run, "distinct tokens", place)
    while await run.pause(every):
        await get(run, client, "tokens", token=run.stage.signer.token())
    client.close()


async def mortal_requests(run, place, every):
    """Requests to the upstream that dies now and then."""
    client = Client(run, f"mortal upstream {place.name}", place)
    while await run.pause(every):
        await get(run, client, "mortal", "mortal")
    client.close()


async def pipelined(run, place, every):
    """Four requests in one write; the answers come in their order (RFC 9112 section 9.3.2)."""
    while await run.pause(every):
        begin, token = time.monotonic(), run.token()
        paths = [f"/small/{n}" for n in range(4)]
        done = 0
        try:
            peer = await Peer.connect(place)
            await peer.send(b"".join(peer.head("GET", path, token) for path in paths))
            for path in paths:
                status, fields = await peer.answer_head()
                content = await peer.content("GET", status, fields)
                assert status == 200 and json.loads(content)["path"] == path, f"{status} {content[:100]!r}"
                run.record.good("pipelined", "small", "GET", status, begin)
                done += 1
                if not peer.open:
                    break
            peer.close()
        except FAULTS as fault:
            run.record.failed("pipelined", "api", begin, repr(fault), begun=done > 0)
        run.record.begun["small", "GET"] += len(paths) - done


async def expiring(run, place, every):
    """A token serves until the second that it names, and then no more, on the same connection."""
    client = Client(run, "expiring token", place)
    while await run.pause(every):
        expiry = int(time.time()) + 3
        token = run.stage.signer.token(exp=expiry)
        await get(run, client, "tokens", token=token)
        while time.time() < expiry + 0.2:
            await asyncio.sleep(0.1)
        answer = await client.exchange("tokens", "GET", "/tokens/1", expect=401, token=token)
        if answer:
            run.record.refused(client.kind, "tokens", "GET", 401, "expired")
    client.close()


async def uploads(run, place, every, size, rate):
    """Large uploads at `rate` bytes a second; the upstream compares every byte."""
    kind, number = f"upload {place.name}", 0
    while await run.pause(every if number else 3):
        number += 1
        seed, begin, sent = run.random.randrange(4), time.monotonic(), 0
        try:
            peer = await Peer.connect(place)
            chunked = number % 2 == 0
            framing = ("transfer-encoding", "chunked") if chunked else ("content-length", size)
            await peer.send(peer.head("PUT", f"/upload/{seed}", run.token(), [framing]))
            for piece in pieces(size, seed):
                await peer.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                sent += len(piece)
                await run.throttle(begin, sent, rate)
            if chunked:
                await peer.send(b"0\r\n\r\n")
            status, fields = await peer.answer_head()
            content = await peer.content("PUT", status, fields)
            assert status == 200, f"{status} {content[:200]!r}"
            answer = json.loads(content)
            assert answer["bytes"] == size and answer["wrong"] is None, f"{answer}"
            run.record.good(kind, "upload", "PUT", status)
            run.record.notes["bytes up"] += size
            peer.close()
        except FAULTS as fault:
            run.record.failed(kind, "files", begin, f"after {sent} of {size} bytes: {fault!r}")
            run.record.begun["upload", "PUT"] += 1


async def downloads(run, place, every, size, rate):
    """Large downloads at `rate` bytes a second; every byte is compared."""
    kind, number = f"download {place.name}", 0
    while await run.pause(every if number else 3):
        number, seed, begin, got = number + 1, run.random.randrange(4), time.monotonic(), 0
        try:
            peer = await Peer.connect(place, limit=1 << 18)
            await peer.send(peer.head("GET", f"/download/{size}/{seed}", run.token()))
            status, fields = await peer.answer_head()
            assert status == 200, f"{status}"
            expected = block(seed)
            async for piece in peer.pieces("GET", status, fields):
                assert not differs(expected, got, piece), f"other bytes after {got}"
                got += len(piece)
                await run.throttle(begin, got, rate)
            assert got == size, f"{got} bytes"
            run.record.good(kind, "download", "GET", status)
            run.record.notes["bytes down"] += size
            peer.close()
        except FAULTS as fault:
            run.record.failed(kind, "files", begin, f"after {got} of {size} bytes: {fault!r}", begun=got > 0)
            run.record.begun["download", "GET"] += 1


async def events(run, place, count=80):
    """Server-sent events: all of them, in order, and each at once."""
    kind = f"events {place.name}"
    while await run.pause(1):
        begin, got = time.monotonic(), 0
        try:
            peer = await Peer.connect(place)
            await peer.send(peer.head("GET", f"/events/{count}", run.token(), [("accept", "text/event-stream")]))
            status, fields = await peer.answer_head()
            assert status == 200, f"{status}"
            last = time.monotonic()
            async for piece in peer.pieces("GET", status, fields):
                for event in piece.split(b"\n\n")[:-1]:
                    assert event == b"id: %d\ndata: %d" % (got, got), f"event {got}: {event!r}"
                    got += 1
                now = time.monotonic()
                run.record.largest["seconds between events"] = max(run.record.largest["seconds between events"], now - last)
                last = now
            assert got == count, f"{got} events"
            run.record.good(kind, "events", "GET", status)
            peer.close()
        except FAULTS as fault:
            run.record.failed(kind, "files", begin, f"after {got} events: {fault!r}", begun=got > 0)
            run.record.begun["events", "GET"] += 1
