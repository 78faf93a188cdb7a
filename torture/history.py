"""Recorded histories: counted, and falsified to see that the checkers notice.

A line is one operation, as JSON:

    client      who; one operation at a time
    op          get, range, put, cas, batch or delete
    key         of a get; `prefix` of a range
    stale       of a get that may answer what was true earlier
    changes     of a write: ["put", key, value], ["delete", key]
    checks      of a write, if any: [key, "absent" | "present" | "value" | "revision", value, revision as text]; with a
                revision the value is the one that was written there
    call, return    nanoseconds of the machine's monotonic clock
    outcome     ok; no: certainly not done; maybe: done now, later or never (`error` and `message` say why)
    reply       when ok. Of a get: revision, entry; of a range: revision, entries; of a write: succeeded, revision,
                failed_check, current, and changes as [existed, previous revision]. null: the call does not tell
    entry       [key, value, create revision, mod revision, version]
"""

import json

FULLY_TOLD = "p"  # what groups begin with in which every client does only calls that tell all (workload.py)


def read(paths):
    lines = []
    for path in paths:
        with open(path) as file:
            lines += [json.loads(line) for line in file]
    return lines


def is_write(line):
    return "changes" in line


def keys(line):
    if is_write(line):
        return [check[0] for check in line.get("checks", [])] + [change[1] for change in line["changes"]]
    return [line["key"] if "key" in line else line["prefix"]]


def groups(lines):
    return sorted({key.split("/")[0] for line in lines for key in keys(line)})


def summary(lines):
    """Counts of operations by kind and outcome. Ambiguous: writes of which nobody knows whether they were made."""
    counts = {"operations": len(lines), "ok": 0, "failed": 0, "ambiguous": 0, "kinds": {}, "errors": {}}
    for line in lines:
        kind = counts["kinds"].setdefault(line["op"], {"ok": 0, "no": 0, "maybe": 0})
        kind[line["outcome"]] += 1
        if line["outcome"] == "ok":
            counts["ok"] += 1
            continue
        counts["errors"][line["error"]] = counts["errors"].get(line["error"], 0) + 1
        ambiguous = line["outcome"] == "maybe" and is_write(line)
        counts["ambiguous" if ambiguous else "failed"] += 1
    return counts


def longest_gap_s(lines):
    """The longest time in which no operation succeeded."""
    ends = sorted(line["return"] for line in lines if line["outcome"] == "ok")
    return max((b - a for a, b in zip(ends, ends[1:])), default=0) / 1e9


# --- planted violations ---


def seen(line):
    """The one entry that a get saw, when its answer tells the revision too, in a group that both checkers look at."""
    if line["op"] != "get" or "stale" in line or line["outcome"] != "ok" or line["reply"]["revision"] is None:
        return None
    return line["reply"]["entry"] if line["key"].startswith(FULLY_TOLD) else None


def writes_by_value(lines):
    return {
        change[2]: line for line in lines if is_write(line) for change in line["changes"] if change[0] == "put"
    }


def plant_stale_read(lines, random):
    """A get answers what was true before a write that had ended when the get began."""
    order = list(range(len(lines)))
    random.shuffle(order)
    puts = {}  # key: acknowledged writes to it
    for line in lines:
        if is_write(line) and line["outcome"] == "ok" and line["reply"]["succeeded"]:
            for change in line["changes"]:
                puts.setdefault(change[1], []).append(line)
    gets = {}  # value: an entry that somebody saw
    for line in lines:
        if entry := seen(line):
            gets[entry[1]] = entry
    made = writes_by_value(lines)
    for i in order:
        entry = seen(lines[i])
        if entry is None or entry[1] not in made:
            continue
        for older in gets.values():
            if older[0] != entry[0] or older[3] >= entry[3] or older[1] not in made:
                continue
            # Some write over the older value has ended before the get began.
            between = [
                put
                for put in puts.get(entry[0], [])
                if made[older[1]]["return"] < put["call"] and put["return"] < lines[i]["call"]
            ]
            if between and made[older[1]]["outcome"] == "ok":
                changed = json.loads(json.dumps(lines[i]))
                changed["reply"]["entry"] = older
                return lines[:i] + [changed] + lines[i + 1 :]
    return None


def plant_denied_write(lines, random):
    """A client is told that a write was not made, and another one sees it."""
    made = writes_by_value(lines)
    order = [line for line in lines if seen(line)]
    random.shuffle(order)
    for get in order:
        write = made.get(seen(get)[1])
        if write is None or write["outcome"] != "ok":
            continue
        denied = {name: value for name, value in write.items() if name != "reply"}
        denied.update(outcome="no", error="PLANTED", message="planted")
        return [denied if line is write else line for line in lines]
    return None


PLANTS = {"stale-read": plant_stale_read, "denied-write": plant_denied_write}
