"""How many tests a runner says have passed and failed."""

import json
import os
import re
import xml.etree.ElementTree


def from_output(text, status):
    """(passed, failed) of a script that printed `text` and exited with `status`.

    Understands the summaries of pytest, `node --test` and `go test -v`, and lines `N passed, N failed`, which
    take precedence. A script that fails or runs nothing counts as a failure, whatever it printed.
    """
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    own = re.findall(r"^(\d+) passed, (\d+) failed$", text, re.MULTILINE)
    if own:
        passed, failed = (sum(int(number) for number in column) for column in zip(*own))
    else:
        passed = failed = 0
        for summary in re.findall(r"^(?:=+ )?(\d+ [a-z].*) in \d+\.\d+s.*$", text, re.MULTILINE):
            passed += total(r"(\d+) passed", summary)
            failed += total(r"(\d+) (?:failed|errors?)", summary)
        passed += total(r"^(?:#|ℹ) pass (\d+)$", text)
        failed += total(r"^(?:#|ℹ) (?:fail|cancelled) (\d+)$", text)
        passed += len(re.findall(r"^\s*--- PASS: ", text, re.MULTILINE))
        failed += len(re.findall(r"^\s*--- FAIL: ", text, re.MULTILINE))
    if failed == 0 and (status != 0 or passed == 0):
        failed = 1
    return passed, failed


def total(pattern, text):
    return sum(int(number) for number in re.findall(pattern, text, re.MULTILINE))


def from_ctest(junit_path, gtest_folder):
    """(passed, failed) of a ctest run: the cases of each GoogleTest program, one for every other test.

    `gtest_folder` holds what the programs wrote under GTEST_OUTPUT=json:FOLDER/.
    """
    passed = failed = 0
    try:
        suite = xml.etree.ElementTree.parse(junit_path).getroot()
    except (OSError, xml.etree.ElementTree.ParseError):
        return 0, 1
    for test in suite.iter("testcase"):
        if test.get("status") == "disabled" or "SKIP_" in (skip_reason(test) or ""):
            continue
        cases_passed, cases_failed = gtest_cases(gtest_folder, test.get("name"))
        test_failed = test.get("status") != "run"
        if test_failed and cases_failed == 0:  # it crashed, or its fault was not in a case
            cases_failed = 1
        elif not test_failed and cases_passed == 0:
            cases_passed = 1
        passed += cases_passed
        failed += cases_failed
    return passed, failed if passed + failed > 0 else 1


def skip_reason(test):
    skipped = test.find("skipped")
    return None if skipped is None else skipped.get("message")


def gtest_cases(folder, name):
    for file_name in (f"{name}_test.json", f"{name}.json"):
        path = os.path.join(folder, file_name)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                suites = json.load(file)["testsuites"]
            cases = [case for suite in suites for case in suite["testsuite"] if case["result"] == "COMPLETED"]
            failed = sum(1 for case in cases if "failures" in case)
            return len(cases) - failed, failed
    return 0, 0
