#!/usr/bin/env python3
"""Memory of idle keep-alive connections: scopegate beside nginx, HAProxy and Envoy, in clear text and over TLS 1.3.

usage: benches/idle.py --scopegate target/release/scopegate [--envoy PATH] [--connections 8000] [--only NAME]

Every contender is a plain proxy with one worker to the same small upstream. Each connection sends one request, has its answer, and
rests; --rest seconds later the resident memory of the contender's processes is compared with what it was before the first of
them. A contender that is not installed is left out. Needs twice as many open files as connections (`ulimit -n`).
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

    def __init__(self, folder, tls, upstream):
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
    place.write("routes.yaml", "routes:\n  - {path: /idle, upstream: up, methods: {GET: public}}\n")
    return [program, "serve", "--config", place.write("scopegate.yaml", f"""\
listeners:
  - address: 127.0.0.1:{place.port}{tls}
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
    listen 127.0.0.1:{place.port} {"ssl" if place.tls else ""} backlog=4096; {tls}
    location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
""")]


def haproxy(place, program):
    tls = f" ssl crt {place.folder}/both.pem ssl-min-ver TLSv1.3" if place.tls else ""
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
 bind 127.0.0.1:{place.port} backlog 4096{tls}
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
                                          common_tls_context={"tls_certificates": [pair]})
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


def connect(place, trusting):
    connection = socket.create_connection(("127.0.0.1", place.port), 20)
    return trusting.wrap_socket(connection, server_hostname="api.test") if place.tls else connection


def exchange(connections):
    for connection in connections:
        connection.sendall(REQUEST)
    for connection in connections:
        answer = b""
        while not answer.endswith(b"ok"):
            chunk = connection.recv(4096)
            if not chunk:
                sys.exit("a connection was closed before its answer")
            answer += chunk


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
    for _ in range(0, args.connections, 50):
        batch = [connect(place, trusting) for _ in range(50)]
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
                place, trusting = Place(folder, tls, upstream), ssl.create_default_context(cafile=f"{folder}/chain.pem")
                process = subprocess.Popen(configured(place, os.path.abspath(program)), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                try:
                    figures.append(measure(place, process, trusting, args))
                finally:
                    process.terminate()
                    process.wait(40)
        print(f"{name:30} {figures[0]:8.1f} {figures[1]:8.1f}", flush=True)


if __name__ == "__main__":
    main()
