"""Whether a run was good. Every bound is stated in what is printed."""
import re
import statistics

from watch import MIB, total

WARM_UP = 180.0         # seconds after the start of a process that are not judged, at most two fifths of its time: the memory
#                         of tokens fills, and so do the tables of TLS sessions
SHORTEST = 300.0        # a process that served for less is not judged by its memory's trend, but by its peak
GROWTH, SLACK = 0.05, 3 * MIB     # of the median, and besides: how far the fitted line may rise from its begin to its end
PEAK, PEAK_SLACK = 0.5, 16 * MIB  # above the median
CEILING = 128 * MIB               # and never more than this
# A route that comes and goes with reloads: its counts go with it.
PASSING = "extra"
LABELS = re.compile(r'(\w+)="([^"]*)"')


def fitted(points):
    """The least-squares line through `(x, y)`: its slope and its value at x = 0."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    slope, intercept = statistics.linear_regression(xs, ys)
    return slope, intercept


class Verdict:
    def __init__(self):
        self.checks = []

    def check(self, name, good, detail):
        self.checks.append({"check": name, "ok": bool(good), "detail": detail})

    @property
    def good(self):
        return all(check["ok"] for check in self.checks)


def judge(run, watch, quiet, status):
    """`quiet`: what the gateway looked like before the first client, and after the last. `status`: how it ended."""
    verdict, record = Verdict(), run.record
    bad, excused = record.verdicts()
    verdict.check("no request failed outside of what was injected", not bad,
                  f"{len(bad)} did; {len(excused)} during injected outages; {record.finished} were answered")
    ends = record.unexplained_ends()
    verdict.check("kept connections end under a request only when a process leaves", not ends,
                  f"{len(record.sent_again)} requests were sent again" + (f", {len(ends)} of them at other times: {'; '.join(ends[:5])}" if ends else ""))
    faults = [f"{d.kind} at {d.begin - record.start:.0f} s: {d.fault}" for d in record.disturbances if d.fault]
    verdict.check("every injection had its effect", not faults, "; ".join(faults) or f"{len(record.disturbances)} injections")
    idle = [kind for kind in run.kinds if not record.kinds[kind]]
    verdict.check("every kind of client got through", not idle, f"not one: {', '.join(idle)}" if idle else f"{len(record.kinds)} kinds")
    for number, generation in enumerate(watch.generations):
        judge_memory(verdict, [row for row in watch.rows if row["generation"] == number + 1], number, len(watch.generations))
    judge_end(verdict, quiet, status)
    judge_counts(verdict, run, watch)
    return verdict


def judge_memory(verdict, rows, number, of):
    name = "memory is flat" if of == 1 else f"memory of process {number + 1} is flat"
    rows = [row for row in rows if row["rss"]]
    length = rows[-1]["at"] - rows[0]["at"] if rows else 0
    warm = rows[0]["at"] + min(WARM_UP, length * 0.4) if rows else 0
    points = [(row["at"] - warm, row["rss"]) for row in rows if row["at"] >= warm]
    if len(points) < 10:
        return
    median, peak = statistics.median(y for _, y in points), max(y for _, y in points)
    ceiling = min(median * (1 + PEAK) + PEAK_SLACK, CEILING)
    said = f"median {median / MIB:.1f} MiB, peak {peak / MIB:.1f} (at most {ceiling / MIB:.1f})"
    if length < SHORTEST:
        verdict.check(name, peak <= ceiling, f"{said}; it served for {length:.0f} s, too short for a trend")
        return
    slope, _ = fitted(points)
    rise, allowed = slope * points[-1][0], GROWTH * median + SLACK
    verdict.check(name, rise <= allowed and peak <= ceiling,
                  f"{said}, the line rises by {rise / MIB:+.2f} MiB in {points[-1][0]:.0f} s (at most {allowed / MIB:.2f}), {slope * 3600 / MIB:+.1f} MiB/h")


def judge_end(verdict, quiet, status):
    before, after = quiet
    in_flight = total(after["metrics"], "scopegate_requests_in_flight")
    verdict.check("nothing is in flight at the end", in_flight == 0, f"{in_flight:g} requests")
    left = {family: total(after["metrics"], family) for family in ("scopegate_connections", "scopegate_upstream_connections")}
    verdict.check("no connection is left", not any(left.values()), ", ".join(f"{name} {value:g}" for name, value in left.items()))
    verdict.check("no descriptor is left", after["descriptors"] <= before["descriptors"],
                  f"{before['descriptors']} before, {after['descriptors']} after")
    lost = total(after["metrics"], "scopegate_log_lines_dropped_total")
    verdict.check("no log line was dropped", lost == 0, f"{lost:g}")
    verdict.check("no panic was logged", not after["panics"], "; ".join(after["panics"])[:300] or "none")
    verdict.check("it drained and ended", status == 0, f"exit status {status}")


def counted(generations, family, *names):
    """The family summed over all processes, by the labels named."""
    result = {}
    for generation in generations:
        for sample, value in generation["metrics"].items():
            if sample.partition("{")[0] == family and value:
                labels = dict(LABELS.findall(sample))
                key = tuple(labels[name] for name in names)
                result[key] = result.get(key, 0) + int(value)
    return result


def judge_counts(verdict, run, watch):
    """What the gateway counted is what its clients saw: exactly, or within what was cut off, or lost with a process."""
    record = run.record
    seen = {(route, method, str(code)): count for (route, method, code), count in record.answers.items()}
    lost = {(route, method, str(code)): count for (route, method, code), count in record.lost_answers.items()}
    counts = counted(watch.generations, "scopegate_requests_total", "route", "method", "code")
    wrong, exact = [], 0
    for key in sorted({*seen, *counts}):
        saw, count = seen.get(key, 0), counts.get(key, 0)
        spare = record.begun[key[:2]]
        exact += saw == count
        if key[0] != PASSING and not saw - lost.get(key, 0) <= count <= saw + spare:
            wrong.append(f"{' '.join(key)}: clients saw {saw}{f' and cut off {spare}' if spare else ''}, {lost.get(key, 0)} of them at hand-overs,"
                         f" the gateway counted {count}")
    verdict.check("the gateway counted the requests that its clients saw answered", not wrong,
                  "; ".join(wrong[:8]) or f"{len(seen)} series, {exact} of them equal, the others within the requests that were cut off"
                  + (f" or may have been counted by a process that had handed over ({sum(lost.values())})" if lost else ""))
    denials = {reason: count for (reason,), count in counted(watch.generations, "scopegate_denials_total", "reason").items()}
    # A request whose content is cut off may be refused before it is known who cut it off.
    spare = sum(count for (route, _), count in record.begun.items() if route in ("aborted", "upload", "slow"))
    wrong = [f"{reason}: clients saw {record.refusals[reason]}, the gateway counted {denials.get(reason, 0)}"
             for reason in sorted({*record.refusals, *denials})
             if not record.refusals[reason] - record.lost_refusals[reason] <= denials.get(reason, 0)
             <= record.refusals[reason] + (spare if reason == "bad_request" else 0)]
    verdict.check("the gateway counted the refusals that its clients saw, by reason", not wrong,
                  "; ".join(wrong) or ", ".join(f"{reason} {count}" for reason, count in sorted(denials.items())))
