"""Each fault: what is done, which alerts it is to make fire, and how it is undone."""
import itertools
import random
import signal
import threading

from load import Held, Load
from servers import SWITCHES, Server, Upstream, stand_in
from stage import FETCHED, FILED, free_port, mint, until


class Fault:
    """`alerts` fire between `begin` and `end`. `how` is for the table."""

    def __init__(self, alerts, how, begin, end):
        self.alerts, self.how, self.begin, self.end = alerts.split(), how, begin, end


class Faults:
    def __init__(self, stage, upstreams):
        self.stage, self.upstreams, self.running = stage, upstreams, {}
        self.a, self.b = stage.gateways["a"], stage.gateways["b"]
        staff = ("--client", "console", "--subject", "nora", "--role", "Staff", "--lifetime", "2h")
        token = lambda issuer, scope, **more: mint(stage.binary, stage.folder, issuer, "--scope", scope, *staff, **more)  # noqa: E731
        self.good, self.other = token(FILED, "items reports"), token(FETCHED, "items")
        self.small, self.elsewhere = token(FILED, "items"), token(FILED, "items", audience="https://elsewhere.example.com")
        self.opaque = ("opaque-" + str(number) for number in itertools.count())

    def forged(self):
        """The good token with another signature, each time a new one."""
        head, _, _ = self.good.rpartition(".")
        return head + "." + "".join(random.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", k=85)) + "A"

    def usual(self):
        """What healthy users do, on both gateways, all the time."""
        for gateway in (self.a, self.b):
            for rate, path, token in ((12, "/items/1", self.good), (4, "/reports/7", self.good), (4, "/orders/3", self.good), (2, "/items/2", self.other),
                                      (2, "/health", None), (2, "/items/3", lambda: next(self.opaque)), (0.3, "/items/4", None), (0.2, "/reports/4", self.small)):
                Load(gateway, rate, path, token)

    def loads(self, name, *arguments):
        """A fault's begin and end: requests at these rates, to both gateways."""
        def begin():
            self.running[name] = [Load(gateway, *one[:3], **(one[3] if len(one) > 3 else {})) for gateway in (self.a, self.b) for one in arguments]
        return begin, lambda: [load.stop() for load in self.running.pop(name)]

    def held(self, name, gateway, count, **options):
        def begin():
            self.running[name] = Held(gateway, count, **options)
        return begin, lambda: self.running.pop(name).stop()

    def switched(self, *what):
        return lambda: SWITCHES.update(dict.fromkeys(what, False)), lambda: SWITCHES.update(dict.fromkeys(what, True))

    def changed(self, gateway, **attributes):
        before = {name: getattr(gateway, name) for name in attributes}

        def put(values):
            for name, value in values.items():
                setattr(gateway, name, value)
            gateway.reload()
        return lambda: put(attributes), lambda: put(before)

    def rounds(self):
        """Faults in rounds; those of one do not get in each other's way."""
        return [
            [self.certificate_day(),
             Fault("ScopegateKeysStale ScopegateKeysRunOut", "the issuer answers 500 for its key set", *self.switched("keys")),
             Fault("ScopegateRevocationsStale", "the revocation feed answers 500", *self.switched("revocations")),
             Fault("ScopegateRoleDirectoryStale", "the role directory answers 500", *self.switched("roles")),
             Fault("ScopegateIntrospectionFailing", "the introspection endpoint answers 500", *self.switched("introspection"))],
            [self.upstream_dies(), self.narrow(), self.handover_fails(), self.two_tables()],
            [Fault("ScopegateDenialSpike", "30 requests a second with a token for another API", *self.loads("spike", (15, "/items/9", self.elsewhere))),
             Fault("ScopegateRouteDenied", "20 requests a second with a token that lacks the scope `reports`", *self.loads("route", (10, "/reports/9", self.small))),
             Fault("ScopegateProbing", "80 requests a second for paths that are not there", *self.loads("probing", (40, "/admin.php", None)))],
            [Fault("ScopegateMostRequestsDenied", "160 requests a second with forged signatures", *self.loads("denied", (80, "/items/9", self.forged, {"clients": 4}))),
             self.slow()],
            [Fault("ScopegateConnectionsNearLimit", "52 of 60 connections are opened and kept", *self.held("near", self.b, 42)),
             Fault("ScopegateTunnelsNearLimit", "9 of 10 WebSockets are opened and kept", *self.held("tunnels", self.a, 9, websocket_token=self.good))],
            [Fault("ScopegateRequestsNearLimit", "22 requests of 25 wait for an upstream that takes 10 s", *self.loads("slow", (11, "/items/10000", self.good, {"clients": 22}))),
             self.keys_gone(), self.defect()],
            [self.too_many(), self.log_unread()],
            [self.crashes(),
             Fault("ScopegateFilesNearLimit", "the limit of open files is lowered to 3 more than are open", lambda: self.a.limit_files(3), lambda: self.a.limit_files(None))],
            [Fault("ScopegateDown", "one gateway is killed", self.b.kill, self.b.start)],
            [Fault("ScopegateAbsent", "Prometheus is given an empty list of targets", lambda: self.stage.prometheus.watch({}), self.stage.watch_all)],
        ]

    def shown(self):
        """Faults for a picture, together."""
        return [
            self.two_tables(), self.certificate_ten(),
            Fault("ScopegateRouteDenied", "", *self.loads("route", (10, "/reports/9", self.small))),
            Fault("ScopegateDenialSpike", "", *self.loads("spike", (8, "/items/9", self.elsewhere))),
            Fault("ScopegateTunnelsNearLimit", "", *self.held("tunnels", self.a, 9, websocket_token=self.good)),
            Fault("ScopegateRoleDirectoryStale", "", *self.switched("roles")),
            self.upstream_dies(),
        ]

    def certificate_ten(self):
        return Fault("ScopegateCertificateExpiring", "a certificate that is good for ten days", *self.certified(self.a, 10))

    def certificate_day(self):
        return Fault("ScopegateCertificateExpiresSoon", "a certificate that is good for one day", *self.certified(self.b, 1))

    @staticmethod
    def certified(gateway, days):
        def put(days):
            gateway.certificate(days)
            gateway.reload()
        return lambda: put(days), lambda: put(400)

    def upstream_dies(self):
        begin_load, end_load = self.loads("orders", (6, "/orders/9", self.good))

        def begin():
            self.upstreams["orders"].die()
            begin_load()

        def end():
            self.upstreams["orders"] = Server(Upstream, self.upstreams["orders"].port)
            end_load()
        return Fault("ScopegateUpstreamFailing ScopegateFailing", "the server behind one of three upstreams ends", begin, end)

    def narrow(self):
        return Fault("ScopegateUpstreamQueueFull", "an upstream with one connection and no queue takes 300 ms, for five clients",
                     *self.loads("narrow", (10, "/narrow/300", self.good, {"clients": 5})))

    def handover_fails(self):
        def begin():
            self.a.broken = True
            self.a.reload()
            self.a.signal(signal.SIGUSR2)

        def end():
            self.a.broken = False
            self.a.reload()
            pid = self.a.pid
            self.a.signal(signal.SIGUSR2)
            until(lambda: self.a.pid != pid, 20, "the hand-over is done")
        return Fault("ScopegateReloadFailing ScopegateHandoverFailed", "a policy that does not compile, `POST /reload`, `SIGUSR2`; then the policy as it was, and the same", begin, end)

    def two_tables(self):
        return Fault("ScopegateTableSkew", "one of two gateways has one route more", *self.changed(self.b, extra=True))

    def slow(self):
        begin, end = self.changed(self.b, verification=0.001)
        return Fault("ScopegateDecisionsSlow", "of the same flood, one gateway may use 0.1 % of its time (`limits.verification`)", begin, end)

    def keys_gone(self):
        return Fault("ScopegateKeysMissing", "an issuer's key set is moved to a port where nobody listens",
                     *self.changed(self.b, keys=f"http://127.0.0.1:{free_port()}/keys"))

    def defect(self):
        def begin():
            metrics, prometheus = self.a.ask("/metrics")[1], self.stage.prometheus
            before, after = (metrics.replace(b'{kind="panic"} 0', b'{kind="panic"} %d' % count) for count in (0, 1))
            shown = [before]
            server = self.running["defect"] = Server(stand_in(lambda: shown[0]))
            prometheus.watch({**{name: gateway.admin for name, gateway in self.stage.gateways.items()}, "stand-in": server.port})
            seen = "/api/v1/query?query=count_over_time(up{instance=%22stand-in%22}[20s])%20%3E%202"
            until(lambda: prometheus.get(seen)["result"], 30, "the stand-in is scraped")
            shown[0] = after

        def end():
            self.stage.watch_all()
            self.running.pop("defect").shutdown()
        return Fault("ScopegateDefect", "a stand-in repeats a gateway's metrics with one panic more: a sound gateway cannot be made to panic", begin, end)

    def too_many(self):
        def begin():
            self.running["many"] = Held(self.b, 48)
            over = self.running["knocks"] = threading.Event()
            threading.Thread(target=self.knock, args=(over,), daemon=True).start()

        def end():
            self.running.pop("knocks").set()
            self.running.pop("many").stop()
        return Fault("ScopegateConnectionsRefused", "all 60 connections are taken, and clients go on to connect", begin, end)

    def knock(self, over):
        held = []
        while not over.wait(0.1):
            try:
                held.append(Held(self.b, 1))
            except OSError:
                pass
        for one in held:
            one.stop()

    def log_unread(self):
        begin_load, end_load = self.loads("log", (3000, "/health", None, {"clients": 4}))

        def begin():
            self.a.reads.clear()
            begin_load()

        def end():
            end_load()
            self.a.reads.set()
        return Fault("ScopegateLogLinesDropped", "nobody reads a gateway's standard output while it writes some 10,000 lines", begin, end)

    def crashes(self):
        def begin():
            over = self.running["crashes"] = threading.Event()
            threading.Thread(target=self.crash, args=(over,), daemon=True).start()

        def end():
            self.running.pop("crashes").set()
        return Fault("ScopegateRestartLoop", "one gateway is killed every four seconds, and started again", begin, end)

    def crash(self, over):
        for _ in range(8):
            self.b.kill()
            self.b.start()
            if over.wait(4):
                return
