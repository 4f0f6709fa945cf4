#!/usr/bin/env python3
"""Counts what a request costs, where times would be noise: user instructions, system calls, allocations.

usage: benches/counts.py [--scopegate target/release/scopegate]     a table of whole requests
usage: benches/counts.py --parts                                    the parts of a request too: look-up, decision, verification, …
usage: benches/counts.py --check                                    fails where a count is 5 % above benches/baseline.json
usage: benches/counts.py --renew --parts                            writes benches/baseline.json
usage: benches/counts.py --profile --only remembered                whose the instructions and the allocations are

The binary runs with one worker, between an upstream and a client of this program. One connection makes one request after the other, so that
every request wakes the worker alone: the most that it can cost, and always the same. Needs valgrind, strace, openssl and Debian's libc6-dbg; --parts builds
benches/instructions.rs. Only the worker's thread is counted.
*Chosen* is what is chosen for the processor when the program runs, the cryptography and the C library's
copies: it is counted apart, for valgrind's processor has no instructions for SHA-256, and counts a copy of bytes byte by byte.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE / "counting"))

import parts
import tools
from stage import ALLOWED, Failure, Issuer, paths, request, serve_upstream

REQUESTS = 1000
# A count that is further above its baseline fails; with another compiler, valgrind or C library instructions may be more.
MARGIN, MARGIN_OF_OTHER_TOOLS, MARGIN_OF_CHOSEN = 1.05, 1.15, 1.15
# A lookup must not depend on the size of the table.
LARGE_TABLE, SMALL_TABLE, TABLE_MARGIN = "20,000 routes", "10 routes", 1.03
COLUMNS = ("instructions", "chosen", "system calls", "allocations")


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One kind of request: the table that it meets, the token that it shows, and the answer that it must get."""

    scope: str = ALLOWED
    status: int = 200
    entries: int = 10
    tls: bool = False
    path: str = ""
    lifetime: int = 4 * 3600
    tokens: int = 1

    def requests(self, issuer):
        shown = [issuer.token(self.scope, number, self.lifetime) for number in range(self.tokens)] if self.scope else [None]
        asked = [self.path] if self.path else paths(self.entries)
        return [request(asked[number % len(asked)], shown[number % len(shown)]) for number in range(max(len(asked), len(shown)))]


SCENARIOS = {
    "public": Scenario(scope="", path="/public/1"),
    "remembered": Scenario(path="/api/v1/groups0000/1"),
    "remembered, TLS 1.3": Scenario(path="/api/v1/groups0000/1", tls=True),
    "new token": Scenario(path="/api/v1/groups0000/1", tokens=REQUESTS // 2),
    "403": Scenario(path="/api/v1/groups0000/1", scope="offline_access", status=403),
    "401, expired": Scenario(path="/api/v1/groups0000/1", lifetime=-3600, status=401),
    SMALL_TABLE: Scenario(),
    "1,000 routes": Scenario(entries=1000),
    LARGE_TABLE: Scenario(entries=20000),
}


def count(job):
    """Everything of one scenario, for each request."""
    requests = REQUESTS if job.scenario.tokens == 1 else job.scenario.tokens - 2 * tools.WARM_UP
    counted, calls = tools.instructions(job, requests), tools.system_calls(job, requests)
    if not counted.has_symbols():
        raise Failure("valgrind knows no function of the C library: install its debug symbols (libc6-dbg)")
    chosen = counted.chosen()
    return {"instructions": round((counted.total() - chosen) / requests), "chosen": round(chosen / requests),
            "system calls": round(sum(calls.values()) / requests, 1), "allocations": round(counted.allocations() / requests, 1)}


def used_tools(binary):
    """What the counts of one and the same source depend on."""
    version = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    compiler = re.search(rb"rustc version ([\d.]+[\w.-]*)", binary.read_bytes())
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    return {"processor": platform.machine() + (" with avx2" if " avx2 " in flags else ""), "valgrind": version.removeprefix("valgrind-"),
            "rustc": compiler[1].decode() if compiler else "unknown", "libc": platform.libc_ver()[1]}


def judge(counted, baseline, used):
    """The lines that are wrong, and those that somebody should read."""
    margins, notes = comparable(baseline["tools"], used)
    wrong = []
    for kind, rows in counted.items():
        for name, row in rows.items():
            for column, value in row.items():
                # Where a small part copies to in memory decides more of this than the part.
                margin = None if (kind, column) == ("parts", "chosen") else margins.get(column)
                base = baseline.get(kind, {}).get(name, {}).get(column)
                if base is None:
                    wrong.append(f"{name}: {column} has no baseline")
                elif margin and value > base * margin:
                    wrong.append(f"{name}: {value:,} {column}, more than {base:,}" + (f" by {value / base - 1:.1%}" if base else ""))
                elif margin and value * margin < base:
                    notes.append(f"{name}: {value:,} {column}, less than {base:,} by {1 - value / base:.1%}: keep it with --renew")
    large, small = (counted["requests"].get(name, {}).get("instructions") for name in (LARGE_TABLE, SMALL_TABLE))
    if large and small and large > small * TABLE_MARGIN:
        wrong.append(f"{LARGE_TABLE}: {large:,} instructions, more than {small:,} with {SMALL_TABLE} by {large / small - 1:.1%}")
    return wrong, notes


def comparable(made_with, used):
    """By how much a count may be above its baseline, with these tools; what depends on them too much is not compared."""
    others = [f"{name} {used[name]} in place of {value}" for name, value in made_with.items() if used[name] != value]
    margins = {column: MARGIN for column in COLUMNS} | {"chosen": MARGIN_OF_CHOSEN}
    if not others:
        return margins, []
    del margins["chosen"]
    margins["instructions"] = MARGIN_OF_OTHER_TOOLS
    if used["processor"] != made_with["processor"]:
        del margins["instructions"]
    allowed = ", ".join(f"{column} {margin - 1:.0%}" for column, margin in margins.items())
    return margins, [f"the baseline was made with other tools ({'; '.join(others)}). So these alone are compared: {allowed}"]


def show(heading, columns, rows):
    print(f"\n| {heading} | " + " | ".join(columns) + " |\n|---" + "|---:" * len(columns) + "|")
    for name, row in rows.items():
        print(f"| {name} | " + " | ".join(f"{row[column]:,}" for column in columns) + " |", flush=True)


def profile(job, name):
    """Whose the instructions and the allocations of one scenario are."""
    counted = tools.instructions(job, REQUESTS)
    total = counted.total()
    print(f"\n### {name}: {total / REQUESTS:,.0f} instructions\n\n| crate | instructions | share |\n|---|---:|---:|")
    for crate, value in counted.by_crate().most_common():
        if value * 500 >= total:
            print(f"| {crate} | {value / REQUESTS:,.0f} | {value / total:.1%} |")
    print("\n| function of ours, with what is inlined into it | instructions | share |\n|---|---:|---:|")
    for function, value in counted.by_function("scopegate").most_common(15):
        print(f"| `{tools.readable(function)}` | {value / REQUESTS:,.0f} | {value / total:.1%} |")
    print("\n| calls | for each request |\n|---|---:|")
    for call, value in tools.system_calls(job, REQUESTS).most_common():
        if value * 50 >= REQUESTS:
            print(f"| {call} | {value / REQUESTS:.2f} |")
    print("\n| blocks | bytes | whose | where | for |\n|---:|---:|---|---|---|")
    for (first, ours), (blocks, size) in sorted(tools.allocations(job, REQUESTS).items(), key=lambda item: -item[1][0]):
        if blocks * 50 >= REQUESTS:
            print(f"| {blocks / REQUESTS:.2f} | {size / REQUESTS:,.0f} | {first[0]} | `{first[1]}` {first[2]} | `{ours[1]}` {ours[2]} |")


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scopegate", type=pathlib.Path, default=pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "release/scopegate",
                        help="a release build (default %(default)s)")
    parser.add_argument("--only", help=f"scenarios whose names begin so, with semicolons; of: {'; '.join(SCENARIOS)}")
    parser.add_argument("--connections", type=int, default=1, help="that ask at the same time (default %(default)s)")
    parser.add_argument("--parts", action="store_true", help="the parts too")
    parser.add_argument("--check", action="store_true", help="compare with the baseline")
    parser.add_argument("--renew", action="store_true", help="write the baseline")
    parser.add_argument("--baseline", type=pathlib.Path, default=HERE / "baseline.json", help="(default %(default)s)")
    parser.add_argument("--profile", action="store_true", help="whose the instructions and the allocations are")
    return parser.parse_args()


def main():
    args = options()
    beginnings = tuple(args.only.split(";")) if args.only else ("",)
    chosen = {name: scenario for name, scenario in SCENARIOS.items() if name.startswith(beginnings)}
    counted = {"requests": {}}
    with tempfile.TemporaryDirectory(prefix="scopegate-counts-") as place:
        folder = pathlib.Path(place)
        issuer, upstream = Issuer(folder), serve_upstream()
        for name, scenario in chosen.items():
            job = tools.Job(args.scopegate.resolve(), folder, issuer, scenario, upstream, args.connections)
            try:
                if args.profile:
                    profile(job, name)
                else:
                    counted["requests"][name] = count(job)
            except (Failure, OSError) as failure:
                sys.exit(f"error: {name}: {failure}")
        if args.profile:
            return 0
        show("for each request", COLUMNS, counted["requests"])
        if args.parts:
            counted["parts"] = parts.count(folder)
            show("for each run of a part", COLUMNS[:2], counted["parts"])
    return settle(args, counted)


def settle(args, counted):
    """Compares with the baseline or renews it, as is asked for."""
    used = used_tools(args.scopegate)
    if args.renew:
        known = json.loads(args.baseline.read_text()) if args.baseline.exists() else {}
        if known.get("tools") != used:
            known = {}
        merged = {kind: {**known.get(kind, {}), **rows} for kind, rows in counted.items()}
        args.baseline.write_text(json.dumps({**known, "tools": used, **merged}, indent=1) + "\n")
    if not args.check:
        return 0
    wrong, notes = judge(counted, json.loads(args.baseline.read_text()), used)
    for line in notes:
        print(f"note: {line}")
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    failed = len({line.rsplit(": ", 1)[0] for line in wrong})
    print(f"\n{sum(map(len, counted.values())) - failed} passed, {failed} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
