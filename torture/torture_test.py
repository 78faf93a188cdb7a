#!/usr/bin/env python3
"""The parts of a torture run that need no cluster: schedule, rules, proxy, workload, checkers, preloaded clock.

usage: torture_test.py ASPEN_CHECK_HISTORY PRELOADED_LIBRARY
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True

import history
from delay_proxy import PACKETS_MAX, Queue
from faults import KINDS, LANES, both_ways
from network import ruleset
from schedule import SETTLE_SECONDS_MAX, Deck, Lane, Timeline, Unsettled, pace
from workload import MIX, Plan

CHECKER, PRELOAD = (os.path.abspath(path) for path in sys.argv[1:3])


class DeckTest(unittest.TestCase):
    def test_every_kind_comes_before_one_comes_again(self):
        deck = Deck("abcd", random.Random(1))
        for _ in range(5):
            self.assertEqual(sorted(deck.deal() for _ in range(4)), list("abcd"))

    def test_what_is_put_back_comes_in_the_same_round(self):
        deck = Deck("abc", random.Random(1))
        first = deck.deal()
        deck.put_back(first)
        self.assertEqual(sorted(deck.deal() for _ in range(3)), list("abc"))

    def test_a_seed_is_an_order(self):
        def order(seed):
            deck = Deck(KINDS, random.Random(seed))
            return [deck.deal() for _ in range(20)]

        self.assertEqual(order(7), order(7))
        self.assertNotEqual(order(7), order(8))


class FakeFault:
    seconds = (1.0, 2.0)

    def __init__(self, log, kind, ready=True, settles=True):
        self.log, self.kind, self.ready, self.settles = log, kind, ready, settles

    def start(self):
        if not self.ready:
            return None
        self.log.append(("start", self.kind))
        return "did it"

    def stop(self):
        self.log.append(("stop", self.kind))

    def settled(self):
        return self.settles


def lane_of(kinds, make, events, pace=1.0):
    draw = random.Random(3)
    return Lane("lane", Deck(kinds, draw), make, draw, pace, lambda *event: events.append(event))


class LaneTest(unittest.TestCase):
    def test_one_fault_at_a_time_each_stopped(self):
        log, events = [], []
        lane = lane_of("ab", lambda kind: FakeFault(log, kind), events)
        for tick in range(4000):
            lane.step(tick * 0.05)
        lane.end(200.0)
        self.assertGreater(len(log), 20)
        for i in range(0, len(log), 2):
            self.assertEqual((log[i][0], log[i + 1]), ("start", ("stop", log[i][1])))

    def test_a_kind_for_which_it_is_no_time_waits_for_its_turn(self):
        log, ready = [], [False]
        lane = lane_of("a", lambda kind: FakeFault(log, kind, ready=ready[0]), [])
        for tick in range(100):
            lane.step(tick * 0.05)
        self.assertEqual(log, [])
        ready[0] = True
        lane.step(6.0)
        self.assertEqual(log, [("start", "a")])

    def test_what_does_not_settle_is_told(self):
        lane = lane_of("a", lambda kind: FakeFault([], kind, settles=False), [])
        with self.assertRaisesRegex(Unsettled, "a: not settled"):
            for tick in range(int((SETTLE_SECONDS_MAX + 10) / 0.05)):
                lane.step(tick * 0.05)

    def test_nothing_begins_when_it_must_not(self):
        log = []
        lane = lane_of("a", lambda kind: FakeFault(log, kind), [])
        for tick in range(1000):
            lane.step(tick * 0.05, begin=False)
        self.assertEqual(log, [])

    def test_a_minute_has_every_kind_once(self):
        for seed in range(20):
            for kinds in LANES.values():
                draw, log = random.Random(seed), []
                deck = Deck(kinds, draw)

                def make(kind, log=log):
                    fault = FakeFault(log, kind)
                    fault.seconds = (2.0, 8.0)
                    return fault

                for _ in range(2):  # phases of half the time
                    lane = Lane("lane", deck, make, draw, pace(60), lambda *event: None)
                    for tick in range(600):
                        lane.step(tick * 0.05)
                    lane.end(30.0)
                self.assertEqual({kind for _, kind in log}, set(kinds), f"seed {seed}")


class TimelineTest(unittest.TestCase):
    def test_counts(self):
        timeline = Timeline()
        for kind in ("kill", "loss", "kill"):
            timeline.add(1.0, "3 nodes", "lane", kind, "start", "")
            timeline.add(2.0, "3 nodes", "lane", kind, "stop", "")
        self.assertEqual(timeline.counts("start"), {"kill": 2, "loss": 1})


class RulesTest(unittest.TestCase):
    def test_each_rule_has_its_direction(self):
        addresses = {"a": "10.0.0.1", "b": "10.0.0.2"}
        text = ruleset(addresses, {("a", "b")}, {("b", "a"): 20}, {("b", "a")})
        self.assertIn("ip saddr 10.0.0.1 ip daddr 10.0.0.2 drop", text)
        self.assertNotIn("ip saddr 10.0.0.2 ip daddr 10.0.0.1 drop", text)
        self.assertIn("ip saddr 10.0.0.2 ip daddr 10.0.0.1 numgen random mod 100 < 20 drop", text)
        self.assertIn('iifname "v*" ip saddr 10.0.0.2 ip daddr 10.0.0.1 meta mark set 1', text)

    def test_both_ways(self):
        pairs = both_ways(["a"], ["b", "c"])
        self.assertEqual(pairs, {("a", "b"), ("b", "a"), ("a", "c"), ("c", "a")})


class ProxyTest(unittest.TestCase):
    def test_holds_back_and_reorders_and_loses_nothing(self):
        queue = Queue()
        queue.shape = {"delay_ms": 10, "jitter_ms": 50, "duplicate": 0}
        for i in range(100):
            queue.add(bytes([i]), i * 0.001)
        self.assertEqual(list(queue.due(0.009)), [])
        packets = list(queue.due(1.0))
        self.assertEqual(sorted(packets), [bytes([i]) for i in range(100)])
        self.assertNotEqual(packets, sorted(packets))
        self.assertGreater(queue.counts["reordered"], 10)

    def test_duplicates(self):
        queue = Queue()
        queue.shape = {"delay_ms": 0, "jitter_ms": 0, "duplicate": 1}
        queue.add(b"x", 0)
        self.assertEqual(list(queue.due(0)), [b"x", b"x"])

    def test_is_bounded(self):
        queue = Queue()
        for _ in range(PACKETS_MAX + 5):
            queue.add(b"x", 0)
        self.assertEqual((len(queue.waiting), queue.counts["dropped"]), (PACKETS_MAX, 5))


class WorkloadTest(unittest.TestCase):
    def test_the_mix_and_the_keys(self):
        plan = Plan("c", random.Random(5), 0)
        ops = [plan.next(i * 10_000_000) for i in range(2000)]
        self.assertEqual(sum(MIX.values()), 100)
        self.assertEqual({"stale" if "stale" in op else op["op"] for op in ops}, set(MIX))
        values = [c[2] for op in ops for c in op.get("changes", []) if c[0] == "put"]
        self.assertEqual(len(values), len(set(values)))
        for op in ops:
            self.assertEqual(len({key.split("/")[0] for key in history.keys(op)}), 1)
            changed = [change[1] for change in op.get("changes", [])]
            self.assertEqual(len(changed), len(set(changed)))


# --- histories and our own checker ---


class Store:
    """A store that answers at once and right, to make histories with."""

    def __init__(self):
        self.revision = 0
        self.records = {}

    def write(self, checks, changes):
        self.revision += 1
        for i, (key, kind, *expected) in enumerate(checks):
            found = self.records.get(key)
            if kind in ("absent", "present"):
                holds = (found is None) == (kind == "absent")
            else:
                holds = found and (found[1] == expected[0] if kind == "value" else str(found[3]) == expected[1])
            if not holds:
                reply = {"succeeded": False, "failed_check": i, "current": found, "changes": None}
                return {"revision": self.revision, **reply}
        made = []
        for change in changes:
            found = self.records.pop(change[1], None)
            made.append([found is not None, found[3] if found else 0])
            if change[0] == "put":
                created, version = (found[2], found[4] + 1) if found else (self.revision, 1)
                self.records[change[1]] = [change[1], change[2], created, self.revision, version]
        reply = {"succeeded": True, "failed_check": None, "current": None, "changes": made}
        return {"revision": self.revision, **reply}

    def answer(self, op):
        if "changes" in op:
            return self.write(op["checks"], op["changes"])
        if "prefix" in op:
            found = [self.records[key] for key in sorted(self.records) if key.startswith(op["prefix"])]
            return {"revision": self.revision, "entries": found}
        return {"revision": self.revision, "entry": self.records.get(op["key"])}


def a_history(count, seed=1):
    store, lines, now = Store(), [], 0
    plans = [Plan(f"c{i}", random.Random(f"{seed} {i}"), 0) for i in range(3)]
    for i in range(count):
        plan = plans[i % len(plans)]
        op = plan.next(now)
        line = {"client": plan.name, **op, "call": now, "return": now + 500_000, "outcome": "ok"}
        line["reply"] = store.answer(op)
        plan.learn(line)
        lines.append(line)
        now += 1_000_000
    return lines


def own_checker(lines):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
        file.flush()
        done = subprocess.run([CHECKER, file.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


class CheckerTest(unittest.TestCase):
    def test_a_right_history_is_right(self):
        status, told = own_checker(a_history(2000))
        self.assertEqual((status, told["verdict"], told["checked"]), (0, "linearizable", 2000), told)

    def test_every_planted_violation_is_refused(self):
        rules = {"stale-read": {"real-time", "wrong-answer"}, "denied-write": {"not-applied-took-effect"}}
        for name, plant in history.PLANTS.items():
            for seed in range(5):
                falsified = plant(a_history(1000, seed), random.Random(seed))
                self.assertIsNotNone(falsified)
                status, told = own_checker(falsified)
                self.assertEqual((status, told["verdict"]), (1, "violation"), name)
                self.assertIn(told["rule"], rules[name])

    def test_a_write_in_doubt_may_have_been_made(self):
        lines = a_history(1000)
        seen = {history.seen(line)[1] for line in lines if history.seen(line)}
        write = next(w for w in lines if history.is_write(w) and w["reply"]["succeeded"] and w["changes"][0][-1] in seen)
        write.update(outcome="maybe", error="DEADLINE_EXCEEDED", message="")
        del write["reply"]
        self.assertEqual(own_checker(lines)[0], 0)

    def test_groups_without_full_answers_are_left_out(self):
        lines = a_history(500)
        write = next(w for w in lines if history.is_write(w) and w["reply"]["succeeded"])
        group = history.groups([write])[0]
        write["reply"]["changes"] = None
        in_group = sum(history.groups([line]) == [group] for line in lines)
        status, told = own_checker(lines)
        self.assertEqual((status, told["checked"]), (0, 500 - in_group))

    def test_what_it_cannot_read_it_does_not_call_right(self):
        status, told = own_checker([{"client": "c"}])
        self.assertEqual(status, 2)
        self.assertIn("aspen_check_history:", told)


class SummaryTest(unittest.TestCase):
    def test_counts(self):
        failed = {"error": "X", "message": ""}
        write = {"op": "put", "changes": [["put", "p0-0/a", "v"]], "return": 5_000_000_000}
        lines = [
            {"op": "get", "key": "p0-0/a", "outcome": "ok", "return": 1_000_000_000},
            {"op": "get", "key": "p0-0/a", "outcome": "maybe", "return": 2_000_000_000, **failed},
            {**write, "outcome": "maybe", **failed},
            {**write, "outcome": "no", **failed},
            {**write, "outcome": "ok"},
        ]
        counts = history.summary(lines)
        told = [counts[name] for name in ("operations", "ok", "failed", "ambiguous", "errors")]
        self.assertEqual(told, [5, 2, 2, 1, {"X": 3}])
        self.assertEqual(history.longest_gap_s(lines), 4.0)


class PreloadTest(unittest.TestCase):
    def read(self, code, **environment):
        environment = {**os.environ, "LD_PRELOAD": PRELOAD, **environment}
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    def test_the_wall_clock_jumps_while_the_process_runs_and_the_monotonic_does_not(self):
        with tempfile.NamedTemporaryFile() as clock:
            clock.write((0).to_bytes(8, "little", signed=True))
            clock.flush()
            code = f"""
import time
wall, steady = time.time(), time.monotonic()
open({clock.name!r}, "r+b").write((3600 * 10**9).to_bytes(8, "little"))
print(time.time() - wall, time.monotonic() - steady)
"""
            wall, steady = map(float, self.read(code, TORTURE_CLOCK=clock.name).stdout.split())
        self.assertGreaterEqual(wall, 3600)
        self.assertLess(wall, 3660)
        self.assertLess(steady, 60)

    def test_without_a_file_the_clock_is_the_machines(self):
        told = float(self.read("import time; print(time.time())").stdout)
        self.assertLess(abs(time.time() - told), 60)

    def test_no_space_is_reserved(self):
        code = """
import os, tempfile
with tempfile.TemporaryFile() as file:
    try:
        os.posix_fallocate(file.fileno(), 0, 4096)
    except OSError as error:
        print(error.errno)
"""
        self.assertEqual(self.read(code).stdout.strip(), "95")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
