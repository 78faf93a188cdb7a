"""Secondary indexes: keys found by what is in their values."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from . import _native
from . import tuple as _tuple
from ._calls import RANGE_ENTRIES_MAX, Call, Pages, to_nanoseconds, to_text
from ._keys import to_bytes
from ._lifetime import NodeBase
from ._types import Bytes, Entry
from .errors import InvalidArgument


class IndexInfo(NamedTuple):
    """An index, as it is."""

    name: str
    prefix: bytes
    extractor: str
    state: str
    """building, ready or dropping"""
    records: int
    """How many keys have been looked at to build it."""


class IndexEntry(NamedTuple):
    """A key, and the value that the index has it under."""

    value: Any
    entry: Entry


class All:
    """Says that no value was given; None is one."""


ALL = All()


class IndexScan(Pages[IndexEntry]):
    def __init__(
        self,
        node: NodeBase,
        name: str,
        value: _tuple.Item | All,
        start: _tuple.Item | All,
        end: _tuple.Item | All,
        limit: int | None,
        reverse: bool,
        keys_only: bool,
        timeout: float | None,
    ) -> None:
        if value is not ALL and (start, end) != (ALL, ALL):
            raise InvalidArgument("a scan is of one value, or has a start and an end, but not both")
        if limit is not None and limit < 0:
            raise InvalidArgument(f"limit is {limit}; it must not be negative")
        self._node = node
        self._name = to_text(name, "name")
        self._bounds = _packed(value), _packed(start), _packed(end)
        self._flags = reverse, keys_only, to_nanoseconds(timeout)
        self._left = limit
        self._per_reply = 0 if limit is None else min(limit, RANGE_ENTRIES_MAX)
        self._continuation: bytes | None = None
        self._done = limit == 0

    def _submit(self, queue: _native.Queue | None, tag: int) -> _native.Op:
        return self._node._native.index_scan(
            self._name, *self._bounds, self._continuation, self._per_reply, *self._flags, queue, tag
        )

    def _take(self, op: _native.Op) -> list[IndexEntry]:
        found = [
            IndexEntry(_tuple.unpack(value)[0], Entry._make(entry))
            for value, entry in zip(op.index_values(), op.entries(), strict=True)
        ]
        self._done = not op.more()
        if not self._done:
            self._continuation = op.continuation()
        if self._left is not None:
            del found[self._left :]
            self._left -= len(found)
            self._done = self._done or self._left == 0
        return found


def _packed(value: _tuple.Item | All) -> bytes | None:
    return None if isinstance(value, All) else _tuple.pack((value,))


def create(node: NodeBase, name: str, prefix: Bytes, extractor: str, timeout: float | None) -> Call[None]:
    native, timeout_ns = node._native, to_nanoseconds(timeout)
    text, p, how = to_text(name, "name"), to_bytes(prefix, "prefix"), to_text(extractor, "extractor")
    return Call(lambda queue, tag: native.index_create(text, p, how, timeout_ns, queue, tag), _nothing)


def drop(node: NodeBase, name: str, timeout: float | None) -> Call[None]:
    native, text, timeout_ns = node._native, to_text(name, "name"), to_nanoseconds(timeout)
    return Call(lambda queue, tag: native.index_drop(text, timeout_ns, queue, tag), _nothing)


def indexes(node: NodeBase, timeout: float | None) -> Call[tuple[IndexInfo, ...]]:
    native, timeout_ns = node._native, to_nanoseconds(timeout)
    return Call(lambda queue, tag: native.index_list(timeout_ns, queue, tag), _indexes)


def _nothing(op: _native.Op) -> None:
    return None


def _indexes(op: _native.Op) -> tuple[IndexInfo, ...]:
    return tuple(
        IndexInfo(row["name"], bytes.fromhex(row["prefix_hex"]), row["extractor"], row["state"], row["records"])
        for row in json.loads(op.text())
    )
