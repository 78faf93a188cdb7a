"""Three-node clusters on loopback, of processes and in this process, with members that can be ended."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import aspen

SIZE = 3
READY_SECONDS = 60


def aspen_binary() -> Path | None:
    """The aspen command: ASPEN_BIN, else the one that `make build` leaves in the repository."""
    named = os.environ.get("ASPEN_BIN")
    path = Path(named) if named else Path(__file__).parents[3] / "build/release/bin/aspen"
    return path.resolve() if path.is_file() else None


class Cluster(Protocol):
    ticket: str

    def kill(self, node_id: str) -> None:
        """Ends the member: a process at once (SIGKILL), a node of this process by closing it."""

    def restart(self) -> None:
        """Starts the members that were ended, from their directories."""


def wait_for_leader(node: aspen.Node, other_than: str = "", seconds: float = 30) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            leader = node.status(timeout=2).leader
            if leader and leader != other_than:
                return leader
        except aspen.AspenError as error:
            if not (error.retryable or isinstance(error, TimeoutError)):
                raise
        time.sleep(0.05)
    raise AssertionError(f"no leader other than {other_than!r} within {seconds} s")


class InProcessCluster:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._nodes: dict[str, tuple[int, aspen.Node]] = {}
        self._addresses: dict[int, str] = {}
        self._ended: list[int] = []

    def __enter__(self) -> Self:
        first = aspen.found(self._root / "0", "127.0.0.1:0")
        self._add(0, first)
        self.ticket = first.ticket()
        for index in range(1, SIZE):
            self._add(index, aspen.join(self._root / str(index), "127.0.0.1:0", self.ticket))
        self.ticket = first.ticket()  # now it names all members
        return self

    def __exit__(self, type: type[BaseException] | None, value: BaseException | None, t: TracebackType | None) -> None:
        for _, node in self._nodes.values():
            node.close()

    def _add(self, index: int, node: aspen.Node) -> None:
        self._nodes[node.id] = (index, node)
        self._addresses[index] = node.address

    def kill(self, node_id: str) -> None:
        index, node = self._nodes.pop(node_id)
        node.close()
        self._ended.append(index)

    def restart(self) -> None:
        while self._ended:
            index = self._ended.pop()
            self._add(index, aspen.join(self._root / str(index), self._addresses[index], self.ticket))


class ProcessCluster:
    def __init__(self, root: Path, binary: Path) -> None:
        self._root = root
        self._binary = binary
        self._processes: dict[str, tuple[int, subprocess.Popen[str]]] = {}
        self._addresses: dict[int, str] = {}
        self._ended: list[int] = []
        self.ticket = ""

    def __enter__(self) -> Self:
        try:
            for index in range(SIZE):
                self._start(index)
        except BaseException:
            self._end_all()
            raise
        return self

    def __exit__(self, type: type[BaseException] | None, value: BaseException | None, t: TracebackType | None) -> None:
        self._end_all()

    def _end_all(self) -> None:
        for _, process in self._processes.values():
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def _start(self, index: int) -> None:
        command = [str(self._binary), "node", "--dir", str(self._root / str(index))]
        command += ["--listen", self._addresses.get(index, "127.0.0.1:0")]
        command += ["--join", self.ticket] if self.ticket else ["--bootstrap"]
        log = (self._root / f"{index}.log").open("a")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        log.close()
        ready = self._ready(process, index)
        self._processes[ready["node_id"]] = (index, process)
        self._addresses[index] = ready["listen"]
        self.ticket = ready["ticket"]

    def _ready(self, process: subprocess.Popen[str], index: int) -> dict[str, str]:
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if selector.select(READY_SECONDS) else ""
        if not line:
            process.kill()
            process.wait()
            raise AssertionError(f"node {index} is not ready:\n" + (self._root / f"{index}.log").read_text())
        ready: dict[str, str] = json.loads(line)
        assert ready["event"] == "ready"
        return ready

    def kill(self, node_id: str) -> None:
        index, process = self._processes.pop(node_id)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        self._ended.append(index)

    def restart(self) -> None:
        while self._ended:
            self._start(self._ended.pop())
