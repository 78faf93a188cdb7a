"""When which fault begins and ends. No processes here: faults come from a function, time from the caller.

Two lanes go on side by side, one for what befalls processes and disks, one for network and clocks, so that any two may
meet. Each lane deals its kinds like cards: every kind once before one comes again.
"""

SHORT_SECONDS = 60.0  # of a run, for which the paces below are just quick enough to have every kind once
LONG_SECONDS = 600.0
SETTLE_SECONDS_MAX = 90.0


def pace(seconds):
    """1 for long runs, less for shorter ones: the factor on all times of a lane."""
    share = (seconds - SHORT_SECONDS) / (LONG_SECONDS - SHORT_SECONDS)
    return min(1.0, max(0.3, 0.3 + 0.7 * share))


class Deck:
    def __init__(self, kinds, random):
        self.kinds = list(kinds)
        self.random = random
        self.left = []

    def deal(self):
        if not self.left:
            self.left = list(self.kinds)
            self.random.shuffle(self.left)
        return self.left.pop()

    def put_back(self, kind):
        self.left.insert(0, kind)


class Timeline:
    """What was done when; kept over all phases of a run."""

    def __init__(self):
        self.events = []

    def add(self, now, phase, lane, kind, event, what):
        self.events.append(
            {"at_s": round(now, 3), "phase": phase, "lane": lane, "kind": kind, "event": event, "what": what}
        )

    def counts(self, event):
        counts = {}
        for one in self.events:
            if one["event"] == event:
                counts[one["kind"]] = counts.get(one["kind"], 0) + 1
        return counts


class Unsettled(Exception):
    pass


class Lane:
    """One fault at a time: a pause, the fault, then waiting until what it did has settled.

    `make(kind)` gives a fault: start() returns what it does, or None when this is no time for it; stop(); settled().
    """

    def __init__(self, name, deck, make, random, pace, record):
        self.name = name
        self.deck = deck
        self.make = make
        self.random = random
        self.pace = pace
        self.record = record  # (kind, event, what)
        self.kind = None
        self.fault = None
        self.stopped = False
        self.stopped_at = 0.0
        self.next_at = None

    def idle(self):
        return self.fault is None

    def unsettled_s(self, now):
        """How long the cluster has been getting over the last fault."""
        return now - self.stopped_at if self.fault is not None and self.stopped else 0.0

    def step(self, now, begin=True):
        """Does what is due. Without `begin` no further fault begins."""
        if self.next_at is None:
            self.next_at = now + self.random.uniform(0.3, 1.0)
        if self.fault is None:
            if begin and now >= self.next_at:
                self._start(now)
        elif not self.stopped:
            if now >= self.next_at:
                self._stop(now)
        elif self.fault.settled():
            self.record(self.kind, "settled", "")
            self.fault = None
            self.next_at = now + self.pace * self.random.uniform(0.5, 4.0)
        elif now >= self.next_at:
            raise Unsettled(f"{self.kind}: not settled {SETTLE_SECONDS_MAX:.0f} s after its end")

    def _start(self, now):
        self.kind = self.deck.deal()
        fault = self.make(self.kind)
        what = fault.start()
        if what is None:
            self.deck.put_back(self.kind)
            self.next_at = now + 0.2
            return
        self.record(self.kind, "start", what)
        self.fault, self.stopped = fault, False
        low, high = fault.seconds
        self.next_at = now + self.pace * self.random.uniform(low, high)

    def _stop(self, now):
        self.record(self.kind, "stop", self.fault.stop() or "")
        self.stopped, self.stopped_at = True, now
        self.next_at = now + SETTLE_SECONDS_MAX

    def end(self, now):
        """Ends what is under way."""
        if self.fault is not None and not self.stopped:
            self._stop(now)
