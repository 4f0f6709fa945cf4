"""Looks at the gateway from outside, once a second: memory, descriptors, processor time, and what it says of itself."""
import asyncio
import os
import time

from stage import cpu_seconds

MIB = 1 << 20


def memory(pid):
    """Resident memory in bytes, or None when the process is gone."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return None


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None


def total(samples, family):
    """The sum over all series of a family."""
    return sum(value for name, value in samples.items() if name.partition("{")[0] == family)


class Watch:
    """`rows`: one dictionary a second. `generations`: the gateway's processes in their order, each with its last metrics."""

    def __init__(self, run):
        self.run, self.rows, self.cpu = run, [], {}
        self.generations = [{"pid": run.stage.pid, "since": 0.0, "until": None, "metrics": {}}]

    async def look(self):
        record, finished, metrics = self.run.record, 0, {}
        while not self.run.over:
            tick = time.monotonic()
            if len(self.rows) % 2 == 0:
                metrics = await self.scrape() or metrics
            now, pid = time.monotonic() - record.start, self.run.stage.pid
            running = self.running()
            for generation in running:
                self.cpu[generation["pid"]] = cpu_seconds(generation["pid"]) or self.cpu.get(generation["pid"], 0.0)
            row = {"at": round(now, 2), "generation": len(self.generations), "rss": memory(pid), "descriptors": descriptors(pid),
                   "in_flight": total(metrics, "scopegate_requests_in_flight"),
                   "connections": total(metrics, "scopegate_connections"), "requests": record.finished - finished}
            old = [memory(generation["pid"]) for generation in running if generation is not self.generations[-1]]
            row["draining"] = sum(filter(None, old))
            finished = record.finished
            self.rows.append(row)
            await asyncio.sleep(max(0.0, tick + 1 - time.monotonic()))

    def running(self):
        """The processes that have not ended. One that was gone once is not looked at again: its number may be another's by then."""
        for generation in self.generations[:-1]:
            generation["ended"] = generation.get("ended", False) or not memory(generation["pid"])
        return [generation for generation in self.generations if not generation.get("ended")]

    async def scrape(self):
        """The metrics of the process that serves, or None while none answers."""
        generation = self.generations[-1]
        try:
            metrics = await self.run.stage.metrics()
        except (OSError, TimeoutError, IndexError, ValueError):
            return None
        # While another process takes over it may be that one which answers.
        started = metrics.get("process_start_time_seconds")
        if generation is self.generations[-1] and generation.setdefault("started", started) == started:
            generation["metrics"] = metrics
        return metrics

    def next_generation(self, pid):
        """Another process serves from now on."""
        now = time.monotonic() - self.run.record.start
        self.generations[-1]["until"] = now
        self.generations.append({"pid": pid, "since": now, "until": None, "metrics": {}})
        self.run.stage.pid = pid
