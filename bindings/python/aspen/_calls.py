"""Every operation once: how it is submitted and what its result means.

The blocking and the asyncio package differ only in how they wait, so both run a `Call`: it makes an operation
whose completion goes to a queue (or, without one, is waited for), and reads the completed operation. Arguments
are checked when the call is made, not when it runs.
"""

from __future__ import annotations

import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from . import _native
from ._keys import to_bounds, to_bytes
from ._types import (
    Bytes,
    CasResult,
    DeleteResult,
    Entry,
    Expect,
    Expectation,
    Member,
    Peer,
    PutResult,
    Status,
    TicketInfo,
)
from .errors import InvalidArgument, make

T = TypeVar("T")

_NANOSECONDS_MAX = 2**63 - 1
RANGE_ENTRIES_MAX = _native.limits()["RANGE_ENTRIES"]


class Call(Generic[T]):
    """One operation that has not been submitted yet."""

    __slots__ = ("_result", "submit")

    def __init__(
        self,
        submit: Callable[[_native.Queue | None, int], _native.Op],
        result: Callable[[_native.Op], T],
    ) -> None:
        self.submit = submit
        self._result = result

    def finish(self, op: _native.Op) -> T:
        """The result of the completed operation, or its error."""
        status = op.status()
        if status != 0:
            raise make(status, op.message(), "maybe" if op.applied_maybe() else "no", op.retryable())
        return self._result(op)


# ---- arguments ----


def to_nanoseconds(seconds: float | None, what: str = "timeout") -> int:
    """None is 0, which means the default."""
    if seconds is None:
        return 0
    if math.isnan(seconds) or seconds <= 0:
        raise InvalidArgument(f"{what} is {seconds}; it must be more than 0 seconds")
    nanoseconds = seconds * 1e9
    return _NANOSECONDS_MAX if nanoseconds >= _NANOSECONDS_MAX else max(1, int(nanoseconds))


def to_number(value: int, what: str) -> int:
    """A revision, a version or a lease."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{what} is {type(value).__name__}; it must be int")
    if not 0 <= value < 2**64:
        raise InvalidArgument(f"{what} is {value}; it must be 0 to 2^64-1")
    return int(value)


def to_optional_number(value: int | None, what: str) -> int:
    """None is 0, which means none."""
    return 0 if value is None else to_number(value, what)


def to_text(value: str | os.PathLike[str], what: str) -> str:
    text = os.fspath(value)
    if "\0" in text:
        raise InvalidArgument(f"{what} contains a NUL character")
    return text


def to_optional_text(value: str | os.PathLike[str] | None, what: str) -> str | None:
    return None if value is None else to_text(value, what)


def to_freshness(stale: bool, staleness: float | None, lease_read: bool) -> tuple[int, int]:
    """(consistency, staleness in ns) of a read."""
    if lease_read and (stale or staleness is not None):
        raise InvalidArgument("a read is stale, or by the leader's lease, but not both")
    if lease_read:
        return _native.READ_LEASE, 0
    if staleness is not None:
        return _native.READ_STALE, to_nanoseconds(staleness, "staleness")
    return _native.READ_STALE if stale else _native.READ_LINEARIZABLE, 0


def expectation(expect: Expectation) -> tuple[int, bytes, int]:
    """(comparison, expected value, revision) as aspen.h takes them."""
    if expect is Expect.ABSENT:
        return _native.IF_ABSENT, b"", 0
    if expect is Expect.PRESENT:
        return _native.IF_PRESENT, b"", 0
    if isinstance(expect, int) and not isinstance(expect, bool):
        return _native.IF_REVISION, b"", to_number(expect, "expect")
    if isinstance(expect, (bytes, bytearray, memoryview, str)):
        return _native.IF_VALUE, to_bytes(expect, "expect"), 0
    raise TypeError(f"expect is {type(expect).__name__}; it must be ABSENT, PRESENT, a value or a Revision")


# ---- results ----


def _nothing(op: _native.Op) -> None:
    return None


def first_entry(op: _native.Op) -> Entry | None:
    entries = op.entries()
    return Entry._make(entries[0]) if entries else None


def _put_result(op: _native.Op) -> PutResult:
    return PutResult(op.revision(), first_entry(op))


def _delete_result(op: _native.Op) -> DeleteResult:
    return DeleteResult(op.changes()[0][0], op.revision(), first_entry(op))


def _cas_result(op: _native.Op) -> CasResult:
    succeeded = op.succeeded()
    return CasResult(succeeded, op.revision(), None if succeeded else first_entry(op))


def _status(op: _native.Op) -> Status:
    document = json.loads(op.text())
    return Status(
        node_id=document["node_id"],
        network_id=document["network_id"] or "",
        mode=document["mode"],
        role=document["role"],
        address=document["address"] or "",
        leader=document["leader"] or "",
        term=document["term"],
        commit=document["commit"],
        applied=document["applied"],
        members=tuple(
            Member(m["node_id"], m["address"], m["role"], m["leader"], m["reachable"]) for m in document["members"]
        ),
    )


def _opened(op: _native.Op) -> _native.Node:
    node = op.take_node()
    assert node is not None  # a successful open has one
    return node


# ---- nodes ----


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOptions:
    """How a node goes about its work, beside what `open`, `found` and `join` are told. None: the default."""

    history_revisions: int | None = None
    """The leader forgets earlier revisions when more than so many are kept (10,000) and ..."""
    history: float | None = None
    """... what it forgets is older than so many seconds (60); infinite: never."""
    dead_voter: float | None = None
    """A member that is dead or lags for so many seconds (at least 10 elections) has no vote until it has caught up."""
    journal_segment_bytes: int | None = None
    """Of the log's files (16 MiB; up to 1 GiB), each made whole beforehand."""
    clock_drift_ppm: int | None = None
    """What a monotonic clock gains or loses at most (1,000), for leases."""
    lease_reads: bool = False
    """Promises the leader not to vote for another, which is what `lease_read` needs of most members."""
    member_reads: bool = False
    """Reads at this node are served by it also when another one leads, and see as much."""

    def _set(self, options: _native.NodeOptions) -> None:
        forever = self.history is not None and math.isinf(self.history)
        options.history_revisions = to_optional_number(self.history_revisions, "history_revisions")
        options.history_ns = -1 if forever else to_nanoseconds(self.history, "history")
        options.dead_voter_ns = to_nanoseconds(self.dead_voter, "dead_voter")
        options.journal_segment_bytes = to_optional_number(self.journal_segment_bytes, "journal_segment_bytes")
        options.clock_drift_ppm_max = min(to_optional_number(self.clock_drift_ppm, "clock_drift_ppm"), 2**32 - 1)
        options.lease_reads = self.lease_reads
        options.member_reads = self.member_reads


def open_node(
    mode: int,
    *,
    dir: str | os.PathLike[str] | None = None,
    listen: str | None = None,
    advertise: str | None = None,
    ticket: str | None = None,
    heartbeat: float | None = None,
    election: float | None = None,
    restore_from: str | os.PathLike[str] | None = None,
    options: NodeOptions | None = None,
    timeout: float | None = None,
) -> Call[_native.Node]:
    given = _native.NodeOptions()
    given.mode = mode
    given.dir = to_optional_text(dir, "dir")
    if given.dir == "":
        raise InvalidArgument("dir is empty; it must name a directory")
    given.listen = to_optional_text(listen, "listen")
    given.advertise = to_optional_text(advertise, "advertise")
    given.ticket = None if ticket is None else to_text(ticket, "ticket").strip()
    given.restore_from = to_optional_text(restore_from, "restore_from")
    given.open_timeout_ns = to_nanoseconds(timeout)
    given.heartbeat_ns = to_nanoseconds(heartbeat, "heartbeat")
    given.election_ns = to_nanoseconds(election, "election")
    if options is not None:
        options._set(given)
    return Call(lambda queue, tag: _native.node_open(given, queue, tag), _opened)


def close(node: _native.Node) -> Call[None]:
    return Call(node.close, _nothing)


def ticket(node: _native.Node, valid: float | None) -> Call[str]:
    valid_ns = to_nanoseconds(valid, "valid")
    return Call(lambda queue, tag: node.ticket(valid_ns, queue, tag), _native.Op.text)


def status(node: _native.Node, timeout: float | None) -> Call[Status]:
    timeout_ns = to_nanoseconds(timeout)
    return Call(lambda queue, tag: node.status(timeout_ns, queue, tag), _status)


def inspect_ticket(text: str) -> TicketInfo:
    """What a ticket says, checked but not used. Errors: TicketInvalid, GrantExpired."""
    op = _native.ticket_inspect(to_text(text, "ticket").strip())
    document = json.loads(Call(lambda queue, tag: op, _native.Op.text).finish(op))
    not_after_ns = document["not_after_unix_ns"]
    return TicketInfo(
        network_id=document["network_id"],
        peers=tuple(Peer(p["node_id"], p["address"]) for p in document["peers"]),
        roles=tuple(document["roles"]),
        not_after=not_after_ns / 1e9 if not_after_ns else None,
    )


# ---- key-value store ----


def get(
    node: _native.Node,
    key: Bytes,
    revision: int | None,
    stale: bool,
    staleness: float | None,
    lease_read: bool,
    timeout: float | None,
) -> Call[Entry | None]:
    k, at, timeout_ns = to_bytes(key, "key"), to_optional_number(revision, "revision"), to_nanoseconds(timeout)
    consistency, staleness_ns = to_freshness(stale, staleness, lease_read)
    return Call(lambda queue, tag: node.get(k, at, consistency, staleness_ns, timeout_ns, queue, tag), first_entry)


def put(
    node: _native.Node, key: Bytes, value: Bytes, lease: int | None, previous: bool, timeout: float | None
) -> Call[PutResult]:
    k, v, timeout_ns = to_bytes(key, "key"), to_bytes(value, "value"), to_nanoseconds(timeout)
    id = to_optional_number(lease, "lease")
    return Call(lambda queue, tag: node.put(k, v, id, previous, timeout_ns, queue, tag), _put_result)


def delete(node: _native.Node, key: Bytes, previous: bool, timeout: float | None) -> Call[DeleteResult]:
    k, timeout_ns = to_bytes(key, "key"), to_nanoseconds(timeout)
    return Call(lambda queue, tag: node.delete(k, previous, timeout_ns, queue, tag), _delete_result)


def cas(
    node: _native.Node,
    key: Bytes,
    value: Bytes,
    expect: Expectation,
    lease: int | None,
    timeout: float | None,
) -> Call[CasResult]:
    k, v, timeout_ns = to_bytes(key, "key"), to_bytes(value, "value"), to_nanoseconds(timeout)
    comparison, expected, revision = expectation(expect)
    id = to_optional_number(lease, "lease")
    return Call(
        lambda queue, tag: node.cas(k, comparison, expected, revision, v, id, timeout_ns, queue, tag), _cas_result
    )


class Pages(ABC, Generic[T]):
    """Something read reply by reply: while `call()` is not None, run it; it gives the next items."""

    _done = False

    def call(self) -> Call[list[T]] | None:
        return None if self._done else Call(self._submit, self._take)

    @abstractmethod
    def _submit(self, queue: _native.Queue | None, tag: int) -> _native.Op: ...

    @abstractmethod
    def _take(self, op: _native.Op) -> list[T]: ...


class Scan(Pages[Entry]):
    """The entries of a range.

    `submit` is a native range, which takes the bounds, the continuation, the limit of one reply, `options`, a queue
    and a tag.
    """

    def __init__(
        self,
        submit: Callable[..., _native.Op],
        prefix: Bytes | None,
        start: Bytes | None,
        end: Bytes | None,
        limit: int | None,
        *options: bool | int,
    ) -> None:
        if limit is not None and limit < 0:
            raise InvalidArgument(f"limit is {limit}; it must not be negative")
        self._range = submit
        self._bounds = to_bounds(prefix, start, end)
        self._options = options
        self._left = limit
        self._per_reply = 0 if limit is None else min(limit, RANGE_ENTRIES_MAX)
        self._continuation: bytes | None = None
        self._done = limit == 0

    def _submit(self, queue: _native.Queue | None, tag: int) -> _native.Op:
        prefix, start, end = self._bounds
        return self._range(prefix, start, end, self._continuation, self._per_reply, *self._options, queue, tag)

    def _take(self, op: _native.Op) -> list[Entry]:
        entries = list(map(Entry._make, op.entries()))
        self._done = not op.more()
        if not self._done:
            self._continuation = op.continuation()
        if self._left is not None:
            del entries[self._left :]
            self._left -= len(entries)
            self._done = self._done or self._left == 0
        return entries


def scan(
    node: _native.Node,
    prefix: Bytes | None,
    start: Bytes | None,
    end: Bytes | None,
    limit: int | None,
    reverse: bool,
    keys_only: bool,
    revision: int | None,
    stale: bool,
    staleness: float | None,
    lease_read: bool,
    timeout: float | None,
) -> Scan:
    at, timeout_ns = to_optional_number(revision, "revision"), to_nanoseconds(timeout)
    freshness = to_freshness(stale, staleness, lease_read)
    return Scan(node.range, prefix, start, end, limit, reverse, keys_only, at, *freshness, timeout_ns)
