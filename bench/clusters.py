"""Three processes of aspen or of etcd on loopback, with a load generator each: what bench/vs_etcd compares.

Both kinds do the same things, so that a measurement is written once:

    with Aspen(build, directory) as cluster:
        cluster.load(clients=64, keys=10_000, prefix="a", fill=True)
        cluster.kill(cluster.leader())

A member keeps its directory and addresses over kill() and start_member(); wipe() takes its data away, as a disk
that was replaced would. Members are killed when the `with` ends, and with this process, however that ends.
"""

import base64
import ctypes
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from report import run_json

MEMBERS = 3
START_SECONDS_MAX = 300
POLL_SECONDS = 0.02
ETCD_CLIENTS_PER_CONNECTION = 64  # of 1, 4, 10 and 64 what served etcd best, at 64 clients and at 1,024
ETCD_QUOTA_BYTES = 32 << 30  # its default, 2 GiB, is too little for a long run; it keeps all versions
PR_SET_PDEATHSIG = 1


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setpgid(0, 0)  # a Ctrl-C is for us


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def until(what, condition, seconds=START_SECONDS_MAX):
    """Waits for `condition` to give something, and gives it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(POLL_SECONDS)
    raise SystemExit(f"bench: {what} did not happen in {seconds} s")


def connections(clients):
    """To etcd; aspen's client has one to each member."""
    return -(-clients // ETCD_CLIENTS_PER_CONNECTION)


class Cluster:
    name = ""
    encrypted = False

    def __init__(self, directory):
        self.directory = os.path.join(directory, self.name.replace(" ", "-"))
        os.mkdir(self.directory)
        self.processes = [None] * MEMBERS

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for member in range(MEMBERS):
            self.kill(member)

    def data(self, member):
        return os.path.join(self.directory, str(member))

    def spawn(self, member, command, stdout=subprocess.DEVNULL):
        with open(self.data(member) + ".log", "ab") as log:
            self.processes[member] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=log, preexec_fn=die_with_parent)  # fmt: skip
        return self.processes[member]

    def kill(self, member):
        """As a power cut would: it gets no chance to tell anybody."""
        if process := self.processes[member]:
            process.kill()
            process.wait()
            self.processes[member] = None

    def said(self, member):
        with open(self.data(member) + ".log", errors="replace") as log:
            return log.read()[-2000:]

    def still_runs(self, member):
        process = self.processes[member]
        if process is None or process.poll() is not None:
            raise SystemExit(f"bench: member {member} of {self.name} ended: {self.said(member)}")

    def cpu_seconds(self):
        """That the members have used so far."""
        ticks = 0
        for process in filter(None, self.processes):
            with open(f"/proc/{process.pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self):
        """Of all members: {"anonymous": heap and the like, "file": mapped files that are in memory}."""
        kib = {"RssAnon": 0, "RssFile": 0}
        for process in filter(None, self.processes):
            with open(f"/proc/{process.pid}/status") as file:
                for line in file:
                    name, _, value = line.partition(":")
                    if name in kib:
                        kib[name] += int(value.split()[0])
        return {"anonymous": kib["RssAnon"] << 10, "file": kib["RssFile"] << 10}

    def load(self, **options):
        """What the load generator says of a run, with what it cost the processors; options are its own."""
        command = self.load_command(**options)
        before, clients_before = self.cpu_seconds(), self.client_seconds()
        document = run_json(command)
        operations = max(document["ops_all"], 1)
        document["members_cpu_us_per_op"] = round((self.cpu_seconds() - before) * 1e6 / operations, 1)
        document["client_cpu_us_per_op"] = round((self.client_seconds() - clients_before) * 1e6 / operations, 1)
        return document

    @staticmethod
    def client_seconds():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def load_while(self, action, **options):
        """The load's document; `action` runs meanwhile."""
        process = subprocess.Popen(self.load_command(**options, anywhere=True), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        action()
        out, err = process.communicate()
        if process.returncode != 0:
            raise SystemExit(f"bench: the load on {self.name} failed: {err.decode(errors='replace')}")
        return json.loads(out)


def option_list(dash, options):
    """{"clients": 3, "fill": True} as command line options."""
    words = []
    for name, value in options.items():
        if value is False:
            continue
        words.append(dash + name.replace("_", "-"))
        if value is not True:
            words.append(str(value))
    return words


class Aspen(Cluster):
    name = "aspen"
    encrypted = True

    def __init__(self, build, directory):
        self.program = os.path.join(build, "bin", "aspen")
        super().__init__(directory)
        self.addresses = ["127.0.0.1:0"] * MEMBERS
        self.ids = [None] * MEMBERS

    def start(self):
        for member in range(MEMBERS):
            self.start_member(member)

    def start_member(self, member, wait=True):
        # One with an empty disk knows nobody but whom its ticket names, which must be another member.
        others = [path for path in map(self.ticket_of, range(MEMBERS)) if os.path.exists(path)]
        others = [path for path in others if path != self.ticket_of(member)]
        join = ["--join", "@" + others[0]] if others else ["--bootstrap"]
        command = [self.program, "node", "--dir", self.data(member), "--listen", self.addresses[member],
                   "-o", "json", *join]  # fmt: skip
        process = self.spawn(member, command, stdout=subprocess.PIPE)
        if wait:
            self.wait_for(member, process)

    def ticket_of(self, member):
        return os.path.join(self.directory, f"ticket-{member}")

    def wait_for(self, member, process):
        """Of a member that joins, also anew with an empty disk: until it has caught up and votes."""
        line = process.stdout.readline()
        if not line:
            process.wait()
            self.still_runs(member)
        ready = json.loads(line)
        self.addresses[member], self.ids[member] = ready["listen"], ready["node_id"]
        with open(self.ticket_of(member), "w") as file:
            file.write(ready["ticket"])

    def run(self, *words):
        command = [self.program, *words, "--ticket", "@" + self.ticket_of(0), "-o", "json"]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
        return json.loads(result.stdout) if result.returncode == 0 else None

    def leader(self):
        def ask():
            status = self.run("status", "--timeout", "1s")
            leaders = [one["node_id"] for one in (status or {"members": []})["members"] if one["leader"]]
            return leaders and leaders[0] in self.ids and self.ids.index(leaders[0]) + 1

        return until("a leader of aspen", ask) - 1

    def put_once(self):
        return self.run("kv", "put", "bench-once", "x", "--timeout", "1s") is not None

    def wipe(self, member):
        # Its key is who it is; the journal and the state are what it held.
        for name in ["journal", "state"]:
            shutil.rmtree(os.path.join(self.data(member), name))

    def replace_member(self, member):
        self.start_member(member)

    def load_command(self, anywhere=False, **options):  # its client finds the leader by itself
        command = "kv"
        if options.get("work") == "watch":
            command = options.pop("work")
        return [self.program, "bench", command, "--ticket", "@" + self.ticket_of(0), "-o", "json",
                *option_list("--", options)]  # fmt: skip


class Etcd(Cluster):
    """Without TLS. Its load goes to the leader, as in etcd's documentation: a follower would only forward it."""

    def __init__(self, name, program, load_program, directory):
        self.name, self.program, self.load_program = name, program, load_program
        super().__init__(directory)
        ports = free_ports(2 * MEMBERS)
        self.client_ports, self.peer_ports = ports[:MEMBERS], ports[MEMBERS:]

    def start(self):
        for member in range(MEMBERS):
            self.start_member(member, wait=False)
        for member in range(MEMBERS):
            self.wait_for(member)

    def peer_url(self, member):
        return f"http://127.0.0.1:{self.peer_ports[member]}"

    def start_member(self, member, wait=True, state="new"):
        client = f"http://127.0.0.1:{self.client_ports[member]}"
        peers = ",".join(f"m{other}={self.peer_url(other)}" for other in range(MEMBERS))
        self.spawn(member, [self.program, "--name", f"m{member}", "--data-dir", self.data(member),
                            "--listen-client-urls", client, "--advertise-client-urls", client,
                            "--listen-peer-urls", self.peer_url(member), "--initial-advertise-peer-urls",
                            self.peer_url(member), "--initial-cluster", peers, "--initial-cluster-state", state,
                            "--quota-backend-bytes", str(ETCD_QUOTA_BYTES), "--log-level", "error"])  # fmt: skip
        if wait:
            self.wait_for(member)

    def wait_for(self, member):
        """Until it answers a linearizable read, for which it must have applied all that is committed."""

        def reads():
            self.still_runs(member)
            return self.ask(member, "kv/range", {"key": base64.b64encode(b"bench-once").decode()})

        try:
            until(f"a read from member {member} of {self.name}", reads)
        except SystemExit as failure:
            raise SystemExit(f"{failure}; it said: {self.said(member)}") from None

    def ask(self, member, path, body):
        """One request through the JSON gateway of etcd; None when it is not answered."""
        url = f"http://127.0.0.1:{self.client_ports[member]}/v3/{path}"
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:
                return json.load(reply)
        except (urllib.error.URLError, OSError, ValueError):
            return None

    def leader(self):
        def look():
            for member in range(MEMBERS):
                status = self.ask(member, "maintenance/status", {}) or {}
                if status.get("leader") == status.get("header", {}).get("member_id") is not None:
                    return member + 1
            return None

        return until(f"a leader of {self.name}", look) - 1

    def put_once(self):
        word = base64.b64encode(b"bench-once").decode()
        return any(self.ask(member, "kv/put", {"key": word, "value": word}) for member in range(MEMBERS))

    def wipe(self, member):
        shutil.rmtree(self.data(member))

    def replace_member(self, member):
        """etcd takes a member with an empty disk back only as a new one."""
        other = (member + 1) % MEMBERS
        members = (self.ask(other, "cluster/member/list", {}) or {}).get("members", [])
        old = [one["ID"] for one in members if one.get("name") == f"m{member}"]
        body = {"peerURLs": [self.peer_url(member)]}
        if not old or not self.ask(other, "cluster/member/remove", {"ID": old[0]}):
            raise SystemExit(f"bench: cannot remove member {member} of {self.name}")
        until("a new member of etcd", lambda: self.ask(other, "cluster/member/add", body))
        self.start_member(member, state="existing")

    def own_tool_puts_per_s(self, program, clients, total, keys):
        options = {"endpoints": self.endpoints([self.leader()]), "clients": clients, "conns": connections(clients),
                   "total": total, "key-size": 20, "key-space-size": keys, "val-size": 256}  # fmt: skip
        command = [program, "put", *option_list("--", options)]
        said = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        for line in said.stdout.splitlines():
            if line.strip().startswith("Requests/sec:"):
                return float(line.split()[1])
        raise SystemExit(f"bench: {' '.join(command)} failed: {said.stderr[-2000:]}")

    def endpoints(self, members):
        return ",".join(f"127.0.0.1:{self.client_ports[member]}" for member in members)

    def load_command(self, anywhere=False, **options):
        endpoints = self.endpoints(range(MEMBERS) if anywhere else [self.leader()])
        return [self.load_program, "-endpoints", endpoints, "-conns", str(connections(options["clients"])),
                *option_list("-", options)]  # fmt: skip
