"""The values that calls take and give."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

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


class Expect(enum.Enum):
    """What a compare can ask of a key besides a value or a revision: `aspen.ABSENT`, `aspen.PRESENT`."""

    ABSENT = "absent"
    PRESENT = "present"


class Revision(int):
    """A `mod_revision` to compare with."""


#: `ABSENT`, `PRESENT`, a value (bytes or `str`) or a revision (`Revision`, or a plain `int`).
Expectation: TypeAlias = Expect | int | Bytes


class DeleteResult(NamedTuple):
    """Of a delete. True when there was something to delete."""

    existed: bool
    revision: int

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


class BatchResult(NamedTuple):
    """Of a batch. True when all its checks held, and so all its changes were made."""

    succeeded: bool
    revision: int
    changes: tuple[Change, ...]
    """One per put and delete, in order; empty when it failed."""
    failed_check: int | None
    """When it failed: the index of the first check that did not hold."""
    current: Entry | None
    """When it failed: what that check's key has; None when it is absent."""

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
    """leader, follower, learner, candidate or client"""
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
