"""Gateways, their files, and the Prometheus that watches them."""
import json
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
RULES = os.path.join(HERE, "..", "..", "deploy", "prometheus")
AUDIENCE = "https://api.example.com"
FILED, FETCHED = "https://filed.example.com/", "https://fetched.example.com/"
# How many times as fast as written the time of the rules runs here.
HASTE = 30

POLICY = """scopes:
  items:       {describe: Manage items, side: user, implies: ["items:read"]}
  items:read:  {describe: See items, side: user}
  reports:     {describe: See reports, side: user}
  admin.items: {describe: Manage every item, side: admin}
roles:
  Staff: {scopes: [items, reports]}
routes:
  - {id: items, path: "/items/{n}", upstream: api, methods: {GET: {user: "items:read"}, DELETE: {user: items, admin: admin.items}}}
  - {id: reports, path: "/reports/{n}", upstream: api, methods: {GET: {user: reports}}}
  - {id: orders, path: "/orders/{n}", upstream: orders, methods: {GET: {user: "items:read"}}}
  - {id: narrow, path: "/narrow/{ms}", upstream: narrow, methods: {GET: {user: "items:read"}}}
  - {id: feed, path: /feed, upstream: api, methods: {GET: {user: "items:read"}}}
  - {id: health, path: /health, upstream: api, methods: {GET: public}}
"""
EXTRA = '  - {id: extra, path: "/extra/{n}", upstream: api, methods: {GET: {user: "items:read"}}}\n'
LIMITS = {"connections": 60, "requests_in_flight": 25, "tunnels": 10, "remembered_tokens": 4096, "keys_refresh_seconds": 1,
          "keys_stale_seconds": 20, "revocations_stale_seconds": 10, "role_directory_stale_seconds": 10}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def hasten(text):
    """Rules with every duration divided by `HASTE`: ranges, offsets, `for` and `interval`. Nothing else is changed."""
    def shorter(match):
        seconds = sum(int(number) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit] for number, unit in re.findall(r"(\d+)([smhd])", match[2]))
        return f"{match[1]}{max(1, seconds * 1000 // HASTE)}ms"
    return re.sub(r"(\[|offset |for: |interval: )((?:\d+[smhd])+)(?=[\])\s])", shorter, text)


class Gateway:
    """One gateway, with a folder of its own."""

    def __init__(self, stage, name):
        self.stage, self.name, self.folder = stage, name, os.path.join(stage.folder, name)
        os.makedirs(self.folder)
        self.port, self.tls_port, self.admin, self.pid = free_port(), free_port(), free_port(), None
        self.extra, self.broken, self.keys, self.verification, self.reads = False, False, stage.issuer_url + "/keys", 0.5, threading.Event()
        self.reads.set()
        self.certificate(400)
        self.write()

    def write(self):
        """The files, from what the attributes say."""
        issuers = [{"issuer": FILED, "audience": [AUDIENCE], "keys": {"file": "../keys/jwks.json"}},
                   {"issuer": FETCHED, "audience": [AUDIENCE], "keys": {"url": self.keys, "refresh": "1s", "max_stale": "20s"},
                    "introspection": {"url": self.stage.issuer_url + "/introspection", "client_id": "gateway", "client_secret": "secret", "cache": "0s"},
                    "revocations": {"url": self.stage.issuer_url + "/revocations", "token": "feed", "interval": "500ms", "max_stale": "10s"}}]
        upstreams = {name: {"endpoints": [f"http://127.0.0.1:{port}"]} for name, port in self.stage.upstreams.items()}
        upstreams["narrow"]["connections"] = {"max": 1, "queue": 0}
        tls = {"certificates": [{"chain": "chain.pem", "key": "key.pem"}]}
        self.put("routes.yaml", ("routes: [" if self.broken else "") + POLICY + (EXTRA if self.extra else ""))
        self.put("scopegate.yaml", json.dumps({
            "listeners": [{"address": f"127.0.0.1:{self.port}"}, {"address": f"127.0.0.1:{self.tls_port}", "tls": tls}],
            "admin": {"address": f"127.0.0.1:{self.admin}"}, "workers": 1, "issuers": issuers, "upstreams": upstreams,
            "roles": {"directory": {"url": self.stage.issuer_url + "/roles", "token": "feed", "interval": "500ms", "max_stale": "10s"}},
            "ceilings": {"roles": "on"}, "drain_timeout": "2s",
            "limits": {**{name: LIMITS[name] for name in ("connections", "requests_in_flight", "tunnels", "remembered_tokens")},
                       "verification": self.verification},
            "log": {"access": "all"}, "policy": ["routes.yaml"]}, indent=1))

    def put(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w") as file:
            file.write(text)
        os.replace(path + ".new", path)

    def certificate(self, days):
        new = os.path.join(self.folder, "new.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=api.example.com",
                        "-addext", "subjectAltName=DNS:api.example.com", "-days", str(days), "-keyout", new + ".key", "-out", new],
                       check=True, capture_output=True)
        os.replace(new + ".key", os.path.join(self.folder, "key.pem"))
        os.replace(new, os.path.join(self.folder, "chain.pem"))

    def start(self):
        child = subprocess.Popen([self.stage.binary, "serve", "--config", os.path.join(self.folder, "scopegate.yaml")],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.pid, self.child = child.pid, child
        threading.Thread(target=self.log, args=(child.stdout,), daemon=True).start()
        try:
            until(self.is_ready, 20, f"gateway {self.name} is ready", child)
        except TimeoutError as error:
            with open(os.path.join(self.folder, "gateway.log")) as file:
                raise SystemExit(f"{error}\n{file.read()[-3000:]}") from None

    def log(self, stream):
        """Takes the log, as long as it is told to, and learns from it who serves."""
        with open(os.path.join(self.folder, "gateway.log"), "ab") as file:
            while line := stream.readline():
                file.write(line)
                file.flush()
                if b'"msg":"handed over"' in line:
                    self.pid = json.loads(line)["pid"]
                self.reads.wait()

    def is_ready(self):
        return self.ask("/readyz")[0] == 200

    def ask(self, path, method="GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.admin}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def reload(self):
        self.write()
        return self.ask("/reload", "POST")

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        """Ends it at once, as a crash does."""
        self.signal(signal.SIGKILL)
        until(lambda: not alive(self.pid), 5, "it is dead")

    def limit_files(self, room):
        """Leaves it so many open files more than it has; None gives the limit back."""
        open_now = len(os.listdir(f"/proc/{self.pid}/fd"))
        soft, hard = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        self.files = getattr(self, "files", soft)
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (self.files if room is None else open_now + room, hard))


class Prometheus:
    """Debian's, with the rules that are shipped, hastened."""

    def __init__(self, stage):
        self.folder, self.port = os.path.join(stage.folder, "prometheus"), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        os.makedirs(self.folder)
        for name in ("scopegate-recording", "scopegate-alerts"):
            with open(os.path.join(RULES, name + ".yaml")) as source:
                self.put(name + ".yaml", hasten(source.read()))
        limits = "".join(f"      - {{record: 'scopegate:limit:{name}', expr: '{value}'}}\n" for name, value in LIMITS.items())
        self.put("scopegate-limits.yaml", "groups:\n  - name: scopegate-limits\n    rules:\n" + limits)
        interval = f"{15000 // HASTE}ms"
        self.put("prometheus.yaml", json.dumps({
            "global": {"scrape_interval": interval, "evaluation_interval": interval, "scrape_timeout": interval}, "rule_files": ["scopegate-*.yaml"],
            "scrape_configs": [{"job_name": "scopegate", "file_sd_configs": [{"files": ["targets.json"], "refresh_interval": "1s"}]}]}))

    def put(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w") as file:
            file.write(text)
        os.replace(path + ".new", path)

    def watch(self, targets):
        """Scrapes these and no others: name to port of the admin listener."""
        self.put("targets.json", json.dumps([{"targets": [f"127.0.0.1:{port}"], "labels": {"instance": name}} for name, port in targets.items()]))

    def start(self):
        self.log = open(os.path.join(self.folder, "prometheus.log"), "wb")
        self.child = subprocess.Popen(
            ["prometheus", f"--config.file={self.folder}/prometheus.yaml", f"--storage.tsdb.path={self.folder}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--query.lookback-delta=10s", "--log.level=warn"], stdout=self.log, stderr=self.log)
        until(lambda: self.get("/-/ready", raw=True), 30, "Prometheus is ready", self.child)

    def get(self, path, raw=False):
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            data = answer.read()
        return data if raw else json.loads(data)["data"]

    def firing(self):
        """Name of each alert that fires, to the samples that it fires for."""
        found = {}
        for alert in self.get("/api/v1/alerts")["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert)
        return found


class Stage:
    """Everything."""

    def __init__(self, binary, folder, issuer_port, upstreams):
        self.binary, self.folder = os.path.abspath(binary), folder
        self.issuer_url, self.upstreams = f"http://127.0.0.1:{issuer_port}", upstreams
        self.gateways = {name: Gateway(self, name) for name in "ab"}
        self.prometheus = Prometheus(self)

    def watch_all(self):
        self.prometheus.watch({name: gateway.admin for name, gateway in self.gateways.items()})

    def stop(self):
        for gateway in self.gateways.values():
            gateway.reads.set()
            if gateway.pid and alive(gateway.pid):
                gateway.signal(signal.SIGKILL)
        if child := getattr(self.prometheus, "child", None):
            child.terminate()
            child.wait()


def mint(binary, folder, issuer, *options, audience=AUDIENCE):
    """A token, signed with the key in `folder`/keys."""
    command = [binary, "token", "mint", "--key", f"{folder}/keys/key.pem", "--issuer", issuer, "--audience", audience, *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition, seconds, what, child=None):
    """Waits until `condition()` is true; a refused connection is not yet."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and (child is None or child.poll() is None):
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"not within {seconds} s: {what}")
