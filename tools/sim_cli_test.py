#!/usr/bin/env python3
"""Runs `aspen sim` as people and scripts do.

usage: tools/sim_cli_test.py PATH-OF-ASPEN [unittest arguments]
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from cli_case import ASPEN, Case, SECONDS_MAX, Server, aspen


class Sim(Case):
    SCENARIOS = ["kv-mixed", "kv-cas-counter", "bank-transfer", "membership", "snapshot-catchup", "restart-storm",
                 "clock-chaos", "history", "drafts", "quotas", "groups", "disk-faults", "transport-loss"]  # fmt: skip

    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)

    def test_list(self):
        listed = self.json_of(aspen("sim", "--list", "-o", "json"))
        names = [scenario["name"] for scenario in listed["scenarios"]]
        self.assertEqual(set(self.SCENARIOS) - set(names), set())
        self.assertIn("partition", listed["faults"])
        self.assertIn("membership", aspen("sim", "--list").stdout.decode())

    def test_a_run_is_a_line_and_its_seed_says_all(self):
        command = ["sim", "--scenario", "bank-transfer", "--seeds", "3..4", "-o", "json"]
        runs = [[json.loads(line) for line in aspen(*command).stdout.splitlines()] for _ in range(2)]
        self.assertEqual([run["seed"] for run in runs[0]], [3, 4])
        for first, again in zip(*runs):
            self.assertTrue(first["ok"])
            first.pop("wall_s"), again.pop("wall_s")
            self.assertEqual(first, again)
            self.assertEqual(set(first), {"scenario", "seed", "ok", "virtual_s", "events", "faults", "ops", "trace_hash"})

    def test_all_deals_the_seeds_over_the_scenarios(self):
        output = aspen("sim", "--scenario", "all", "--seeds", "1..10", "--ops", "20", "-o", "json").stdout
        self.assertEqual(len({json.loads(line)["scenario"] for line in output.splitlines()}), 10)

    def test_all_takes_a_fault_that_some_scenarios_do_not_have(self):
        scenarios = json.loads(aspen("sim", "--list", "-o", "json").stdout)["scenarios"]
        result = aspen("sim", "--seeds", f"1..{len(scenarios)}", "--faults", "bit-flip", "--ops", "20",
                       "--minutes-virtual", "0.01", "-o", "json")  # fmt: skip
        runs = {run["scenario"]: run for run in map(json.loads, result.stdout.splitlines())}
        self.assertEqual((result.returncode, result.stderr), (0, b""), result.stdout)
        self.assertEqual(set(runs), {scenario["name"] for scenario in scenarios})
        self.assertEqual(runs["transport-loss"]["faults"], 0)

    def test_explorations_are_lines_of_json(self):
        # The first takes no time; all of them take minutes without optimisation.
        with Server("sim", "--explore", "-o", "json") as exploring:
            report = json.loads(exploring.ready)
            exploring.process.kill()
        self.assertEqual((report["exploration"], report["ok"], report["complete"]), ("channel", True, True))
        self.assertGreater(report["states"], 0)

    def test_what_cannot_be_done_is_no_failed_run(self):
        self.assert_fails(aspen("sim", "--scenario", "kv-mixed", "--seeds", "1", "--ops", "5", "--trace", "/dev/full"),
                          1, "IO", "/dev/full")  # fmt: skip
        few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))
        command = [ASPEN, "sim", "--scenario", "kv-mixed", "--seeds", "1..50", "--jobs", "50"]
        result = subprocess.run(command, capture_output=True, timeout=SECONDS_MAX, preexec_fn=few)
        self.assert_fails(result, 1, "`ulimit -n`, which is 12", "--jobs")

    def test_runs_end_with_the_command(self):
        command = [ASPEN, "sim", "--scenario", "kv-mixed", "--seeds", "1", "--minutes-virtual", "1000"]
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        task = f"/proc/{running.pid}/task/{running.pid}/children"

        def state_of(pid):
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                    return file.read().rsplit(")", 1)[1].split()[0]
            except OSError:
                return "gone"

        def wait_until(condition):
            end = time.monotonic() + SECONDS_MAX
            while not condition():
                self.assertLess(time.monotonic(), end)
                time.sleep(0.01)

        def children():
            with open(task, encoding="utf-8") as file:
                return file.read().split()

        try:
            wait_until(children)
            child = int(children()[0])
        finally:
            running.kill()
            running.wait()
        self.addCleanup(lambda: state_of(child) in ("gone", "Z") or os.kill(child, signal.SIGKILL))
        wait_until(lambda: state_of(child) in ("gone", "Z"))

    def test_traces_are_compared(self):
        def run(seed, name, *more):
            path = os.path.join(self.dir, name)
            return aspen("sim", "--scenario", "kv-mixed", "--seeds", f"{seed}..{seed}", "--ops", "50",
                         "--trace", path, *more)  # fmt: skip

        first = os.path.join(self.dir, "first")
        self.assertEqual(run(1, "first").returncode, 0)
        same = run(1, "again", "--against", first)
        self.assertEqual(same.returncode, 0)
        self.assertIn(b"are the same", same.stdout)
        other = run(2, "other", "--against", first)
        self.assertEqual(other.returncode, 1)
        self.assertIn(b"differ from line", other.stdout)
        with open(first, "w", encoding="utf-8") as file:
            file.write("no event\n")
        self.assertIn("first", run(1, "again", "--against", first).stderr.decode())

    def test_bad_arguments(self):
        self.assert_fails(aspen("sim", "--scenario", "kv-mixt"), 1, "kv-mixt", "kv-mixed")
        self.assert_fails(aspen("sim", "--seeds", "9..1"), 1, "--seeds", "9..1")
        self.assert_fails(aspen("sim", "--faults", "gremlins"), 1, "gremlins", "partition")
        self.assert_fails(aspen("sim", "--scenario", "kv-mixed", "--against", "x"), 1, "--trace")
        self.assert_fails(aspen("sim", "--seeds", "1..2", "--trace", "x"), 1, "one seed")
        self.assert_fails(aspen("sim", "--seeds", "1..1", "--trace", "/nowhere/x"), 1, "/nowhere/x")
        self.assert_fails(aspen("sim", "--scenario", "disk-faults", "--faults", "partition"), 1, "bit-flip")
        self.assert_fails(aspen("sim", "--nodes", "10"), 1, "10 nodes", "at most 9")
        self.assert_fails(aspen("sim", "--large"), 1, "--large", "--explore")
        for minutes in ("nan", "inf", "1e300", "-1"):
            self.assert_fails(aspen("sim", f"--minutes-virtual={minutes}"), 1, "--minutes-virtual", "1440")
        self.assert_fails(aspen("sim", "--minutes-virtual", "1e-12"), 1, "1e-12 is less than a nanosecond")
        for seeds in ("18446744073709551616", "1..18446744073709551616"):
            self.assert_fails(aspen("sim", "--seeds", seeds), 1, seeds, "up to 18446744073709551615")
        self.assert_fails(aspen("sim", "--jobs", "18446744073709551616"), 2, "too large")
        self.assert_fails(aspen("sim", "--jobs", "100000"), 1, "kJobsMax", "at most 256")


if __name__ == "__main__":
    unittest.main(verbosity=1)
