"""`aspen member` with three `aspen node` processes."""

import json
import os
import shutil
import signal
import tempfile
import time
import unittest

from cli_case import Case, Server, aspen


class Member(Case):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="aspen-cli-test-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.ticket = None
        self.nodes = {}
        for name in ("a", "b", "c"):
            self.start(name)

    def start(self, name):
        how = ["--join", self.ticket] if self.ticket else ["--bootstrap"]
        server = Server("node", "--dir", os.path.join(self.dir, name), "--listen", "127.0.0.1:0", *how)
        self.addCleanup(server.__exit__)
        ready = json.loads(server.ready)
        self.ticket = self.ticket or ready["ticket"]
        self.nodes[name] = (server, ready["node_id"])

    def kill(self, name):
        self.nodes[name][0].end(signal.SIGKILL)

    def run_aspen(self, *arguments):
        return aspen(*arguments, ticket=self.ticket)

    def run_json(self, *arguments):
        return self.json_of(self.run_aspen(*arguments, "-o", "json"))

    def id(self, name):
        return self.nodes[name][1]

    def members(self):
        return {member["node_id"]: member["reachable"] for member in self.run_json("status")["members"]}

    def test_lead(self):
        for name in ("b", "c", "a"):
            self.assertEqual(self.run_json("member", "lead", self.id(name)), {"leader": self.id(name)})
            self.assertEqual(self.run_json("status")["leader"], self.id(name))
        self.assertNotEqual(self.run_json("member", "lead")["leader"], self.id("a"))
        said = self.run_aspen("member", "lead", self.id("b")).stdout.decode()
        self.assertEqual(said, f"{self.id('b')} leads\n")
        stranger = "b" * 51 + "a"
        self.assert_fails(self.run_aspen("member", "lead", stranger), 3, "NOT_FOUND", stranger)
        self.assert_fails(self.run_aspen("member", "lead", "b"), 1, "INVALID_ARGUMENT", "52 characters")

    def test_a_dead_machine_is_replaced(self):
        self.run_aspen("kv", "put", "k", "1")
        self.run_aspen("member", "lead", self.id("a"))
        self.kill("c")
        deadline = time.monotonic() + 30
        while self.members()[self.id("c")] and time.monotonic() < deadline:
            time.sleep(0.1)
        # With it gone and b removed there would be no majority.
        self.assert_fails(
            self.run_aspen("member", "remove", self.id("b"), "--timeout", "1s"), 1, "no majority", self.id("b")
        )
        said = self.run_aspen("member", "remove", self.id("c"))
        self.assertEqual((said.returncode, said.stdout.decode()), (0, f"{self.id('c')} is removed\n"), said.stderr)
        again = self.run_aspen("member", "remove", self.id("c"), "-o", "json")
        self.assertEqual(self.json_of(again, 3), {"node_id": self.id("c"), "was_member": False})
        self.start("d")
        self.assertEqual(self.members(), {self.id(name): True for name in "abd"})
        self.kill("b")
        self.assertEqual(self.run_aspen("kv", "put", "k", "2").returncode, 0)
        self.assertEqual(self.run_aspen("kv", "get", "k").stdout, b"2")

    def test_who_is_removed_says_so(self):
        self.run_aspen("member", "lead", self.id("a"))
        self.assertEqual(self.run_json("member", "remove", self.id("b")), {"node_id": self.id("b"), "was_member": True})
        time.sleep(3)
        status, said = self.nodes["b"][0].end()
        self.assertEqual(status, 0, said)
        self.assertIn("NOT_A_MEMBER: this node was removed from the members", said)
        self.assertEqual(sorted(self.members()), sorted([self.id("a"), self.id("c")]))


if __name__ == "__main__":
    unittest.main()
