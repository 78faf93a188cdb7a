"""aspen for asyncio: the names of `aspen`, awaited.

    async with await aio.connect(ticket) as node:
        await node.kv.put("k", "v")
        async for entry in node.kv.range("k"): ...

A node may be used from several event loops and threads. Cancelling a task cancels its operation and waits for it to
end, which it does at once, before CancelledError goes on. A cancelled write may have been made, or still be.

Completions come through one queue per event loop, whose descriptor the loop watches while operations are in
flight; an idle loop holds nothing of aspen's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from typing import Self, TypeVar

from . import _batch, _calls, _lifetime, _native
from ._types import BatchResult, Bytes, CasResult, DeleteResult, Entry, Expectation, PutResult, Status

T = TypeVar("T")


class _Completions:
    """The operations in flight of one event loop. Used on that loop's thread only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue = _native.Queue()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._last_tag = 0
        loop.add_reader(self._queue.fd, self._drain)

    async def of(self, submit: Callable[[_native.Queue | None, int], _native.Op]) -> _native.Op:
        """Submits, and gives the completed operation."""
        self._last_tag = tag = self._last_tag + 1
        op = submit(self._queue, tag)
        try:
            await self._completion(tag)
        except asyncio.CancelledError:
            op.cancel()
            await self._ended(tag)
            if closing := _lifetime.take_back(op):
                await self.of(closing.submit)
            raise
        return op

    def _completion(self, tag: int) -> asyncio.Future[None]:
        self._waiting[tag] = future = self._loop.create_future()
        return future

    async def _ended(self, tag: int) -> None:
        """Waits, whatever happens, for the completion of an operation that was cancelled."""
        while tag in self._waiting:
            try:
                await self._completion(tag)
            except asyncio.CancelledError:
                continue  # the first one is on its way already

    def _drain(self) -> None:
        for tag in self._queue.poll():
            future = self._waiting.pop(tag)
            if not future.done():
                future.set_result(None)
        if not self._waiting:
            # After the tasks just woken: most of them go on with another operation.
            self._loop.call_soon(self._release_if_idle)

    def _release_if_idle(self) -> None:
        if not self._waiting and _completions.get(self._loop) is self:
            self._loop.remove_reader(self._queue.fd)
            del _completions[self._loop]


_completions: dict[asyncio.AbstractEventLoop, _Completions] = {}


def _completions_here() -> _Completions:
    loop = asyncio.get_running_loop()
    found = _completions.get(loop)
    if found is None:
        for other in list(_completions):  # loops that were closed with operations in flight
            if other.is_closed():
                _completions.pop(other, None)
        found = _completions[loop] = _Completions(loop)
    return found


async def _run(call: _calls.Call[T]) -> T:
    return call.finish(await _completions_here().of(call.submit))


class Batch(_batch.BatchBuilder):
    __doc__ = _batch.BatchBuilder.__doc__
    __slots__ = ()

    async def apply(self, *, timeout: float | None = None) -> BatchResult:
        """As `aspen.Batch.apply`."""
        return await _run(self._call(timeout))


class Range:
    """The entries of a range, fetched reply by reply."""

    __slots__ = ("_entries", "_keep", "_scan")

    def __init__(self, node: Node, scan: _calls.Scan) -> None:
        self._keep = node
        self._scan = scan
        self._entries: Iterator[Entry] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Entry:
        while True:
            for entry in self._entries:
                return entry
            call = self._scan.call()
            if call is None:
                raise StopAsyncIteration
            page = await _run(call)
            self._entries = iter(page)


class KeyValue:
    """The store of a node, as `aspen.KeyValue`: the same calls, results, limits and errors."""

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node  # keeps it open while only its store is in use

    async def get(
        self, key: Bytes, *, revision: int | None = None, stale: bool = False, timeout: float | None = None
    ) -> Entry | None:
        """As `aspen.KeyValue.get`."""
        return await _run(_calls.get(self._node._native, key, revision, stale, timeout))

    async def put(
        self,
        key: Bytes,
        value: Bytes,
        *,
        lease: int | None = None,
        previous: bool = False,
        timeout: float | None = None,
    ) -> PutResult:
        """As `aspen.KeyValue.put`."""
        return await _run(_calls.put(self._node._native, key, value, lease, previous, timeout))

    async def delete(
        self, key: Bytes, *, previous: bool = False, timeout: float | None = None
    ) -> DeleteResult:
        """As `aspen.KeyValue.delete`."""
        return await _run(_calls.delete(self._node._native, key, previous, timeout))

    async def cas(
        self,
        key: Bytes,
        value: Bytes,
        *,
        expect: Expectation,
        lease: int | None = None,
        timeout: float | None = None,
    ) -> CasResult:
        """As `aspen.KeyValue.cas`."""
        return await _run(_calls.cas(self._node._native, key, value, expect, lease, timeout))

    def range(
        self,
        prefix: Bytes | None = None,
        *,
        start: Bytes | None = None,
        end: Bytes | None = None,
        limit: int | None = None,
        reverse: bool = False,
        keys_only: bool = False,
        revision: int | None = None,
        stale: bool = False,
        timeout: float | None = None,
    ) -> Range:
        """As `aspen.KeyValue.range`, for `async for`."""
        node = self._node._native
        scan = _calls.Scan(node, prefix, start, end, limit, reverse, keys_only, revision, stale, timeout)
        return Range(self._node, scan)

    def batch(self) -> Batch:
        """As `aspen.KeyValue.batch`; `await` its `apply`."""
        return Batch(self._node._native)


class Node(_lifetime.NodeBase):
    """As `aspen.Node`, awaited. Closed by `async with` or `close`."""

    @property
    def kv(self) -> KeyValue:
        """The replicated key-value store."""
        return KeyValue(self)

    async def status(self, *, timeout: float | None = None) -> Status:
        """As `aspen.Node.status`."""
        return await _run(_calls.status(self._native, timeout))

    async def ticket(self, valid: float | None = None) -> str:
        """As `aspen.Node.ticket`."""
        return await _run(_calls.ticket(self._native, valid))

    async def close(self) -> None:
        """As `aspen.Node.close`."""
        if not self._closed:
            self._mark_closed()
            await _run(_calls.close(self._native))
            self._handle = None  # its thread and descriptors go too, not only when this object does

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, type: _lifetime.ExcType, value: BaseException | None, traceback: _lifetime.Traceback
    ) -> None:
        await self.close()


async def open(dir: str | os.PathLike[str], *, timeout: float | None = None) -> Node:
    """As `aspen.open`."""
    return Node(await _run(_calls.open_node(_native.MODE_EMBEDDED, dir=dir, timeout=timeout)))


async def found(
    dir: str | os.PathLike[str],
    listen: str,
    *,
    advertise: str | None = None,
    heartbeat: float | None = None,
    election: float | None = None,
    timeout: float | None = None,
) -> Node:
    """As `aspen.found`."""
    call = _calls.open_node(
        _native.MODE_FOUND,
        dir=dir,
        listen=listen,
        advertise=advertise,
        heartbeat=heartbeat,
        election=election,
        timeout=timeout,
    )
    return Node(await _run(call))


async def join(
    dir: str | os.PathLike[str],
    listen: str,
    ticket: str,
    *,
    advertise: str | None = None,
    heartbeat: float | None = None,
    election: float | None = None,
    timeout: float | None = None,
) -> Node:
    """As `aspen.join`."""
    call = _calls.open_node(
        _native.MODE_JOIN,
        dir=dir,
        listen=listen,
        ticket=ticket,
        advertise=advertise,
        heartbeat=heartbeat,
        election=election,
        timeout=timeout,
    )
    return Node(await _run(call))


async def connect(ticket: str, *, timeout: float | None = None) -> Node:
    """As `aspen.connect`."""
    return Node(await _run(_calls.open_node(_native.MODE_CLIENT, ticket=ticket, timeout=timeout)))


__all__ = ["Batch", "KeyValue", "Node", "Range", "connect", "found", "join", "open"]
