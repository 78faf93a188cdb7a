"""aspen for asyncio: the names of `aspen`, awaited.

    async with await aio.connect(ticket) as node:
        await node.kv.put("k", "v")
        async for entry in node.kv.range("k"): ...

A node may be used from several event loops and threads. Cancelling a task cancels its operation and waits for it to
end, which it does at once, before CancelledError goes on. A cancelled write may have been made, or still be.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Self, TypeVar
from typing import Any

from . import _batch, _calls, _keeping, _lifetime, _native
from . import _directory, _index
from . import _leases
from ._aio_lease import Lease
from ._aio_run import Items, Range, run
from ._aio_transaction import Branch, Transaction, open_branch, transact
from ._aio_watch import Watch
from ._changes import watch_call
from ._calls import NodeOptions
from ._directory import Directory, Path
from ._draft import ATTEMPTS
from ._index import IndexEntry, IndexInfo
from ._keeping import Quota
from ._keeping import Verification
from ._leases import LeaseInfo
from ._types import BatchResult, Bytes, CasResult, DeleteResult, Entry, Expectation, PutResult, Status
from .tuple import Item

T = TypeVar("T")


class Batch(_batch.BatchBuilder):
    __doc__ = _batch.BatchBuilder.__doc__
    __slots__ = ()

    async def apply(self, *, timeout: float | None = None) -> BatchResult:
        """As `aspen.Batch.apply`."""
        return await run(self._call(timeout))


class KeyValue:
    """The store of a node, as `aspen.KeyValue`: the same calls, results, limits and errors."""

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node  # keeps it open while only its store is in use

    async def get(
        self,
        key: Bytes,
        *,
        revision: int | None = None,
        stale: bool = False,
        staleness: float | None = None,
        lease_read: bool = False,
        timeout: float | None = None,
    ) -> Entry | None:
        """As `aspen.KeyValue.get`."""
        return await run(_calls.get(self._node._native, key, revision, stale, staleness, lease_read, timeout))

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
        return await run(_calls.put(self._node._native, key, value, lease, previous, timeout))

    async def delete(
        self, key: Bytes, *, previous: bool = False, timeout: float | None = None
    ) -> DeleteResult:
        """As `aspen.KeyValue.delete`."""
        return await run(_calls.delete(self._node._native, key, previous, timeout))

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
        return await run(_calls.cas(self._node._native, key, value, expect, lease, timeout))

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
        staleness: float | None = None,
        lease_read: bool = False,
        timeout: float | None = None,
    ) -> Range:
        """As `aspen.KeyValue.range`, for `async for`."""
        node = self._node._native
        scan = _calls.scan(
            node, prefix, start, end, limit, reverse, keys_only, revision, stale, staleness, lease_read, timeout
        )
        return Range(self._node, scan)

    def batch(self) -> Batch:
        """As `aspen.KeyValue.batch`; `await` its `apply`."""
        return Batch(self._node._native)

    async def transact(
        self,
        fn: Callable[[Transaction], Awaitable[T] | T],
        *,
        attempts: int = ATTEMPTS,
        timeout: float | None = None,
    ) -> T:
        """As `aspen.KeyValue.transact`; `fn` is an `async def`, or a function if it has nothing to await."""
        return await transact(self._node, fn, attempts, timeout)

    async def branch(self, prefix: Bytes, *, timeout: float | None = None) -> Branch:
        """As `aspen.KeyValue.branch`: `async with await node.kv.branch("app/") as branch:`."""
        return await open_branch(self._node, None, prefix, timeout)

    async def watch(
        self,
        prefix: Bytes | None = None,
        *,
        key: Bytes | None = None,
        start: Bytes | None = None,
        end: Bytes | None = None,
        revision: int | None = None,
        previous: bool = False,
        puts: bool = True,
        deletes: bool = True,
        progress: float | None = None,
        buffer: int | None = None,
        timeout: float | None = None,
    ) -> Watch:
        """As `aspen.KeyValue.watch`: `async with await node.kv.watch("user/") as watch:`."""
        call = watch_call(
            self._node, prefix, key, start, end, revision, previous, puts, deletes, progress, buffer, timeout
        )
        return Watch(self._node, *await run(call))

    async def grant(self, ttl: float, *, timeout: float | None = None) -> Lease:
        """As `aspen.KeyValue.grant`: `async with await node.kv.grant(10) as lease:`."""
        return Lease(self._node, (await run(_leases.grant(self._node, ttl, timeout))).lease)

    def lease(self, number: int) -> Lease:
        """As `aspen.KeyValue.lease`."""
        return Lease(self._node, number)

    def leases(self, *, timeout: float | None = None) -> Items[LeaseInfo]:
        """As `aspen.KeyValue.leases`, for `async for`."""
        return Items(self._node, _leases.Leases(self._node, timeout))

    async def compact(self, revision: int, *, timeout: float | None = None) -> int:
        """As `aspen.KeyValue.compact`."""
        return await run(_keeping.compact(self._node, revision, timeout))

    async def set_quota(
        self,
        prefix: Bytes,
        *,
        bytes_max: int | None = None,
        keys_max: int | None = None,
        timeout: float | None = None,
    ) -> None:
        """As `aspen.KeyValue.set_quota`."""
        await run(_keeping.set_quota(self._node, prefix, bytes_max, keys_max, timeout))

    async def quotas(self, *, timeout: float | None = None) -> tuple[Quota, ...]:
        """As `aspen.KeyValue.quotas`."""
        return await run(_keeping.quotas(self._node, timeout))

    async def create_index(self, name: str, prefix: Bytes, extractor: str, *, timeout: float | None = None) -> None:
        """As `aspen.KeyValue.create_index`."""
        await run(_index.create(self._node, name, prefix, extractor, timeout))

    async def drop_index(self, name: str, *, timeout: float | None = None) -> None:
        """As `aspen.KeyValue.drop_index`."""
        await run(_index.drop(self._node, name, timeout))

    async def indexes(self, *, timeout: float | None = None) -> tuple[IndexInfo, ...]:
        """As `aspen.KeyValue.indexes`."""
        return await run(_index.indexes(self._node, timeout))

    def scan_index(
        self,
        name: str,
        value: Item | _index.All = _index.ALL,
        *,
        start: Item | _index.All = _index.ALL,
        end: Item | _index.All = _index.ALL,
        limit: int | None = None,
        reverse: bool = False,
        keys_only: bool = False,
        timeout: float | None = None,
    ) -> Items[IndexEntry]:
        """As `aspen.KeyValue.scan_index`."""
        scan = _index.IndexScan(self._node, name, value, start, end, limit, reverse, keys_only, timeout)
        return Items(self._node, scan)

    async def directory(
        self,
        path: Path,
        *,
        create: bool = True,
        exist_ok: bool = True,
        layer: Bytes = b"",
        timeout: float | None = None,
    ) -> Directory:
        """As `aspen.KeyValue.directory`."""
        return await run(_directory.open_directory(self._node, path, create, exist_ok, layer, timeout))

    def directories(self, path: Path = (), *, timeout: float | None = None) -> Items[Directory]:
        """As `aspen.KeyValue.directories`."""
        return Items(self._node, _directory.Directories(self._node, path, timeout))

    async def move_directory(self, source: Path, target: Path, *, timeout: float | None = None) -> Directory:
        """As `aspen.KeyValue.move_directory`."""
        return await run(_directory.move(self._node, source, target, timeout))

    async def remove_directory(self, path: Path, *, timeout: float | None = None) -> bool:
        """As `aspen.KeyValue.remove_directory`."""
        return await run(_directory.remove(self._node, path, timeout))


class Node(_lifetime.NodeBase):
    """As `aspen.Node`, awaited. Closed by `async with` or `close`."""

    @property
    def kv(self) -> KeyValue:
        """The replicated key-value store."""
        return KeyValue(self)

    async def status(self, *, timeout: float | None = None) -> Status:
        """As `aspen.Node.status`."""
        return await run(_calls.status(self._native, timeout))

    async def ticket(self, valid: float | None = None) -> str:
        """As `aspen.Node.ticket`."""
        return await run(_calls.ticket(self._native, valid))

    async def remove_member(self, node_id: str, *, timeout: float | None = None) -> bool:
        """As `aspen.Node.remove_member`."""
        return await run(_keeping.remove_member(self, node_id, timeout))

    async def transfer_leadership(self, to: str | None = None, *, timeout: float | None = None) -> str:
        """As `aspen.Node.transfer_leadership`."""
        return await run(_keeping.transfer_leadership(self, to, timeout))

    async def backup(
        self, target: str | os.PathLike[str] | int, *, stale: bool = False, timeout: float | None = None
    ) -> dict[str, Any]:
        """As `aspen.Node.backup`."""
        return await run(_keeping.backup(self, target, stale, timeout))

    async def close(self) -> None:
        """As `aspen.Node.close`."""
        if not self._closed:
            self._mark_closed()
            await run(_calls.close(self._native))
            self._handle = None  # its thread and descriptors go too, not only when this object does

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, type: _lifetime.ExcType, value: BaseException | None, traceback: _lifetime.Traceback
    ) -> None:
        await self.close()


async def open(
    dir: str | os.PathLike[str],
    *,
    restore_from: str | os.PathLike[str] | None = None,
    options: NodeOptions | None = None,
    timeout: float | None = None,
) -> Node:
    """As `aspen.open`."""
    call = _calls.open_node(
        _native.MODE_EMBEDDED,
        dir=dir,
        restore_from=restore_from,
        options=options,
        timeout=timeout,
    )
    return Node(await run(call))


async def found(
    dir: str | os.PathLike[str],
    listen: str,
    *,
    advertise: str | None = None,
    heartbeat: float | None = None,
    election: float | None = None,
    restore_from: str | os.PathLike[str] | None = None,
    options: NodeOptions | None = None,
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
        restore_from=restore_from,
        options=options,
        timeout=timeout,
    )
    return Node(await run(call))


async def join(
    dir: str | os.PathLike[str],
    listen: str,
    ticket: str,
    *,
    advertise: str | None = None,
    heartbeat: float | None = None,
    election: float | None = None,
    options: NodeOptions | None = None,
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
        options=options,
        timeout=timeout,
    )
    return Node(await run(call))


async def connect(ticket: str, *, timeout: float | None = None) -> Node:
    """As `aspen.connect`."""
    return Node(await run(_calls.open_node(_native.MODE_CLIENT, ticket=ticket, timeout=timeout)))


async def verify(dir: str | os.PathLike[str]) -> Verification:
    """As `aspen.verify`."""
    return await run(_keeping.Verify(dir))


__all__ = [
    "Batch",
    "Branch",
    "Items",
    "KeyValue",
    "Lease",
    "Node",
    "Range",
    "Transaction",
    "Watch",
    "connect",
    "found",
    "join",
    "open",
    "verify",
]

for _class in (
    Branch,
    Items,
    Lease,
    Range,
    Transaction,
    Watch,
):
    _class.__module__ = __name__  # where users find them
