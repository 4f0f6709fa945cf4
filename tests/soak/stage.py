"""The gateway under test, its files, and the upstreams behind it, each a process of its own."""
import asyncio
import ctypes
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time

from credentials import AUDIENCE, ISSUER, SERVER_NAME, Authority, Signer

HERE = os.path.dirname(os.path.abspath(__file__))

# Seconds: longer than the largest transfer takes beside whatever else the machine does.
DRAIN = 300

POLICY = """scopes:
  items:       {describe: Manage items, side: user, implies: ["items:read"]}
  items:read:  {describe: See items, side: user}
  admin.items: {describe: Manage every item, side: admin}
routes:
  - {id: small, path: "/small/{n}", upstream: api, methods: {GET: {user: "items:read"}, DELETE: {user: items}}}
  - {id: echo, path: "/echo/{n}", upstream: api, methods: {POST: {user: items}, PUT: {user: items}}}
  - {id: wait, path: "/wait/{ms}", upstream: api, methods: {GET: {user: "items:read"}}}
  - {id: parts, path: "/parts/{n}", upstream: api, methods: {GET: {user: "items:read"}}}
  - {id: tokens, path: "/tokens/{n}", upstream: api, methods: {GET: {user: "items:read"}}}
  - {id: open, path: "/open/{n}", upstream: api, methods: {GET: public}}
  - {id: admin, path: "/admin/{n}", upstream: api, methods: {GET: {admin: admin.items}, POST: {admin: admin.items}}}
  - {id: upload, path: "/upload/{seed}", upstream: files, methods: {PUT: {user: items}}}
  - {id: download, path: "/download/{size}/{seed}", upstream: files, methods: {GET: {user: "items:read"}}}
  - {id: events, path: "/events/{n}", upstream: files, methods: {GET: {user: "items:read"}}}
  - {id: tunnel, path: /tunnel, upstream: files, methods: {GET: {user: "items:read"}}}
  - {id: slow, path: "/slow/{n}", upstream: files, methods: {POST: {user: items}}}
  - {id: slow-download, path: "/slow-download/{size}/{seed}", upstream: files, methods: {GET: {user: "items:read"}}}
  - {id: aborted, path: "/aborted/{rest=**}", upstream: files, methods: {GET: {user: "items:read"}, POST: {user: items}, PUT: {user: items}}}
  - {id: mortal, path: "/mortal/{n}", upstream: mortal, methods: {GET: {user: "items:read"}, POST: {user: items}}}
"""
GRPC_ROUTES = """  - {id: calls, path: "/soak.Calls/{method}", upstream: calls, methods: {POST: {user: "items:read"}}}
  - {id: calls-admin, path: "/soak.Admin/{method}", upstream: calls, methods: {POST: {admin: admin.items}}}
  - {id: calls-mortal, path: "/soak.Mortal/{method}", upstream: calls-mortal, methods: {POST: {user: "items:read"}}}
"""
EXTRA = '  - {id: extra, path: "/extra/{n}", upstream: api, methods: {GET: {user: "items:read"}}}\n'


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Upstream:
    """A process behind the gateway. The mortal ones speak TLS, and have two ports, of which one is in use."""

    def __init__(self, stage, name, script="upstream.py", ports=1, tls=False):
        self.stage, self.name, self.script, self.tls = stage, name, script, tls
        self.ports, self.current, self.child = [free_port() for _ in range(ports)], 0, None
        self.cpu_before = 0.0

    @property
    def port(self):
        return self.ports[self.current]

    async def start(self):
        command = [sys.executable, os.path.join(HERE, self.script), "serve", str(self.port)]
        if self.tls:
            command += [self.stage.path("upstream-chain.pem"), self.stage.path("upstream-key.pem")]
        self.child = subprocess.Popen(command, stdout=self.stage.upstream_log, stderr=subprocess.STDOUT)
        await until(lambda: accepts(self.port), 20, f"{self.name} listens on {self.port}")

    def end(self, how):
        """Ends the process; the old one is returned, for `wait`."""
        child, self.child = self.child, None
        if child:
            self.cpu_before += cpu_seconds(child.pid)
            child.send_signal(how)
        return child


class Place:
    """One listener, as a client reaches it."""

    def __init__(self, name, stage, port=None, path=None, tls=False):
        self.name, self.stage, self.port, self.path, self.tls = name, stage, port, path, tls

    async def connect(self, alpn="http/1.1", limit=1 << 16, receive=None):
        """`(reader, writer)`; `receive` is the size of the socket's receive buffer."""
        context, name = (self.context(alpn), SERVER_NAME) if self.tls else (None, None)
        if self.path:
            return await asyncio.wait_for(asyncio.open_unix_connection(self.path, limit=limit), 20)
        plain = socket.socket()
        if receive:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        plain.setblocking(False)
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", self.port)), 20)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return await asyncio.wait_for(asyncio.open_connection(sock=plain, ssl=context, server_hostname=name, limit=limit), 20)
        except BaseException:
            plain.close()
            raise

    def context(self, alpn):
        contexts = self.stage.contexts
        if alpn not in contexts:
            contexts[alpn] = ssl.create_default_context(cafile=self.stage.path("ca.pem"))
            contexts[alpn].set_alpn_protocols([alpn])
        return contexts[alpn]


class Stage:
    """Everything that runs besides the clients. `features` names what the gateway is asked for."""

    def __init__(self, binary, folder, features):
        self.binary, self.folder, self.features = os.path.abspath(binary), folder, features
        self.signer, self.authority, self.contexts = Signer(), Authority("soak"), {}
        self.admin, self.extra, self.child, self.log_number = free_port(), False, None, 0
        self.upstream_log = open(self.path("upstreams.log"), "wb")
        self.api, self.files = Upstream(self, "api"), Upstream(self, "files")
        self.mortal = Upstream(self, "mortal", ports=2, tls=True)
        self.upstreams = {"api": self.api, "files": self.files, "mortal": self.mortal}
        if "grpc" in features:
            self.calls = Upstream(self, "calls", "calls.py")
            self.calls_mortal = Upstream(self, "calls-mortal", "calls.py", ports=2, tls=True)
            self.upstreams |= {"calls": self.calls, "calls-mortal": self.calls_mortal}
        self.places = {"clear": Place("clear", self, port=free_port())}
        if "unix" in features:
            self.places["unix"] = Place("unix", self, path=self.path("gateway.sock"))
        if "tls" in features:
            self.places["tls"] = Place("tls", self, port=free_port(), tls=True)
        self.write("jwks.json", self.signer.key_set())
        self.write("ca.pem", self.authority.pem())
        self.write_certificate(*self.authority.leaf())
        chain, key, _ = self.authority.leaf("upstream.test")
        self.write("upstream-chain.pem", chain)
        self.write("upstream-key.pem", key)
        self.write_policy()
        self.write_gateway_file()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, data):
        """Replaces a file in one step, as an editor does."""
        data = data if isinstance(data, bytes) else data.encode()
        with open(self.path(name + ".new"), "wb") as file:
            file.write(data)
        os.replace(self.path(name + ".new"), self.path(name))

    def write_certificate(self, chain, key, serial=None):
        self.serial = serial or self.serial
        self.write("chain.pem", chain)
        self.write("key.pem", key)

    def policy(self):
        return POLICY + (GRPC_ROUTES if "grpc" in self.features else "") + (EXTRA if self.extra else "")

    def write_policy(self, text=None):
        self.write("routes.yaml", text or self.policy())

    def write_gateway_file(self):
        self.write("scopegate.yaml", self.gateway_file())

    def gateway_file(self):
        listeners = []
        for place in self.places.values():
            listener = {"address": f"unix:{place.path}" if place.path else f"127.0.0.1:{place.port}"}
            if place.tls:
                listener["tls"] = {"certificates": [{"chain": "chain.pem", "key": "key.pem"}]}
            listeners.append(listener)
        upstreams = {}
        for name, upstream in self.upstreams.items():
            scheme = "https" if upstream.tls else "http"
            upstreams[name] = {"endpoints": [f"{scheme}://127.0.0.1:{upstream.port}"], "connections": {"idle": "5s", "max": 64}}
            if upstream.tls:
                upstreams[name]["tls"] = {"ca": "ca.pem", "server_name": "upstream.test"}
            if upstream.script == "calls.py":
                upstreams[name]["protocol"] = "http2"
        return json.dumps({
            "listeners": listeners, "admin": {"address": f"127.0.0.1:{self.admin}"}, "workers": 2,
            "issuers": [{"issuer": ISSUER, "audience": [AUDIENCE], "keys": {"file": "jwks.json"}}], "upstreams": upstreams,
            "limits": {"remembered_tokens": 4096, "header_time": "5s", "body_idle": "10s", "keep_alive": "20s"},
            "drain_timeout": f"{DRAIN}s", "policy": ["routes.yaml"],
        }, indent=1)

    async def start(self):
        await asyncio.gather(*(upstream.start() for upstream in self.upstreams.values()))
        self.log = open(self.path("gateway.log"), "ab")
        self.child = subprocess.Popen([self.binary, "serve", "--config", self.path("scopegate.yaml")],
                                      stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.pid = self.child.pid
        try:
            await until(self.ready, 30, "the gateway is ready", lambda: self.child.poll() is not None)
        except TimeoutError:
            with open(self.path("gateway.log"), errors="replace") as log:
                sys.exit(f"the gateway did not start:\n{log.read()[-3000:]}")

    def child_signal(self, number):
        """Sends a signal to the process that serves."""
        os.kill(self.pid, number)

    async def ready(self):
        return (await self.ask("GET", "/readyz"))[0] == 200

    async def ask(self, method, path):
        """Asks the admin listener: `(status, text)`."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.admin)
        try:
            length = "content-length: 0\r\n" if method == "POST" else ""
            writer.write(f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.admin}\r\n{length}connection: close\r\n\r\n".encode())
            answer = await asyncio.wait_for(reader.read(-1), 20)
        finally:
            writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        if b"transfer-encoding: chunked" in head.lower():
            body = b"".join(re.split(rb"(?:^|\r\n)[0-9a-f]+\r\n", body))
        return int(head.split(b" ", 2)[1]), body.decode()

    async def metrics(self):
        """Every sample: family and labels as text to number."""
        _, text = await self.ask("GET", "/metrics")
        samples = (line.rpartition(" ") for line in text.splitlines() if line and line[0] != "#")
        return {name: float(value) for name, _, value in samples}

    async def ended(self, pid, seconds):
        """Waits until a gateway has ended by itself; its exit status, or in words why there is none."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if pid == self.child.pid:
                status = self.child.poll()
            else:
                status = exit_status(pid)
            if status is not None:
                return status
            await asyncio.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        return f"killed, for it did not end within {seconds} s"

    async def stop(self):
        """Ends everything; the exit status of the gateway that served last."""
        status = None
        if self.child:
            self.child_signal(signal.SIGTERM)
            status = await self.ended(self.pid, DRAIN + 10)
        for upstream in self.upstreams.values():
            if child := upstream.end(signal.SIGKILL):
                child.wait()
        return status


def adopt_orphans():
    """Makes this process the parent of the gateways whose own parent ends (`PR_SET_CHILD_SUBREAPER`)."""
    ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)


def exit_status(pid):
    """The exit status of an adopted process; None while it, or its parent that hands over, still runs."""
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        # A parent that still drains has taken the status to itself; what it ended with stands in the log alone.
        return None if os.path.exists(f"/proc/{pid}") else 0
    return os.waitstatus_to_exitcode(status) if done else None


def children(pid):
    """The processes that a process has started."""
    found = []
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as file:
                if int(file.read().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(entry))
        except OSError:
            pass
    return found


def accepts(port):
    with socket.create_connection(("127.0.0.1", port), 1):
        return True


async def until(condition, seconds, what, hopeless=lambda: False):
    """Waits until `condition()` is true; a refused connection is not yet."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not hopeless():
        try:
            result = condition()
            if await result if asyncio.iscoroutine(result) else result:
                return
        except (OSError, IndexError):
            pass
        await asyncio.sleep(0.02)
    raise TimeoutError(f"not within {seconds} s: {what}")


def cpu_seconds(pid):
    """User and system time of a process so far."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
