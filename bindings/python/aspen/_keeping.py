"""What keeps a store in order: its history, quotas, backups and their verification."""

from __future__ import annotations

from typing import NamedTuple

from . import _native
from ._calls import Call, to_nanoseconds, to_number, to_optional_number
from ._keys import to_bytes
from ._lifetime import NodeBase
from ._types import Bytes
from .errors import InvalidArgument


class Quota(NamedTuple):
    """What all keys with a prefix may come to, and do."""

    prefix: bytes
    bytes_max: int | None
    """Of keys and values; None: any."""
    keys_max: int | None
    """None: any."""
    bytes: int
    keys: int


def compact(node: NodeBase, revision: int, timeout: float | None) -> Call[int]:
    native, at, timeout_ns = node._native, to_number(revision, "revision"), to_nanoseconds(timeout)
    return Call(lambda queue, tag: native.compact(at, timeout_ns, queue, tag), _native.Op.revision)


def set_quota(
    node: NodeBase, prefix: Bytes, bytes_max: int | None, keys_max: int | None, timeout: float | None
) -> Call[None]:
    native, p, timeout_ns = node._native, to_bytes(prefix, "prefix"), to_nanoseconds(timeout)
    limits = to_optional_number(bytes_max, "bytes_max"), to_optional_number(keys_max, "keys_max")
    if 0 in (bytes_max, keys_max):
        raise InvalidArgument("a quota is 0; it must be above that, or None for none")
    return Call(lambda queue, tag: native.quota_set(p, *limits, timeout_ns, queue, tag), _nothing)


def quotas(node: NodeBase, timeout: float | None) -> Call[tuple[Quota, ...]]:
    native, timeout_ns = node._native, to_nanoseconds(timeout)
    return Call(lambda queue, tag: native.quota_list(timeout_ns, queue, tag), _quotas)


def _nothing(op: _native.Op) -> None:
    return None


def _quotas(op: _native.Op) -> tuple[Quota, ...]:
    return tuple(
        Quota(prefix, bytes_max or None, keys_max or None, bytes, keys)
        for prefix, bytes_max, keys_max, bytes, keys in op.quotas()
    )
