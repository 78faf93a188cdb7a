"""The blocking node."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Self, TypeVar
from typing import Any

from . import _batch, _calls, _keeping, _lifetime, _native
from . import _directory, _index
from . import _leases
from ._changes import watch_call
from ._calls import NodeOptions
from ._directory import Directory, Path
from ._draft import ATTEMPTS
from ._lease import Lease
from ._index import IndexEntry, IndexInfo
from ._keeping import Quota
from ._keeping import Verification
from ._leases import LeaseInfo
from ._run import run, walk
from ._transaction import Branch, Transaction, open_branch, transact
from ._types import BatchResult, Bytes, CasResult, DeleteResult, Entry, Expectation, PutResult, Status
from ._watch import Watch
from .tuple import Item

T = TypeVar("T")


class Batch(_batch.BatchBuilder):
    __doc__ = _batch.BatchBuilder.__doc__
    __slots__ = ()

    def apply(self, *, timeout: float | None = None) -> BatchResult:
        """Checks, and runs the branch that is due; true when all checks held.

        Errors: LimitExceeded, InvalidArgument (an empty key), NotFound (a lease), QuotaExceeded, Compacted.
        """
        return run(self._call(timeout))


class KeyValue:
    """The store of a node: `node.kv`.

    Keys are 1 to `aspen.LIMITS["KEY_BYTES"]` bytes, values up to `aspen.LIMITS["VALUE_BYTES"]`; `str` is taken as
    UTF-8 and everything comes back as `bytes`. Every write has a revision, and revisions only grow. A write is
    durable on a majority when it returns, and is applied once however often it was sent. `timeout` is in seconds
    (10 when None). Errors common to all: LimitExceeded, DeadlineExceeded, Unavailable, Overloaded, Shutdown.
    """

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node  # keeps it open while only its store is in use

    def get(
        self,
        key: Bytes,
        *,
        revision: int | None = None,
        stale: bool = False,
        staleness: float | None = None,
        lease_read: bool = False,
        timeout: float | None = None,
    ) -> Entry | None:
        """The key's entry; None when it does not exist.

        Sees every write that completed before; with `stale`, what the nearest member has, which may be old; with
        `staleness`, that, but every write that completed so many seconds before. With `lease_read` it sees as much as
        without, as long as clocks keep to `NodeOptions.clock_drift_ppm`, and asks no other member while the leader has
        a lease (`NodeOptions.lease_reads`). With a `revision`: as the store was right after it. Errors: Compacted when
        that is forgotten, InvalidArgument when it has not happened yet.
        """
        return run(_calls.get(self._node._native, key, revision, stale, staleness, lease_read, timeout))

    def put(
        self,
        key: Bytes,
        value: Bytes,
        *,
        lease: int | None = None,
        previous: bool = False,
        timeout: float | None = None,
    ) -> PutResult:
        """Writes, and gives the write's revision.

        The key goes when its `lease` does; without one it leaves the one it had. With `previous` the result tells
        what was there. Errors: NotFound (the lease), QuotaExceeded.
        """
        return run(_calls.put(self._node._native, key, value, lease, previous, timeout))

    def delete(self, key: Bytes, *, previous: bool = False, timeout: float | None = None) -> DeleteResult:
        """Deletes. The result is true when the key existed; with `previous` it tells what was there."""
        return run(_calls.delete(self._node._native, key, previous, timeout))

    def cas(
        self,
        key: Bytes,
        value: Bytes,
        *,
        expect: Expectation,
        lease: int | None = None,
        timeout: float | None = None,
    ) -> CasResult:
        """Writes if the key is as expected: ABSENT, PRESENT, a value (bytes or str), or a Revision.

        A comparison that does not hold is no error: the result is false, and tells what the key has. `lease` and
        errors as of `put`.
        """
        return run(_calls.cas(self._node._native, key, value, expect, lease, timeout))

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
    ) -> Iterator[Entry]:
        """The entries with `prefix`, or from `start` (inclusive) to `end` (exclusive), in key order.

        At most `limit` of them. Fetched reply by reply as the iterator advances: each reply is consistent in
        itself, has its own `timeout`, and sees what was written before it was asked for. With a `revision` all of
        them are of that one, and the errors as of `get`.
        """
        node = self._node._native
        return walk(
            _calls.scan(
                node, prefix, start, end, limit, reverse, keys_only, revision, stale, staleness, lease_read, timeout
            )
        )

    def batch(self) -> Batch:
        """An empty transaction: `node.kv.batch().check(k, ABSENT).put(k, v).delete(j).apply()`."""
        return Batch(self._node._native)

    def transact(
        self, fn: Callable[[Transaction], T], *, attempts: int = ATTEMPTS, timeout: float | None = None
    ) -> T:
        """Calls `fn` with a Transaction, commits what it did, and gives what it gave.

        When others have meanwhile changed what it read, `fn` is called again with a new Transaction, after a pause
        that grows; so it must have no other effects. When it raises, nothing is changed. `timeout` is that of each
        read and of the commit. Errors: Conflict after so many `attempts`, LimitExceeded, NotFound (a lease),
        QuotaExceeded, and Compacted when `fn` takes longer than old revisions are kept. A commit that fails with
        `applied` "maybe" is not made again.
        """
        return transact(self._node, fn, attempts, timeout)

    def branch(self, prefix: Bytes, *, timeout: float | None = None) -> Branch:
        """A copy of the keys with `prefix`, as they are now, to be read and changed and then committed."""
        return open_branch(self._node, None, prefix, timeout)

    def watch(
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
        """Tells what changes in the keys with `prefix`, from `start` to `end`, or in one `key`, from now on.

        With a `revision`: from this one on, past or to come. With `previous`, events tell what was there before; with
        `puts` or `deletes` False, only the others are told. `progress`: a mark about so often in seconds (at least
        0.1), when nothing changes. `buffer`: bytes that the node keeps of what was not asked for yet (1 MiB when
        None). Errors: Compacted (the first `next` of a forgotten revision), LimitExceeded, PermissionDenied.
        """
        call = watch_call(
            self._node, prefix, key, start, end, revision, previous, puts, deletes, progress, buffer, timeout
        )
        return Watch(self._node, *run(call))

    def grant(self, ttl: float, *, timeout: float | None = None) -> Lease:
        """A new lease of `ttl` seconds, for the `lease` of puts: `with node.kv.grant(10) as lease:`.

        Errors: InvalidArgument (the ttl), LimitExceeded (too many leases).
        """
        return Lease(self._node, run(_leases.grant(self._node, ttl, timeout)).lease)

    def lease(self, number: int) -> Lease:
        """The lease with this number, such as that of an entry; nobody is asked."""
        return Lease(self._node, number)

    def leases(self, *, timeout: float | None = None) -> Iterator[LeaseInfo]:
        """All leases, by number."""
        return walk(_leases.Leases(self._node, timeout))

    def compact(self, revision: int, *, timeout: float | None = None) -> int:
        """Forgets what the keys were before `revision`: reads at earlier ones raise Compacted.

        Gives the oldest revision that can still be read. Errors: InvalidArgument (one to come), PermissionDenied.
        """
        return run(_keeping.compact(self._node, revision, timeout))

    def set_quota(
        self,
        prefix: Bytes,
        *,
        bytes_max: int | None = None,
        keys_max: int | None = None,
        timeout: float | None = None,
    ) -> None:
        """Bounds what all keys with `prefix` may come to: bytes of keys and values, and keys. With neither: no more.

        Writes that would exceed it raise QuotaExceeded; it can be set below what there is, and what shrinks is always
        allowed. Errors: LimitExceeded (too many quotas), PermissionDenied.
        """
        run(_keeping.set_quota(self._node, prefix, bytes_max, keys_max, timeout))

    def quotas(self, *, timeout: float | None = None) -> tuple[Quota, ...]:
        """All quotas, by prefix."""
        return run(_keeping.quotas(self._node, timeout))

    def create_index(self, name: str, prefix: Bytes, extractor: str, *, timeout: float | None = None) -> None:
        """Has the keys with `prefix` found by what is in their values: `scan_index(name, value)`.

        The extractor is "json:/user/email" (a place in a JSON value), "number:/price" (the same, numbers only, all as
        floats), "tuple:0" (an item of a packed tuple) or "value" (all of it, as bytes). It is kept in the same step as
        every write; keys that are there already are entered in the background, which `indexes` tells. Errors:
        AlreadyExists, InvalidArgument, LimitExceeded, PermissionDenied.
        """
        run(_index.create(self._node, name, prefix, extractor, timeout))

    def drop_index(self, name: str, *, timeout: float | None = None) -> None:
        """Its name is free at once. Errors: NotFound, PermissionDenied."""
        run(_index.drop(self._node, name, timeout))

    def indexes(self, *, timeout: float | None = None) -> tuple[IndexInfo, ...]:
        """All indexes, by age."""
        return run(_index.indexes(self._node, timeout))

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
    ) -> Iterator[IndexEntry]:
        """The entries of one value, or of those from `start` to `end` (exclusive), by value and then by key.

        It sees what a read of the keys would. A key with several values comes once for each. Errors: NotFound, also
        while the index is being built: the message says how far it is.
        """
        scan = _index.IndexScan(self._node, name, value, start, end, limit, reverse, keys_only, timeout)
        return walk(scan)

    def directory(
        self,
        path: Path,
        *,
        create: bool = True,
        exist_ok: bool = True,
        layer: Bytes = b"",
        timeout: float | None = None,
    ) -> Directory:
        """The prefix that a path of names stands for; it is created, with its parents, when it is not there.

        A `layer` says what kind of directory it is: a new one gets it, and one that exists must have it. Errors:
        NotFound without `create`, AlreadyExists without `exist_ok`, InvalidArgument (another layer).
        """
        return run(_directory.open_directory(self._node, path, create, exist_ok, layer, timeout))

    def directories(self, path: Path = (), *, timeout: float | None = None) -> Iterator[Directory]:
        """The directories in one, by name; without a path, the outermost. Errors: NotFound."""
        return walk(_directory.Directories(self._node, path, timeout))

    def move_directory(self, source: Path, target: Path, *, timeout: float | None = None) -> Directory:
        """Gives a directory, with all that is in it, another path; its prefix stays the same.

        Errors: NotFound (also of the new place's parent), AlreadyExists, InvalidArgument (a place inside itself).
        """
        return run(_directory.move(self._node, source, target, timeout))

    def remove_directory(self, path: Path, *, timeout: float | None = None) -> bool:
        """Removes it with all directories and keys in it; whether it was there.

        Errors: LimitExceeded when that is more than one step may change: delete keys under its prefix first.
        """
        return run(_directory.remove(self._node, path, timeout))


class Node(_lifetime.NodeBase):
    """A node of this process: `aspen.open`, `found`, `join` or `connect`. Closed by `with` or `close`.

    Any thread may use it. It does not survive a fork: open or connect again in the child.
    """

    @property
    def kv(self) -> KeyValue:
        """The replicated key-value store."""
        return KeyValue(self)

    def status(self, *, timeout: float | None = None) -> Status:
        """How the node sees itself and its network."""
        return run(_calls.status(self._native, timeout))

    def ticket(self, valid: float | None = None) -> str:
        """A ticket with which others can `join` or `connect`, for `valid` seconds (None: without limit).

        Whoever holds it can: treat it like a password. Errors: Unsupported on an embedded node, PermissionDenied
        on one that may not invite.
        """
        return run(_calls.ticket(self._native, valid))

    def remove_member(self, node_id: str, *, timeout: float | None = None) -> bool:
        """Takes a node out of the members: one that is gone for good, or that is not to be a member any more.

        True when it was one. It stops, serves what it is asked through the others, and does not come back by itself;
        with an empty directory and a ticket the machine can join anew. A leader hands over first. `timeout` is in
        seconds (10 when None). Errors: InvalidArgument (not a node id, or the only voter), PermissionDenied (this node
        was not opened with a ticket that lets nodes be members, with all keys), DeadlineExceeded (another change of
        members is under way, or the voters that would stay have no majority; the message says which).
        """
        return run(_keeping.remove_member(self, node_id, timeout))

    def transfer_leadership(self, to: str | None = None, *, timeout: float | None = None) -> str:
        """Has the voter with this node id lead, or with None any other than who leads now.

        Gives the node id of who leads then; writes wait meanwhile. `timeout` is in seconds (10 when None). Errors:
        InvalidArgument (not a node id), NotFound (not a voter, or with None: no other one is in contact),
        PermissionDenied (as `remove_member`), DeadlineExceeded (it could not take over).
        """
        return run(_keeping.transfer_leadership(self, to, timeout))

    def backup(
        self, target: str | os.PathLike[str] | int, *, stale: bool = False, timeout: float | None = None
    ) -> dict[str, Any]:
        """Writes the store, as it is at one revision, into a new directory, or as a tar archive to a descriptor.

        It holds what was acknowledged before the call; with `stale`, what the nearest member has. Any node can be
        asked, while the network goes on. Gives the backup's manifest. `open` and `found` begin with a backup
        (`restore_from`). Errors: AlreadyExists (something is in the directory), Io, Corrupt, Overloaded,
        PermissionDenied.
        """
        return run(_keeping.backup(self, target, stale, timeout))

    def close(self) -> None:
        """Leaves: hands leadership on, ends all operations with Shutdown, flushes. Safe to call again."""
        if not self._closed:
            self._mark_closed()
            run(_calls.close(self._native))
            self._handle = None  # its thread and descriptors go too, not only when this object does

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, type: _lifetime.ExcType, value: BaseException | None, traceback: _lifetime.Traceback
    ) -> None:
        self.close()


def open(
    dir: str | os.PathLike[str],
    *,
    restore_from: str | os.PathLike[str] | None = None,
    options: NodeOptions | None = None,
    timeout: float | None = None,
) -> Node:
    """A node by itself: a durable store in the directory `dir`, no network.

    `dir` is created when absent (its parent must exist) and reopened when it holds an embedded node.
    A new one begins with the backup in the directory `restore_from`, all of which is checked first (errors: NotFound,
    Corrupt, AlreadyExists when `dir` is not new).
    `timeout` is in seconds (30 when None). Errors: InUse (open in another node or process), WrongNode (it holds
    a member of a network), Corrupt, Unsupported (a later format), Io.
    """
    call = _calls.open_node(
        _native.MODE_EMBEDDED,
        dir=dir,
        restore_from=restore_from,
        options=options,
        timeout=timeout,
    )
    return Node(run(call))


def found(
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
    """The first member of a new network; `node.ticket()` admits the others.

    A directory that already holds a member is reopened as that member. `listen` is "host:port" (port 0: any),
    `advertise` the one that others dial when it differs. `heartbeat` (0.05) and `election` (0.3, at least four
    heartbeats) are seconds, the same on all members. Errors: as `open`; InUse also for the address.
    """
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
    return Node(run(call))


def join(
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
    """A further member of the network that `ticket` is for; returns when it is one and has caught up.

    A directory that already holds a member of that network is reopened as that member. Otherwise as `found`.
    Errors: as `found`, and TicketInvalid, GrantExpired, Unavailable or DeadlineExceeded (no member answered).
    """
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
    return Node(run(call))


def connect(ticket: str, *, timeout: float | None = None) -> Node:
    """A client: uses the network that `ticket` is for, stores nothing. `timeout` is in seconds (30 when None).

    Errors: TicketInvalid, GrantExpired, Unavailable or DeadlineExceeded (no member answered).
    """
    return Node(run(_calls.open_node(_native.MODE_CLIENT, ticket=ticket, timeout=timeout)))



def verify(dir: str | os.PathLike[str]) -> Verification:
    """Looks at all of a node's or a backup's directory that no node is using, and changes nothing.

    What is damaged is in the result, which is then false. Errors: NotFound (it is neither), InUse.
    """
    return run(_keeping.Verify(dir))
