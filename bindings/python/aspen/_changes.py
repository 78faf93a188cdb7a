"""What watches tell, and what the two flavours of them share."""

from __future__ import annotations

from collections import deque
from typing import Literal, NamedTuple

from . import _native
from ._calls import Call, to_nanoseconds, to_optional_number
from ._keys import to_bounds, to_bytes
from ._lifetime import NodeBase
from ._types import Bytes, Entry
from .errors import Compacted, InvalidArgument

_KINDS: dict[int, Literal["put", "delete"]] = {_native.EVENT_PUT: "put", _native.EVENT_DELETE: "delete"}


class Event(NamedTuple):
    """One change of one key."""

    kind: Literal["put", "delete"]
    revision: int
    key: bytes
    entry: Entry | None
    """Of a put: the key as it is at that revision."""
    previous: Entry | None
    """When it was asked for: as it was before (its lease is not told). None: absent, or forgotten."""


class WatchBatch(NamedTuple):
    """What a watch tells at once."""

    revision: int
    """Everything up to it has been told."""
    events: tuple[Event, ...]
    """All of one or more revisions, in order; none in a mark."""


class WatchBase:
    """What both flavours share: what was told and not given yet."""

    __slots__ = ("_closed", "_native", "_node", "_op", "_pending", "_told")

    def __init__(self, node: NodeBase, native: _native.Watch, revision: int) -> None:
        self._node = node  # keeps it open
        self._native = native
        self._told = revision
        self._pending: deque[Event] = deque()
        self._closed = False
        self._op: _native.Op | None = None

    @property
    def revision(self) -> int:
        """Everything up to it has been given. `watch(..., revision=watch.revision + 1)` goes on from here."""
        return self._pending[0].revision - 1 if self._pending else self._told

    def close(self) -> None:
        """Ends the watch, from any thread: who waits for it stops. Safe to call again."""
        self._closed = True
        self._native.close()

    def _next_call(self) -> Call[WatchBatch]:
        def submit(queue: _native.Queue | None, tag: int) -> _native.Op:
            self._op = self._native.next(queue, tag)
            return self._op

        return Call(submit, self._take)

    def _take(self, op: _native.Op) -> WatchBatch:
        self._told = op.revision()
        self._op = None
        return WatchBatch(self._told, tuple(map(_event, op.events())))

    def _interrupted(self) -> None:
        """What came all the same, as the wait for it was given up, is given next."""
        op, self._op = self._op, None
        if op is not None and op.status() == 0:
            self._keep(self._take(op))

    def _keep(self, batch: WatchBatch) -> None:
        self._pending.extend(batch.events)

    def _kept(self) -> WatchBatch | None:
        if not self._pending:
            return None
        events = tuple(self._pending)
        self._pending.clear()
        return WatchBatch(self._told, events)

    def _explain(self, error: Compacted) -> None:
        if self._op is not None:
            error.first = self._op.revision()


_Row = tuple[int, int, tuple[bytes, bytes, int, int, int, int], tuple[bytes, bytes, int, int, int, int] | None]


def _event(row: _Row) -> Event:
    kind, revision, entry, previous = row
    made = Entry._make(entry)
    return Event(
        _KINDS[kind],
        revision,
        made.key,
        made if kind == _native.EVENT_PUT else None,
        None if previous is None else Entry._make(previous),
    )


def watch_call(
    node: NodeBase,
    prefix: Bytes | None,
    key: Bytes | None,
    start: Bytes | None,
    end: Bytes | None,
    revision: int | None,
    previous: bool,
    puts: bool,
    deletes: bool,
    progress: float | None,
    buffer: int | None,
    timeout: float | None,
) -> Call[tuple[_native.Watch, int]]:
    """The watch, and the revision after which it begins."""
    bounds = to_bounds(prefix, start, end)
    if key is not None and bounds != (None, None, None):
        raise InvalidArgument("a watch has a key, or a prefix, or a start and an end, but not several")
    k = None if key is None else to_bytes(key, "key")
    first = to_optional_number(revision, "revision")
    progress_ns, timeout_ns = to_nanoseconds(progress, "progress"), to_nanoseconds(timeout)
    buffer_bytes = to_optional_number(buffer, "buffer")
    return Call(
        lambda queue, tag: node._native.watch(
            k, *bounds, first, previous, puts, deletes, progress_ns, buffer_bytes, timeout_ns, queue, tag
        ),
        _opened,
    )


def _opened(op: _native.Op) -> tuple[_native.Watch, int]:
    watch = op.take_watch()
    assert watch is not None  # a successful open has one
    return watch, op.revision()
