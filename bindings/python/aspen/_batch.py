"""Transactions: how they are written down, and what became of them.

A builder keeps its two branches as the steps that add them to an engine's batch, so that a branch or a nested
transaction can be written while others are not complete. `apply` goes through them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Literal, Self, TypeAlias, overload

from . import _native
from ._calls import RANGE_ENTRIES_MAX, Call, expectation, to_nanoseconds, to_number, to_optional_number
from ._keys import KeyRange, to_bounds, to_bytes, to_deleted
from ._types import (
    BatchResult,
    Bytes,
    Change,
    DeleteRangeResult,
    Entry,
    Expectation,
    OperationResult,
    RangeResult,
    NestedResult,
)
from .errors import InvalidArgument, LimitExceeded

#: A number that an entry has.
NumberField: TypeAlias = Literal["version", "create_revision", "mod_revision", "lease"]
#: Of what is stored to what is given.
Relation: TypeAlias = Literal["==", "!=", "<", ">"]

_Step: TypeAlias = Callable[[_native.Batch], None]

_DEPTH_MAX = _native.limits()["TRANSACTION_DEPTH"]
_TARGETS = {
    "value": _native.TARGET_VALUE,
    "version": _native.TARGET_VERSION,
    "create_revision": _native.TARGET_CREATE_REVISION,
    "mod_revision": _native.TARGET_MOD_REVISION,
    "lease": _native.TARGET_LEASE,
}
_RELATIONS = {
    "==": _native.EQUAL,
    "!=": _native.NOT_EQUAL,
    "<": _native.LESS,
    ">": _native.GREATER,
}
# What a check asks of every key of a range: (target, number).
_CHECKS = {
    _native.IF_ABSENT: (_native.TARGET_EXISTS, 0),
    _native.IF_PRESENT: (_native.TARGET_EXISTS, 1),
    _native.IF_VALUE: (_native.TARGET_VALUE, 0),
    _native.IF_REVISION: (_native.TARGET_MOD_REVISION, 0),
}


class Builder:
    """What a batch and the transactions nested in it share."""

    __slots__ = ("_checks", "_depth", "_otherwise", "_steps", "_then")

    def __init__(self, depth: int = 0) -> None:
        self._depth = depth
        self._checks: list[_Step] = []
        self._then: list[_Step] = []
        self._otherwise: list[_Step] = []
        self._steps = self._then  # the branch that is being written

    # ---- what must hold

    def check(self, key: Bytes | KeyRange, expect: Expectation) -> Self:
        """Asks that `key` is as expected: ABSENT, PRESENT, a value, or a Revision.

        Of a KeyRange: ABSENT, that no key is in it; PRESENT, that one is; else of every key in it.
        """
        comparison, value, revision = expectation(expect)
        if isinstance(key, KeyRange):
            target, number = _CHECKS[comparison]
            return self._compare(key, target, _native.EQUAL, value, number + revision)
        k = to_bytes(key, "key")
        return self._check(lambda batch: batch.check(k, comparison, value, revision))

    @overload
    def compare(
        self, key: Bytes | KeyRange, field: Literal["value"], relation: Relation, operand: Bytes
    ) -> Self: ...

    @overload
    def compare(
        self, key: Bytes | KeyRange, field: NumberField, relation: Relation, operand: int
    ) -> Self: ...

    def compare(
        self,
        key: Bytes | KeyRange,
        field: Literal["value"] | NumberField,
        relation: Relation,
        operand: Bytes | int,
    ) -> Self:
        """Asks that a field of the key's entry stands in a relation: `compare("k", "version", ">", 3)`.

        Values compare as bytes. An absent key has no value, so that no comparison of it holds; its numbers are 0.
        Of a KeyRange: that every key in it is so.
        """
        if field not in _TARGETS:
            raise InvalidArgument(f"field is {field!r}; it is one of {', '.join(_TARGETS)}")
        if relation not in _RELATIONS:
            raise InvalidArgument(f"relation is {relation!r}; it is one of {', '.join(_RELATIONS)}")
        value, number = b"", 0
        if field == "value":
            value = to_bytes(operand, "value")  # type: ignore[arg-type]
        else:
            number = to_number(operand, field)  # type: ignore[arg-type]
        return self._compare(key, _TARGETS[field], _RELATIONS[relation], value, number)

    def unchanged(self, key: Bytes | KeyRange, *, since: int) -> Self:
        """Asks that nothing was put or deleted after the revision `since`: `key`, or any key of a KeyRange.

        Applying raises Compacted when the store does not know any more.
        """
        revision = to_number(since, "since")
        return self._compare(key, _native.TARGET_UNCHANGED_SINCE, _native.EQUAL, b"", revision)

    # ---- what happens

    def put(
        self, key: Bytes, value: Bytes, *, lease: int | None = None, previous: bool = False
    ) -> Self:
        """Writes; as a Change. The key goes when `lease` does; `previous` asks for the entry that was there."""
        k, v, id = to_bytes(key, "key"), to_bytes(value, "value"), to_optional_number(lease, "lease")
        return self._step(lambda batch: batch.put(k, v, id, previous))

    def delete(self, key: Bytes, *, previous: bool = False) -> Self:
        """Deletes; as a Change. `previous` asks for the entry that was there."""
        k = to_bytes(key, "key")
        return self._step(lambda batch: batch.delete(k, previous))

    def delete_range(
        self,
        prefix: Bytes | None = None,
        *,
        start: Bytes | None = None,
        end: Bytes | None = None,
        previous: bool = False,
    ) -> Self:
        """Deletes the keys with `prefix`, or from `start` to `end`; as a DeleteRangeResult.

        All keys have the prefix b"". `previous` asks for the entries that were there.
        """
        keys = to_deleted(prefix, start, end)
        return self._step(lambda batch: batch.delete_range(keys.start, keys.end, previous))

    def get(self, key: Bytes) -> Self:
        """Reads; as an Entry, or None."""
        k = to_bytes(key, "key")
        return self._step(lambda batch: batch.get(k))

    def range(
        self,
        prefix: Bytes | None = None,
        *,
        start: Bytes | None = None,
        end: Bytes | None = None,
        limit: int | None = None,
        reverse: bool = False,
        keys_only: bool = False,
    ) -> Self:
        """Reads the keys with `prefix`, or from `start` to `end`; as a RangeResult.

        At most `limit` of them, and not more than one reply holds (`aspen.LIMITS`).
        """
        if limit is not None and limit < 1:
            raise InvalidArgument(f"limit is {limit}; in a batch it must be at least 1")
        bounds = to_bounds(prefix, start, end)
        count = 0 if limit is None else min(limit, RANGE_ENTRIES_MAX)
        return self._step(lambda batch: batch.range(*bounds, count, reverse, keys_only))

    def transaction(self) -> NestedBatch:
        """A transaction within this one; as a NestedResult.

        It checks and runs at its place, when what comes before it has happened:

            with batch.transaction() as nested:
                nested.check("k", ABSENT).put("k", "v")
        """
        if self._depth == _DEPTH_MAX:
            raise LimitExceeded(f"transactions are over {_DEPTH_MAX} inside each other")
        nested = NestedBatch(self._depth + 1)
        self._step(nested._add_to)
        return nested

    @contextmanager
    def otherwise(self) -> Iterator[Self]:
        """What is added inside `with batch.otherwise():` happens when a check does not hold."""
        if self._steps is self._otherwise:
            raise InvalidArgument("this is what happens otherwise already")
        self._steps = self._otherwise
        try:
            yield self
        finally:
            self._steps = self._then

    # ---- its form

    def _compare(self, key: Bytes | KeyRange, target: int, relation: int, value: bytes, number: int) -> Self:
        end: bytes | None = None
        if isinstance(key, KeyRange):
            k, end = to_bytes(key.start, "start"), to_bytes(key.end, "end")
        else:
            k = to_bytes(key, "key")
        return self._check(lambda batch: batch.compare(target, relation, k, end, value, number))

    def _check(self, step: _Step) -> Self:
        if self._steps is self._otherwise:
            raise InvalidArgument("checks decide between the branches; add them outside of `otherwise`")
        self._checks.append(step)
        return self

    def _step(self, step: _Step) -> Self:
        self._steps.append(step)
        return self

    def _write(self, batch: _native.Batch) -> None:
        for step in (*self._checks, *self._then):
            step(batch)
        if self._otherwise:
            batch.otherwise()
        for step in self._otherwise:
            step(batch)


class NestedBatch(Builder):
    """A transaction within a batch: `with batch.transaction() as nested:`. It has all that a batch has."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, type: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """The block is only for the eye: what it added stays."""

    def _add_to(self, batch: _native.Batch) -> None:
        batch.begin()
        self._write(batch)
        batch.end()


class BatchBuilder(Builder):
    """A transaction: checks, what happens when all of them hold, and what happens otherwise.

        batch = node.kv.batch()
        batch.check("lock", aspen.ABSENT)
        batch.put("lock", "mine")
        with batch.otherwise():
            batch.get("lock")
        result = batch.apply()              # result.results has one item per operation of the branch that ran

    All of it is one step at one revision. Operations run in order and see what the ones before them did; when one
    cannot be carried out, none is. At most `aspen.LIMITS["TRANSACTION_OPS"]` checks and operations and
    `aspen.LIMITS["TRANSACTION_BYTES"]` bytes, nested ones included, which is checked by `apply`. A batch can be
    applied more than once.
    """

    __slots__ = ("_node",)

    def __init__(self, node: _native.Node) -> None:
        super().__init__()
        self._node = node

    def _call(self, timeout: float | None) -> Call[BatchResult]:
        node, timeout_ns = self._node, to_nanoseconds(timeout)
        batch = _native.Batch()
        self._write(batch)
        return Call(lambda queue, tag: node.apply(batch, timeout_ns, queue, tag), _batch_result)


# ---- what became of it

_Row: TypeAlias = tuple[int, bool, bool, bool, int, int, int, int]


def _batch_result(op: _native.Op) -> BatchResult:
    entries = list(map(Entry._make, op.entries()))
    rows = op.results()
    results = _results(iter(rows), entries)
    changes = tuple(result for result in results if isinstance(result, Change))
    if op.succeeded():
        return BatchResult(True, op.revision(), changes, None, None, results)
    # The entries of the results come behind the one of the check that did not hold.
    first = rows[0][6] if rows else len(entries)
    current = entries[0] if first == 1 else None
    return BatchResult(False, op.revision(), changes, op.failed_condition(), current, results)


def _results(rows: Iterator[_Row], entries: list[Entry]) -> tuple[OperationResult, ...]:
    """Of one branch: up to the END of its transaction, or to the last."""
    results: list[OperationResult] = []
    for kind, existed, succeeded, more, previous_revision, count, begin, end in rows:
        if kind == _native.RESULT_END:
            break
        if kind == _native.RESULT_CHANGE:
            results.append(Change(existed, previous_revision, entries[begin] if begin < end else None))
        elif kind == _native.RESULT_GET:
            results.append(entries[begin] if existed else None)
        elif kind == _native.RESULT_RANGE:
            results.append(RangeResult(tuple(entries[begin:end]), more))
        elif kind == _native.RESULT_DELETE_RANGE:
            results.append(DeleteRangeResult(count, tuple(entries[begin:end])))
        else:
            results.append(NestedResult(succeeded, _results(rows, entries)))
    return tuple(results)
