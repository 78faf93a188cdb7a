"""What a client does next. The Go side (go/load.go) draws from the same mix, over the same keys.

Keys are `GROUP/a`, `GROUP/b`, `GROUP/c`. A group is in use for SLOT_SECONDS, GROUPS of them at a time, so that many
clients meet on few keys and yet no group's history grows with the length of the run: checkers take groups one by one.
Two of the groups are only used with calls that tell all that happened ("p", which our own checker needs), two with all
calls of every language ("q").

Every written value is another one, so an answer tells which write it saw.
"""

SLOT_SECONDS = 2
KINDS = ("p", "q")
GROUPS = 2  # of each kind at a time
KEYS = ("a", "b", "c")

MIX = {"get": 24, "stale": 4, "put": 20, "cas": 20, "batch": 18, "delete": 6, "range": 8}
PAUSE_S = 0.02
TIMEOUTS_S = (1.0, 4.0)


class Plan:
    def __init__(self, name, random, start_ns):
        self.name = name
        self.random = random
        self.start_ns = start_ns
        self.written = 0
        self.known = {}  # of the groups met last: key to (value, mod revision) or None, as this client last saw it

    def group(self, now_ns):
        slot = (now_ns - self.start_ns) // (SLOT_SECONDS * 1_000_000_000)
        return f"{self.random.choice(KINDS)}{slot}-{self.random.randrange(GROUPS)}"

    def value(self):
        self.written += 1
        return f"{self.name}#{self.written}"

    def check(self, key):
        """Mostly one that may well hold."""
        if self.random.random() < 0.1:
            return [key, "present", ""]
        seen = self.known.get(key)
        if seen is None:
            return [key, "absent", ""]
        value, revision = seen
        return [key, "value", value] if self.random.random() < 0.5 else [key, "revision", value, str(revision)]

    def next(self, now_ns):
        prefix = self.group(now_ns) + "/"
        key = prefix + self.random.choice(KEYS)
        op = self.random.choices(list(MIX), list(MIX.values()))[0]
        if op == "get":
            return {"op": op, "key": key}
        if op == "stale":
            return {"op": "get", "stale": True, "key": key}
        if op == "range":
            return {"op": op, "prefix": prefix}
        if op == "put":
            return {"op": op, "checks": [], "changes": [["put", key, self.value()]]}
        if op == "delete":
            return {"op": op, "checks": [], "changes": [["delete", key]]}
        if op == "cas":
            return {"op": op, "checks": [self.check(key)], "changes": [["put", key, self.value()]]}
        checked = self.random.sample(KEYS, self.random.randint(0, 2))
        changed = self.random.sample(KEYS, self.random.randint(1, 3))
        changes = [
            ["put", prefix + k, self.value()] if self.random.random() < 0.75 else ["delete", prefix + k] for k in changed
        ]
        return {"op": op, "checks": [self.check(prefix + k) for k in checked], "changes": changes}

    def timeout_s(self):
        return self.random.uniform(*TIMEOUTS_S)

    def pause_s(self):
        return self.random.random() * 2 * PAUSE_S

    def learn(self, line):
        if line["outcome"] != "ok":
            return
        if len(self.known) > 100:
            self.known.clear()
        reply = line["reply"]
        if line["op"] == "get":
            self.see(line["key"], reply["entry"])
        elif line["op"] == "range":
            for entry in reply["entries"]:
                self.see(entry[0], entry)
        elif reply["succeeded"]:
            for change in line["changes"]:
                self.known[change[1]] = (change[2], reply["revision"]) if change[0] == "put" else None
        else:
            self.see(line["checks"][reply["failed_check"]][0], reply["current"])

    def see(self, key, entry):
        self.known[key] = entry and (entry[1], entry[3])
