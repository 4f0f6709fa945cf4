"""What is counted of one scenario, and with which tool: callgrind, strace, dhat."""
import collections
import dataclasses
import json
import pathlib
import re
import subprocess
import tempfile
from typing import Any

from callgrind import STANDARD, Counts, crate_of
from stage import Client, Gateway

# Before anything counts: connections, the token, and what is made at the first request.
WARM_UP = 100
CALLGRIND = ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes"]
DHAT = ["valgrind", "--quiet", "--tool=dhat", "--num-callers=40", "--read-inline-info=yes", "--fullpath-after="]
CALL = re.compile(r"(\d+) +(\w+)\(")
# `0x4001234: hyper::proto::parse (/root/.cargo/registry/src/…/hyper-1.12.0/src/proto/h1/role.rs:225)`, or `(in /usr/lib/…)`
FRAME = re.compile(r"0x[0-9A-F]+: (.*) \((?:in )?([^()]*?)(?::\d+)?\)$")


@dataclasses.dataclass(frozen=True)
class Job:
    """One scenario with one binary, a folder for what it needs, and the upstream of all."""

    binary: pathlib.Path
    folder: pathlib.Path
    issuer: Any
    scenario: Any
    upstream: int
    connections: int

    def run(self, tool, work):
        """Starts the gateway under the tool, which writes its result to the file that is returned, and has a client do the work."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        command = [word.replace("OUT", str(folder / "out")) for word in tool]
        with Gateway(self.binary, folder, self.issuer, self.scenario, self.upstream, command) as gateway:
            client = Client(gateway, self.connections)
            work(gateway, client)
            client.close()
        return folder / "out"

    def short_and_long(self, tool, requests):
        """The results of two runs, of which one makes so many requests more."""
        return [self.run(tool, lambda gateway, client, count=count: client.ask(count)) for count in (WARM_UP, WARM_UP + requests)]


class Callgrind:
    """A process under callgrind, which counts only what is done between two dumps."""

    def __init__(self, pid, out):
        self.pid, self.out = pid, out
        self.tell("instrumentation", "on")

    def tell(self, *words):
        subprocess.run(["vgdb", f"--pid={self.pid}", *words], check=True, capture_output=True)

    def dump(self):
        """What the thread that serves did since the last dump, or since the beginning. Other threads work by the clock: they write the log,
        and look whether files have changed."""
        known = set(self.out.parent.glob("out.*"))
        self.tell("dump")
        threads = map(Counts, set(self.out.parent.glob("out.*")) - known)
        return max(threads, key=lambda thread: (thread.by_crate()["hyper"], thread.total()))


def instructions(job, requests):
    """The worker's instructions for so many requests: neither the process' start nor its end is in them."""
    counts = []

    def work(gateway, client):
        client.ask(WARM_UP)
        callgrind = Callgrind(gateway.process.pid, gateway.folder / "out")
        client.ask(WARM_UP)
        callgrind.dump()
        client.ask(requests)
        counts.append(callgrind.dump())

    job.run([*CALLGRIND, "--callgrind-out-file=OUT"], work)
    return counts[0]


def system_calls(job, requests):
    """The worker's system calls by name, for so many requests."""
    short, long = (worker_calls(out) for out in job.short_and_long(["strace", "-f", "-qq", "-o", "OUT"], requests))
    return long - short


def worker_calls(out):
    """Of the thread that makes the most of them."""
    threads = collections.defaultdict(collections.Counter)
    with out.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            # `1234 recvfrom(9, …` and, when it is done, perhaps `1234 <... recvfrom resumed>…`
            if call := CALL.match(line):
                threads[call[1]][call[2]] += 1
    return max(threads.values(), key=lambda calls: sum(calls.values()))


def allocations(job, requests):
    """[blocks, bytes] by the place that asked for them, of so many requests: whose code it is, what it is called, and for whom of ours."""
    total = collections.defaultdict(lambda: [0, 0])
    for sign, out in zip((-1, 1), job.short_and_long([*DHAT, "--dhat-out-file=OUT"], requests)):
        report = json.loads(out.read_text())
        for point in report["pps"]:
            counted = total[place([report["ftbl"][frame] for frame in point["fs"]])]
            counted[0] += sign * point["tbk"]
            counted[1] += sign * point["tb"]
    return {where: counted for where, counted in total.items() if counted[0] > 0}


def place(frames):
    """The first function outside the allocator and the standard library, and the first one of ours: (crate, function, file) of each."""
    nobody, named = ("std", "?", ""), []
    for function, file in (found.groups() for frame in frames if (found := FRAME.match(frame))):
        if file.endswith(".rs") and not STANDARD.search(file):
            named.append((crate_of("", file, function), readable(function), file.rsplit("/src/", 1)[-1]))
    return next(iter(named), nobody), next((one for one in named if one[0] == "scopegate"), nobody)


def readable(function):
    """Without type parameters, which are longer than the names."""
    shorter = re.sub(r"(?<=\w)<[^<>]*>", "", function)
    return shorter if shorter == function else readable(shorter)
