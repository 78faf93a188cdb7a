"""A cluster for one phase: members, the network between them, the clients that load it, and the looks at its end."""

import concurrent.futures
import json
import os
import subprocess
import time

import history
from members import Member, tie_to_parent
from network import Network

HERE = os.path.dirname(os.path.abspath(__file__))
START_SECONDS_MAX = 60
WHOLE_SECONDS_MAX = 90  # after the last fault has ended
EQUAL_SECONDS_MAX = 60
CLIENT_STOP_SECONDS_MAX = 30
STATUS_SECONDS = 2
AUDITOR = "auditor"
READ_BACK = "read-back"


class Violation(Exception):
    """What must never be: the run has failed."""


class Cluster:
    def __init__(self, size, directory, tools, mutant=None):
        self.directory = directory
        self.tools = tools  # paths: aspen, python, go, preload, checker
        names = [f"n{i + 1}" for i in range(size)]
        self.clients = ["py1", "py2", "go1"]
        self.auditors = {name: f"{AUDITOR}-{name}" for name in names}  # each reaches one member only
        self.network = Network([*names, *self.clients, AUDITOR, *self.auditors.values()])
        self.members = [
            Member(name, self.network, tools["aspen"], directory, tools["preload"], mutant) for name in names
        ]
        self.ticket = ""
        self.loads = {}  # client: process
        self.last_leader = None
        self.proxy_counts = {}
        self.records = []

    # --- up and down ---

    def up(self):
        os.makedirs(self.directory)
        self.network.up()
        for member in self.members:
            member.mount()
        for i, member in enumerate(self.members):
            member.ticket = self.ticket or None
            member.start(bootstrap=i == 0)
            self.ticket = member.wait_ready(START_SECONDS_MAX)["ticket"] or self.ticket
        self.wait(self.whole, WHOLE_SECONDS_MAX, "the new cluster is not whole")

    def down(self):
        """Ends and removes everything; returns what went wrong with it."""
        wrong = []
        for process in self.loads.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        for member in self.members:
            problem = member.stop()
            if problem:
                wrong.append(problem)
        self.proxy_counts = self.network.down()
        for member in self.members:
            member.remove()
        return wrong

    def abandon(self):
        """As down(), at once."""
        for member in self.members:
            member.kill()
        self.down()

    def records_complete(self):
        """Ends the load of a cluster that has failed. True when all that clients did is on record."""
        try:
            self.end_load()
        except Violation:
            return False
        return len(self.records) > 0

    # --- how it is ---

    def run(self, host, command, seconds):
        """A command on a host; (status, stdout, stderr), status None when it took too long."""
        process = subprocess.Popen(
            [*self.network.inside(host), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=tie_to_parent,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=seconds)
        except BaseException as error:
            process.kill()
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                return None, "", f"not done after {seconds} s"
            raise
        return process.returncode, out, err

    def status(self):
        command = [self.tools["aspen"], "status", "--ticket", self.ticket, "--timeout", f"{STATUS_SECONDS}s"]
        code, out, _ = self.run(AUDITOR, [*command, "-o", "json"], STATUS_SECONDS + 3)
        return json.loads(out) if code == 0 else None

    def leader(self):
        """The member that leads, as far as can be told."""
        status = self.status()
        if status:
            self.last_leader = next((m for m in self.members if m.id and m.id == status["leader"]), None)
            return self.last_leader
        return None

    def whole(self):
        """Every member serves, votes and is reached."""
        if not all(member.serving() for member in self.members):
            return False
        status = self.status()
        if not status or not status["leader"]:
            return False
        voters = {m["node_id"] for m in status["members"] if m["role"] == "voter" and m["reachable"]}
        return len(status["members"]) == len(self.members) and voters == {m.id for m in self.members}

    def poll(self):
        """Members that ended by themselves. One that may (its disk is full) is not among them."""
        return [m for m in self.members if m.poll() and not m.may_end]

    def wait(self, condition, seconds, complaint):
        deadline = time.monotonic() + seconds
        while not condition():
            for member in self.poll():
                raise Violation(member.deaths[-1])
            if time.monotonic() > deadline:
                raise Violation(f"{complaint} after {seconds} s: {self.status()}")
            time.sleep(0.1)

    # --- the load ---

    def begin_load(self, seed):
        start = str(time.monotonic_ns())
        for i, client in enumerate(self.clients):
            record = os.path.join(self.directory, client + ".jsonl")
            self.records.append(record)
            if client.startswith("go"):
                command = [self.tools["go"], "load", self.ticket, record, client, start, str(seed), "8"]
            else:
                command = [self.tools["python"], os.path.join(HERE, "client.py"), "load", self.ticket, record]
                command += ["--name", client, "--start", start, "--seed", f"{seed}.{i}", "--threads", "4"]
            with open(os.path.join(self.directory, client + ".log"), "wb") as log:
                self.loads[client] = subprocess.Popen(
                    [*self.network.inside(client), *command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=tie_to_parent,
                    start_new_session=True,
                )

    def check_load(self):
        for client, process in self.loads.items():
            if process.poll() is not None:
                raise Violation(f"client {client} ended with status {process.returncode}: {self.client_log(client)}")

    def client_log(self, client):
        with open(os.path.join(self.directory, client + ".log"), errors="replace") as file:
            return file.read()[-2000:].strip()

    def end_load(self):
        self.check_load()
        for process in self.loads.values():
            process.terminate()
        for client, process in self.loads.items():
            try:
                status = process.wait(CLIENT_STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                raise Violation(f"client {client} does not end: an operation of it does not") from None
            if status != 0:
                raise Violation(f"client {client} ended with status {status}: {self.client_log(client)}")
        self.loads = {}

    # --- the looks at the end ---

    def client(self, *arguments, seconds, host=AUDITOR):
        command = [self.tools["python"], os.path.join(HERE, "client.py"), *arguments]
        return self.run(host, command, seconds)

    def probe(self):
        """Liveness: a write and a read work again."""
        status, _, error = self.client("probe", self.ticket, seconds=100)
        if status != 0:
            raise Violation(f"no progress after all faults have ended: {error.strip()[-1000:]}")

    def read_back(self):
        """Reads all groups once more into a record of their own, so that no lost write goes unseen."""
        groups = os.path.join(self.directory, "groups")
        with open(groups, "w") as file:
            file.write("\n".join(history.groups(history.read(self.records))))
        record = os.path.join(self.directory, READ_BACK + ".jsonl")
        status, _, error = self.client("read-back", self.ticket, record, groups, seconds=300)
        if status != 0:
            raise Violation(f"reading back failed: {error.strip()[-1000:]}")
        self.records.append(record)

    def state_of(self, name):
        """What the member has applied."""
        status, out, error = self.client("state", self.ticket, seconds=40, host=self.auditors[name])
        return json.loads(out) if status == 0 else {"error": error.strip()[-300:]}

    def equal_states(self):
        """The members' common state; every member's is looked at, from a host that reaches it alone."""
        names = [member.name for member in self.members]
        ways = [(host, other) for name, host in self.auditors.items() for other in names if other != name]
        self.network.drops["audit"] = {*ways, *((b, a) for a, b in ways)}
        self.network.apply()
        deadline = time.monotonic() + EQUAL_SECONDS_MAX
        while True:
            with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
                states = dict(zip(names, pool.map(self.state_of, names)))
            first = next(iter(states.values()))
            if "error" not in first and all(state == first for state in states.values()):
                return first
            if time.monotonic() > deadline:
                raise Violation(f"the members' states are not equal: {states}")
            time.sleep(0.5)
