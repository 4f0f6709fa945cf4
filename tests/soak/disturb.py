"""What is done to the gateway and its upstreams while requests flow. Each injection also checks its own effect."""
import asyncio
import collections
import signal
import ssl
import time

from cryptography import x509

from good import FAULTS
from http1 import Peer
from stage import DRAIN, children, until
from watch import total

# Shares of the time at which the gateway hands over to a new process: at both ends, so that one process serves long enough between
# them for its memory to be judged.
HAND_OVERS, SHORT_RUN = (0.02, 0.06, 0.1, 0.9, 0.94, 0.98), (0.08, 0.95)
# Routes whose answers may take longer than a few seconds: a process that has handed over still ends them.
LONG = ("upload", "download", "slow", "slow-download", "events", "tunnel")

BROKEN_POLICIES = (
    "routes: [\n",
    "scopes: {}\nroutes:\n  - {path: /x, upstream: api, methods: {GET: unknown-scope}}\n",
    "routes:\n  - {path: /x, upstream: nobody, methods: {GET: public}}\n",
    "routes:\n  - {path: /x, upstream: api, methods: {GET: public}}\n"
    "tests:\n  - {name: no, request: GET /x, expect: {deny: no_token}}\n",
)


class Effect(Exception):
    """An injection had another effect than it must have."""


class Disturber:
    def __init__(self, run):
        self.run, self.stage, self.random = run, run.stage, run.random
        self.one_at_a_time = asyncio.Lock()
        self.deck = [self.good_policy, self.good_policy, self.broken_policy, self.death, self.death_and_move, self.move]
        if "tls" in self.stage.features:
            self.deck += [self.good_certificate, self.broken_certificate]
        if "grpc" in self.stage.features:
            self.deck.append(self.death_of_calls)

    async def disturb(self, every):
        """One injection after the other; each kind comes as often as the others."""
        left = []
        while await self.run.pause(every):
            if not left:
                left = self.random.sample(self.deck, len(self.deck))
            await left.pop()()

    async def injected(self, kind, steps, upstream=None):
        """Runs an injection, and notes when and whether it did what it must."""
        async with self.one_at_a_time:
            disturbance, fault = self.run.record.disturb(kind, upstream), None
            try:
                await steps
            except (Effect, TimeoutError, OSError) as caught:
                fault = f"{type(caught).__name__}: {caught}"
            disturbance.over(fault)

    # Reloads

    async def ask_for_reload(self):
        """By one of the three ways; the file's change alone is one of them."""
        way = self.random.choice(("file", "signal", "request"))
        if way == "signal":
            self.stage.child_signal(signal.SIGHUP)
        elif way == "request":
            await self.stage.ask("POST", "/reload")

    async def reloads(self):
        metrics = await self.stage.metrics()
        failed = metrics.get('scopegate_reload_total{result="failed"}', 0)
        return total(metrics, "scopegate_reload_total") - failed, failed

    async def loaded(self, before, which):
        async def more():
            return (await self.reloads())[which] > before[which]
        await until(more, 15, "the reload was counted as failed" if which else "the reload was counted")

    async def good_policy(self):
        await self.injected("good policy", self.change_policy())

    async def change_policy(self):
        self.stage.extra = not self.stage.extra
        self.stage.write_policy()
        await self.ask_for_reload()

        async def in_force():
            return await self.status_of_extra() == (200 if self.stage.extra else 404)
        await until(in_force, 15, "the new table is in force")

    async def status_of_extra(self):
        """Asks for the route that half of the tables have."""
        peer = await Peer.connect(self.stage.places["clear"])
        try:
            status, _, _ = await peer.request("GET", "/extra/1", self.run.token())
        except FAULTS as fault:
            raise Effect(f"a request failed: {fault!r}") from None
        finally:
            peer.close()
        self.run.record.good("reload check", "extra" if status == 200 else "_unmatched", "GET", status)
        if status == 404:
            self.run.record.refusals["no_route"] += 1
        return status

    async def broken_policy(self):
        await self.injected("broken policy", self.break_policy())

    async def break_policy(self):
        before = await self.reloads()
        self.stage.write_policy(self.random.choice(BROKEN_POLICIES))
        await self.ask_for_reload()
        await self.loaded(before, 1)
        if await self.status_of_extra() != (200 if self.stage.extra else 404):
            raise Effect("the broken policy took effect")
        await self.run.sleep(self.random.random())
        before = await self.reloads()
        self.stage.write_policy()
        await self.ask_for_reload()
        await self.loaded(before, 0)

    # Certificates

    async def good_certificate(self):
        await self.injected("good certificate", self.change_certificate())

    async def change_certificate(self):
        self.stage.write_certificate(*self.stage.authority.leaf())
        await self.ask_for_reload()
        await until(self.shows_certificate, 15, "new connections see the new certificate")

    async def shows_certificate(self):
        """Whether a new connection sees the certificate that is to be in force."""
        try:
            _, writer = await self.stage.places["tls"].connect("http/1.1")
        except ssl.SSLError as fault:
            raise Effect(f"a handshake failed: {fault}") from None
        shown = x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(True)).serial_number
        writer.close()
        return shown == self.stage.serial

    async def broken_certificate(self):
        await self.injected("broken certificate", self.break_certificate())

    async def break_certificate(self):
        before = await self.reloads()
        good = [open(self.stage.path(name), "rb").read() for name in ("chain.pem", "key.pem")]
        chain, key, _ = self.stage.authority.leaf()
        bad = self.random.choice(((chain[:200], key), (good[0], key), (b"", good[1]), (good[0], b"no key\n")))
        self.stage.write_certificate(*bad)
        await self.ask_for_reload()
        await self.loaded(before, 1)
        if not await self.shows_certificate():
            raise Effect("the broken certificate took effect")
        before = await self.reloads()
        self.stage.write_certificate(*good)
        await self.ask_for_reload()
        await self.loaded(before, 0)

    # Upstreams

    async def death(self, upstream=None):
        """It is killed, and comes back where it was."""
        upstream = upstream or self.stage.mortal
        await self.injected("death", self.die(upstream, move=False), upstream.name)

    async def death_and_move(self):
        """It is killed, and comes back at another port, which a reload tells the gateway."""
        await self.injected("death and move", self.die(self.stage.mortal, move=True), "mortal")

    async def death_of_calls(self):
        await self.death(self.stage.calls_mortal)

    async def die(self, upstream, move):
        await asyncio.to_thread(upstream.end(signal.SIGKILL).wait)
        await self.run.sleep(self.random.uniform(0.2, 2.5))
        if move:
            upstream.current = 1 - upstream.current
        await upstream.start()
        if move:
            await self.tell_gateway()

    async def tell_gateway(self):
        self.stage.write_gateway_file()
        status, answer = await self.stage.ask("POST", "/reload")
        if status != 200:
            raise Effect(f"POST /reload: {status} {answer}")

    async def move(self):
        """A planned move to another port: nothing may fail."""
        await self.injected("planned move", self.move_gently(self.stage.mortal), "mortal")

    async def move_gently(self, upstream):
        old, upstream.child = upstream.child, None
        upstream.current = 1 - upstream.current
        await upstream.start()
        await self.tell_gateway()
        old.send_signal(signal.SIGTERM)
        await asyncio.to_thread(old.wait, 30)

    # A new process

    async def hand_overs(self, seconds):
        """Hands over to a new process at the times set for a run of so many seconds."""
        begin = time.monotonic()
        for share in SHORT_RUN if seconds < 900 else HAND_OVERS:
            await self.run.sleep(begin + share * seconds - time.monotonic())
            if self.run.stopping.is_set():
                return
            await self.injected("hand-over", self.hand_over())

    async def hand_over(self):
        """The process that serves starts its successor, which serves from now on; the old one ends what it has begun, and ends."""
        answers, refusals = self.run.record.answers.copy(), self.run.record.refusals.copy()
        old, before = self.stage.pid, await self.run.watch.scrape()
        self.stage.child_signal(signal.SIGUSR2)

        async def another_serves():
            return (await self.stage.metrics()).get("process_start_time_seconds") != before["process_start_time_seconds"]
        await until(another_serves, 30, "a new process serves")
        found = children(old)
        if len(found) != 1:
            raise Effect(f"{len(found)} processes below the old one")
        self.run.watch.next_generation(found[0])
        self.run.leaving.append(asyncio.create_task(self.leave(old, answers, refusals)))

    async def leave(self, old, answers, refusals):
        """The old process ends within its time for draining. What it has counted since it was last asked, nobody will know."""
        record = self.run.record
        await asyncio.sleep(5)
        record.lost_answers += record.answers - answers
        record.lost_refusals += record.refusals - refusals
        status = await self.stage.ended(old, DRAIN + 10)
        record.lost_answers += collections.Counter({key: count for key, count in (record.answers - answers).items() if key[0] in LONG})
        if status != 0:
            self.run.record.failed("hand-over", None, time.monotonic(), f"the old process: {status}")
