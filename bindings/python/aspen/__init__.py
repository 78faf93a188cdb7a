"""aspen: a distributed system in a library.

    import aspen

    with aspen.open("/var/lib/app") as node:            # one durable store, no network
        node.kv.put("greeting", "hello")
        print(node.kv.get("greeting").value)            # b'hello'

    with aspen.found("/var/lib/a", "10.0.0.1:7000") as node:    # the first member of a network
        print(node.ticket())
    with aspen.join("/var/lib/b", "10.0.0.2:7000", ticket) as node: ...   # a further one
    with aspen.connect(ticket) as node: ...                     # a client, which stores nothing

`aspen.aio` has the same for asyncio, `aspen.errors` the errors, `aspen.tuple` keys of typed values. Durations are
seconds. Keys and values are bytes; `str` is taken as UTF-8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from . import _native, aio
from . import tuple as tuple
from ._batch import NestedBatch
from ._blocking import Batch, KeyValue, Node, connect, found, join, open
from ._blocking import verify
from ._calls import NodeOptions, inspect_ticket
from ._changes import Event, WatchBatch
from ._directory import Directory
from ._index import IndexEntry, IndexInfo
from ._keeping import Quota
from ._keeping import Problem, Verification
from ._keys import KeyRange
from ._lease import Lease
from ._leases import LeaseInfo
from ._transaction import Branch, Transaction
from ._types import (
    BatchResult,
    Bytes,
    CasResult,
    Change,
    DeleteRangeResult,
    DeleteResult,
    Entry,
    Expect,
    Expectation,
    Member,
    NestedResult,
    OperationResult,
    Peer,
    PutResult,
    RangeResult,
    Revision,
    Status,
    TicketInfo,
)
from ._watch import Watch
from .errors import (
    AlreadyExists,
    AspenError,
    Cancelled,
    Compacted,
    Conflict,
    ConnectionLost,
    Corrupt,
    DeadlineExceeded,
    GrantExpired,
    Internal,
    InUse,
    InvalidArgument,
    Io,
    LimitExceeded,
    NotAMember,
    NotFound,
    NotLeader,
    Overloaded,
    PermissionDenied,
    Protocol,
    QuotaExceeded,
    SessionExpired,
    Shutdown,
    TicketInvalid,
    Unavailable,
    Unsupported,
    WrongNode,
    WrongPeer,
)
from .tuple import Subspace

__version__: str = _native.version()

#: The engine's limits by name: KEY_BYTES, VALUE_BYTES, TRANSACTION_OPS, TRANSACTION_BYTES, TRANSACTION_DEPTH,
#: BRANCH_DEPTH, RANGE_ENTRIES, RANGE_BYTES, FRAME_BYTES, OPS_IN_FLIGHT, TUPLE_BYTES, TUPLE_DEPTH, WATCHES,
#: WATCH_BUFFER_BYTES, WATCH_REVISION_BYTES, QUOTAS, ...
LIMITS: Mapping[str, int] = MappingProxyType(_native.limits())

ABSENT = Expect.ABSENT
PRESENT = Expect.PRESENT

_WRITES: Sequence[type] = (Batch, BatchResult, CasResult, Change, DeleteRangeResult, DeleteResult, PutResult)
_READS: Sequence[type] = (Entry, Expect, KeyRange, KeyValue, NestedBatch, NestedResult, RangeResult, Revision)
_LONG_LIVED: Sequence[type] = (
    Branch,
    Event,
    Lease,
    LeaseInfo,
    Transaction,
    Watch,
    WatchBatch,
)
_KEEPING: Sequence[type] = (
    Directory,
    IndexEntry,
    IndexInfo,
    NodeOptions,
    Problem,
    Verification,
    Quota,
)
for _class in (*_WRITES, *_READS, *_LONG_LIVED, *_KEEPING, Member, Node, Peer, Status, Subspace, TicketInfo):
    _class.__module__ = __name__  # where users find them

_LEVELS = {"debug": 0, "info": 1, "warn": 2, "error": 3}


def log_to_stderr(level: Literal["debug", "info", "warn", "error", "off"] = "info") -> None:
    """Writes the engine's log lines of at least `level` to standard error; it is silent until asked.

    Lines go straight to the descriptor: they do not pass through `logging` or `sys.stderr`.
    """
    if level == "off":
        _native.log_to_fd(-1, 0)
    elif level in _LEVELS:
        _native.log_to_fd(2, _LEVELS[level])
    else:
        raise InvalidArgument(f"log level is {level!r}; it is one of {', '.join(_LEVELS)}, off")


def format_node_id(id: bytes) -> str:
    """The text form, 52 characters, of a 32-byte node id."""
    if len(id) != 32:
        raise InvalidArgument(f"node id is {len(id)} bytes; it must be 32")
    return _native.node_id_format(id)


def parse_node_id(text: str) -> bytes:
    """The 32 bytes of a node id's text form. Errors: InvalidArgument when it is not in canonical form."""
    id = _native.node_id_parse(text) if "\0" not in text else None
    if id is None:
        raise InvalidArgument(f"{text!r} is not a node id")
    return id


__all__ = [
    "ABSENT",
    "LIMITS",
    "PRESENT",
    "AlreadyExists",
    "AspenError",
    "Batch",
    "BatchResult",
    "Branch",
    "Bytes",
    "Cancelled",
    "CasResult",
    "Change",
    "Compacted",
    "Conflict",
    "ConnectionLost",
    "Corrupt",
    "DeadlineExceeded",
    "DeleteRangeResult",
    "DeleteResult",
    "Directory",
    "Entry",
    "Event",
    "Expect",
    "Expectation",
    "GrantExpired",
    "InUse",
    "IndexEntry",
    "IndexInfo",
    "Internal",
    "InvalidArgument",
    "Io",
    "KeyRange",
    "KeyValue",
    "Lease",
    "LeaseInfo",
    "LimitExceeded",
    "Member",
    "NestedBatch",
    "NestedResult",
    "Node",
    "NodeOptions",
    "NotAMember",
    "NotFound",
    "NotLeader",
    "OperationResult",
    "Overloaded",
    "Peer",
    "PermissionDenied",
    "Problem",
    "Protocol",
    "PutResult",
    "Quota",
    "QuotaExceeded",
    "RangeResult",
    "Revision",
    "SessionExpired",
    "Shutdown",
    "Status",
    "Subspace",
    "TicketInfo",
    "TicketInvalid",
    "Transaction",
    "Unavailable",
    "Unsupported",
    "Verification",
    "Watch",
    "WatchBatch",
    "WrongNode",
    "WrongPeer",
    "__version__",
    "aio",
    "connect",
    "format_node_id",
    "found",
    "inspect_ticket",
    "join",
    "log_to_stderr",
    "open",
    "parse_node_id",
    "verify",
]
