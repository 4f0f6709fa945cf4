#!/usr/bin/env python3
"""Memory of idle keep-alive connections: scopegate beside nginx, HAProxy and Envoy, in clear text and over TLS 1.3.

usage: benches/idle.py --scopegate target/release/scopegate [--envoy PATH] [--connections 8000] [--only NAME]

usage: benches/idle.py --http2 [...]    the same over HTTP/2: clear with prior knowledge, and by ALPN

Every contender is a plain proxy with one worker to the same small upstream. Each connection sends one request, has its answer, and
rests; --rest seconds later the resident memory of the contender's processes is compared with what it was before the first of
them. Connections are opened one after the other as fast as one client can, --at-once of them ask together, and --rate bounds how
many come in a second. A contender that is not installed is left out. Needs twice as many open files as connections (`ulimit -n`).
"""
import argparse
import json
import os
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

REQUEST = b"GET /idle HTTP/1.1\r\nHost: api.test\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
WARM_UP = 200
FRAME_HEAD = 9


def frame(kind, flags, stream, payload=b""):
    """A frame of HTTP/2 (RFC 9113, section 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def literal(text):
    return bytes((len(text),)) + text


# The preface, empty settings, and the acknowledgement of the other side's.
BEGIN = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(4, 1, 0)
# RFC 7541: `:method: GET` and a scheme from the static table, `:path` and `:authority` as literals that are not indexed.
FIELDS = b"\x82" + b"%c" + b"\x04" + literal(b"/idle") + b"\x01" + literal(b"api.test")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve_upstream():
    """Answers every request on every connection; returns the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)

    def serve(connection):
        data = b""
        try:
            while chunk := connection.recv(65536):
                data += chunk
                while b"\r\n\r\n" in data:
                    _, data = data.split(b"\r\n\r\n", 1)
                    connection.sendall(ANSWER)
        except OSError:
            pass
        finally:
            connection.close()

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


class Place:
    """A folder with a certificate, and the addresses that a contender is configured with."""

    def __init__(self, folder, tls, upstream, http2=False):
        self.http2 = http2
        self.folder, self.tls, self.upstream, self.port, self.admin = folder, tls, upstream, free_port(), free_port()

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


def certify(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=api.test", "-addext", "subjectAltName=DNS:api.test", "-keyout", f"{folder}/key.pem",
                    "-out", f"{folder}/chain.pem"], check=True, capture_output=True)
    with open(f"{folder}/both.pem", "w", encoding="utf-8") as both:
        for part in ("chain.pem", "key.pem"):
            with open(f"{folder}/{part}", encoding="utf-8") as file:
                both.write(file.read())


def scopegate(place, program):
    tls = "\n    tls: {certificates: [{chain: chain.pem, key: key.pem}]}" if place.tls else ""
    protocols = "\n    protocols: [http2]" if place.http2 else ""
    place.write("routes.yaml", "routes:\n  - {path: /idle, upstream: up, methods: {GET: public}}\n")
    return [program, "serve", "--config", place.write("scopegate.yaml", f"""\
listeners:
  - address: 127.0.0.1:{place.port}{tls}{protocols}
admin: {{address: "127.0.0.1:{place.admin}"}}
workers: 1
upstreams:
  up: {{endpoints: ["http://127.0.0.1:{place.upstream}"]}}
limits: {{keep_alive: 10m}}
policy: [routes.yaml]
""")]


def nginx(place, program):
    tls = "ssl_certificate chain.pem; ssl_certificate_key key.pem; ssl_protocols TLSv1.3;" if place.tls else ""
    temporary = " ".join(f"{name}_temp_path {place.folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return [program, "-p", place.folder, "-e", f"{place.folder}/error.log", "-c", place.write("nginx.conf", f"""\
daemon off;
worker_processes 1;
pid {place.folder}/pid;
events {{ worker_connections 19500; }}
http {{
  access_log off; {temporary} keepalive_timeout 600s; keepalive_requests 1000000;
  upstream up {{ server 127.0.0.1:{place.upstream}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{place.port} {"ssl" if place.tls else ""} {"http2" if place.http2 else ""} backlog=4096; {tls}
    location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
""")]


def haproxy(place, program):
    tls = f" ssl crt {place.folder}/both.pem ssl-min-ver TLSv1.3 alpn h2,http/1.1" if place.tls else ""
    return [program, "-db", "-f", place.write("haproxy.cfg", f"""\
global
 nbthread 1
 maxconn 9500
defaults
 mode http
 timeout client 600s
 timeout server 600s
 timeout connect 5s
 timeout http-keep-alive 600s
frontend front
 bind 127.0.0.1:{place.port} backlog 4096{tls}{" proto h2" if place.http2 and not place.tls else ""}
 default_backend back
backend back
 server up 127.0.0.1:{place.upstream}
""")]


def envoy(place, program):
    def typed(name, kind, **more):
        return {"name": name, "typed_config": {"@type": f"type.googleapis.com/envoy.extensions.{kind}", **more}}

    def at(port):
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

    router = typed("envoy.filters.http.router", "filters.http.router.v3.Router")
    hosts = [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]}]
    chain = {"filters": [typed("http", "filters.network.http_connection_manager.v3.HttpConnectionManager", stat_prefix="h",
                               http_filters=[router], route_config={"name": "r", "virtual_hosts": hosts})]}
    if place.tls:
        pair = {"certificate_chain": {"filename": f"{place.folder}/chain.pem"}, "private_key": {"filename": f"{place.folder}/key.pem"}}
        chain["transport_socket"] = typed("tls", "transport_sockets.tls.v3.DownstreamTlsContext",
                                          common_tls_context={"tls_certificates": [pair], "alpn_protocols": ["h2", "http/1.1"]})
    endpoint = {"lb_endpoints": [{"endpoint": {"address": at(place.upstream)}}]}
    cluster = {"name": "up", "type": "STATIC", "load_assignment": {"cluster_name": "up", "endpoints": [endpoint]}}
    listener = {"name": "l", "address": at(place.port), "filter_chains": [chain]}
    config = place.write("envoy.json", json.dumps({"static_resources": {"listeners": [listener], "clusters": [cluster]}}))
    return [program, "-c", config, "--concurrency", "1", "-l", "error", "--disable-hot-restart"]


CONTENDERS = {"scopegate": scopegate, "nginx": nginx, "haproxy": haproxy, "envoy": envoy}


def resident_kib(pid):
    """Resident memory of a process and its children; what they share by fork counts once for each."""
    pids, total = [pid], 0
    while pids:
        one = pids.pop()
        with open(f"/proc/{one}/status", encoding="ascii") as status:
            total += next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        with open(f"/proc/{one}/task/{one}/children", encoding="ascii") as children:
            pids += map(int, children.read().split())
    return total


class Http1:
    """A connection that speaks HTTP/1.1."""

    def __init__(self, place, trusting):
        connection = socket.create_connection(("127.0.0.1", place.port), 20)
        self.connection = trusting.wrap_socket(connection, server_hostname="api.test") if place.tls else connection

    def ask(self):
        self.connection.sendall(REQUEST)

    def take(self):
        answer = b""
        while not answer.endswith(b"ok"):
            answer += self.receive()

    def receive(self):
        chunk = self.connection.recv(4096)
        if not chunk:
            sys.exit("a connection was closed before its answer")
        return chunk

    def close(self):
        self.connection.close()


class Http2(Http1):
    """A connection that speaks HTTP/2; its requests take one stream after the other."""

    def __init__(self, place, trusting):
        super().__init__(place, trusting)
        self.stream, self.unread, self.tls = -1, b"", place.tls
        self.connection.sendall(BEGIN)

    def ask(self):
        self.stream += 2
        self.connection.sendall(frame(1, 5, self.stream, FIELDS % (0x87 if self.tls else 0x86)))

    def take(self):
        while True:
            while len(self.unread) < FRAME_HEAD or len(self.unread) < FRAME_HEAD + int.from_bytes(self.unread[:3], "big"):
                self.unread += self.receive()
            end = FRAME_HEAD + int.from_bytes(self.unread[:3], "big")
            kind, flags, stream = self.unread[3], self.unread[4], int.from_bytes(self.unread[5:FRAME_HEAD], "big")
            self.unread = self.unread[end:]
            if stream == self.stream and kind in (0, 1) and flags & 1:
                return


def connect(place, trusting):
    return (Http2 if place.http2 else Http1)(place, trusting)


def exchange(connections):
    for connection in connections:
        connection.ask()
    for connection in connections:
        connection.take()


def measure(place, process, trusting, args):
    """KiB for each idle connection."""
    deadline = time.monotonic() + 20
    while True:
        try:
            connect(place, trusting).close()
            break
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    for _ in range(WARM_UP):
        connection = connect(place, trusting)
        exchange([connection])
        connection.close()
    time.sleep(args.rest)
    before, idle = resident_kib(process.pid), []
    begun = time.monotonic()
    for count in range(0, args.connections, args.at_once):
        if args.rate:
            time.sleep(max(0.0, begun + count / args.rate - time.monotonic()))
        batch = [connect(place, trusting) for _ in range(args.at_once)]
        exchange(batch)
        idle += batch
    time.sleep(args.rest)
    after = resident_kib(process.pid)
    exchange(idle[:: max(1, len(idle) // 100)])
    for connection in idle:
        connection.close()
    return (after - before) / len(idle)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--scopegate", default="target/release/scopegate")
    options.add_argument("--envoy", default="envoy")
    options.add_argument("--connections", type=int, default=8000)
    options.add_argument("--rest", type=float, default=4, help="seconds")
    options.add_argument("--at-once", type=int, default=50, help="connections that ask together")
    options.add_argument("--rate", type=float, help="connections a second at most")
    options.add_argument("--http2", action="store_true")
    options.add_argument("--only", help="one contender")
    args = options.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    upstream, programs = serve_upstream(), {"scopegate": args.scopegate, "envoy": args.envoy}
    print(f"{'KiB for each idle connection':30} {'clear':>8} {'TLS 1.3':>8}")
    for name, configured in CONTENDERS.items():
        program = shutil.which(programs.get(name, name))
        if program is None or args.only not in (None, name):
            continue
        figures = []
        for tls in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                certify(folder)
                place, trusting = Place(folder, tls, upstream, args.http2), ssl.create_default_context(cafile=f"{folder}/chain.pem")
                trusting.set_alpn_protocols(["h2" if args.http2 else "http/1.1"])
                process = subprocess.Popen(configured(place, os.path.abspath(program)), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                try:
                    figures.append(measure(place, process, trusting, args))
                finally:
                    process.terminate()
                    process.wait(40)
        print(f"{name:30} {figures[0]:8.1f} {figures[1]:8.1f}", flush=True)


if __name__ == "__main__":
    main()
