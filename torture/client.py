#!/usr/bin/env python3
"""What the Python side of a torture run does with a cluster: the load, and the looks at its end.

usage: client.py load TICKET RECORD --name NAME --start NS --seed N [--threads N]    until SIGTERM
       client.py probe TICKET                      a write and a read, within PROBE_SECONDS_MAX
       client.py read-back TICKET RECORD GROUPS    ranges over each group of keys that the file GROUPS names
       client.py state TICKET                      what the member that answers has applied: count and hash

RECORD gets a line for each operation (history.py tells its form). Runs with the package `aspen` installed.
"""

import argparse
import hashlib
import json
import random
import signal
import sys
import threading
import time

import aspen
from aspen import _blocking, _calls, _native
from workload import Plan

CONNECT_SECONDS = 120
PROBE_SECONDS_MAX = 60
READ_BACK = "read-back"


class Recorder:
    def __init__(self, path):
        self.file = open(path, "a", buffering=1 << 16)
        self.lock = threading.Lock()

    def write(self, line):
        text = json.dumps(line, separators=(",", ":"))
        with self.lock:
            self.file.write(text + "\n")

    def close(self):
        with self.lock:
            self.file.close()


# --- calls, and all that their answers tell ---


def entry_of(raw):
    """Without its lease: nothing here has one."""
    return None if raw is None else [raw[0].decode(), raw[1].decode(), *raw[2:5]]


def first(entries):
    return entry_of(entries[0]) if entries else None


def write_reply(op):
    if op.succeeded():
        changes = [[existed, previous] for existed, previous in op.changes()]
        return {"succeeded": True, "revision": op.revision(), "failed_check": None, "current": None, "changes": changes}
    return {
        "succeeded": False,
        "revision": op.revision(),
        "failed_check": op.failed_condition(),
        "current": first(op.entries()),
        "changes": None,
    }


EXPECT = {
    "absent": _native.IF_ABSENT,
    "present": _native.IF_PRESENT,
    "value": _native.IF_VALUE,
    "revision": _native.IF_REVISION,
}


def comparison(check):
    """(kind, value, revision) as aspen.h takes them."""
    revision = int(check[3]) if check[1] == "revision" else 0
    return EXPECT[check[1]], check[2].encode(), revision


def call_of(node, op, timeout_ns):
    """The engine's call; its answer with the revision, which the package keeps to itself for reads."""
    native = node._native
    checks, changes = op.get("checks", []), op.get("changes", [])
    if op["op"] == "get":
        key = op["key"].encode()
        consistency = _native.READ_STALE if op.get("stale", False) else _native.READ_LINEARIZABLE
        return _calls.Call(
            lambda queue, tag: native.get(key, 0, consistency, 0, timeout_ns, queue, tag),
            lambda done: {"revision": done.revision(), "entry": first(done.entries())},
        )
    if op["op"] == "range":
        prefix = op["prefix"].encode()
        return _calls.Call(
            lambda queue, tag: native.range(
                prefix, None, None, None, 0, False, False, 0, _native.READ_LINEARIZABLE, 0, timeout_ns, queue, tag
            ),
            lambda done: {"revision": done.revision(), "entries": [entry_of(e) for e in done.entries()]},
        )
    if op["op"] == "put":
        _, key, value = (part.encode() for part in changes[0])
        return _calls.Call(lambda queue, tag: native.put(key, value, 0, False, timeout_ns, queue, tag), write_reply)
    if op["op"] == "delete":
        key = changes[0][1].encode()
        return _calls.Call(lambda queue, tag: native.delete(key, False, timeout_ns, queue, tag), write_reply)
    if op["op"] == "cas":
        _, key, value = (part.encode() for part in changes[0])
        expected = comparison(checks[0])
        return _calls.Call(
            lambda queue, tag: native.cas(key, *expected, value, 0, timeout_ns, queue, tag), write_reply
        )
    batch = _native.Batch()
    for check in checks:
        batch.check(check[0].encode(), *comparison(check))
    for change in changes:
        if change[0] == "put":
            batch.put(change[1].encode(), change[2].encode(), 0, False)
        else:
            batch.delete(change[1].encode(), False)
    return _calls.Call(lambda queue, tag: native.apply(batch, timeout_ns, queue, tag), write_reply)


def perform(node, client, op, timeout_s):
    """Does it and returns its line."""
    call = call_of(node, op, int(timeout_s * 1e9))
    line = {"client": client, **op, "call": time.monotonic_ns()}
    try:
        line["reply"] = _blocking.run(call)
        line["outcome"] = "ok"
    except aspen.AspenError as error:
        line["outcome"] = error.applied
        line["error"] = error.code
        line["message"] = error.message
    line["return"] = time.monotonic_ns()
    return line


# --- the load ---


def work(node, name, recorder, arguments, stopping):
    plan = Plan(name, random.Random(f"{arguments.seed} {name}"), arguments.start)
    while not stopping.is_set():
        op = plan.next(time.monotonic_ns())
        line = perform(node, name, op, plan.timeout_s())
        recorder.write(line)
        plan.learn(line)
        stopping.wait(plan.pause_s())


def load(arguments):
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    recorder = Recorder(arguments.record)
    failures = []

    def guarded(node, name):
        try:
            work(node, name, recorder, arguments, stopping)
        except BaseException as error:
            failures.append(f"{name}: {error!r}")
            stopping.set()

    with aspen.connect(arguments.ticket, timeout=CONNECT_SECONDS) as node:
        names = [f"{arguments.name}.{i}" for i in range(arguments.threads)]
        threads = [threading.Thread(target=guarded, args=(node, name)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    recorder.close()
    if failures:
        sys.exit("; ".join(failures))


# --- at the end ---


def probe(arguments):
    deadline = time.monotonic() + PROBE_SECONDS_MAX
    with aspen.connect(arguments.ticket, timeout=PROBE_SECONDS_MAX) as node:
        while True:
            try:
                revision = node.kv.put("probe", "alive", timeout=5)
                entry = node.kv.get("probe", timeout=5)
                if entry is None or entry.mod_revision < revision:
                    sys.exit(f"the probe was written at revision {revision}, and read back is {entry}")
                return
            except aspen.AspenError as error:
                if time.monotonic() > deadline:
                    sys.exit(f"no write in {PROBE_SECONDS_MAX} s: {error.code} {error.message}")


def read_back(arguments):
    recorder = Recorder(arguments.record)
    with open(arguments.groups) as file:
        groups = file.read().split()
    with aspen.connect(arguments.ticket, timeout=CONNECT_SECONDS) as node:
        for group in groups:
            line = perform(node, READ_BACK, {"op": "range", "prefix": group + "/"}, 30)
            if line["outcome"] != "ok":
                sys.exit(f"cannot read {group} back: {line['error']}: {line['message']}")
            recorder.write(line)
    recorder.close()


def state(arguments):
    with aspen.connect(arguments.ticket, timeout=20) as node:
        digest = hashlib.sha256()
        count = newest = 0
        for entry in node.kv.range(start="\x01", stale=True, timeout=10):
            count += 1
            newest = max(newest, entry.mod_revision)
            digest.update(repr(tuple(entry)).encode())
    print(json.dumps({"keys": count, "newest": newest, "sha256": digest.hexdigest()}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for function, extra in ((load, ["record"]), (probe, []), (read_back, ["record", "groups"]), (state, [])):
        command = commands.add_parser(function.__name__.replace("_", "-"))
        command.set_defaults(function=function)
        command.add_argument("ticket")
        for name in extra:
            command.add_argument(name)
        if function is load:
            command.add_argument("--name", required=True)
            command.add_argument("--start", type=int, required=True, help="monotonic nanoseconds")
            command.add_argument("--seed", required=True)
            command.add_argument("--threads", type=int, default=4)
    arguments = parser.parse_args()
    arguments.function(arguments)


main()
