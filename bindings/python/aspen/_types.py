"""The values that calls take and give."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple, Self, TypeAlias

#: Keys and values: bytes as they are, `str` as UTF-8. They always come back as `bytes`.
Bytes: TypeAlias = bytes | bytearray | memoryview | str


class Entry(NamedTuple):
    """One key of the store, as of one revision."""

    key: bytes
    value: bytes
    """Empty in a range with `keys_only`."""
    create_revision: int
    """Of the write that created the key."""
    mod_revision: int
    """Of the last write; `cas(..., expect=Revision(entry.mod_revision))` compares with it."""
    version: int
    """1 at creation, one more per write; starts again after a delete."""
    lease: int = 0
    """The lease that the key goes with; 0: none."""


class Expect(enum.Enum):
    """What a compare can ask of a key besides a value or a revision: `aspen.ABSENT`, `aspen.PRESENT`."""

    ABSENT = "absent"
    PRESENT = "present"


class Revision(int):
    """A `mod_revision` to compare with."""


#: `ABSENT`, `PRESENT`, a value (bytes or `str`) or a revision (`Revision`, or a plain `int`).
Expectation: TypeAlias = Expect | int | Bytes


class PutResult(Revision):
    """Of a put: the write's revision, an `int`."""

    previous: Entry | None
    """When it was asked for: the entry that was there; None when there was none."""

    def __new__(cls, revision: int, previous: Entry | None = None) -> Self:
        made = super().__new__(cls, revision)
        made.previous = previous
        return made


class DeleteResult(NamedTuple):
    """Of a delete. True when there was something to delete."""

    existed: bool
    revision: int
    previous: Entry | None = None
    """When it was asked for: the entry that was there; None when there was none."""

    def __bool__(self) -> bool:
        return self.existed


class CasResult(NamedTuple):
    """Of a compare-and-swap. True when it succeeded."""

    succeeded: bool
    revision: int
    """Of the write when it succeeded, else the newest revision the comparison saw."""
    current: Entry | None
    """When it failed: what the key has instead; None when it is absent."""

    def __bool__(self) -> bool:
        return self.succeeded


class Change(NamedTuple):
    """What one put or delete of a batch met."""

    existed: bool
    previous_revision: int
    """The key's `mod_revision` before; 0 when it did not exist."""
    previous: Entry | None = None
    """When it was asked for: the entry that was there; None when there was none."""


class RangeResult(NamedTuple):
    """What one range of a batch read."""

    entries: tuple[Entry, ...]
    more: bool
    """Whether the range has more entries than these."""


class DeleteRangeResult(NamedTuple):
    """What one delete_range of a batch did."""

    deleted: int
    """How many keys."""
    entries: tuple[Entry, ...]
    """When they were asked for: what was there."""


class NestedResult(NamedTuple):
    """Of a transaction within a batch. True when all its checks held."""

    succeeded: bool
    results: tuple[OperationResult, ...]
    """One per operation of the branch that ran, in order."""

    def __bool__(self) -> bool:
        return self.succeeded


#: What one operation of a batch came to: of a put or delete, of a get (None: the key is absent), of a range, a
#: delete_range, a transaction.
OperationResult: TypeAlias = "Change | Entry | None | RangeResult | DeleteRangeResult | NestedResult"


class BatchResult(NamedTuple):
    """Of a batch. True when all its checks held, else what it has `otherwise` happened."""

    succeeded: bool
    revision: int
    changes: tuple[Change, ...]
    """One per put and delete of the branch that ran, in order, without those of transactions within it."""
    failed_check: int | None
    """When a check did not hold: the index of the first such."""
    current: Entry | None
    """When a check did not hold: what its key has, or the first key of its range that it is not true of; None when
    that is absent."""
    results: tuple[OperationResult, ...]
    """One per operation of the branch that ran, in order."""

    def __bool__(self) -> bool:
        return self.succeeded


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the network."""

    node_id: str
    address: str
    """host:port"""
    role: str
    """voter or learner"""
    leader: bool
    reachable: bool
    """Whether the answering node has a connection to it."""


@dataclass(frozen=True, slots=True)
class Status:
    """How a node sees itself and its network; of a client: how the leader does."""

    node_id: str
    network_id: str
    mode: str
    """embedded, member or client"""
    role: str
    """leader, follower, learner, candidate, client, or failed when its disk has or it was removed"""
    address: str
    """host:port; empty without a network"""
    leader: str
    """The leader's node id; empty when none is known."""
    term: int
    commit: int
    """The newest revision known to be durable on a majority."""
    applied: int
    """The newest revision that this node's reads can see."""
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Peer:
    """A node that a ticket names."""

    node_id: str
    address: str


@dataclass(frozen=True, slots=True)
class TicketInfo:
    """What a ticket says."""

    network_id: str
    peers: tuple[Peer, ...]
    roles: tuple[str, ...]
    """What its holder may become: client, member."""
    not_after: float | None
    """Unix time in seconds after which it admits nobody; None: no limit."""
