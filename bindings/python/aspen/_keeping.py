"""What keeps a store in order: its history, quotas, members, backups and their verification."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any
from typing import NamedTuple

from . import _native
from ._calls import Call, to_nanoseconds, to_number, to_optional_number
from ._calls import to_optional_text, to_text
from ._keys import to_bytes
from ._lifetime import NodeBase
from ._types import Bytes
from .errors import InvalidArgument
from .errors import make


class Quota(NamedTuple):
    """What all keys with a prefix may come to, and do."""

    prefix: bytes
    bytes_max: int | None
    """Of keys and values; None: any."""
    keys_max: int | None
    """None: any."""
    bytes: int
    keys: int


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a directory."""

    code: str
    """Of the error table, mostly CORRUPT."""
    message: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What a look at all of a directory has found. True when nothing is wrong with it."""

    ok: bool
    kind: str
    """node or backup"""
    problems: tuple[Problem, ...]
    report: dict[str, Any]
    """All that was found, as aspen.h describes it."""

    def __bool__(self) -> bool:
        return self.ok


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


def remove_member(node: NodeBase, node_id: str, timeout: float | None) -> Call[bool]:
    native, id, timeout_ns = node._native, to_text(node_id, "node_id"), to_nanoseconds(timeout)
    return Call(lambda queue, tag: native.member_remove(id, timeout_ns, queue, tag), _native.Op.succeeded)


def transfer_leadership(node: NodeBase, to: str | None, timeout: float | None) -> Call[str]:
    native, id, timeout_ns = node._native, to_optional_text(to, "to"), to_nanoseconds(timeout)
    return Call(lambda queue, tag: native.leader_transfer(id, timeout_ns, queue, tag), _native.Op.text)


def backup(
    node: NodeBase, target: str | os.PathLike[str] | int, stale: bool, timeout: float | None
) -> Call[dict[str, Any]]:
    native, timeout_ns = node._native, to_nanoseconds(timeout)
    consistency = _native.READ_STALE if stale else _native.READ_LINEARIZABLE
    dir, stream = (None, target) if isinstance(target, int) else (to_text(target, "target"), 0)
    if dir is None and stream <= 0:
        raise InvalidArgument(f"target is the descriptor {stream}; it must be above 0")
    return Call(lambda queue, tag: native.backup(dir, stream, consistency, timeout_ns, queue, tag), _document)


class Verify(Call[Verification]):
    """One that has found something wrong has an error's status, and its result all the same."""

    __slots__ = ()

    def __init__(self, dir: str | os.PathLike[str]) -> None:
        path = to_text(dir, "dir")
        super().__init__(lambda queue, tag: _native.verify(path, queue, tag), _verification)

    def finish(self, op: _native.Op) -> Verification:
        if op.status() != 0 and not op.text():
            raise make(op.status(), op.message(), "no", op.retryable())
        return _verification(op)


def _nothing(op: _native.Op) -> None:
    return None


def _document(op: _native.Op) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(op.text())
    return document


def _quotas(op: _native.Op) -> tuple[Quota, ...]:
    return tuple(
        Quota(prefix, bytes_max or None, keys_max or None, bytes, keys)
        for prefix, bytes_max, keys_max, bytes, keys in op.quotas()
    )



def _verification(op: _native.Op) -> Verification:
    report = _document(op)
    problems = tuple(Problem(problem["code"], problem["message"]) for problem in report["problems"])
    return Verification(report["ok"], report["kind"], problems, report)
