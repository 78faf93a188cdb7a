"""What the two flavours of leases share. A lease is its number."""

from __future__ import annotations

from typing import NamedTuple, Self

from . import _native
from ._calls import Call, Pages, to_nanoseconds, to_number
from ._lifetime import NodeBase


class LeaseInfo(NamedTuple):
    """A lease, as it is."""

    lease: int
    ttl: float
    """Seconds that it was granted for."""
    remaining: float
    """Seconds before it runs out, if nobody keeps it alive."""
    keys: int
    """How many are attached."""


class LeaseBase(int):
    """The number of a lease, and the node that calls with it go through."""

    _node: NodeBase
    _keeping: _native.Op | None

    def __new__(cls, node: NodeBase, number: int) -> Self:
        made = super().__new__(cls, to_number(number, "lease"))
        made._node = node
        made._keeping = None
        return made

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        return int, (int(self),)

    def keep(self) -> None:
        """Has the engine renew it from now on, in the background, each time a third of its time has passed."""
        if self._keeping is None or self._keeping.done():
            self._keeping = self._node._native.lease_keep(self, None, 0)

    def drop(self) -> None:
        """Ends `keep`, here and wherever else it is kept at this node; it then runs out. Safe to call again."""
        if self._keeping is not None:
            self._node._native.lease_drop_keep(self)
            self._keeping = None

    @property
    def lost(self) -> bool:
        """Whether `keep` has found that it has run out or was revoked, or its node was closed."""
        return self._keeping is not None and self._keeping.done() and self._keeping.status() != 0


class Keys(Pages[bytes]):
    """The keys of a lease."""

    def __init__(self, node: NodeBase, lease: int, timeout: float | None) -> None:
        self._node = node
        self._lease = lease
        self._timeout_ns = to_nanoseconds(timeout)
        self._continuation: bytes | None = None

    def _submit(self, queue: _native.Queue | None, tag: int) -> _native.Op:
        return self._node._native.lease_info(self._lease, self._continuation, self._timeout_ns, queue, tag)

    def _take(self, op: _native.Op) -> list[bytes]:
        self._done = not op.more()
        self._continuation = op.continuation()
        return [entry[0] for entry in op.entries()]


class Leases(Pages[LeaseInfo]):
    """All leases, by number."""

    def __init__(self, node: NodeBase, timeout: float | None) -> None:
        self._node = node
        self._timeout_ns = to_nanoseconds(timeout)
        self._after = 0

    def _submit(self, queue: _native.Queue | None, tag: int) -> _native.Op:
        return self._node._native.lease_list(self._after, self._timeout_ns, queue, tag)

    def _take(self, op: _native.Op) -> list[LeaseInfo]:
        self._done = not op.more()
        leases = list(map(_info, op.leases()))
        self._after = leases[-1].lease if leases else self._after
        return leases


def _info(row: tuple[int, int, int, int]) -> LeaseInfo:
    lease, ttl_ns, remaining_ns, keys = row
    return LeaseInfo(lease, ttl_ns / 1e9, remaining_ns / 1e9, keys)


def _first(op: _native.Op) -> LeaseInfo:
    return _info(op.leases()[0])


def grant(node: NodeBase, ttl: float, timeout: float | None) -> Call[LeaseInfo]:
    native, ttl_ns, timeout_ns = node._native, to_nanoseconds(ttl, "ttl"), to_nanoseconds(timeout)
    return Call(lambda queue, tag: native.lease_grant(ttl_ns, timeout_ns, queue, tag), _first)


def revoke(node: NodeBase, lease: int, timeout: float | None) -> Call[LeaseInfo]:
    native, timeout_ns = node._native, to_nanoseconds(timeout)
    return Call(lambda queue, tag: native.lease_revoke(lease, timeout_ns, queue, tag), _first)


def keep_alive(node: NodeBase, lease: int, timeout: float | None) -> Call[LeaseInfo]:
    native, timeout_ns = node._native, to_nanoseconds(timeout)
    return Call(lambda queue, tag: native.lease_keep_alive(lease, timeout_ns, queue, tag), _first)


def info(node: NodeBase, lease: int, timeout: float | None) -> Call[LeaseInfo]:
    native, timeout_ns = node._native, to_nanoseconds(timeout)
    return Call(lambda queue, tag: native.lease_info(lease, None, timeout_ns, queue, tag), _first)
