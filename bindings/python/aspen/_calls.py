"""Every operation once: how it is submitted and what its result means.

The blocking and the asyncio package differ only in how they wait, so both run a `Call`: it makes an operation
whose completion goes to a queue (or, without one, is waited for), and reads the completed operation. Arguments
are checked when the call is made, not when it runs.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
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


def _text(value: str | os.PathLike[str], what: str) -> str:
    text = os.fspath(value)
    if "\0" in text:
        raise InvalidArgument(f"{what} contains a NUL character")
    return text


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


def open_node(
    mode: int,
    *,
    dir: str | os.PathLike[str] | None = None,
    listen: str | None = None,
    advertise: str | None = None,
    ticket: str | None = None,
    heartbeat: float | None = None,
    election: float | None = None,
    timeout: float | None = None,
) -> Call[_native.Node]:
    directory = None if dir is None else _text(dir, "dir")
    if directory == "":
        raise InvalidArgument("dir is empty; it must name a directory")
    texts = [None if t is None else _text(t, w) for t, w in ((listen, "listen"), (advertise, "advertise"))]
    invitation = None if ticket is None else _text(ticket, "ticket").strip()
    times = (to_nanoseconds(timeout), to_nanoseconds(heartbeat, "heartbeat"), to_nanoseconds(election, "election"))
    return Call(
        lambda queue, tag: _native.node_open(
            mode, directory, texts[0], texts[1], invitation, times[0], times[1], times[2], queue, tag
        ),
        _opened,
    )


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
    op = _native.ticket_inspect(_text(text, "ticket").strip())
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
    node: _native.Node, key: Bytes, revision: int | None, stale: bool, timeout: float | None
) -> Call[Entry | None]:
    k, at, timeout_ns = to_bytes(key, "key"), to_optional_number(revision, "revision"), to_nanoseconds(timeout)
    return Call(lambda queue, tag: node.get(k, at, stale, timeout_ns, queue, tag), first_entry)


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


class Scan:
    """Walks a range reply by reply: while `call()` is not None, run it; it gives the next entries.

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

    def call(self) -> Call[list[Entry]] | None:
        if self._done:
            return None
        return Call(self._submit, self._take)

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
    timeout: float | None,
) -> Scan:
    at, timeout_ns = to_optional_number(revision, "revision"), to_nanoseconds(timeout)
    return Scan(node.range, prefix, start, end, limit, reverse, keys_only, at, stale, timeout_ns)
