"""Keys as calls take them: one, or all in a range."""

from __future__ import annotations

from typing import NamedTuple, Self, TypeAlias

from ._types import Bytes
from .errors import InvalidArgument


def to_bytes(data: Bytes, what: str) -> bytes:
    if type(data) is bytes:
        return data
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError(f"{what} is {type(data).__name__}; it must be bytes or str")


class KeyRange(NamedTuple):
    """Keys from `start`, inclusive, to `end`, exclusive; an `end` of b"" is behind the last key."""

    start: bytes
    end: bytes

    @classmethod
    def of_prefix(cls, prefix: Bytes) -> Self:
        """All keys that begin with `prefix`."""
        start = to_bytes(prefix, "prefix")
        kept = start.rstrip(b"\xff")  # no key is above a prefix of ff alone
        return cls(start, kept[:-1] + bytes([kept[-1] + 1]) if kept else b"")

    @property
    def key(self) -> bytes | None:
        """When it is the range of one key: that one."""
        return self.start if self.end == self.start + b"\0" else None


#: (prefix, start, end) as aspen.h takes them.
Bounds: TypeAlias = tuple[bytes | None, bytes | None, bytes | None]


def to_deleted(prefix: Bytes | None, start: Bytes | None, end: Bytes | None) -> KeyRange:
    """The keys of a delete_range."""
    if prefix is None and start is None and end is None:
        raise InvalidArgument('delete_range has no bounds; the prefix b"" is that of all keys')
    bounds = to_bounds(prefix, start, end)
    return KeyRange(bounds[1] or b"", bounds[2] or b"") if bounds[0] is None else KeyRange.of_prefix(bounds[0])


def to_bounds(prefix: Bytes | None, start: Bytes | None, end: Bytes | None) -> Bounds:
    if prefix is not None and (start is not None or end is not None):
        raise InvalidArgument("a range has a prefix, or a start and an end, but not both")
    return (
        None if prefix is None else to_bytes(prefix, "prefix"),
        None if start is None else to_bytes(start, "start"),
        None if end is None else to_bytes(end, "end"),
    )
