#!/usr/bin/env python3
"""Stands where a suite expects the gateway: takes HTTP/1.1 in clear text, and speaks TLS or HTTP/2 to the gateway behind it.

usage: relay.py tls|http2 BINARY serve --config FILE

`tls` passes the client's bytes on unread, and the end of each direction by itself. `http2` reads one request after another and
sends it as HTTP/2 over TLS: the target unchanged as `:path`, `Host` as `:authority`, the other fields in lower case, in their order.
"""
import asyncio
import contextlib
import datetime
import ipaddress
import os
import re
import signal
import socket
import ssl
import sys

import h2.config
import h2.connection
import h2.events
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PROTOCOLS = {"tls": "http/1.1", "http2": "h2"}
LISTENER = re.compile(r"^( *)- address: 127\.0\.0\.1:(\d+)$", re.MULTILINE)
MOST = 65536


def write_certificate(chain, key_file):
    """A certificate for 127.0.0.1 that nobody has signed but itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    name, day = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay")]), datetime.timedelta(days=1)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    certificate = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    with open(chain, "wb") as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
    with open(key_file, "wb") as file:
        file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


def behind_tls(config):
    """Writes a gateway file beside `config` whose only listener has TLS: `(its path, certificate, port given, port taken)`."""
    with open(config, encoding="utf-8") as file:
        text = file.read()
    folder = os.path.dirname(config)
    chain, key = os.path.join(folder, "relay.pem"), os.path.join(folder, "relay.key")
    write_certificate(chain, key)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        inner = probe.getsockname()[1]
    [listener] = LISTENER.finditer(text)
    indent, outer = listener[1], int(listener[2])
    tls = f"{indent}- address: 127.0.0.1:{inner}\n{indent}  tls: {{certificates: [{{chain: relay.pem, key: relay.key}}]}}"
    path = os.path.join(folder, "relayed.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(LISTENER.sub(tls, text))
    return path, chain, outer, inner


class Tls:
    """A connection to the gateway whose directions end one by one, as those of TCP do (RFC 8446 section 6.1)."""

    @classmethod
    async def connect(cls, port, context):
        self = cls()
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.layer = context.wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1")
        await self.until_done(self.layer.do_handshake)
        await self.flush()
        return self

    async def until_done(self, step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                await self.flush()
                if data := await self.reader.read(MOST):
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()

    async def flush(self):
        if data := self.outgoing.read():
            self.writer.write(data)
            await self.writer.drain()

    async def read(self):
        """What came; empty at a proper end. A connection that ends without `close_notify` is an `OSError`."""
        try:
            return await self.until_done(lambda: self.layer.read(MOST))
        except ssl.SSLZeroReturnError:
            return b""

    async def write(self, data):
        self.layer.write(data)
        await self.flush()

    async def finish(self):
        """Says that nothing more is sent."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.layer.unwrap()
        await self.flush()
        self.writer.write_eof()


async def relay_bytes(client, out, gateway):
    """Both directions, each to its own end."""
    async def there():
        while data := await client.read(MOST):
            await gateway.write(data)
        await gateway.finish()

    async def back():
        while data := await gateway.read():
            out.write(data)
            await out.drain()
        out.write_eof()

    await asyncio.gather(there(), back())


async def relay_requests(client, out, gateway):
    """One request after another, each as a stream."""
    config = h2.config.H2Configuration(header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False)
    connection = h2.connection.H2Connection(config)
    connection.initiate_connection()
    with contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            head = await client.readuntil(b"\r\n\r\n")
            method, fields = as_http2(head)
            length = next((int(value) for name, value in fields if name == b"content-length"), 0)
            content = await client.readexactly(length)
            out.write(as_http1(method, *await ask(connection, gateway, fields, content)))
            await out.drain()


def as_http2(head):
    """The method, and the field section that says what the head says: nothing of it is judged here."""
    line, *lines = head[:-4].split(b"\r\n")
    method, _, rest = line.partition(b" ")
    path = rest.rpartition(b" ")[0]
    pairs = [(name.lower(), value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)]
    authority = [(b":authority", value) for name, value in pairs if name == b"host"]
    fields = [pair for pair in pairs if pair[0] != b"host"]
    return method, [(b":method", method), (b":scheme", b"https"), *authority, (b":path", path), *fields]


async def ask(connection, gateway, fields, content):
    """`(fields, content)` of the answer. Who calls a request malformed may reset it instead (RFC 9113 section 8.1.1): it is a 400."""
    stream = connection.get_next_available_stream_id()
    connection.send_headers(stream, fields, end_stream=not content)
    if content:
        connection.send_data(stream, content, end_stream=True)
    answer, received = [], b""
    while True:
        await gateway.write(connection.data_to_send())
        if not (data := await gateway.read()):
            raise ConnectionError("the gateway has closed")
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                answer = event.headers
            elif isinstance(event, h2.events.DataReceived):
                received += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, stream)
            elif isinstance(event, h2.events.StreamEnded):
                return answer, received
            elif isinstance(event, h2.events.StreamReset) and event.error_code == 1 and not answer:
                return [(b":status", b"400")], b""
            elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                raise ConnectionError(f"ended with {event.error_code}")


def as_http1(method, fields, content):
    """The bytes of an answer."""
    [status] = [value for name, value in fields if name == b":status"]
    plain = [(name, value) for name, value in fields if not name.startswith(b":")]
    if method != b"HEAD" and all(name != b"content-length" for name, _ in plain):
        plain.append((b"content-length", b"%d" % len(content)))
    return b"".join([b"HTTP/1.1 %s -\r\n" % status, *(b"%s: %s\r\n" % pair for pair in plain), b"\r\n", content])


async def serve_one(client, out, port, protocol, context):
    gateway = None
    try:
        gateway = await Tls.connect(port, context)
        if gateway.layer.selected_alpn_protocol() != PROTOCOLS[protocol]:
            raise ConnectionError(f"the gateway chose {gateway.layer.selected_alpn_protocol()}")
        await (relay_bytes if protocol == "tls" else relay_requests)(client, out, gateway)
    except OSError as fault:
        print(f"relay: {fault}", flush=True)
        out.transport.abort()
    finally:
        out.close()
        if gateway:
            gateway.writer.close()


async def main(protocol, binary, command, option, config):
    relayed, chain, outer, inner = behind_tls(config)
    context = ssl.create_default_context(cafile=chain)
    context.set_alpn_protocols([PROTOCOLS[protocol]])
    await asyncio.start_server(lambda client, out: serve_one(client, out, inner, protocol, context), "127.0.0.1", outer)
    gateway = await asyncio.create_subprocess_exec(binary, command, option, relayed)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, gateway.terminate)
    return await gateway.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
