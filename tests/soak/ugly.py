"""Clients that one meets as well: those who are not permitted, who are slow, and who go away at any step."""
import asyncio
import json
import time

from content import block, differs, pieces
from good import FAULTS, Client
from http1 import Peer

# Method, path, route, what is wrong with the token, status, reason.
REFUSALS = (
    ("GET", "/small/1", "small", "none", 401, "no_token"),
    ("GET", "/small/1", "small", "garbage", 401, "bad_token"),
    ("GET", "/small/1", "small", "expired", 401, "expired"),
    ("GET", "/small/1", "small", "signature", 401, "bad_signature"),
    ("GET", "/small/1", "small", "audience", 401, "bad_audience"),
    ("DELETE", "/small/1", "small", "read", 403, "insufficient_scope"),
    ("GET", "/admin/1", "admin", "good", 403, "insufficient_scope"),
    ("POST", "/admin/1", "admin", "good", 403, "insufficient_scope"),
    ("POST", "/small/1", "_unmatched", "good", 405, "method_not_allowed"),
    ("GET", "/nowhere", "_unmatched", "good", 404, "no_route"),
    ("GET", "/small/a%2fb", "_unmatched", "good", 400, "ambiguous_path"),
)


def bad_token(run, what):
    """A token with one thing wrong."""
    sign = run.stage.signer.token
    return {"signature": run.forger.token, "none": lambda: None, "garbage": lambda: "a.b.c", "expired": lambda: sign(exp=int(time.time()) - 10),
            "audience": lambda: sign(aud="https://other.test"), "read": lambda: sign("items:read"), "good": run.token}[what]()


def judge_refusal(fields, content, status, reason):
    """Why a refusal is not what it should be, or None."""
    document = json.loads(content)
    if document.get("status") != status or document.get("reason") != reason:
        return f"the document says {document.get('status')} {document.get('reason')}"
    if status == 401 and "Bearer" not in fields.get("www-authenticate", ""):
        return "no challenge"
    if status == 403 and 'error="insufficient_scope"' not in fields.get("www-authenticate", ""):
        return f"challenge {fields.get('www-authenticate')}"
    if fields.get("cache-control") != "no-store":
        return "may be stored"
    return None


async def refused(run, place, every, keep=True):
    """Requests that must be refused, each with its status and reason."""
    client = Client(run, f"refused {place.name}", place, keep)
    while await run.pause(every):
        await refuse(run, client, run.random.choice(REFUSALS))
    client.close()


async def refuse(run, client, row):
    method, path, route, token, status, reason = row
    body = b"x" * 2000 if method == "POST" else None
    answer = await client.exchange(route, method, path, None, status, token=bad_token(run, token), body=body)
    if answer:
        why = judge_refusal(answer[1], answer[2], status, reason)
        if why:
            run.record.answered_wrongly(client.kind, route, method, None, answer[3], status, f"{token} token: {why}")
        else:
            run.record.refused(client.kind, route, method, status, reason)


async def aborting(run, place, every):
    """Goes away at a random step of a request, gently or with a reset."""
    while await run.pause(every):
        step = run.random.randrange(8)
        try:
            peer = await Peer.connect(place)
            await abort_at(run, peer, step)
            await asyncio.sleep(run.random.choice((0, 0, 0.01, 0.2)))
            run.random.choice((peer.close, peer.abort))()
        except (*FAULTS, asyncio.IncompleteReadError):
            run.record.notes["aborted before it was aborted"] += 1
        run.record.kinds[f"aborted {place.name}"] += 1


async def abort_at(run, peer, step):
    token, begun = run.token(), run.record.begun
    if step == 0:
        return
    if step == 1:
        return await peer.send(b"GET /aborted/1 HT")
    if step == 2:
        return await peer.send(peer.head("GET", "/aborted/1", token)[:-run.random.randrange(1, 300)])
    if step == 3:
        begun["aborted", "PUT"] += 1
        return await peer.send(peer.head("PUT", "/aborted/1", token, [("content-length", 100_000)]) + b"y" * run.random.randrange(99_000))
    if step == 4:
        begun["aborted", "POST"] += 1
        return await peer.send(peer.head("POST", "/aborted/1", token, [("transfer-encoding", "chunked")]) + b"ff\r\nhalf")
    if step == 5:
        begun["wait", "GET"] += 1
        return await peer.send(peer.head("GET", "/wait/900", token))
    kind = "slow-download" if step == 6 else "events"
    begun[kind, "GET"] += 1
    await peer.send(peer.head("GET", f"/{kind}/" + ("8000000/1" if step == 6 else "80"), token))
    await peer.answer_head()
    await peer.reader.read(run.random.randrange(1, 60_000))


async def slow_readers(run, place, every, size=3_000_000):
    """Reads an answer much slower than the upstream sends it; it must be whole all the same."""
    kind = f"slow reader {place.name}"
    while await run.pause(every):
        begin, got, seed = time.monotonic(), 0, run.random.randrange(4)
        try:
            peer = await Peer.connect(place, limit=4096, receive=8192)
            await peer.send(peer.head("GET", f"/slow-download/{size}/{seed}", run.token()))
            status, fields = await peer.answer_head()
            assert status == 200, f"{status}"
            async for piece in peer.pieces("GET", status, fields):
                assert not differs(block(seed), got, piece), f"other bytes after {got}"
                got += len(piece)
                await run.throttle(begin, got, 250_000)
            assert got == size, f"{got} bytes"
            run.record.good(kind, "slow-download", "GET", status)
            peer.close()
        except FAULTS as fault:
            run.record.failed(kind, "files", begin, f"after {got} bytes: {fault!r}", begun=got > 0)
            run.record.begun["slow-download", "GET"] += 1


async def slow_writers(run, place, every):
    """Writes a request in small steps, within the limits; it must be answered all the same."""
    kind = f"slow writer {place.name}"
    while await run.pause(every):
        begin, sent = time.monotonic(), 0
        try:
            peer = await Peer.connect(place)
            head = peer.head("POST", "/slow/1", run.token(), [("content-length", 2000)])
            for start in range(0, len(head), len(head) // 4 + 1):
                await peer.send(head[start:start + len(head) // 4 + 1])
                await asyncio.sleep(0.5)
            for piece in pieces(2000, 1, 100):
                await peer.send(piece)
                sent += len(piece)
                await asyncio.sleep(0.3)
            status, fields = await peer.answer_head()
            content = await peer.content("POST", status, fields)
            assert status == 200 and json.loads(content)["wrong"] is None, f"{status} {content[:200]!r}"
            run.record.good(kind, "slow", "POST", status)
            peer.close()
        except FAULTS as fault:
            run.record.failed(kind, "files", begin, f"after {sent} bytes: {fault!r}")
            run.record.begun["slow", "POST"] += 1


async def too_slow(run, place, every):
    """Never ends its fields: it must be cut off, and nobody else."""
    while await run.pause(every):
        begin = time.monotonic()
        try:
            peer = await Peer.connect(place)
            await peer.send(b"GET /small/1 HTTP/1.1\r\nhost: gateway.test\r\nx-slow: ")
            got = await asyncio.wait_for(peer.reader.read(65536), 15)
            took = time.monotonic() - begin
            assert 4 < took < 9 and (not got or b" 408 " in got.split(b"\r\n")[0]), f"{got[:60]!r} after {took:.1f} s"
            run.record.kinds[f"cut off {place.name}"] += 1
            peer.close()
        except FAULTS as fault:
            run.record.failed(f"too slow {place.name}", None, begin, f"not cut off as it should be: {fault!r}")
