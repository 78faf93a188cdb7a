"""A network of its own for each run: one namespace for each host, and a hub that routes between them.

Faults are rules in the hub: nftables drops what is partitioned and a part of what is to be lossy, and marks what is to
be delayed. Marked packets go to a TUN device, where delay_proxy.py holds them back in user space (the kernels that this
is made for have no netem). Without a rule a packet passes through the kernel alone.

Names of namespaces carry the pid of the run that made them, so that a later run can remove what one that was killed
has left.
"""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PREFIX = "aspen-torture"
MARK = 1
TABLE = 100
TUN = "tun0"


class NetworkError(Exception):
    pass


def command(*words, given=None):
    done = subprocess.run(words, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise NetworkError(f"{' '.join(words)}: {done.stdout.strip()}")
    return done.stdout


def alive(pid):
    return os.path.exists(f"/proc/{pid}")


def sweep():
    """Removes the namespaces of runs that are no more."""
    for line in command("ip", "netns", "list").splitlines():
        parts = line.split()[0].rsplit("-", 2) if line else []
        if len(parts) == 3 and parts[0] == PREFIX and parts[1].isdigit() and not alive(parts[1]):
            command("ip", "netns", "delete", line.split()[0])


def ruleset(addresses, drops, losses, delayed):
    """The nftables rules as text. `drops` and `delayed` are (from, to) pairs of hosts, `losses` has their percents."""

    def match(pair):
        return f"ip saddr {addresses[pair[0]]} ip daddr {addresses[pair[1]]}"

    forward = [f"{match(pair)} drop" for pair in sorted(drops)]
    forward += [f"{match(pair)} numgen random mod 100 < {losses[pair]} drop" for pair in sorted(losses)]
    # What comes back from the proxy is not marked again.
    marks = [f'iifname "v*" {match(pair)} meta mark set {MARK}' for pair in sorted(delayed)]
    return "\n".join(
        [
            "table inet torture",
            "delete table inet torture",
            "table inet torture {",
            "chain forward { type filter hook forward priority 0; policy accept;",
            *forward,
            "}",
            "chain prerouting { type filter hook prerouting priority -150; policy accept;",
            *marks,
            "}",
            "}",
            "",
        ]
    )


class Network:
    """Hosts by name; which packets between them are dropped, lost or delayed, by the fault that wants it so."""

    def __init__(self, hosts):
        self.hosts = list(hosts)
        self.addresses = {host: f"10.77.{i + 1}.2" for i, host in enumerate(self.hosts)}
        self.drops = {}  # fault: pairs
        self.losses = {}  # fault: {pair: percent}
        self.delayed = {}  # fault: pairs
        self.proxy = None

    def namespace(self, host):
        return f"{PREFIX}-{os.getpid()}-{host}"

    def inside(self, host):
        """What a command line must begin with to run on the host."""
        return ["ip", "netns", "exec", self.namespace(host)]

    def up(self):
        hub = self.namespace("hub")
        for host in ["hub", *self.hosts]:
            command("ip", "netns", "add", self.namespace(host))
            command("ip", "-n", self.namespace(host), "link", "set", "lo", "up")
        settings = ["net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0"]
        # A host that cannot be reached is silent, as a lost packet is, and no route goes round the hub's rules.
        settings += ["net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.default.send_redirects=0"]
        for setting in settings:
            name, value = setting.split("=")
            path = "/proc/sys/" + name.replace(".", "/")
            command(*self.inside("hub"), "sh", "-c", f"echo {value} > {path}")
        for i, host in enumerate(self.hosts):
            space, link, gateway = self.namespace(host), f"v{i + 1}", f"10.77.{i + 1}.1"
            command("ip", "link", "add", link, "netns", hub, "type", "veth", "peer", "name", "eth0", "netns", space)
            command("ip", "-n", hub, "address", "add", f"{gateway}/24", "dev", link)
            command("ip", "-n", hub, "link", "set", link, "up")
            command("ip", "-n", space, "address", "add", f"{self.addresses[host]}/24", "dev", "eth0")
            command("ip", "-n", space, "link", "set", "eth0", "up")
            command("ip", "-n", space, "route", "add", "default", "via", gateway)
        command(*self.inside("hub"), "ip", "tuntap", "add", TUN, "mode", "tun")
        command("ip", "-n", hub, "link", "set", TUN, "up")
        command("ip", "-n", hub, "rule", "add", "fwmark", str(MARK), "table", str(TABLE))
        command("ip", "-n", hub, "route", "add", "default", "dev", TUN, "table", str(TABLE))
        self.proxy = subprocess.Popen(
            [*self.inside("hub"), sys.executable, os.path.join(HERE, "delay_proxy.py"), TUN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.apply()

    def apply(self):
        drops = {pair for pairs in self.drops.values() for pair in pairs}
        delayed = {pair for pairs in self.delayed.values() for pair in pairs}
        losses = {}
        for percents in self.losses.values():
            for pair, percent in percents.items():
                losses[pair] = max(percent, losses.get(pair, 0))
        rules = ruleset(self.addresses, drops, losses, delayed)
        command(*self.inside("hub"), "nft", "-f", "-", given=rules)

    def shape(self, delay_ms, jitter_ms, duplicate):
        """How the proxy treats delayed packets from now on."""
        shape = {"delay_ms": delay_ms, "jitter_ms": jitter_ms, "duplicate": duplicate}
        self.proxy.stdin.write(json.dumps(shape) + "\n")
        self.proxy.stdin.flush()

    def heal(self):
        self.drops, self.losses, self.delayed = {}, {}, {}
        self.apply()

    def down(self):
        """Removes everything; returns what the proxy counted."""
        counts = {}
        if self.proxy is not None:
            try:
                text, _ = self.proxy.communicate(timeout=5)
                counts = json.loads(text)
            except (subprocess.TimeoutExpired, ValueError, OSError):
                self.proxy.kill()
                self.proxy.wait()
        for host in ["hub", *self.hosts]:
            subprocess.run(["ip", "netns", "delete", self.namespace(host)], stderr=subprocess.DEVNULL)
        return counts
