#!/usr/bin/env python3
"""What the units do under a real systemd, told from inside the machine that tests/deploy/systemd boots. Prints a line a check; the last one is the verdict."""
import http.client
import http.server
import json
import pathlib
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

CONFIGURATION = pathlib.Path("/etc/scopegate")
TOKEN = pathlib.Path("/test/token").read_text().strip()
TLS = ssl.create_default_context(cafile=CONFIGURATION / "tls/api.pem")
FAULTS = []


def main():
    threading.Thread(target=upstream().serve_forever, daemon=True).start()
    run("systemd-sysusers")
    run("systemd-tmpfiles", "--create")
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "scopegate.socket", "scopegate.service")
    print(run("stat", "--file-system", "--format", "the control groups' hierarchy: %T", "/sys/fs/cgroup").stdout.strip())
    check("it is active once it serves", show("ActiveState") == "active" and show("StatusText") == "serving", show("StatusText"))
    confined(int(show("MainPID")))
    check("no token: 401", status("GET", "/api/v1/orders", None) == 401)
    check("a token: 200", status("GET", "/api/v1/orders") == 200)
    check("too little scope: 403", status("DELETE", "/api/v1/orders/7") == 403)
    metrics()
    policy_change()
    hand_over()
    refused_hand_over()
    restart()
    death("1")
    hand_over()
    death("2")
    hand_over()
    stop_with_a_request_in_flight()
    authorization_server()
    for unit in ("scopegate.service", "scopegate-authorization-server.service"):
        print(run("systemd-analyze", "--no-pager", "security", unit).stdout.strip().splitlines()[-1])
    print(f"{'FAILED: ' + ', '.join(FAULTS) if FAULTS else 'all is well'}")


def confined(pid):
    state = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    check("it has no capability, and gains none", int(state["CapEff"], 16) == int(state["CapBnd"], 16) == 0 and state["NoNewPrivs"] == "1")
    check("its calls are filtered", state["Seccomp"] == "2")
    check("it is not root", state["Uid"].split()[1] != "0", f"uid {state['Uid'].split()[1]}")


def metrics():
    with urllib.request.urlopen("http://127.0.0.1:9901/metrics") as answer:
        text = answer.read().decode()
    for name in ("process_start_time_seconds", "process_open_fds", "process_resident_memory_bytes", "scopegate_certificate_expiry_timestamp_seconds"):
        check(f"`{name}` is there", f"\n{name}" in text)
    check("  and tells when the process began", "\nprocess_start_time_seconds 0\n" not in text)


def policy_change():
    pid, routes = show("MainPID"), CONFIGURATION / "policies/routes.yaml"
    with Load() as load:
        routes.write_text(routes.read_text().replace("DELETE: orders}", "DELETE: orders:read}").replace("expect: {deny: insufficient_scope}", "expect: {allow: user}"))
        took = until("a policy change takes effect by itself", lambda: status("DELETE", "/api/v1/orders/7") == 200)
    check("  in the same process", show("MainPID") == pid, f"after {took:.2f} s; {load}")
    check("  without a lost request", not load.bad, f"{load.bad[:3]}")


def hand_over():
    before = show("MainPID")
    with Load() as load:
        run("systemctl", "reload", "scopegate.service")
        took = until("`systemctl reload` hands over to a new process", lambda: show("MainPID") not in (before, "0"))
        until("  the old one ends", lambda: not pathlib.Path(f"/proc/{before}").exists())
        time.sleep(1)
    check("  without a lost request", not load.bad, f"after {took:.2f} s; {load}; {load.bad[:3]}")
    check("  and the unit is active", show("ActiveState") == "active", show("StatusText"))


def refused_hand_over():
    before, file = show("MainPID"), CONFIGURATION / "scopegate.yaml"
    text = file.read_text()
    file.write_text(text.replace("upstreams:", "upstreems:"))
    outcome = run("systemctl", "reload", "scopegate.service", fails=True)
    check("`systemctl reload` fails with a faulty file", outcome.returncode != 0 and show("MainPID") == before and status("GET", "/health", None) == 200)
    check("  and the service goes on", show("ActiveState") == "active", show("StatusText"))
    file.write_text(text)


def restart():
    before = show("MainPID")
    with Load() as load:
        took = timed(lambda: run("systemctl", "restart", "scopegate.service"))
    check("`systemctl restart` has a new process", show("MainPID") != before, f"after {took:.2f} s; {load}")
    check("  without a lost request, since systemd holds the socket", not load.bad, f"{load.bad[:3]}")


def death(restarts):
    before = show("MainPID")
    run("kill", "-KILL", before)
    waited = timed(lambda: check("a connection made while no process runs is served", status("GET", "/health", None) == 200))
    check("it is started again after it was killed", show("MainPID") not in (before, "0") and show("NRestarts") == restarts, f"served after {waited:.2f} s")


def stop_with_a_request_in_flight():
    answers = []
    asking = threading.Thread(target=lambda: answers.append(status("GET", "/api/v1/orders/slow")))
    asking.start()
    time.sleep(0.5)
    took = timed(lambda: run("systemctl", "stop", "scopegate.socket", "scopegate.service"))
    asking.join()
    check("`systemctl stop` waits for a request in flight", answers == [200] and took > 1, f"{took:.2f} s")
    check("  and ends well", show("Result") == "success" and show("ExecMainStatus") == "0", show("Result"))


def authorization_server():
    (CONFIGURATION / "authorization-server.environment").write_text("SCOPEGATE_GATEWAY_TOKEN=the-gateway-token-of-the-test\n")
    run("systemctl", "start", "scopegate-authorization-server.service")
    until("the authorization server answers", lambda: plain("http://127.0.0.1:8081/healthz") == 200)
    check("  its database is its own", oct(pathlib.Path("/var/lib/scopegate/authorization-server.sqlite").stat().st_mode & 0o777) == "0o600")
    run("systemctl", "reload", "scopegate-authorization-server.service")
    run("systemctl", "stop", "scopegate-authorization-server.service")
    check("  and ends well", show("Result", "scopegate-authorization-server.service") == "success")


class Load:
    """Eight clients that ask without a pause, each time over a new connection."""

    def __enter__(self):
        self.good, self.bad, self.longest, self.ended = 0, [], 0.0, threading.Event()
        self.clients = [threading.Thread(target=self.ask) for _ in range(8)]
        for client in self.clients:
            client.start()
        time.sleep(0.5)
        return self

    def ask(self):
        while not self.ended.is_set():
            begun = time.monotonic()
            try:
                answer = status("GET", "/api/v1/orders")
            except (OSError, http.client.HTTPException) as fault:
                answer = repr(fault)
            self.longest = max(self.longest, time.monotonic() - begun)
            if answer == 200:
                self.good += 1
            else:
                self.bad.append(answer)

    def __exit__(self, *_):
        time.sleep(0.5)
        self.ended.set()
        for client in self.clients:
            client.join()

    def __str__(self):
        return f"{self.good} requests well, {len(self.bad)} lost, the longest took {self.longest:.2f} s"


def upstream():
    class Echo(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            if self.path.endswith("/slow"):
                time.sleep(3)
            content = json.dumps({"access": self.headers["Scopegate-Access"]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_DELETE = answer

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 128

        def handle_error(self, *_):
            pass  # what a gateway that died has left

    return Server(("127.0.0.1", 9000), Echo)


def status(method, path, token=TOKEN):
    request = urllib.request.Request(f"https://127.0.0.1:443{path}", method=method, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, context=TLS, timeout=60) as answer:
            answer.read()
            return answer.status
    except urllib.error.HTTPError as answer:
        return answer.code


def plain(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except OSError as fault:
        return repr(fault)


def show(name, unit="scopegate.service"):
    return run("systemctl", "show", "--property", name, "--value", unit).stdout.strip()


def run(*command, fails=False):
    outcome = subprocess.run(command, capture_output=True, text=True)
    if outcome.returncode and not fails:
        check(" ".join(command), False, outcome.stderr.strip())
    return outcome


def timed(action):
    begun = time.monotonic()
    action()
    return time.monotonic() - begun


def until(what, condition, seconds=30):
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > seconds:
            check(what, False, "not in time")
            break
        time.sleep(0.02)
    else:
        check(what, True)
    return time.monotonic() - begun


def check(what, holds, more=""):
    print(f"{'ok    ' if holds else 'FAULT '} {what}{f': {more}' if more else ''}", flush=True)
    if not holds:
        FAULTS.append(what.strip())


try:
    main()
except BaseException as fault:  # whatever it is, the machine must end, and its starter must read of it
    print(f"FAILED: {fault!r}", flush=True)
finally:
    sys.stdout.flush()
    subprocess.run(["journalctl", "--no-pager", "-u", "scopegate*", "-o", "cat"], stdout=open("/test/journal", "w"))
    subprocess.run(["systemctl", "poweroff"])
