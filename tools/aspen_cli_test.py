#!/usr/bin/env python3
"""Runs the real `aspen` command as people and scripts do: help, a key-value round trip over `aspen up` and over
`aspen node` processes, JSON shapes, and what it says and exits with when something is wrong.

usage: tools/aspen_cli_test.py PATH-OF-ASPEN [unittest arguments]
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from cli_case import ASPEN, Case, SECONDS_MAX, Server, aspen, free_port


class Help(Case):
    COMMANDS = ["up", "node", "status", "member remove", "member lead", "kv put", "kv get", "kv del", "kv range", "kv cas", "watch", "index create",
                "index drop", "index list", "index scan", "kv compact", "quota set", "quota list", "bench kv",
                "bench watch",
                "lease grant", "lease revoke", "lease keep-alive", "lease info", "lease list",
                "ticket inspect", "backup", "verify", "sim", "version"]  # fmt: skip

    def test_every_command_teaches_with_examples(self):
        for command in self.COMMANDS:
            with self.subTest(command):
                result = aspen(*command.split(), "--help")
                text = result.stdout.decode()
                self.assertEqual((result.returncode, result.stderr), (0, b""))
                self.assertIn("Examples:", text)
                self.assertIn(f"aspen {command}", text)
                self.assertIn("-o,--output", text)
                self.assertLessEqual(max(map(len, text.splitlines())), 110)

    def test_the_top_names_all_commands_and_exit_codes(self):
        text = aspen("--help").stdout.decode()
        for word in ["up", "node", "status", "member", "kv", "index", "quota", "bench", "ticket", "version", "Exit codes", "ASPEN_TICKET"]:
            self.assertIn(word, text)

    def test_version(self):
        self.assertRegex(aspen("version").stdout.decode(), r"^aspen \d+\.\d+\.\d+ \(C ABI \d+\)\n$")
        document = self.json_of(aspen("version", "-o", "json"))
        self.assertEqual(sorted(document), ["abi_version", "limits", "version"])
        self.assertEqual(document["limits"]["KEY_BYTES"], 4096)


class Usage(Case):
    def test_wrong_command_lines(self):
        cases = [
            ([], "command is needed", "aspen --help"),
            (["frobnicate"], "no command `frobnicate`", "`aspen --help`"),
            (["-o", "json"], "command is needed before `-o`", "`aspen --help`"),
            (["kv"], "command is needed", "aspen kv --help"),
            (["kv", "frobnicate", "k"], "no command `frobnicate`", "aspen kv --help"),
            (["kv", "put", "k"], "VALUE is required", "aspen kv put --help"),
            (["kv", "cas", "k", "v"], "needs a condition", "--absent"),
            (["kv", "cas", "k", "v", "--absent", "--present"], "one condition", "--absent"),
            (["kv", "get", "k"], "no ticket", "$ASPEN_TICKET"),
            (["kv", "get", "--hex", "0g"], "not hex", "position 1", "`aspen kv get --help`"),
            (["kv", "get", "--base64", "YQ"], "not base64", "multiple of 4"),
            (["kv", "range", "--limit", "-1"], "--limit", "`-1` is not a whole number", "aspen kv range --help"),
            (["kv", "range", "--limit", "1.5"], "--limit", "`1.5` is not a whole number"),
            (["kv", "range", "--limit", "18446744073709551616"], "--limit", "too large"),
            (["kv", "cas", "k", "v", "--revision", "-1"], "--revision", "not a whole number"),
            (["kv", "get", "k", "--timeout", "soon"], "not a duration", "500ms"),
            (["kv", "get", "k", "-o", "xml"], "--output", "table"),
            (["up", "--nodes", "99"], "--nodes", "1 to 16"),
            (["watch", "--from", "-1"], "--from", "not a whole number", "aspen watch --help"),
            (["watch", "a", "b"], "b", "aspen watch --help"),
            (["watch", "a"], "no ticket", "$ASPEN_TICKET"),
            (["bench", "kv", "--clients", "0"], "--clients", "aspen bench kv --help"),
            (["bench", "kv"], "nothing to measure", "--nodes 3"),
            (["bench", "kv", "--nodes", "1", "--ticket", "aspen1x"], "--nodes", "one of the two"),
            (["bench", "watch"], "nothing to measure", "--nodes 3"),
            (["bench", "watch", "--nodes", "1", "--ticket", "aspen1x"], "--nodes", "one of the two"),
            (["bench", "watch", "--value-bytes", "15"], "--value-bytes", "aspen bench watch --help"),
            (["bench", "watch", "--watchers", "0"], "--watchers", "aspen bench watch --help"),
            (["node", "--listen", "127.0.0.1:0"], "--dir is required", "aspen node --help"),
            (["node", "--dir", "x", "--listen", "127.0.0.1:0", "--bootstrap", "--join", "t"], "--join", "error"),
        ]
        for arguments, *words in cases:
            with self.subTest(" ".join(arguments)):
                self.assert_fails(aspen(*arguments), 2, *words)

    def test_failures_are_json_when_asked(self):
        for arguments in [["kv", "put", "-o", "json"], ["kv", "put", "--output=json"], ["-ojson", "nope"]]:
            with self.subTest(" ".join(arguments)):
                result = aspen(*arguments)
                self.assert_fails(result, 2)
                error = json.loads(result.stderr)["error"]
                self.assertEqual(sorted(error), ["applied", "code", "hint", "message", "number", "retryable"])
                self.assertEqual((error["code"], error["number"], error["applied"]), ("USAGE", None, None))

    def test_bad_tickets_name_their_fault(self):
        for ticket, word in [("nonsense", "aspen1"), ("aspen1abc", "base32"), ("@/nowhere", "/nowhere")]:
            with self.subTest(ticket):
                self.assert_fails(aspen("status", "--ticket", ticket), 1, word, "hint")
        error = json.loads(aspen("ticket", "inspect", "aspen1abc", "-o", "json").stderr)["error"]
        self.assertEqual((error["code"], error["number"], error["retryable"]), ("TICKET_INVALID", 8, False))

    def test_nobody_at_the_tickets_addresses(self):
        with Server("up", "-o", "json") as up:
            ticket = json.loads(up.ready)["ticket"]
            up.end()
        began = time.monotonic()
        result = aspen("kv", "put", "k", "v", "--timeout", "1s", "-o", "json", ticket=ticket)
        self.assertLess(time.monotonic() - began, 10)
        self.assert_fails(result, 1)
        error = json.loads(result.stderr)["error"]
        self.assertIn(error["code"], ["UNAVAILABLE", "DEADLINE_EXCEEDED"])
        self.assertEqual((error["retryable"], error["applied"]), (True, "no"))


class OverUp(Case):
    """One three-node network for all of these; each test has its own keys."""

    @classmethod
    def setUpClass(cls):
        cls.up = Server("up", "--nodes", "3", "-o", "json")
        cls.addClassCleanup(cls.up.__exit__)
        cls.ready = json.loads(cls.up.ready)
        cls.ticket = cls.ready["ticket"]

    def run_aspen(self, *arguments, **options):
        return aspen(*arguments, ticket=self.ticket, **options)

    def run_json(self, *arguments, status=0, **options):
        return self.json_of(self.run_aspen(*arguments, "-o", "json", **options), status)

    def test_ready_line(self):
        self.assertEqual(sorted(self.ready), ["event", "nodes", "ticket"])
        self.assertEqual(len(self.ready["nodes"]), 3)
        for node in self.ready["nodes"]:
            self.assertEqual(sorted(node), ["dir", "listen", "node_id"])
            self.assertEqual(len(node["node_id"]), 52)

    def test_round_trip(self):
        put = self.run_json("kv", "put", "rt", "hello")
        self.assertEqual(sorted(put), ["existed", "key", "key_base64", "previous_revision", "revision"])
        self.assertEqual((put["key"], put["existed"], put["previous_revision"]), ("rt", False, 0))
        got = self.run_json("kv", "get", "rt")
        self.assertEqual(sorted(got), ["create_revision", "key", "key_base64", "mod_revision", "value",
                                       "value_base64", "version"])  # fmt: skip
        self.assertEqual((got["value"], got["mod_revision"], got["version"]), ("hello", put["revision"], 1))
        again = self.run_json("kv", "put", "rt", "again")
        self.assertEqual((again["existed"], again["previous_revision"]), (True, put["revision"]))
        self.assertGreater(again["revision"], put["revision"])
        self.assertEqual(self.run_json("kv", "get", "rt")["version"], 2)
        gone = self.run_json("kv", "del", "rt")
        self.assertEqual((gone["existed"], gone["previous_revision"]), (True, again["revision"]))
        self.assertFalse(self.run_json("kv", "del", "rt")["existed"])
        self.assert_fails(self.run_aspen("kv", "get", "rt"), 3, "no key `rt`", "NOT_FOUND")

    def test_people_get_sentences(self):
        self.assertRegex(self.run_aspen("kv", "put", "p", "1").stdout.decode(), r"^created at revision \d+\n$")
        self.assertRegex(self.run_aspen("kv", "put", "p", "2").stdout.decode(), r"^replaced at revision \d+\n$")
        self.assertRegex(self.run_aspen("kv", "del", "p").stdout.decode(), r"^deleted at revision \d+\n$")
        self.assertEqual(self.run_aspen("kv", "del", "p").stdout, b"was not there\n")

    def test_values_are_exact_bytes(self):
        for size in [0, 1, 1000, 300_000]:
            value = os.urandom(size)
            with self.subTest(size):
                self.assertEqual(self.run_aspen("kv", "put", "bytes", "-", stdin=value).returncode, 0)
                self.assertEqual(self.run_aspen("kv", "get", "bytes").stdout, value)
                got = self.run_json("kv", "get", "bytes")
                self.assertEqual(base64.b64decode(got["value_base64"]), value)
        self.run_aspen("kv", "put", "bytes", "-", stdin=b"\xff\x00")
        self.assertIsNone(self.run_json("kv", "get", "bytes")["value"])

    def test_where_values_come_from(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"from a file\n")
            file.flush()
            self.run_aspen("kv", "put", "from", "@" + file.name)
        self.assertEqual(self.run_aspen("kv", "get", "from").stdout, b"from a file\n")
        self.run_aspen("kv", "put", "from", "@@home")
        self.assertEqual(self.run_aspen("kv", "get", "from").stdout, b"@home")
        self.run_aspen("kv", "put", "from", "--literal", "@x")
        self.assertEqual(self.run_aspen("kv", "get", "from").stdout, b"@x")
        self.run_aspen("kv", "put", "--", "from", "-5")
        self.assertEqual(self.run_aspen("kv", "get", "from").stdout, b"-5")

    def test_binary_keys(self):
        key = b"bin\x00\xff"
        self.assertEqual(self.run_aspen("kv", "put", "--hex", key.hex(), "v").returncode, 0)
        encoded = base64.b64encode(key).decode()
        got = self.run_json("kv", "get", "--base64", encoded)
        self.assertEqual((got["key"], got["key_base64"], got["value"]), (None, encoded, "v"))
        listed = self.run_aspen("kv", "range", "--hex", "--prefix", b"bin".hex()).stdout.decode()
        self.assertIn("bin\\x00\\xff", listed)

    def test_range(self):
        for i in range(5):
            self.run_aspen("kv", "put", f"r/{i}", f"value {i}")

        def keys(*arguments):
            return [entry["key"] for entry in self.run_json("kv", "range", *arguments)["entries"]]

        everything = [f"r/{i}" for i in range(5)]
        self.assertEqual(keys("--prefix", "r/"), everything)
        self.assertEqual(keys("--prefix", "r/", "--reverse"), everything[::-1])
        self.assertEqual(keys("--start", "r/1", "--end", "r/3"), everything[1:3])
        self.assertEqual(keys("--prefix", "r/", "--limit", "2"), everything[:2])
        self.assertEqual(keys("--prefix", "nobody/"), [])
        document = self.run_json("kv", "range", "--prefix", "r/", "--limit", "2", "--keys-only")
        self.assertEqual(sorted(document), ["count", "entries", "more", "revision"])
        self.assertEqual((document["count"], document["more"]), (2, True))
        self.assertNotIn("value", document["entries"][0])
        table = self.run_aspen("kv", "range", "--prefix", "r/", "--stale")
        lines = table.stdout.decode().splitlines()
        self.assertEqual(lines[0].split(), ["KEY", "VALUE", "REVISION", "VERSION"])
        self.assertEqual([line.split()[0] for line in lines[1:]], everything)
        self.assertEqual(table.stderr, b"5 keys\n")

    def test_reads_of_the_past(self):
        first = self.run_json("kv", "put", "past", "1")["revision"]
        second = self.run_json("kv", "put", "past", "2")["revision"]
        self.assertEqual(self.run_json("kv", "get", "past", "--revision", str(first))["value"], "1")
        then = self.run_json("kv", "range", "--prefix", "past", "--revision", str(first))
        self.assertEqual([entry["value"] for entry in then["entries"]], ["1"])
        self.assertEqual(self.run_json("kv", "get", "past", "--max-age", "1ms")["value"], "2")
        self.assertEqual(self.run_json("kv", "compact", str(second)), {"oldest_revision": second})
        self.assert_fails(self.run_aspen("kv", "get", "past", "--revision", str(first)), 1, "COMPACTED")
        self.assert_fails(self.run_aspen("kv", "get", "past", "--revision", "-1"), 2, "--revision")
        self.assert_fails(self.run_aspen("kv", "get", "past", "--max-age", "soon"), 2, "--max-age")
        self.assert_fails(self.run_aspen("kv", "compact", str(second + 10**6)), 1, "INVALID_ARGUMENT")

    def test_quota(self):
        self.run_aspen("quota", "set", "q/", "--keys", "2")
        for name in ("1", "2"):
            self.run_aspen("kv", "put", f"q/{name}", "v")
        self.assert_fails(self.run_aspen("kv", "put", "q/3", "v"), 1, "QUOTA_EXCEEDED", "q/")
        self.assertEqual(
            [(row["prefix"], row["keys"], row["keys_max"], row["bytes"]) for row in self.run_json("quota", "list")],
            [("q/", 2, 2, 8)],
        )
        table = self.run_aspen("quota", "list").stdout.decode().splitlines()
        self.assertEqual([line.split() for line in table], [["PREFIX", "BYTES", "OF", "KEYS", "OF"], ["q/", "8", "any", "2", "2"]])
        self.assertFalse(self.run_json("quota", "set", "q/")["bounded"])
        self.assertEqual(self.run_json("quota", "list"), [])
        self.assertEqual(self.run_aspen("kv", "put", "q/3", "v").returncode, 0)

    def test_index(self):
        for key, value in [("1", {"n": 10, "t": ["b", "a"]}), ("2", {"n": 9.5, "t": "a"}), ("3", {"n": None})]:
            self.run_aspen("kv", "put", f"doc/{key}", json.dumps(value))
        created = self.run_json("index", "create", "by-tag", "doc/", "json:/t")
        self.assertEqual(created["name"], "by-tag")
        self.run_aspen("index", "create", "by-n", "doc/", "number:/n")

        def built():
            return [(index["name"], index["state"]) for index in self.run_json("index", "list")]

        deadline = time.monotonic() + 20
        while built() != [("by-tag", "ready"), ("by-n", "ready")] and time.monotonic() < deadline:
            time.sleep(0.05)

        def found(*arguments):
            document = self.run_json("index", "scan", *arguments)
            return [(entry["indexed"], entry["key"]) for entry in document["entries"]]

        self.assertEqual(found("by-tag"), [("a", "doc/1"), ("a", "doc/2"), ("b", "doc/1")])
        self.assertEqual(found("by-tag", "--value", "a", "--reverse"), [("a", "doc/2"), ("a", "doc/1")])
        self.assertEqual(found("by-tag", "--limit", "1"), [("a", "doc/1")])
        self.assertEqual(found("by-n"), [(9.5, "doc/2"), (10.0, "doc/1")])
        self.assertEqual(found("by-n", "--start", "9.6"), [(10.0, "doc/1")])
        table = self.run_aspen("index", "scan", "by-tag", "--keys-only", "--start", '"b"').stdout.decode().split()
        self.assertEqual(table, ["INDEXED", "KEY", "b", "doc/1"])
        again = self.run_aspen("index", "create", "by-n", "", "value")
        self.assert_fails(again, 1, "ALREADY_EXISTS", "drop it")
        wrong = self.run_aspen("index", "create", "x", "", "xml:/a")
        self.assert_fails(wrong, 1, "json:POINTER")
        for name in ("by-tag", "by-n"):
            self.assertEqual(self.run_aspen("index", "drop", name).returncode, 0)
        self.assert_fails(self.run_aspen("index", "scan", "by-n"), 3, "NOT_FOUND", "by-n")

    def test_range_of_many_pages(self):
        value = os.urandom(700_000)  # a reply holds 4 MiB
        for i in range(8):
            self.run_aspen("kv", "put", f"big/{i}", "-", stdin=value)
        document = self.run_json("kv", "range", "--prefix", "big/", "--timeout", "60s")
        self.assertEqual([entry["key"] for entry in document["entries"]], [f"big/{i}" for i in range(8)])
        self.assertTrue(all(base64.b64decode(entry["value_base64"]) == value for entry in document["entries"]))
        self.assertFalse(document["more"])

    def test_compare_and_swap(self):
        def cas(*arguments, status=0):
            return self.run_json("kv", "cas", "c", *arguments, status=status)

        first = cas("1", "--absent")
        self.assertEqual(sorted(first), ["current", "key", "key_base64", "revision", "succeeded"])
        self.assertTrue(first["succeeded"])
        refused = cas("9", "--absent", status=3)
        self.assertEqual((refused["succeeded"], refused["revision"]), (False, None))
        self.assertEqual((refused["current"]["value"], refused["current"]["mod_revision"]), ("1", first["revision"]))
        self.assertTrue(cas("2", "--expect", "1")["succeeded"])
        self.assertFalse(cas("3", "--expect", "1", status=3)["succeeded"])
        second = self.run_json("kv", "get", "c")
        self.assertTrue(cas("3", "--revision", str(second["mod_revision"]))["succeeded"])
        self.assertFalse(cas("4", "--revision", str(second["mod_revision"]), status=3)["succeeded"])
        self.assertTrue(cas("4", "--present")["succeeded"])
        self.run_aspen("kv", "del", "c")
        self.assertIsNone(cas("5", "--present", status=3)["current"])
        said = self.run_aspen("kv", "cas", "c", "5", "--present")
        self.assertEqual((said.returncode, said.stdout), (3, b"not swapped: the key is absent\n"))

    def test_watch(self):
        watch = Server("watch", "w/", "-o", "json", "--previous", "--ticket", self.ticket)
        self.addCleanup(watch.__exit__)
        self.assertEqual(json.loads(watch.ready)["event"], "watching")
        put = self.run_json("kv", "put", "w/a", "1")
        self.run_aspen("kv", "put", "elsewhere", "1")
        self.run_aspen("kv", "put", "w/a", "2")
        gone = self.run_json("kv", "del", "w/a")
        told = [json.loads(watch.process.stdout.readline()) for _ in range(3)]
        self.assertEqual(list(told[0]), ["event", "revision", "key", "key_base64", "value", "value_base64",
                                         "create_revision", "mod_revision", "version", "previous"])  # fmt: skip
        self.assertEqual([line["event"] for line in told], ["put", "put", "delete"])
        self.assertEqual((told[0]["key"], told[0]["value"], told[0]["previous"]), ("w/a", "1", None))
        self.assertEqual((told[0]["revision"], told[2]["revision"]), (put["revision"], gone["revision"]))
        self.assertEqual([line["previous"]["value"] for line in told[1:]], ["1", "2"])
        self.assertEqual(watch.end(), (0, ""))
        # The past, as far as it was asked for, and no further.
        result = self.run_aspen("watch", "w/", "--from", str(put["revision"]), "--count", "3")
        lines = result.stdout.decode().splitlines()
        self.assertEqual([line.split()[1:] for line in lines],
                         [["put", "w/a", "1"], ["put", "w/a", "2"], ["delete", "w/a"]])  # fmt: skip
        self.assertRegex(result.stderr.decode(), r"^watching from after revision \d+; Ctrl-C ends it\n$")

    def test_watch_ends_with_its_reader(self):
        watch = subprocess.Popen([ASPEN, "watch", "w2/", "-o", "json", "--ticket", self.ticket],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        self.addCleanup(watch.kill)
        self.addCleanup(watch.stderr.close)
        self.assertIn(b"watching", watch.stdout.readline())
        watch.stdout.close()
        self.run_aspen("kv", "put", "w2/a", "1")
        self.assertEqual(watch.wait(timeout=SECONDS_MAX), 1)
        self.assertIn(b"cannot write", watch.stderr.read())

    def test_leases(self):
        lease = self.run_aspen("lease", "grant", "60s").stdout.decode().strip()
        for key in ("l/a", "l/b"):
            self.assertEqual(self.run_aspen("kv", "put", key, "v", "--lease", lease).returncode, 0)
        info = self.run_json("lease", "info", lease)
        self.assertEqual((info["lease"], info["ttl_ns"], info["keys"]), (int(lease), 60 * 10**9, 2))
        self.assertEqual([attached["key"] for attached in info["attached"]], ["l/a", "l/b"])
        self.assertLessEqual(info["remaining_ns"], 60 * 10**9)
        self.assertIn("l/a", self.run_aspen("lease", "info", lease).stdout.decode())
        self.assertEqual(self.run_json("lease", "keep-alive", lease)["remaining_ns"], 60 * 10**9)
        self.assertEqual([one["lease"] for one in self.run_json("lease", "list")["leases"]], [int(lease)])
        self.assertEqual(self.run_aspen("lease", "list").stderr, b"1 lease\n")
        self.assertEqual(self.run_json("lease", "revoke", lease)["keys"], 2)
        self.assertEqual(self.run_aspen("kv", "get", "l/a").returncode, 3)
        for command in ("info", "revoke", "keep-alive"):
            self.assert_fails(self.run_aspen("lease", command, lease), 3, f"lease {lease}", "NOT_FOUND")
        self.assert_fails(self.run_aspen("kv", "put", "l/a", "v", "--lease", lease), 3, f"lease {lease}")
        self.assert_fails(self.run_aspen("lease", "grant", "1ms"), 1, "100000000", "INVALID_ARGUMENT")
        self.assert_fails(self.run_aspen("lease", "grant", "soon"), 2, "soon")

    def test_a_lease_runs_out(self):
        lease = self.run_aspen("lease", "grant", "2s").stdout.decode().strip()
        self.run_aspen("kv", "put", "out", "v", "--lease", lease)
        self.assertEqual(self.run_aspen("kv", "get", "out").returncode, 0)
        with Server("lease", "keep-alive", lease, "--run", "--ticket", self.ticket) as keeper:
            self.assertRegex(keeper.ready.decode(), r"^lasts 2.000 s\n$")
            time.sleep(3)
            self.assertEqual(self.run_aspen("kv", "get", "out").returncode, 0)
        deadline = time.monotonic() + 20
        while self.run_aspen("kv", "get", "out").returncode == 0:
            self.assertLess(time.monotonic(), deadline)

    def test_limits_name_the_limit(self):
        result = self.run_aspen("kv", "put", "k" * 5000, "v")
        self.assert_fails(result, 1, "LIMIT_EXCEEDED", "4096", "applied", "no: nothing was changed")
        result = self.run_aspen("kv", "put", "k", "-", stdin=bytes(4 * 1024 * 1024 + 1))
        self.assert_fails(result, 1, "LIMIT_EXCEEDED", "4194304")
        error = json.loads(self.run_aspen("kv", "put", "k" * 5000, "v", "-o", "json").stderr)["error"]
        self.assertEqual(error["applied"], "no")
        result = self.run_aspen("kv", "put", "", "v")
        self.assert_fails(result, 1, "INVALID_ARGUMENT")

    def test_status(self):
        document = self.run_json("status")
        for name in ["node_id", "network_id", "leader", "term", "commit", "applied", "members"]:
            self.assertIn(name, document)
        self.assertEqual({member["node_id"] for member in document["members"]},
                         {node["node_id"] for node in self.ready["nodes"]})  # fmt: skip
        self.assertEqual(sum(member["leader"] for member in document["members"]), 1)
        table = self.run_aspen("status").stdout.decode()
        self.assertEqual(table.count("127.0.0.1:"), 3)
        self.assertRegex(table, r"MEMBER +ADDRESS +ROLE +REACHABLE")

    def test_ticket_inspect(self):
        document = self.json_of(aspen("ticket", "inspect", self.ticket, "-o", "json"))
        for name in ["network_id", "peers", "roles", "not_after_unix_ns"]:
            self.assertIn(name, document)
        self.assertEqual({peer["node_id"] for peer in document["peers"]},
                         {node["node_id"] for node in self.ready["nodes"]})  # fmt: skip
        self.assertIn(document["network_id"], aspen("ticket", "inspect", ticket=self.ticket).stdout.decode())

    def test_ticket_from_a_file(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(self.ticket + "\n")
            file.flush()
            self.json_of(aspen("status", "-o", "json", "--ticket", "@" + file.name))

    def test_bench_on_a_running_network(self):
        before = self.run_json("kv", "range", "--prefix", "bench/")["count"]
        document = self.run_json("bench", "kv", "--clients", "4", "--seconds", "0.5", "--warm-up", "0",
                                 "--read-ratio", "0.5", "--keys", "100", "--value-bytes", "32")  # fmt: skip
        self.assertEqual(list(document), ["bench", "work", "nodes", "clients", "value_bytes", "read_ratio",
                                          "stale", "durable", "encrypted", "ops", "ops_all", "failed",
                                          "longest_gap_us", "seconds", "ops_per_s", "p50_us", "p99_us",
                                          "p999_us"])  # fmt: skip
        self.assertEqual((document["bench"], document["nodes"], document["clients"]), ("kv", 3, 4))
        self.assertGreater(document["ops"], 0)
        self.assertAlmostEqual(document["ops_per_s"], document["ops"] / document["seconds"], delta=1)
        self.assertLessEqual(document["p50_us"], document["p99_us"])
        self.assertEqual(self.run_json("kv", "range", "--prefix", "bench/")["count"], before)

    def test_bench_of_watches(self):
        before = self.run_json("kv", "range", "--prefix", "bench/")["count"]
        for more in [[], ["--unpaced"]]:
            document = self.run_json("bench", "watch", "--watchers", "5", "--clients", "3", "--seconds", "0.5",
                                     "--warm-up", "0", "--value-bytes", "16", *more)  # fmt: skip
            self.assertEqual(list(document), ["bench", "nodes", "watchers", "clients", "value_bytes", "unpaced",
                                              "durable", "encrypted", "ops", "ops_all", "seconds", "ops_per_s",
                                              "p50_us", "p99_us", "p999_us"])  # fmt: skip
            self.assertEqual((document["bench"], document["watchers"], document["clients"]), ("watch", 5, 3))
            self.assertEqual(document["unpaced"], bool(more))
            self.assertGreater(document["ops"], 0)
            self.assertLessEqual(document["p50_us"], document["p99_us"])
            if not more:
                self.assertEqual(document["ops_all"] % 5, 0)  # every put was told by every watch
        self.assertEqual(self.run_json("kv", "range", "--prefix", "bench/")["count"], before)
        table = self.run_aspen("bench", "watch", "--seconds", "0.2", "--warm-up", "0").stdout.decode()
        self.assertRegex(table, r"EVENTS +SECONDS +EVENTS/S +P50 US +P99 US +P99.9 US")

    def test_bench_of_keys_that_stay(self):
        shared = ["bench", "kv", "--clients", "2", "--seconds", "0.2", "--warm-up", "0", "--value-bytes", "16",
                  "--keys", "1000", "--prefix", "kept"]  # fmt: skip
        self.assertEqual(self.run_json(*shared, "--fill", "--read-ratio", "1", "--stale")["stale"], True)
        self.assertEqual(self.run_json("kv", "range", "--prefix", "bench/kept/")["count"], 1000)
        for work in ["txn", "range"]:
            document = self.run_json(*shared, "--work", work)
            self.assertEqual((document["work"], document["failed"]), (work, 0))
            self.assertGreater(document["ops"], 0)
            self.assertLess(document["longest_gap_us"], 200_001)
        self.assertEqual(self.run_json("kv", "range", "--prefix", "bench/kept/")["count"], 1000)
        # A transaction or a range that found less than it should is no result.
        for work in ["txn", "range"]:
            result = self.run_aspen(*shared[:-1], "empty", "--work", work)
            self.assertEqual(result.returncode, 1)
            self.assertIn(b"so this is no result", result.stderr)


class Processes(Case):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="aspen-cli-test-")
        self.addCleanup(shutil.rmtree, self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self, *arguments):
        server = Server("node", *arguments)
        self.addCleanup(server.__exit__)
        return server

    def test_found_join_end_and_start_again(self):
        address = f"127.0.0.1:{free_port()}"
        first = self.start("--dir", self.path("a"), "--listen", address, "--bootstrap",
                           "--ticket-file", self.path("ticket"))  # fmt: skip
        ready = json.loads(first.ready)
        self.assertEqual(list(ready), ["event", "node_id", "listen", "ticket"])
        self.assertEqual((ready["event"], ready["listen"]), ("ready", address))
        self.assertEqual(os.stat(self.path("ticket")).st_mode & 0o777, 0o600)
        ticket = "@" + self.path("ticket")
        self.json_of(aspen("kv", "put", "kept", "yes", "-o", "json", ticket=ticket))
        second = self.start("--dir", self.path("b"), "--listen", "127.0.0.1:0", "--join", ticket)
        self.assertNotEqual(json.loads(second.ready)["node_id"], ready["node_id"])
        self.assertEqual(second.end()[0], 0)
        self.assertEqual(first.end()[0], 0)
        # Without --bootstrap or --join: what is there.
        again = self.start("--dir", self.path("a"), "--listen", address)
        rejoined = self.start("--dir", self.path("b"), "--listen", json.loads(second.ready)["listen"])
        self.assertEqual(json.loads(again.ready)["node_id"], ready["node_id"])
        self.assertEqual(json.loads(rejoined.ready)["node_id"], json.loads(second.ready)["node_id"])
        self.assertEqual(aspen("kv", "get", "kept", ticket=ticket).stdout, b"yes")
        self.assertEqual(rejoined.end(signal.SIGINT)[0], 0)

    def test_what_cannot_be_opened(self):
        address = f"127.0.0.1:{free_port()}"
        first = self.start("--dir", self.path("a"), "--listen", address, "--bootstrap")
        self.assertIn(b"ready", first.ready)
        other = self.start("--dir", self.path("other"), "--listen", "127.0.0.1:0", "--bootstrap")
        foreign = json.loads(other.ready)["ticket"]
        other.end()
        os.makedirs(self.path("full/of"))
        listen = ["--listen", "127.0.0.1:0"]
        cases = [
            (["--dir", self.path("a"), *listen, "--bootstrap"], 1, "IN_USE", self.path("a"), "--dir"),
            (["--dir", self.path("c"), "--listen", address, "--bootstrap"], 1, "IN_USE", address, "--listen"),
            (["--dir", self.path("d"), *listen], 2, "holds no node", "--bootstrap"),
            (["--dir", self.path("full"), *listen, "--bootstrap"], 1, "WRONG_NODE", "full"),
            (["--dir", self.path("no/parent"), *listen, "--bootstrap"], 1, "IO", "No such file", "must exist"),
            (["--dir", self.path("no/parent/"), *listen, "--bootstrap"], 1, "IO", "must exist"),
            (["--dir", self.path("e"), "--listen", "nowhere", "--bootstrap"], 1, "INVALID_ARGUMENT", "host:port"),
            (["--dir", self.path("f"), *listen, "--join", "aspen1abc"], 1, "TICKET_INVALID", "base32"),
        ]
        for arguments, status, *words in cases:
            with self.subTest(" ".join(arguments)):
                self.assert_fails(aspen("node", *arguments), status, *words)
        first.end()
        result = aspen("node", "--dir", self.path("a"), *listen, "--join", foreign)
        self.assert_fails(result, 1, "WRONG_NODE", "network")

    def test_a_damaged_node_file_and_the_way_out(self):
        arguments = ["--dir", self.path("a"), "--listen", "127.0.0.1:0"]
        self.assertEqual(self.start(*arguments, "--bootstrap").end()[0], 0)
        with open(self.path("a/node"), "r+b") as file:
            file.seek(-1, os.SEEK_END)
            last = file.read(1)
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last[0] ^ 1]))
        result = aspen("node", *arguments)
        self.assert_fails(result, 1, "CORRUPT", "start afresh", "to start afresh, join as a new node", "empty --dir")
        self.assertNotIn("do not delete", result.stderr.decode())

    def test_up_leaves_other_directories_alone(self):
        node = self.start("--dir", self.path("a"), "--listen", "127.0.0.1:0", "--bootstrap")
        self.assertIn(b"ready", node.ready)
        os.makedirs(self.path("full/of"))
        os.makedirs(self.path("broken"))
        with open(self.path("broken/nodes.json"), "w") as file:
            file.write('{"format":"x","listen":[]}')
        cases = [("a", "WRONG_NODE", "holds a node", "aspen node --dir", "empty directory"),
                 ("full", "WRONG_NODE", "holds 'of'", "empty directory"),
                 ("broken", "CORRUPT", "nodes.json", "empty directory")]  # fmt: skip
        for end in [False, True]:
            if end:
                self.assertEqual(node.end()[0], 0)
            for name, *words in cases:
                with self.subTest(name, end=end):
                    before = sorted(os.listdir(self.path(name)))
                    self.assert_fails(aspen("up", "--dir", self.path(name)), 1, *words)
                    self.assertEqual(sorted(os.listdir(self.path(name))), before)
        # Not even when the directory also holds a list of nodes.
        shutil.copy(self.path("broken/nodes.json"), self.path("a"))
        self.assert_fails(aspen("up", "--dir", self.path("a")), 1, "WRONG_NODE", "holds a node")

    def test_up_that_was_cut_short_starts_again(self):
        with Server("up", "--dir", self.path("up"), "-o", "json") as up:
            first = json.loads(up.ready)["nodes"][0]["node_id"]
            self.assertEqual(up.end()[0], 0)
        with open(self.path("up/nodes.json"), "w") as file:
            file.write('{"format":1,"listen":[]}')  # as before its first node served
        with Server("up", "--dir", self.path("up"), "-o", "json") as up:
            self.assertEqual(json.loads(up.ready)["nodes"][0]["node_id"], first)

    def test_up_keeps_its_data(self):
        ids = []
        for _ in range(2):
            with Server("up", "--nodes", "3", "--dir", self.path("up"), "-o", "json") as up:
                ready = json.loads(up.ready)
                ids.append([node["node_id"] for node in ready["nodes"]])
                if len(ids) == 1:
                    self.json_of(aspen("kv", "put", "kept", "yes", "-o", "json", ticket=ready["ticket"]))
                self.assertEqual(aspen("kv", "get", "kept", ticket=ready["ticket"]).stdout, b"yes")
                self.assertEqual(up.end(signal.SIGINT)[0], 0)
        self.assertEqual(ids[0], ids[1])
        result = aspen("up", "--nodes", "2", "--dir", self.path("up"))
        self.assert_fails(result, 2, "holds 3 nodes", "3 or more")

    def test_backup_verify_and_restore(self):
        backup, archive = self.path("backup"), self.path("backup.tar")
        with Server("up", "--nodes", "3", "--dir", self.path("up"), "-o", "json") as up:
            ready = json.loads(up.ready)
            ticket, data = ready["ticket"], ready["nodes"][0]["dir"]
            put = self.json_of(aspen("kv", "put", "kept", "yes", "-o", "json", ticket=ticket))
            made = self.json_of(aspen("backup", backup, "-o", "json", ticket=ticket))
            self.assertGreaterEqual(made["revision"], put["revision"])
            self.assertEqual(made["keys"], 1)
            self.assert_fails(aspen("backup", backup, ticket=ticket), 1, "ALREADY_EXISTS", "empty or new")
            missing = aspen("backup", self.path("no/such"), ticket=ticket)
            self.assert_fails(missing, 1, "does not exist")
            self.assertIn("revision", aspen("backup", self.path("as text"), ticket=ticket).stdout.decode())
            streamed = aspen("backup", "-", ticket=ticket)
            self.assertEqual(streamed.returncode, 0, streamed.stderr)
            with open(archive, "wb") as file:
                file.write(streamed.stdout)
            self.assert_fails(aspen("verify", data), 1, "IN_USE")
        for good in (data, backup):
            report = self.json_of(aspen("verify", good, "-o", "json"))
            self.assertEqual((report["ok"], report["problems"]), (True, []))
            self.assertTrue(aspen("verify", good).stdout.decode().endswith("\nok\n"))
        self.assert_fails(aspen("verify", self.dir), 3, "NOT_FOUND")

        os.mkdir(self.path("unpacked"))
        subprocess.run(["tar", "-xf", archive, "-C", self.path("unpacked")], check=True)
        node = ["--dir", self.path("n"), "--listen", "127.0.0.1:0"]
        first = self.start(*node, "--restore-from", self.path("unpacked"))
        ticket = json.loads(first.ready)["ticket"]
        self.assertEqual(aspen("kv", "get", "kept", ticket=ticket).stdout, b"yes")
        again = self.json_of(aspen("kv", "put", "kept", "still", "-o", "json", ticket=ticket))
        self.assertGreater(again["revision"], made["revision"] + 2**40)
        self.assertEqual(first.end()[0], 0)
        refused = self.start(*node, "--restore-from", self.path("unpacked"))
        self.assertIn("ALREADY_EXISTS", refused.end()[1])
        with Server("up", "--restore-from", backup, "-o", "json") as up:
            ticket = json.loads(up.ready)["ticket"]
            self.assertEqual(aspen("kv", "get", "kept", ticket=ticket).stdout, b"yes")

        with open(os.path.join(backup, "1.chunks"), "r+b") as file:
            file.seek(40)
            byte = file.read(1)[0]
            file.seek(40)
            file.write(bytes([byte ^ 1]))
        damaged = aspen("verify", backup)
        self.assertEqual(damaged.returncode, 1)
        self.assertIn("1.chunks", damaged.stdout.decode())
        report = self.json_of(aspen("verify", backup, "-o", "json"), status=1)
        self.assertEqual(report["problems"][0]["code"], "CORRUPT")

    def test_up_prints_only_the_ticket_and_leaves_nothing(self):
        before = set(os.listdir(tempfile.gettempdir()))
        with Server("up") as up:
            self.assertTrue(up.ready.startswith(b"aspen1"))
            status, said = up.end()
            self.assertEqual(status, 0)
            self.assertIn("export ASPEN_TICKET", said)
            kept = said.split("data in ")[1].split(",")[0]
        self.assertFalse(os.path.exists(kept))
        self.assertNotIn(os.path.basename(kept), before)

    def test_bench_starts_and_ends_its_own_nodes(self):
        result = aspen("bench", "kv", "--nodes", "3", "--clients", "2", "--seconds", "0.5", "--warm-up", "0",
                       "--keys", "50", "--dir", self.dir, "-o", "json")  # fmt: skip
        document = self.json_of(result)
        self.assertEqual((document["nodes"], document["clients"]), (3, 2))
        self.assertEqual(os.listdir(self.dir), [])
        table = aspen("bench", "kv", "--nodes", "1", "--seconds", "0.2", "--warm-up", "0", "--dir", self.dir)
        self.assertRegex(table.stdout.decode(), r"OPS +SECONDS +OPS/S +P50 US +P99 US +P99.9 US")

    def test_bench_that_is_interrupted_leaves_nothing(self):
        for command in ["kv", "watch"]:
            with self.subTest(command):
                self.interrupt_bench(command)

    def interrupt_bench(self, command):
        process = subprocess.Popen(
            [ASPEN, "bench", command, "--nodes", "3", "--seconds", "60", "--dir", self.dir],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        self.addCleanup(process.kill)
        self.assertIn(b"starting", process.stderr.readline())
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, said = process.communicate(timeout=SECONDS_MAX)
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"ended by a signal", said)
        self.assertLess(time.monotonic() - began, 8, "the nodes were killed, not ended")
        self.assertEqual(os.listdir(self.dir), [])


if __name__ == "__main__":
    unittest.main(verbosity=1)
