"""What stands around the gateways: upstreams, and an issuer with keys, introspection, revocations and roles. Each can be told to fail."""
import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SWITCHES = {"keys": True, "introspection": True, "revocations": True, "roles": True}


class Server(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 256

    def __init__(self, handler, port=0):
        super().__init__(("127.0.0.1", port), handler)
        self.port, self.dead = self.server_address[1], False
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def die(self):
        """Listens no more, and breaks off what is asked on connections that stand."""
        self.dead = True
        self.shutdown()
        self.server_close()

    def handle_error(self, request, address):
        """A peer that goes away is what some faults are made of."""


class Handler(BaseHTTPRequestHandler):
    protocol_version, wbufsize, disable_nagle_algorithm = "HTTP/1.1", -1, True

    def log_message(self, *_):
        pass

    def answer(self, status, content=b"", kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def content(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))


class Upstream(Handler):
    """Answers after as many milliseconds as the path's last segment says; and opens a WebSocket that says nothing."""

    def do_GET(self):
        self.content()
        if self.server.dead:
            self.close_connection = True
            return
        if self.headers.get("Upgrade", "").lower() == "websocket":
            proof = hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            self.send_response(101)
            for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", base64.b64encode(proof).decode())):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.flush()
            self.rfile.read()
            self.close_connection = True
            return
        last = self.path.rpartition("/")[2]
        time.sleep(int(last) / 1000 if last.isdecimal() else 0)
        self.answer(200, b"{}")

    do_POST = do_DELETE = do_GET


def issuer(key_set, name):
    """The handler of an issuer's own addresses."""
    class Issuer(Handler):
        def do_GET(self):
            what = self.path.split("?")[0].strip("/")
            contents = {"keys": key_set, "revocations": b'{"entries": [], "cursor": "1", "more": false}',
                        "roles": b'{"roles": {"Guest": {"scopes": ["items:read"]}}}'}
            if SWITCHES.get(what) and what in contents:
                self.answer(200, contents[what])
            else:
                self.answer(500)

        def do_POST(self):
            self.content()
            if not SWITCHES["introspection"]:
                return self.answer(500)
            time.sleep(0.003)
            self.answer(200, json.dumps({
                "active": True, "iss": name, "aud": "https://api.example.com", "client_id": "batch", "sub": "paula", "roles": ["Staff"],
                "scope": "items:read", "token_type": "Bearer", "exp": int(time.time()) + 600}).encode())
    return Issuer


def stand_in(pages):
    """An address that shows `pages()`: a gateway's metrics with one of them raised, where no gateway can be made to raise it."""
    class Page(Handler):
        def do_GET(self):
            self.answer(200, pages(), "text/plain; version=0.0.4")
    return Page
