"""What goes wrong: one small class for each kind.

A fault is made for the phase it happens in and used once: start() does it and says what it did, or returns None when
this is no time for it; stop() undoes it and may say what came of it; settled() tells when the cluster has got over it. `seconds` is how long it
lasts, before the lane's pace.

No fault but Replace destroys anything, and that only one member of a whole cluster, so what a majority has
acknowledged is never allowed to be lost. Availability is: majorities are killed, paused and cut off for a while.
"""


class Fault:
    kind = ""
    seconds = (2.0, 8.0)

    def __init__(self, cluster, random):
        self.cluster = cluster
        self.random = random

    def start(self):
        raise NotImplementedError

    def stop(self):
        raise NotImplementedError

    def settled(self):
        return all(member.serving() for member in self.cluster.members)

    # --- for all kinds ---

    def one_member(self):
        """The leader as often as not: it is where most can go wrong."""
        leader = self.cluster.leader() if self.random.random() < 0.5 else None
        return leader or self.random.choice(self.cluster.members)

    def some_members(self, low, high):
        return self.random.sample(self.cluster.members, self.random.randint(low, high))

    def names(self, members):
        leader = self.cluster.last_leader
        return ", ".join(m.name + (" (leader)" if m is leader else "") for m in members)

    def restart(self, members):
        for member in members:
            member.start(monotonic_offset_s=self.random.randrange(100_000))


# --- processes and disks ---


class Kill(Fault):
    kind = "kill"
    seconds = (0.2, 5.0)

    def start(self):
        self.victims = [self.one_member()]
        return self.kill()

    def kill(self):
        for member in self.victims:
            member.kill()
        return f"SIGKILL: {self.names(self.victims)}"

    def stop(self):
        self.restart(self.victims)


class KillMost(Kill):
    """A majority or all at once. What was acknowledged is on their disks."""

    kind = "kill-most"

    def start(self):
        count = len(self.cluster.members)
        self.victims = self.some_members(count // 2 + 1, count)
        return self.kill()


class Pause(Fault):
    kind = "pause"

    def start(self):
        count = len(self.cluster.members)
        self.victims = [self.one_member()] if self.random.random() < 0.5 else self.some_members(1, count)
        for member in self.victims:
            member.pause()
        return f"SIGSTOP: {self.names(self.victims)}"

    def stop(self):
        for member in self.victims:
            member.resume()


class DiskFull(Fault):
    """The member may stop when it cannot write; then it is started again, as an operator would."""

    kind = "disk-full"

    def start(self):
        self.victim = self.one_member()
        self.log_bytes = self.victim.log_bytes()
        self.victim.fill_disk()
        self.victim.may_end = True
        return f"no space: {self.names([self.victim])}"

    def stop(self):
        self.victim.kill()
        self.victim.may_end = False
        self.victim.free_disk()
        noticed = b"No space left" in self.victim.log_since(self.log_bytes)
        self.restart([self.victim])
        return "it had stopped" if noticed else "it had nothing to write"


class Replace(Fault):
    """A member loses log and state and comes back as another incarnation, which has to be taken in and caught up."""

    kind = "replace"
    seconds = (0.2, 2.0)

    def start(self):
        if not self.cluster.whole():
            return None
        self.victim = self.one_member()
        self.victim.kill()
        self.victim.wipe()
        return f"log and state lost: {self.names([self.victim])}"

    def stop(self):
        self.victim.ticket = self.cluster.ticket  # a founder too can only join now
        self.restart([self.victim])

    def settled(self):
        # It says that it serves when it is a voter that has caught up.
        return super().settled() and self.cluster.whole()


# --- network and clocks ---


def both_ways(a, b):
    return {(x, y) for x in a for y in b} | {(y, x) for x in a for y in b}


class NetworkFault(Fault):
    def settled(self):
        return True

    def stop(self):
        network = self.cluster.network
        for rules in (network.drops, network.losses, network.delayed):
            rules.pop(self, None)
        network.apply()

    def all_pairs(self):
        hosts = [m.name for m in self.cluster.members] + self.cluster.clients
        return {(a, b) for a in hosts for b in hosts if a != b}


class Partition(NetworkFault):
    """In two sides; or, of five, so that two that cannot meet both have a majority with the ones between."""

    kind = "partition"

    def start(self):
        names = [m.name for m in self.cluster.members]
        self.random.shuffle(names)
        if len(names) >= 5 and self.random.random() < 0.3:
            half = len(names) // 2
            left, right = names[:half], names[half + 1 :]
            what = f"{left} | {right}, and {names[half]} between"
        else:
            size = self.random.randint(1, len(names) // 2)
            left, right = names[:size], names[size:]
            if self.random.random() < 0.4 and (leader := self.cluster.leader()):
                left, right = [leader.name], [n for n in names if n != leader.name]
            for client in self.cluster.clients:
                side = self.random.choice([left, right, []])  # in none: it reaches all
                side += [client] if side else []
            what = f"{left} | {right}"
        self.cluster.network.drops[self] = both_ways(left, right)
        self.cluster.network.apply()
        return what


class OneWay(NetworkFault):
    """One member is heard but hears nothing, or hears but is not heard."""

    kind = "one-way"

    def start(self):
        victim = self.one_member().name
        others = [m.name for m in self.cluster.members if m.name != victim]
        if self.random.random() < 0.3:
            others = self.random.sample(others, 1)
        out = self.random.random() < 0.5
        pairs = {(victim, other) if out else (other, victim) for other in others}
        self.cluster.network.drops[self] = pairs
        self.cluster.network.apply()
        return f"{victim} -> {others} lost" if out else f"{others} -> {victim} lost"


class Loss(NetworkFault):
    kind = "loss"

    def start(self):
        percent = self.random.randint(5, 30)
        self.cluster.network.losses[self] = {pair: percent for pair in self.all_pairs()}
        self.cluster.network.apply()
        return f"{percent} % of all packets lost"


class Delay(NetworkFault):
    """Delays, of which the random part makes packets overtake each other, and packets that come twice."""

    kind = "delay"

    def start(self):
        delay_ms, jitter_ms = self.random.randint(0, 60), self.random.randint(20, 150)
        duplicate = self.random.choice([0, 0.05, 0.2])
        pairs = self.all_pairs()
        if self.random.random() < 0.5:
            slow = self.one_member().name
            pairs = {pair for pair in pairs if slow in pair}
        self.cluster.network.shape(delay_ms, jitter_ms, duplicate)
        self.cluster.network.delayed[self] = pairs
        self.cluster.network.apply()
        return f"{delay_ms} to {delay_ms + jitter_ms} ms, {duplicate:.0%} twice, on {len(pairs)} ways"


class Clock(NetworkFault):
    """Wall clocks jump, and jump back."""

    kind = "clock"

    def start(self):
        self.victims = self.some_members(1, len(self.cluster.members))
        jumps = []
        for member in self.victims:
            seconds = self.random.choice([-1, 1]) * self.random.choice([0.5, 60, 3600, 86_400, 30 * 86_400])
            member.set_clock(seconds)
            jumps.append(f"{member.name} {seconds:+.1f} s")
        return ", ".join(jumps)

    def stop(self):
        for member in self.victims:
            member.set_clock(0)


PROCESS = {fault.kind: fault for fault in (Kill, KillMost, Pause, DiskFull, Replace)}
NETWORK = {fault.kind: fault for fault in (Partition, OneWay, Loss, Delay, Clock)}
LANES = {"processes": PROCESS, "network": NETWORK}
KINDS = [*PROCESS, *NETWORK]
