"""Everything at once through one gateway, for as long as is asked; README.md says what runs and what is judged.

usage: tests/soak/run --binary target/release/scopegate --seconds 120
"""
import argparse
import asyncio
import gc
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time

import good
import streams
import ugly
from calls import CASES
from disturb import Disturber
from grpc_clients import grpc_calls
from http2 import Shared
from judge import judge
from plot import picture
from run import Run
from stage import Stage, adopt_orphans, cpu_seconds
from watch import Watch, descriptors, total

FEATURES = ("tls", "unix", "http2", "websocket", "grpc", "restart")
GIB = 1 << 30


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, help="the gateway, a release build")
    parser.add_argument("--seconds", type=int, default=120, help="how long clients run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=GIB, help="bytes of an upload and of a download")
    parser.add_argument("--without", default="", help=f"features that are left out: {', '.join(FEATURES)}")
    parser.add_argument("--output", help="a folder for summary.json, summary.txt, failures.jsonl and soak.svg")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the gateway's files and log")
    args = parser.parse_args()
    args.features = {feature for feature in FEATURES if feature not in args.without.split(",")}
    return args


def clients(run, args):
    """Every client that runs, for about 200 requests a second in all."""
    places = run.stage.places
    clear, secure = places["clear"], places.get("tls", places["clear"])
    result = []
    for place in places.values():
        result += [good.small_requests(run, place, 0.25) for _ in range(6)]
        result += [good.small_requests(run, place, 0.4, keep=False), good.mortal_requests(run, place, 0.2),
                   ugly.refused(run, place, 0.3), ugly.refused(run, place, 2, keep=False),
                   ugly.aborting(run, place, 0.5), ugly.too_slow(run, place, 10)]
        result += [good.events(run, place) for _ in range(3)]
    result += [good.distinct_tokens(run, clear, 0.1), good.pipelined(run, clear, 1), good.expiring(run, clear, 3),
               good.uploads(run, clear, 40, args.size, 60e6), good.downloads(run, clear, 40, args.size, 60e6),
               good.uploads(run, secure, 80, args.size, 40e6), good.downloads(run, secure, 80, args.size, 40e6),
               ugly.slow_readers(run, clear, 3), ugly.slow_readers(run, secure, 3),
               ugly.slow_writers(run, clear, 3), ugly.slow_writers(run, secure, 3)]
    for place in places.values() if "http2" in args.features else ():
        result += [streams.many_streams(run, place, 0.1, 12), streams.bursts(run, place, 3, 30), streams.mortal_streams(run, place, 0.4),
                   streams.refused_streams(run, place, 0.5), streams.aborting_streams(run, place, 0.4), streams.event_streams(run, place),
                   streams.download_streams(run, place, 4, 2_000_000, 250_000, "slow-download")]
    if "http2" in args.features:
        result += [streams.upload_streams(run, secure, 80, args.size, 30e6), streams.download_streams(run, secure, 80, args.size, 30e6)]
    if "websocket" in args.features:
        for place in places.values():
            result += [streams.tunnels(run, place, 1) for _ in range(4)] + [streams.refused_tunnels(run, place, 2), streams.aborting_tunnels(run, place, 1)]
            if "http2" in args.features:
                shared = Shared(place)
                result += [streams.tunnels(run, place, 1, shared) for _ in range(4)] + [streams.aborting_tunnels(run, place, 1, shared)]
    if "grpc" in args.features:
        result.append(grpc_calls(run))
    return result


def kinds(args, places):
    """The kinds of client of which at least one must get through."""
    names = [place.name for place in places.values()]
    secure = "tls" if "tls" in names else "clear"
    found = ["distinct tokens", "pipelined", "expiring token", "reload check"]
    for name in names:
        found += [f"http1 {name} kept", f"http1 {name} fresh", f"mortal upstream {name}", f"refused {name}", f"aborted {name}", f"cut off {name}", f"events {name}"]
        if "http2" in args.features:
            found += [f"http2 {name}", f"http2 burst {name}", f"mortal upstream http2 {name}", f"refused http2 {name}", f"aborted http2 {name}",
                      f"events http2 {name}", f"slow reader http2 {name}"]
        if "websocket" in args.features:
            found += [f"websocket http1 {name}", f"refused websocket {name}", f"aborted websocket http1 {name}"]
            if "http2" in args.features:
                found += [f"websocket http2 {name}", f"aborted websocket http2 {name}"]
        if "grpc" in args.features:
            found += [f"grpc {name} {case[0]}" for case in CASES]
    for name in {"clear", secure}:
        found += [f"{kind} {name}" for kind in ("upload", "download", "slow reader", "slow writer")]
    return found + ([f"upload http2 {secure}", f"download http2 {secure}"] if "http2" in args.features else [])


async def look(stage):
    """The gateway with nobody there."""
    with open(stage.path("gateway.log"), errors="replace") as log:
        panics = [line.strip()[:300] for line in log if "panic" in line]
    return {"descriptors": descriptors(stage.pid), "metrics": await stage.metrics(), "panics": panics}


async def quiet_again(stage, before):
    """Waits until everything has been given back, for at most 40 s, and looks."""
    end = time.monotonic() + 40
    while True:
        after = await look(stage)
        busy = sum(total(after["metrics"], f"scopegate_{name}") for name in ("requests_in_flight", "connections", "upstream_connections"))
        if time.monotonic() > end or not busy and after["descriptors"] <= before["descriptors"]:
            return after
        await asyncio.sleep(0.5)


async def soak(args, folder):
    """The run, and what is judged of it; however it ends, no process is left."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    stage = Stage(args.binary, folder, args.features)
    try:
        await stage.start()
        run = Run(stage, args.seconds, args.seed)
        # The first request opens what stays open; then nobody is there.
        before, run.kinds = await look(stage), kinds(args, stage.places)
        run.record.start = time.monotonic()
        watch, disturber = Watch(run), Disturber(run)
        run.watch = watch
        watching = asyncio.create_task(watch.look())
        everything = [*clients(run, args), disturber.disturb(2)]
        if "restart" in args.features:
            everything.append(disturber.hand_overs(args.seconds))
        await supervised(run, [asyncio.create_task(client) for client in everything], args.seconds)
        await asyncio.gather(*run.leaving)
        after = await quiet_again(stage, before)
        watch.generations[-1]["metrics"] = after["metrics"]
        run.over = True
        await watching
        cpu = {"clients": sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) + run.children_cpu, "gateway": sum(watch.cpu.values()),
               "upstreams": sum(u.cpu_before + (cpu_seconds(u.child.pid) if u.child else 0) for u in stage.upstreams.values())}
    finally:
        status = await stage.stop()
    verdict = judge(run, watch, (before, after), status)
    return run, watch, verdict, cpu


async def supervised(run, tasks, seconds):
    """Lets everything run for so long; a client that breaks down or never ends is a failure."""
    end, stopping = time.monotonic() + seconds, time.monotonic()
    running = set(tasks)
    while running:
        stopping = stopping if run.stopping.is_set() else time.monotonic()
        done, running = await asyncio.wait(running, timeout=1)
        for task in done:
            if task.exception():
                run.record.failed("the soak itself", None, time.monotonic(), repr(task.exception()))
                task.print_stack()
        if time.monotonic() >= end:
            run.stopping.set()
        if run.stopping.is_set() and time.monotonic() - stopping > 120:
            for task in running:
                run.record.failed("the soak itself", None, stopping, f"a client never ended: {task.get_coro().__qualname__}")
                task.cancel()
            await asyncio.wait(running)


def report(args, run, watch, verdict, cpu):
    record = run.record
    lines = [f"{args.seconds} s, seed {args.seed}, without: {args.without or 'nothing'}; {record.finished} requests answered,"
             f" {record.notes['bytes up'] / GIB:.1f} GiB up, {record.notes['bytes down'] / GIB:.1f} GiB down", ""]
    lines += [f"  {count:9} {kind}" + (f" (longest {record.largest[kind]:.2f} s)" if kind in record.largest else "")
              for kind, count in sorted(record.kinds.items())]
    lines += [f"  {count:9} {note}" for note, count in sorted(record.notes.items()) if not note.startswith("bytes")]
    lines += [f"  {value:9.2f} {kind}, longest" for kind, value in sorted(record.largest.items()) if kind not in record.kinds]
    kinds = sorted({d.kind for d in record.disturbances})
    lines += ["", "injected: " + ", ".join(f"{sum(d.kind == kind for d in record.disturbances)} × {kind}" for kind in kinds),
              "processor seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in cpu.items()), ""]
    bad, excused = record.verdicts()
    lines += [f"FAILED   {json.dumps(record.described(failure), ensure_ascii=False)}" for failure in bad[:40]]
    lines += [f"{'ok      ' if check['ok'] else 'FAILED  '} {check['check']}: {check['detail']}" for check in verdict.checks]
    good_checks = sum(check["ok"] for check in verdict.checks)
    lines.append(f"{good_checks} passed, {len(verdict.checks) - good_checks} failed")
    text = "\n".join(lines)
    print(text)
    if args.output:
        os.makedirs(args.output, exist_ok=True)
        marks = [(d.kind, round(d.begin - record.start, 2)) for d in record.disturbances]
        summary = {"seconds": args.seconds, "seed": args.seed, "without": args.without, "good": verdict.good, "checks": verdict.checks,
                   "requests": record.finished, "kinds": record.kinds, "notes": record.notes, "longest": record.largest,
                   "refusals": record.refusals, "cpu": cpu, "injections": marks,
                   "answers": [[*key, count] for key, count in sorted(record.answers.items())], "rows": watch.rows}
        files = {"summary.txt": text + "\n", "summary.json": json.dumps(summary, indent=1) + "\n",
                 "failures.jsonl": "".join(json.dumps(record.described(f), ensure_ascii=False) + "\n" for f in (*bad, *excused)),
                 "soak.svg": picture(watch.rows, marks, f"A soak of {args.seconds} s: {record.finished} requests, {len(bad)} failed outside of outages")}
        for name, data in files.items():
            with open(os.path.join(args.output, name), "w") as file:
                file.write(data)


def main():
    args = options()
    gc.freeze()
    adopt_orphans()
    folder = tempfile.mkdtemp(prefix="soak-")
    try:
        run, watch, verdict, cpu = asyncio.run(soak(args, folder))
    finally:
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"kept {folder}", file=sys.stderr)
    report(args, run, watch, verdict, cpu)
    sys.exit(0 if verdict.good else 1)


if __name__ == "__main__":
    main()
