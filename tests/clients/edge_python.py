"""Python's HTTP and gRPC clients through the gateway: `edge_python.py NAME`, with where to find it as JSON at its input."""
import asyncio
import http.client
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

WHERE = json.load(sys.stdin)
FIELDS = {"Authorization": f"Bearer {WHERE['token']}", "Host": "gateway.test"}
CLEAR, SECURE = f"http://127.0.0.1:{WHERE['clear']}", f"https://127.0.0.1:{WHERE['tls']}"


def equal(left, right):
    if left != right:
        raise AssertionError(f"{left!r} instead of {right!r}")


def kept_by_http_client():
    connection = http.client.HTTPConnection("127.0.0.1", WHERE["clear"], timeout=20)
    connection.connect()
    first = connection.sock
    for number in range(200):
        content = os.urandom(number * 40)
        # An iterable has no length: it is sent chunked.
        body = iter([content[:100], content[100:]]) if number % 2 else content
        connection.request("POST", "/echo/1", body, FIELDS, encode_chunked=bool(number % 2))
        answer = connection.getresponse()
        equal((answer.status, answer.read() == content), (200, True))
        equal(connection.sock is first, True)


def kept_by_requests(base, verify):
    import requests
    with requests.Session() as session:
        # Without what the environment says of authorities and proxies.
        session.trust_env, session.verify = False, verify
        for number in range(100):
            answer = session.get(f"{base}/small/{number}", headers=FIELDS, timeout=20)
            equal((answer.status_code, answer.json()["path"]), (200, f"/small/{number}"))
        answer = session.put(f"{base}/upload/none", data=iter([b"x" * 50_000] * 20), headers=FIELDS, timeout=20)
        equal((answer.status_code, answer.json()["bytes"]), (200, 1_000_000))
        answer = session.get(f"{base}/admin/1", headers=FIELDS, timeout=20)
        equal((answer.status_code, answer.json()["reason"]), (403, "insufficient_scope"))
        pool = next(iter(session.adapters[base.partition(":")[0] + "://"].poolmanager.pools._container.values()))
        equal(pool.num_connections, 1)


def by_httpx(base, version, **options):
    """200 requests, eight at a time, by the asynchronous client; the content of every other has a length."""
    import httpx

    async def unmeasured(number):
        yield b"y" * number * 300

    def content(number):
        return unmeasured(number) if number % 2 else b"y" * number * 300

    async def all_requests():
        turns = asyncio.Semaphore(8)
        async with httpx.AsyncClient(timeout=20, **options) as client:
            async def one(number):
                async with turns:
                    answer = await client.post(f"{base}/echo/1", content=content(number), headers=FIELDS)
                equal((answer.status_code, answer.http_version, len(answer.content)), (200, version, number * 300))
            await asyncio.gather(*map(one, range(200)))
            equal((await client.get(f"{base}/admin/1", headers=FIELDS)).status_code, 403)
    asyncio.run(all_requests())


def context():
    import ssl
    return ssl.create_default_context(cafile=WHERE["ca"])


def by_grpcio(target, secure=False):
    sys.path.insert(0, WHERE["soak"])
    import calls
    import grpc
    options = [*calls.UNLIMITED, ("grpc.ssl_target_name_override", "gateway.test"), ("grpc.default_authority", "gateway.test")]
    if secure:
        with open(WHERE["ca"], "rb") as file:
            channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(file.read()), options=options)
    else:
        channel = grpc.insecure_channel(target, options=options)
    metadata = (("authorization", FIELDS["Authorization"]),)
    for case in (calls.unary, calls.server_stream, calls.client_stream, calls.both_streams, calls.cancelled, calls.deadline,
                 calls.no_token, calls.no_scope, calls.unary):
        case(channel, metadata)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: calls.unary(channel, metadata), range(200)))
    channel.close()


CASES = {
    "http.client: a kept connection": kept_by_http_client,
    "requests: a kept connection": lambda: kept_by_requests(CLEAR, None),
    "requests over TLS: a kept connection": lambda: kept_by_requests(SECURE, WHERE["ca"]),
    "httpx: HTTP/1.1, kept connections": lambda: by_httpx(CLEAR, "HTTP/1.1"),
    "httpx: HTTP/2 over TLS": lambda: by_httpx(SECURE, "HTTP/2", http1=False, http2=True, verify=context()),
    "httpx: HTTP/2 with prior knowledge": lambda: by_httpx(CLEAR, "HTTP/2", http1=False, http2=True),
    "grpcio in clear text": lambda: by_grpcio(f"127.0.0.1:{WHERE['clear']}"),
    "grpcio over TLS": lambda: by_grpcio(f"127.0.0.1:{WHERE['tls']}", secure=True),
    "grpcio at a unix socket": lambda: by_grpcio(f"unix:{WHERE['socket']}"),
}

if __name__ == "__main__":
    CASES[sys.argv[1]]()
