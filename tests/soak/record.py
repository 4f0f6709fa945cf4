"""What the clients saw, and what was done to the gateway meanwhile. Judged at the end: only then is it known how long an outage was."""
import collections
import time

OUTAGE_ANSWERS = (502, 503, 504, "UNAVAILABLE", "DEADLINE_EXCEEDED")
MARGIN = 0.5  # seconds: what is under way when an upstream is back


class Disturbance:
    """Something that was done to the gateway or an upstream; `end` is None while it lasts."""

    def __init__(self, kind, upstream=None):
        self.kind, self.upstream, self.begin, self.end, self.fault = kind, upstream, time.monotonic(), None, None

    def over(self, fault=None):
        self.end, self.fault = time.monotonic(), fault

    def touches(self, begin, end, margin=MARGIN):
        return begin <= (self.end or float("inf")) + margin and end >= self.begin


class Failure:
    def __init__(self, kind, upstream, begin, why, status, begun):
        self.kind, self.upstream, self.begin, self.end, self.why = kind, upstream, begin, time.monotonic(), why
        self.status, self.begun, self.excuse = status, begun, None


class Record:
    def __init__(self):
        self.start = time.monotonic()
        self.answers = collections.Counter()      # (route, method, status): complete answers
        self.begun = collections.Counter()        # (route, method): whatever began, and may or may not have been answered
        self.kinds = collections.Counter()        # kind of client: what went well
        self.refusals = collections.Counter()     # reason: refusals that were asked for
        self.lost_answers, self.lost_refusals = collections.Counter(), collections.Counter()  # maybe counted by a process that left
        self.notes = collections.Counter()        # what is neither good nor bad
        self.largest = collections.defaultdict(float)
        self.failures, self.disturbances = [], []
        self.sent_again = []                      # requests under which a kept connection ended, and when
        self.finished = 0

    def good(self, kind, route, method, status, begin=None):
        """One request that was answered as it should be."""
        self.finished += 1
        self.kinds[kind] += 1
        self.answers[route, method, status] += 1
        if begin is not None:
            self.largest[kind] = max(self.largest[kind], time.monotonic() - begin)

    def refused(self, kind, route, method, status, reason):
        self.good(kind, route, method, status)
        self.refusals[reason] += 1

    def failed(self, kind, upstream, begin, why, status=None, begun=False):
        """A good request that went wrong; `begun` when some of its answer had come."""
        self.failures.append(Failure(kind, upstream, begin, str(why)[:300], status, begun))

    def answered_wrongly(self, kind, route, method, upstream, begin, status, why=""):
        """An answer with another status than the right one: it counts as an answer and as a failure."""
        self.finished += 1
        self.answers[route, method, status] += 1
        self.failed(kind, upstream, begin, why or f"answered {status}", status, True)

    def disturb(self, kind, upstream=None):
        self.disturbances.append(Disturbance(kind, upstream))
        return self.disturbances[-1]

    def excuse(self, failure):
        """Which injected fault a failure belongs to, or None."""
        outage = next((d for d in self.disturbances if d.upstream and d.upstream == failure.upstream
                       and d.kind.startswith("death") and d.touches(failure.begin, failure.end)), None)
        if outage and (failure.status in OUTAGE_ANSWERS or failure.status is None and failure.begun):
            return outage.kind
        return None

    def verdicts(self):
        """Failures that nothing excuses, and those that something does."""
        for failure in self.failures:
            failure.excuse = self.excuse(failure)
        return [f for f in self.failures if not f.excuse], [f for f in self.failures if f.excuse]

    def unexplained_ends(self):
        """Kept connections that ended under a request although no process was leaving."""
        leaving = [d for d in self.disturbances if d.kind == "hand-over"]
        return [what for what, at in self.sent_again if not any(d.touches(at, at, 5) for d in leaving)]

    def described(self, failure):
        """A failure with its time and what was going on."""
        around = [f"{d.kind}{' of ' + d.upstream if d.upstream else ''} at {d.begin - self.start:.1f} s"
                  for d in self.disturbances if d.touches(failure.begin, failure.end, 2.0)]
        return {"at": round(failure.end - self.start, 2), "after": round(failure.end - failure.begin, 3), "kind": failure.kind,
                "upstream": failure.upstream, "status": failure.status, "why": failure.why, "excuse": failure.excuse, "meanwhile": around}
