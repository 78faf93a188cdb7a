"""What transactions and branches share, whichever way they wait.

A draft of the engine is kept while it can be used: ended, it is gone, and calls raise InvalidArgument.
"""

from __future__ import annotations

import random

from . import _native
from ._calls import Call, Scan, first_entry, to_nanoseconds, to_optional_number
from ._keys import KeyRange, to_bytes, to_deleted
from ._lifetime import NodeBase
from ._types import Bytes, Entry
from .errors import Conflict, InvalidArgument, make

#: How often `transact` calls its function at most.
ATTEMPTS = 32

_PAUSE_FIRST = 0.001
_PAUSE_MAX = 0.25
_CONFLICTS_SHOWN = 3


def pause(attempt: int) -> float:
    """Seconds to wait after attempt 0, 1, ...: any time up to a bound that doubles, so that rivals part."""
    return random.uniform(0, min(_PAUSE_MAX, _PAUSE_FIRST * 2**attempt))


def check_attempts(attempts: int) -> None:
    if attempts < 1:
        raise InvalidArgument(f"attempts is {attempts}; it must be at least 1")


def too_many_conflicts(attempts: int) -> Conflict:
    return Conflict(f"others changed what the transaction read, in each of {attempts} attempts", retryable=True)


class Draft:
    """Changes that are kept until the commit, and what was read."""

    __slots__ = ("_native", "_node", "_timeout")

    _noun = "transaction"

    def __init__(self, node: NodeBase, native: _native.Txn, timeout: float | None) -> None:
        self._node = node  # keeps it open
        self._native: _native.Txn | None = native
        self._timeout = timeout  # of what has none of its own

    def put(self, key: Bytes, value: Bytes, *, lease: int | None = None) -> None:
        """Writes, when it is committed. The key goes when its `lease` does."""
        k, v, id = to_bytes(key, "key"), to_bytes(value, "value"), to_optional_number(lease, "lease")
        self._changed(self._draft.put(k, v, id))

    def delete(self, key: Bytes) -> None:
        """Deletes, when it is committed."""
        self._changed(self._draft.delete(to_bytes(key, "key")))

    def delete_range(
        self, prefix: Bytes | None = None, *, start: Bytes | None = None, end: Bytes | None = None
    ) -> None:
        """Deletes the keys with `prefix`, or from `start` to `end`, when it is committed.

        All keys have the prefix b"".
        """
        self._changed(self._draft.delete_range(*to_deleted(prefix, start, end)))

    @property
    def _draft(self) -> _native.Txn:
        if self._native is None:
            raise InvalidArgument(f"the {self._noun} is over; make another")
        return self._native

    def _end(self) -> None:
        self._native = None

    def _changed(self, refused: tuple[int, str] | None) -> None:
        if refused is not None:
            raise make(*refused, "no", False)

    def _timeout_ns(self, timeout: float | None) -> int:
        return to_nanoseconds(self._timeout if timeout is None else timeout)

    def _get_call(self, key: Bytes, timeout: float | None) -> Call[Entry | None]:
        draft, k, timeout_ns = self._draft, to_bytes(key, "key"), self._timeout_ns(timeout)
        return Call(lambda queue, tag: draft.get(k, timeout_ns, queue, tag), first_entry)

    def _scan(
        self,
        prefix: Bytes | None,
        start: Bytes | None,
        end: Bytes | None,
        limit: int | None,
        reverse: bool,
        keys_only: bool,
        timeout: float | None,
    ) -> Scan:
        def submit(*arguments: object) -> _native.Op:
            return self._draft.range(*arguments)  # type: ignore[arg-type]

        return Scan(submit, prefix, start, end, limit, reverse, keys_only, self._timeout_ns(timeout))

    def _commit_call(self, timeout: float | None) -> Call[tuple[bool, int, tuple[KeyRange, ...]]]:
        """Whether it succeeded, its revision, and, of a branch, where it did not."""
        draft, timeout_ns = self._draft, self._timeout_ns(timeout)
        return Call(lambda queue, tag: draft.commit(timeout_ns, queue, tag), _committed)


def _committed(op: _native.Op) -> tuple[bool, int, tuple[KeyRange, ...]]:
    return op.succeeded(), op.revision(), tuple(map(KeyRange._make, op.conflicts()))


def branch_call(
    node: NodeBase, parent: Draft | None, prefix: Bytes, timeout: float | None
) -> Call[_native.Txn]:
    p, timeout_ns = to_bytes(prefix, "prefix"), to_nanoseconds(timeout)
    native, outer = node._native, None if parent is None else parent._draft
    return Call(lambda queue, tag: native.branch(outer, p, timeout_ns, queue, tag), _taken)


def _taken(op: _native.Op) -> _native.Txn:
    txn = op.take_txn()
    assert txn is not None  # a successful branch has one
    return txn


def conflict(conflicts: tuple[KeyRange, ...]) -> Conflict:
    shown = ", ".join(repr(keys.start) for keys in conflicts[:_CONFLICTS_SHOWN])
    error = Conflict(
        f"others changed what the branch read or changed, in {len(conflicts)} places: {shown}"
        f"{', ...' * (len(conflicts) > _CONFLICTS_SHOWN)}; make another branch"
    )
    error.conflicts = conflicts
    return error
