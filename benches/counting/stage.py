"""One gateway, started under a tool of valgrind or strace, an upstream behind it, and a client before it that can do no more than wait."""
import base64
import contextlib
import functools
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

ISSUER, AUDIENCE = "https://idp.example.test/", "https://api.example.test"
HOST, SERVER = "api.example.test", "127.0.0.1"
# Of one length, and numbered with as many digits, so that a path is as long in a large table as in a small one.
KINDS = ("spaces", "groups", "themes", "quotas", "models")
ALLOWED = " ".join(f"{kind}:read" for kind in KINDS) + " offline_access"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 128\r\n\r\n" + b"x" * 128
# So many paths of a table are asked for; the stride is prime to the number of routes of every table here.
SPREAD, STRIDE = 500, 7919
# Long, for valgrind runs everything on one core and fifty times slower.
PATIENCE = 240


class Failure(Exception):
    """What keeps a scenario from being counted."""


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, check=True, capture_output=True).stdout


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """One RSA key of 2048 bits, the certificate of the listener, and the tokens that the key signs."""

    def __init__(self, folder):
        self.key, self.chain, self.chain_key = folder / "issuer.pem", folder / "chain.pem", folder / "chain.key"
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.key)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={HOST}",
                "-addext", f"subjectAltName=DNS:{HOST}", "-keyout", self.chain_key, "-out", self.chain)

    def jwks(self):
        modulus = openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().strip().removeprefix("Modulus=")
        return json.dumps({"keys": [{"kty": "RSA", "kid": "one", "alg": "RS256", "n": base64url(bytes.fromhex(modulus)), "e": "AQAB"}]})

    @functools.cache
    def token(self, scope, number=0, lifetime=4 * 3600):
        """About 900 bytes, as access tokens are; `number` makes it another one."""
        now = int(time.time()) - 60
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": f"user-{number:06}-{number:032x}", "client_id": "client-0123456789abcdef",
                  "tenantId": f"tn_{number:020x}", "userId": f"{number:024x}", "iat": now - 7200, "nbf": now - 7200, "exp": now + lifetime,
                  "jti": f"{number:032x}", "scope": scope}
        header = {"alg": "RS256", "typ": "at+jwt", "kid": "one"}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        return f"{text}.{base64url(openssl('dgst', '-sha256', '-sign', self.key, data=text.encode()))}"


def route(number):
    return f"/api/v1/{KINDS[number % len(KINDS)]}{number // len(KINDS):04}"


def policy(entries):
    """So many entries (method and path): a reading and a writing one for each path; and one that is public."""
    lines = ["scopes:", *(f"  {kind}: {{implies: ['{kind}:read']}}\n  '{kind}:read': {{}}" for kind in KINDS), "routes:",
             "  - {path: '/public/{id}', upstream: api, methods: {GET: public}}"]
    for number in range(entries // 2):
        kind = KINDS[number % len(KINDS)]
        lines.append(f"  - {{path: '{route(number)}/{{id}}', upstream: api, methods: {{GET: '{kind}:read', POST: {kind}}}}}")
    return "\n".join(lines) + "\n"


def paths(entries):
    """Spread over the whole table."""
    return [f"{route(number * STRIDE % (entries // 2))}/{100000 + number}" for number in range(SPREAD)]


def serve_upstream():
    """Answers every request on every connection with 128 bytes, until the program ends; returns its port."""
    listener = socket.create_server((SERVER, 0), backlog=256)

    def serve(connection):
        data = b""
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while chunk := connection.recv(65536):
                data += chunk
                while b"\r\n\r\n" in data:
                    _, data = data.split(b"\r\n\r\n", 1)
                    connection.sendall(ANSWER)

    def accept():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


class Gateway:
    """The binary with one worker, behind the words of a tool: `with` starts it, waits until it serves, and ends it."""

    def __init__(self, binary, folder, issuer, scenario, upstream, tool):
        self.folder, self.issuer, self.scenario, self.tool, self.process = folder, issuer, scenario, tool, None
        tls = f"\n    tls: {{certificates: [{{chain: {issuer.chain}, key: {issuer.chain_key}}}], min_version: '1.3'}}" if scenario.tls else ""
        # The gateway watches the folder of its files: nothing else may happen there.
        files = folder / "files"
        files.mkdir()
        (files / "jwks.json").write_text(issuer.jwks())
        (files / "routes.yaml").write_text(policy(scenario.entries))
        (files / "scopegate.yaml").write_text(f"""\
listeners:
  - address: {SERVER}:0{tls}
admin: {{address: "{SERVER}:0"}}
workers: 1
issuers:
  - {{issuer: "{ISSUER}", audience: ["{AUDIENCE}"], keys: {{file: jwks.json}}}}
upstreams:
  api: {{endpoints: ["http://{SERVER}:{upstream}"]}}
limits: {{verification: 1.0}}
policy: [routes.yaml]
""")
        self.command = [*tool, binary, "serve", "--config", files / "scopegate.yaml"]

    def __enter__(self):
        log = self.folder / "log"
        with log.open("wb") as out, (self.folder / "errors").open("wb") as errors:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors)
        deadline = time.monotonic() + PATIENCE
        while not (port := self.listening(log)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise Failure(f"the gateway does not serve: {(self.folder / 'errors').read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        self.port = port
        return self

    @staticmethod
    def listening(log):
        for line in log.read_text().splitlines():
            if '"msg":"serving"' in line:
                return int(json.loads(line)["listener"].rsplit(":", 1)[1])
        return None

    def end(self):
        """Ends it in order, so that the tool writes what it has counted."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as children:
            # strace is the gateway's parent; valgrind becomes it.
            pids = list(map(int, children.read().split())) or [self.process.pid]
        os.kill(pids[0], signal.SIGTERM)
        self.process.wait(PATIENCE)

    def __exit__(self, *_):
        if self.process.poll() is None:
            with contextlib.suppress(OSError):
                self.end()
            self.process.kill()
            self.process.wait()


class Client:
    """Some connections that are kept, each with one request in flight."""

    def __init__(self, gateway, connections):
        self.requests, self.status, self.next = gateway.scenario.requests(gateway.issuer), str(gateway.scenario.status).encode(), 0
        self.connections = [self.connect(gateway) for _ in range(connections)]

    @staticmethod
    def connect(gateway):
        connection = socket.create_connection((SERVER, gateway.port), PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if gateway.scenario.tls:
            trusting = ssl.create_default_context(cafile=gateway.issuer.chain)
            connection = trusting.wrap_socket(connection, server_hostname=HOST)
        return connection

    def ask(self, count):
        """Makes so many requests, in waves over all connections; each must be answered as the scenario says."""
        for _ in range(0, count, len(self.connections)):
            for connection in self.connections:
                connection.sendall(self.requests[self.next % len(self.requests)])
                self.next += 1
            for connection in self.connections:
                self.take(connection)

    def take(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.receive(connection)
        head, content = data.split(b"\r\n\r\n", 1)
        status, *fields = head.split(b"\r\n")
        if status.split()[1] != self.status:
            raise Failure(f"answered {status.decode()} in place of {self.status.decode()}")
        length = next((int(field[15:]) for field in fields if field[:15].lower() == b"content-length:"), 0)
        while len(content) < length:
            content += self.receive(connection)

    @staticmethod
    def receive(connection):
        if not (chunk := connection.recv(65536)):
            raise Failure("the gateway closed a connection")
        return chunk

    def close(self):
        for connection in self.connections:
            connection.close()


def request(path, token=None):
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: counting\r\nAccept: */*\r\n{authorization}\r\n".encode()
