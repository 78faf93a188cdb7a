#!/usr/bin/env python3
"""Shows that no failure of a test runner is counted as a pass."""

import json
import os
import tempfile
import unittest

from test_counts import from_ctest, from_output

GO = """=== RUN   TestPut
--- PASS: TestPut (0.01s)
=== RUN   TestErrors
--- FAIL: TestErrors (0.00s)
    --- PASS: TestErrors/typed (0.00s)
    --- FAIL: TestErrors/retryable (0.00s)
FAIL
"""


class FromOutput(unittest.TestCase):
    def test_summaries(self):
        cases = [
            ("12 passed in 0.34s\n", 0, (12, 0)),
            ("\x1b[32m==== \x1b[1m12 passed\x1b[0m, 3 skipped in 61.03s (0:01:01) ====\x1b[0m\n", 0, (12, 0)),
            ("=== 2 failed, 10 passed, 1 error in 1.20s ===\n", 1, (10, 3)),
            ("3 passed in 0.1s\n4 passed in 0.2s\n", 0, (7, 0)),
            ("# tests 5\n# pass 4\n# fail 1\n# cancelled 0\n", 1, (4, 1)),
            ("ℹ tests 5\nℹ pass 4\nℹ fail 0\nℹ cancelled 1\n", 1, (4, 1)),
            (GO, 1, (2, 2)),
            ("one thing\n5 passed, 0 failed\nanother\n6 passed, 2 failed\n", 1, (11, 2)),
            ("12 passed in 0.3s\n\n5 passed, 0 failed\n", 0, (5, 0)),
        ]
        for text, status, expected in cases:
            self.assertEqual(from_output(text, status), expected, text)

    def test_a_failing_script_is_a_failure_whatever_it_says(self):
        self.assertEqual(from_output("12 passed in 0.3s\n", 1), (12, 1))
        self.assertEqual(from_output("5 passed, 0 failed\n", -9), (5, 1))
        self.assertEqual(from_output("", 127), (0, 1))

    def test_a_script_that_runs_nothing_is_a_failure(self):
        self.assertEqual(from_output("all is well\n", 0), (0, 1))
        self.assertEqual(from_output("0 passed, 0 failed\n", 0), (0, 1))


class FromCtest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def count(self, *tests):
        path = os.path.join(self.folder, "ctest.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"<testsuite>{''.join(tests)}</testsuite>")
        return from_ctest(path, self.folder)

    def gtest(self, name, *results):
        cases = [{"result": "COMPLETED"} for result in results if result == "pass"]
        cases += [{"result": "COMPLETED", "failures": [{}]} for result in results if result == "fail"]
        cases += [{"result": "SKIPPED"} for result in results if result == "skip"]
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            json.dump({"testsuites": [{"testsuite": cases}]}, file)

    def test_cases_of_googletest_are_counted_one_by_one(self):
        self.gtest("base_test.json", "pass", "pass", "skip")
        self.gtest("net_test.json", "pass", "fail")
        counts = self.count(
            '<testcase name="base" status="run"/>',
            '<testcase name="net" status="fail"><failure/></testcase>',
            '<testcase name="tidy" status="run"/>',
        )
        self.assertEqual(counts, (4, 1))

    def test_a_crash_is_a_failure(self):
        self.assertEqual(self.count('<testcase name="base" status="fail"/>'), (0, 1))
        self.gtest("base_test.json", "pass", "pass")
        self.assertEqual(self.count('<testcase name="base" status="fail"/>'), (2, 1))

    def test_a_program_that_was_not_built_is_a_failure_and_a_skipped_one_is_not(self):
        not_built = (
            '<testcase name="a" status="notrun"><skipped message="Unable to find executable"/></testcase>'
        )
        skipped = '<testcase name="b" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/></testcase>'
        self.assertEqual(self.count('<testcase name="c" status="run"/>', not_built, skipped), (1, 1))

    def test_no_result_is_a_failure(self):
        self.assertEqual(self.count(), (0, 1))
        self.assertEqual(from_ctest(os.path.join(self.folder, "none.xml"), self.folder), (0, 1))


if __name__ == "__main__":
    unittest.main()
