"""What the tests of the real `aspen` command share."""

import json
import os
import signal
import socket
import subprocess
import sys
import unittest

ASPEN = os.path.abspath(sys.argv.pop(1))  # of the program that was started
SECONDS_MAX = 60


def aspen(*arguments, ticket=None, stdin=b"", timeout=SECONDS_MAX):
    """Runs one command to its end; bytes in, bytes out."""
    environment = {name: value for name, value in os.environ.items() if name != "ASPEN_TICKET"}
    if ticket:
        environment["ASPEN_TICKET"] = ticket
    return subprocess.run(
        [ASPEN, *arguments], input=stdin, capture_output=True, timeout=timeout, env=environment
    )


class Server:
    """A command that runs until it is told to end; `ready` is its first line of output."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [ASPEN, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.ready = self.process.stdout.readline()

    def end(self, how=signal.SIGTERM):
        """Returns (exit status, what it said on stderr)."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            _, stderr = self.process.communicate(timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, stderr.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Asked first: an `aspen up` that is killed cannot remove its directory.
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.communicate(timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


def free_port():
    """A UDP port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Case(unittest.TestCase):
    def assert_fails(self, result, status, *words):
        """It exits with `status`, says all of `words` on stderr, and nothing on stdout."""
        said = result.stderr.decode()
        self.assertEqual(result.returncode, status, said)
        self.assertEqual(result.stdout, b"")
        for word in words:
            self.assertIn(word, said)

    def json_of(self, result, status=0):
        self.assertEqual(result.returncode, status, result.stderr)
        return json.loads(result.stdout)
