"""The gRPC clients: a process of their own, whose lines are taken into the record."""
import asyncio
import json
import os
import sys

from stage import HERE, cpu_seconds


async def grpc_calls(run):
    targets = [{"name": place.name, "tls": place.tls, "address": f"unix:{place.path}" if place.path else f"127.0.0.1:{place.port}"}
               for place in run.stage.places.values()]
    child = await asyncio.create_subprocess_exec(sys.executable, os.path.join(HERE, "calls.py"), "call", stdin=asyncio.subprocess.PIPE,
                                                 stdout=asyncio.subprocess.PIPE, stderr=run.stage.upstream_log)
    task = {"targets": targets, "tokens": run.tokens[:20], "ca": run.stage.authority.pem().decode()}
    child.stdin.write(json.dumps(task).encode() + b"\n")
    ending = asyncio.create_task(end(run, child))
    while line := await child.stdout.readline():
        take(run.record, json.loads(line))
    await ending
    await child.wait()


async def end(run, child):
    await run.stopping.wait()
    run.children_cpu += cpu_seconds(child.pid)
    child.stdin.close()


def take(record, line):
    """A call that went well may have been several requests, if the client sent it again."""
    record.begun[line["route"], "POST"] += 3
    if line["why"]:
        record.failed(line["kind"], line["upstream"], line["begin"], line["why"], line["status"], line["status"] not in (None, "OK"))
    else:
        record.finished += 1
        record.kinds[line["kind"]] += 1
        if line["reason"]:
            record.refusals[line["reason"]] += 1
