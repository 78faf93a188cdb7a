"""The errors: one class per code of the engine's table, all of them `AspenError`.

    try:
        node.kv.put("k", "v", timeout=2)
    except aspen.AspenError as error:
        if error.applied == "no" and error.retryable: ...   # nothing happened; try again

A class says what went wrong, `applied` whether a failed write may have happened all the same, `retryable` whether
the same call may succeed later, and the message which thing, which limit and what to do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ._errors import ERRORS

if TYPE_CHECKING:
    from ._keys import KeyRange

Applied = Literal["no", "maybe"]

_WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ROWS = {row.name: row for row in ERRORS}
_CLASSES: dict[int, type[AspenError]] = {}


class AspenError(Exception):
    """Any failure of the engine. Raised as itself only for a code this package does not know."""

    code: ClassVar[str] = "UNKNOWN"
    """The name in the error table, such as "NOT_LEADER"; the same in every language."""
    number: ClassVar[int] = -1
    """The number in the error table and in aspen.h."""
    text: ClassVar[str] = ""
    """The table's description of the code."""

    message: str
    """Which thing, which limit, what to do. For people; may change."""
    applied: Applied = "maybe"
    """What a failed write has done: "no" (certainly nothing, now or later) or "maybe"."""
    retryable: bool = False
    """Whether the same call may succeed later without the caller changing anything."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__ != __name__ or "code" in vars(cls):
            return  # a caller's own subclass, or one that is not of the table
        row = _ROWS[_WORD_START.sub("_", cls.__name__).upper()]
        cls.code, cls.number, cls.text = row.name, row.number, row.text
        cls.applied = "maybe" if row.maybe_applied else "no"
        cls.retryable = row.retryable
        _CLASSES[row.number] = cls

    def __init__(
        self, message: str = "", *, applied: Applied | None = None, retryable: bool | None = None
    ) -> None:
        super().__init__(message or self.text or self.code)
        self.message = message or self.text or self.code
        if applied is not None:
            self.applied = applied
        if retryable is not None:
            self.retryable = retryable

    @property
    def name(self) -> str:
        """The same as `code`."""
        return self.code

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message,), {"applied": self.applied, "retryable": self.retryable}


def make(number: int, message: str, applied: Applied, retryable: bool) -> AspenError:
    """The error for a code: its class, or `AspenError` when a newer engine has given one unknown here."""
    if number in _CLASSES:
        return _CLASSES[number](message, applied=applied, retryable=retryable)
    return AspenError(f"error {number}: {message}", applied=applied, retryable=retryable)


class InvalidArgument(AspenError, ValueError):
    """An argument is not valid. Also a ValueError."""


class LimitExceeded(AspenError, ValueError):
    """A size or count is over its limit (`aspen.LIMITS`). Also a ValueError."""


class NotFound(AspenError):
    """The named thing does not exist. A missing key is no error: `get` gives None."""


class AlreadyExists(AspenError):
    """The named thing exists already."""


class PermissionDenied(AspenError):
    """The caller's grant does not allow this."""


class NotAMember(AspenError):
    """The peer showed no valid membership of this network."""


class GrantExpired(AspenError):
    """A grant in the membership chain has expired."""


class TicketInvalid(AspenError):
    """The ticket cannot be used."""


class WrongPeer(AspenError):
    """The peer's key is not the one that was asked for."""


class Protocol(AspenError):
    """A peer broke the protocol."""


class Unsupported(AspenError):
    """The peer or the data needs a version this build does not have, or the node cannot do this."""


class Cancelled(AspenError):
    """The operation was cancelled."""


class DeadlineExceeded(AspenError, TimeoutError):
    """The deadline passed before the operation completed. Also a TimeoutError."""


class Shutdown(AspenError):
    """The node is closing, or closed."""


class Unavailable(AspenError):
    """No member that can serve this could be reached."""


class NotLeader(AspenError):
    """The member that was asked is not the leader."""


class ConnectionLost(AspenError):
    """The connection ended before the reply came."""


class Overloaded(AspenError):
    """A bounded queue is full."""


class SessionExpired(AspenError):
    """The client session is unknown to the cluster."""


class InUse(AspenError):
    """An address or data directory is held by another process."""


class WrongNode(AspenError):
    """The data directory belongs to another node or network."""


class Corrupt(AspenError):
    """Stored data failed its checks."""


class Io(AspenError):
    """The disk or the operating system reported a failure."""


class Internal(AspenError):
    """An invariant of the engine was broken; please report it."""


class Compacted(AspenError):
    """The revision is older than what the store keeps."""

    first: int = 0
    """Of a watch: the first revision from which it could be watched."""


class QuotaExceeded(AspenError):
    """The change would take more than the quota of its prefix."""


class Conflict(AspenError):
    """Others changed what a transaction or branch goes by; nothing was changed. Not of the engine's table."""

    code = "CONFLICT"
    number = 0
    text = "others have changed what this goes by"
    applied = "no"

    conflicts: tuple[KeyRange, ...] = ()
    """Of a branch: all that others changed of what it read or changed; `KeyRange.key` where that is one key."""

    def __reduce__(self) -> tuple[Any, ...]:
        state = {"applied": self.applied, "retryable": self.retryable, "conflicts": self.conflicts}
        return type(self), (self.message,), state


__all__ = ["AspenError", "Conflict", *sorted(cls.__name__ for cls in _CLASSES.values())]
