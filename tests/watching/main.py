"""Makes each alert fire and clear in a real Prometheus, and says how long it took."""
import argparse
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time

import servers
import stage as stages
from faults import Faults
from picture.draw import draw
from stage import until

PATIENCE = 150


def alerts():
    with open(os.path.join(stages.RULES, "scopegate-alerts.yaml")) as file:
        return re.findall(r"- alert: (\w+)", file.read())


def is_whole(alert):
    """Whether the texts of an alert were filled in."""
    return all(text and "<no value>" not in text and "error" not in text.lower().replace("errors", "") for text in alert["annotations"].values())


class Run:
    def __init__(self, stage, faults):
        self.stage, self.faults, self.rows, self.wrong, self.begun = stage, faults, {}, [], time.monotonic()
        self.waiting, self.clearing, self.fired = {}, {}, {}

    def say(self, text):
        print(f"{time.monotonic() - self.begun:6.1f} s  {text}", flush=True)

    def quiet(self):
        """Nothing may fire while all is well, whatever operators do: reload, hand over, deploy, one more gateway."""
        a, b, prometheus = self.faults.a, self.faults.b, self.stage.prometheus
        time.sleep(10)
        for gateway in (a, b):
            gateway.extra = True
            gateway.reload()
            time.sleep(3)
        pid = a.pid
        a.signal(signal.SIGUSR2)
        until(lambda: a.pid != pid, 20, "the hand-over is done")
        b.signal(signal.SIGTERM)
        b.child.wait(20)
        b.start()
        for gateway in (a, b):
            gateway.extra = False
            gateway.reload()
        end = time.monotonic() + 35
        while time.monotonic() < end:
            if found := prometheus.firing():
                self.wrong.append(f"fires while all is well: {', '.join(found)}")
                break
            time.sleep(0.5)
        self.say("quiet: two policies, a hand-over, and a restart" + ("" if not self.wrong else "; but " + self.wrong[-1]))

    def begin(self, faults):
        for fault in faults:
            fault.begin()
            fault.since = time.monotonic()
            self.say(f"begins: {fault.how}")
            self.waiting |= {alert: fault for alert in fault.alerts}

    def look(self):
        """Notes which alerts fire that were waited for; ends faults that have made all of theirs fire; notes which alerts are over."""
        found = self.stage.prometheus.firing()
        for alert in [name for name in self.waiting if name in found]:
            fault = self.waiting.pop(alert)
            self.fired[alert] = time.monotonic() - fault.since
            if not all(map(is_whole, found[alert])):
                self.wrong.append(f"{alert} tells nothing whole: {json.dumps(found[alert][0]['annotations'])}")
            self.say(f"fires after {self.fired[alert]:.0f} s: {alert}: {found[alert][0]['annotations']['summary']}")
            if not set(fault.alerts) & set(self.waiting):
                self.say(f"ends: {fault.how}")
                fault.end()
                fault.since = time.monotonic()
                self.clearing |= {alert: fault for alert in fault.alerts}
        for alert in [name for name in self.clearing if name not in found]:
            fault = self.clearing.pop(alert)
            self.rows[alert] = (fault.how, self.fired[alert], time.monotonic() - fault.since)
            self.say(f"clears after {self.rows[alert][2]:.0f} s: {alert}")

    def follow(self, alerts):
        """Until these have fired and are over."""
        alerts, end = set(alerts), time.monotonic() + PATIENCE
        while (open_now := alerts & (set(self.waiting) | set(self.clearing))) and time.monotonic() < end:
            self.look()
            time.sleep(0.25)
        for alert in open_now:
            self.wrong.append(f"{alert} did not {'fire' if alert in self.waiting else 'clear'} within {PATIENCE} s")
            self.say(self.wrong[-1])
            if fault := self.waiting.pop(alert, None):
                fault.end()

    def picture(self, output, modules):
        """Draws the dashboard after two quiet minutes and one with faults."""
        time.sleep(100)
        faults = self.faults.shown()
        for fault in faults:
            fault.begin()
            time.sleep(6)
        time.sleep(45)
        draw(self.stage.prometheus.url, 180, output, modules=modules)
        for fault in faults:
            fault.end()

    def table(self):
        rules = {rule["name"]: rule for group in self.stage.prometheus.get("/api/v1/rules?type=alert")["groups"] for rule in group["rules"]}
        lines = ["| alert | severity | `for`, hastened | made to fire by | fired after | cleared after |", "|---|---|---|---|---|---|"]
        for alert in alerts():
            if alert in self.rows:
                how, fired, cleared = self.rows[alert]
                lines.append(f"| `{alert}` | {rules[alert]['labels']['severity']} | {rules[alert]['duration']:.0f} s | {how} | {fired:.0f} s | {cleared:.0f} s |")
        return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--output", help="folder for alerts.md and for Prometheus' data")
    parser.add_argument("--only", default="", help="alerts, separated by commas: only the rounds that have one of them")
    parser.add_argument("--picture", metavar="MODULES", help="draw the dashboard at the end, with faults in it; the folder has node_modules")
    parser.add_argument("--stay", action="store_true", help="leave everything running at the end, until Ctrl-C")
    options = parser.parse_args()
    if options.output:
        os.makedirs(options.output, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="watching-")
    stages.subprocess.run([options.binary, "token", "mint", "--new-key", os.path.join(folder, "keys"), "--issuer", stages.FILED,
                           "--audience", stages.AUDIENCE], check=True, capture_output=True)
    with open(os.path.join(folder, "keys", "jwks.json"), "rb") as file:
        issuer = servers.Server(servers.issuer(file.read(), stages.FETCHED))
    upstreams = {name: servers.Server(servers.Upstream) for name in ("api", "orders", "narrow")}
    adopt_orphans()
    stage = stages.Stage(options.binary, folder, issuer.port, {name: server.port for name, server in upstreams.items()})
    try:
        for gateway in stage.gateways.values():
            gateway.start()
        stage.watch_all()
        stage.prometheus.start()
        print(f"Prometheus at {stage.prometheus.url}, gateways with admin listeners at {[g.admin for g in stage.gateways.values()]}, files in {folder}", flush=True)
        faults = Faults(stage, upstreams)
        faults.usual()
        run = Run(stage, faults)
        wanted = set(filter(None, options.only.split(",")))
        if not wanted:
            run.quiet()
        slow = [fault for fault in [faults.certificate_ten()] if not wanted or wanted & set(fault.alerts)]
        run.begin(slow)
        for one in faults.rounds():
            one = [fault for fault in one if not wanted or wanted & set(fault.alerts)]
            run.begin(one)
            run.follow(alert for fault in one for alert in fault.alerts)
        run.follow(alert for fault in slow for alert in fault.alerts)
        missing = (wanted or set(alerts())) - set(run.rows)
        run.wrong += [f"never fired and cleared: {', '.join(sorted(missing))}"] if missing else []
        if options.picture:
            run.picture(os.path.join(options.output, "dashboard.png"), options.picture)
        print("\n" + run.table())
        if options.output:
            with open(os.path.join(options.output, "alerts.md"), "w") as file:
                file.write(run.table())
        print("\n".join(run.wrong) or f"each of {len(run.rows)} alerts has fired and cleared, in {time.monotonic() - run.begun:.0f} s")
        while options.stay:
            time.sleep(1)
    except KeyboardInterrupt:
        pass
    finally:
        stage.stop()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if run.wrong else 0)


def adopt_orphans():
    """Makes this process the parent of the gateways whose own parent ends (`PR_SET_CHILD_SUBREAPER`)."""
    import ctypes
    ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)


if __name__ == "__main__":
    main()
