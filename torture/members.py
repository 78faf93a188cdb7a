"""Members: `aspen node` processes, each with a namespace, a small disk and clocks of its own.

The disk is a tmpfs, so that it can be filled. The wall clock is the machine's plus an offset (preload.c); the
monotonic clock is of a time namespace and another one at each start, as after a reboot.
"""

import ctypes
import errno
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import time

DISK_MB = 192
PORT = 7000
OPEN_SECONDS = 600  # that a member may take to serve: it waits for partitions to heal
STOP_SECONDS_MAX = 20
CLONE_NEWTIME = 0x80
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


class MemberError(Exception):
    pass


def tie_to_parent():
    """The process ends with the one that started it, however that ends."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def own_monotonic_clock(offset_s):
    """After the next exec the monotonic clock is ahead by so much."""
    if libc.unshare(CLONE_NEWTIME) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWTIME)")
    with open("/proc/self/timens_offsets", "w") as file:
        file.write(f"monotonic {offset_s} 0\nboottime {offset_s} 0\n")


class Member:
    def __init__(self, name, network, program, directory, preload, mutant=None):
        self.name = name
        self.network = network
        self.program = program
        self.disk = os.path.join(directory, name)
        self.data = os.path.join(self.disk, "node")
        self.clock = os.path.join(directory, name + ".clock")
        self.log = os.path.join(directory, name + ".log")
        self.preload = preload
        self.mutant = mutant
        self.ticket = None  # with which it joins; the founder has one when it has to join again
        self.id = ""
        self.process = None
        self.ready = None  # the line it printed when it began to serve
        self.output = b""
        self.wanted = False  # it should be running
        self.paused = False
        self.may_end = False  # by itself: its disk is full
        self.deaths = []  # how it ended when nobody had asked it to
        self.starts = 0
        self.mounted = False

    def mount(self):
        os.makedirs(self.disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", self.disk], check=True)
        self.mounted = True
        self.set_clock(0)

    def start(self, monotonic_offset_s=0, bootstrap=False):
        address = f"{self.network.addresses[self.name]}:{PORT}"
        command = [*self.network.inside(self.name), self.program, "node", "--dir", self.data, "--listen", address]
        command += ["--timeout", f"{OPEN_SECONDS}s", "--log", "info"]
        if bootstrap:
            command += ["--bootstrap"]
        elif self.ticket:
            command += ["--join", self.ticket]
        environment = {**os.environ, "LD_PRELOAD": self.preload, "TORTURE_CLOCK": self.clock}
        environment.pop("ASPEN_MUTANT", None)
        if self.mutant:
            environment["ASPEN_MUTANT"] = self.mutant

        def before():
            tie_to_parent()
            own_monotonic_clock(monotonic_offset_s)

        with open(self.log, "ab") as log:
            log.write(f"--- start {self.starts}, monotonic clock +{monotonic_offset_s} s\n".encode())
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                preexec_fn=before,
                start_new_session=True,
            )
        self.starts += 1
        self.ready, self.output = None, b""
        self.wanted, self.paused = True, False

    def poll(self):
        """Takes notice of a line it printed and of its end. True when it has ended by itself."""
        if self.process is None:
            return False
        while self.ready is None and select.select([self.process.stdout], [], [], 0)[0]:
            more = os.read(self.process.stdout.fileno(), 65536)
            self.output += more
            if b"\n" in self.output:
                self.ready = json.loads(self.output.split(b"\n")[0])
                self.id = self.ready["node_id"]
            if not more:
                break
        if not self.wanted or self.process.poll() is None:
            return False
        self.deaths.append(f"{self.name} ended with status {self.process.returncode}: {self.last_words()}")
        self._forget()
        return True

    def running(self):
        return self.process is not None and self.process.poll() is None

    def serving(self):
        return self.running() and not self.paused and self.ready is not None

    def wait_ready(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.poll():
                raise MemberError(self.deaths.pop())
            if self.ready is not None:
                return self.ready
            time.sleep(0.02)
        raise MemberError(f"{self.name} does not serve after {seconds} s: {self.last_words()}")

    def log_bytes(self):
        return os.path.getsize(self.log)

    def log_since(self, offset):
        with open(self.log, "rb") as file:
            file.seek(offset)
            return file.read()

    def last_words(self):
        try:
            with open(self.log, errors="replace") as file:
                return " | ".join(line.strip() for line in file.readlines()[-4:])
        except FileNotFoundError:
            return "it says nothing"

    def kill(self):
        self.wanted = False
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self._forget()

    def _forget(self):
        self.process.stdout.close()
        self.process, self.ready, self.wanted, self.paused = None, None, False, False

    def pause(self):
        if self.running():
            self.process.send_signal(signal.SIGSTOP)
            self.paused = True

    def resume(self):
        if self.running():
            self.process.send_signal(signal.SIGCONT)
        self.paused = False

    def stop(self):
        """Asks it to end; returns what is wrong with how it did."""
        self.wanted = False
        if self.process is None:
            return None
        self.resume()
        self.process.terminate()
        try:
            status = self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            return f"{self.name} was asked to end and had not after {STOP_SECONDS_MAX} s"
        self._forget()
        return None if status == 0 else f"{self.name} was asked to end and ended with status {status}"

    # --- disk and clock ---

    def filler(self):
        return os.path.join(self.disk, "filler")

    def fill_disk(self):
        size = 0
        with open(self.filler(), "wb") as file:
            for step in (8 << 20, 256 << 10, 4096):  # the member goes on writing meanwhile
                try:
                    while True:
                        os.posix_fallocate(file.fileno(), size, step)
                        size += step
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def free_disk(self):
        if os.path.exists(self.filler()):
            os.remove(self.filler())

    def wipe(self):
        """Takes its journal and state away; who it is it still knows. Requires: it does not run."""
        for store in ("journal", "state"):
            shutil.rmtree(os.path.join(self.data, store), ignore_errors=True)

    def set_clock(self, offset_s):
        with open(self.clock, "r+b" if os.path.exists(self.clock) else "wb") as file:
            file.write(struct.pack("=q", int(offset_s * 1e9)))

    def remove(self):
        if self.mounted:
            subprocess.run(["umount", "--lazy", self.disk], stderr=subprocess.DEVNULL)
            self.mounted = False
