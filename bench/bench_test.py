"""The benchmarks run and report what they are to report. How fast is not asked: tests run on busy machines.

usage: bench_test.py BUILD
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(os.path.dirname(HERE), "build", "peers")


def run(command, statuses, *more):
    """The document that bench/COMMAND prints."""
    arguments = [sys.executable, os.path.join(HERE, command), "--quick", "--build", BUILD, "-o", "json", *more]
    if command == "rt":
        arguments.append("--built")
    result = subprocess.run(arguments, capture_output=True, text=True)
    if result.returncode not in statuses:
        raise AssertionError(f"bench/{command} ended with {result.returncode}: {result.stderr}")
    return json.loads(result.stdout)


class BenchTest(unittest.TestCase):
    def test_rt(self):
        document = run("rt", statuses=[0, 1])  # 1: a goal is missed
        rows = document["rows"]
        for name in ["bare", "spawn", "await", "reschedule", "channel", "timer", "cancel"]:
            self.assertGreater(rows[name]["aspen"]["p50_ns"], 0, name)
            self.assertGreaterEqual(rows[name]["aspen"]["p99_ns"], rows[name]["aspen"]["p50_ns"], name)
        self.assertEqual(rows["bare"]["aspen"]["allocations"], 1)
        # Not a matter of speed, so held here too.
        for name in ["spawn", "await", "reschedule", "channel", "timer"]:
            self.assertEqual(rows[name]["aspen"]["allocations"], 0, name)

    def test_kv(self):
        document = run("kv", statuses=[0])
        self.assertEqual([row["bytes"] for row in document["fdatasync"]], [128, 512, 4096])
        self.assertEqual(len(document["kv"]), 4)
        for row in document["kv"]:
            self.assertGreater(row["ops_per_s"], 0)
            self.assertGreater(row["ratios"]["ops_per_sync"], 0)

    @unittest.skipUnless(os.path.exists(os.path.join(PEERS, "etcd_load")), "no etcd here (scripts/setup --bench)")
    def test_vs_etcd(self):
        for only in ["put, 64 clients", "leader's process", "failover"]:
            document = run("vs_etcd", [0, 1], "--only", only)  # 1: a goal is missed
            self.assertGreaterEqual(len(document["systems"]), 2)
            self.assertGreater(len(document["goals"]), 0)
            self.assertGreater(len(document["rows"]) + len(document["facts"]), 0)
            for name, results in document["rows"].items():
                self.assertEqual(list(results), document["systems"], name)
                for one in results.values():
                    self.assertGreater(one["ops_per_s"], 0, name)
                    self.assertGreater(one["members_cpu_us_per_op"], 0, name)
            for what, measured, _, met in document["goals"]:
                self.assertGreater(float(measured), 0, what)
                self.assertIsInstance(met, bool)

    @unittest.skipUnless(os.path.exists(os.path.join(PEERS, "etcd_load")), "no etcd here (scripts/setup --bench)")
    def test_vs_etcd_of_watches(self):
        document = run("vs_etcd", [0], "--only", "watch, 10")
        names = ["watch, 10 watchers", "watch, 100 watchers", "watch, 100 watchers, 16 unpaced clients"]
        self.assertEqual(list(document["rows"]), names)
        for name, results in document["rows"].items():
            self.assertEqual(list(results), document["systems"], name)
            for one in results.values():
                self.assertGreater(one["ops_per_s"], 0, name)
                self.assertGreaterEqual(one["p99_us"], one["p50_us"], name)

    def test_leader_reads(self):
        with tempfile.TemporaryDirectory(dir=BUILD) as directory:
            command = [os.path.join(BUILD, "bin", "leader_reads"), directory, "--seconds", "0.05"]
            document = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        kinds = [(row["read"], row["caller"]) for row in document["results"]]
        self.assertEqual(kinds, [("lease", "sleeps"), ("lease", "polls"),
                                 ("linearizable", "sleeps"), ("linearizable", "polls")])  # fmt: skip
        for row in document["results"]:
            self.assertGreater(row["ops"], 0, row)
            self.assertGreaterEqual(row["p99_us"], row["p50_us"], row)

    def test_round_trip(self):
        command = [os.path.join(BUILD, "bin", "round_trip"), "--seconds", "0.05"]
        document = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        self.assertGreater(document["trips"], 0)
        self.assertGreaterEqual(document["p99_us"], document["p50_us"])

    def test_journal(self):
        with tempfile.TemporaryDirectory(dir=BUILD) as directory:
            command = [os.path.join(BUILD, "bin", "journal_bench"), directory, "--seconds", "0.02"]
            document = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for what in ["fdatasync", "dsync", "direct", "reserved", "growing", "journal fdatasync", "journal dsync"]:
            rows = [row for row in document["results"] if row["what"] == what]
            self.assertEqual([row["records"] for row in rows], [1, 16, 64, 1024], what)
            for row in rows:
                self.assertGreaterEqual(row["p99_us"], row["p50_us"], what)

    def test_groups(self):
        with tempfile.TemporaryDirectory(dir=BUILD) as directory:
            command = [os.path.join(BUILD, "bin", "groups_bench"), directory, "--seconds", "0.2", "--groups", "0,2"]
            document = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        none, two = document["results"]
        self.assertEqual((none["groups"], two["groups"]), (0, 2))
        self.assertNotIn("commands_per_s", none)
        self.assertGreater(two["commands_per_s"], 0)
        self.assertGreaterEqual(two["p99_us"], two["p50_us"])


if __name__ == "__main__":
    BUILD = os.path.abspath(sys.argv.pop(1))
    unittest.main()
