"""Directories: paths of names that stand for prefixes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from . import _native
from . import tuple as _tuple
from ._calls import Call, Pages, to_nanoseconds
from ._keys import to_bytes
from ._lifetime import NodeBase
from ._types import Bytes

#: A path: the names from the outermost on.
Path: TypeAlias = Sequence[str]


class Directory(_tuple.Subspace):
    """A path, and the prefix of a few bytes that it stands for: a Subspace for the keys of what is there.

    users = node.kv.directory(("app", "users"))
    node.kv.put(users.pack((42, "name")), "ada")
    """

    __slots__ = ("_created", "_path")

    def __init__(self, path: tuple[str, ...], prefix: bytes, created: bool = False) -> None:
        super().__init__((), prefix)
        self._path = path
        self._created = created

    @property
    def path(self) -> tuple[str, ...]:
        """The names, from the outermost on, by which it was opened."""
        return self._path

    @property
    def created(self) -> bool:
        """Whether opening it has created it."""
        return self._created

    def __repr__(self) -> str:
        return f"Directory({'/'.join(self._path)!r}, prefix={self.prefix!r})"


def names(path: Path) -> tuple[str, ...]:
    if isinstance(path, str) or not all(isinstance(name, str) for name in path):
        raise TypeError("a path is a sequence of str, such as ('app', 'users')")
    return tuple(path)


def open_directory(
    node: NodeBase, path: Path, create: bool, exist_ok: bool, layer: Bytes, timeout: float | None
) -> Call[Directory]:
    native, timeout_ns, kept = node._native, to_nanoseconds(timeout), names(path)
    how = _native.DIRECTORY_OPEN
    if create:
        how = _native.DIRECTORY_OPEN_OR_CREATE if exist_ok else _native.DIRECTORY_CREATE
    packed, kind = _tuple.pack(kept), to_bytes(layer, "layer")
    return Call(
        lambda queue, tag: native.directory_open(packed, how, kind, timeout_ns, queue, tag),
        lambda op: Directory(kept, op.entries()[0][1], op.succeeded()),
    )


def move(node: NodeBase, source: Path, target: Path, timeout: float | None) -> Call[Directory]:
    native, timeout_ns, kept = node._native, to_nanoseconds(timeout), names(target)
    old, new = _tuple.pack(names(source)), _tuple.pack(kept)
    return Call(
        lambda queue, tag: native.directory_move(old, new, timeout_ns, queue, tag),
        lambda op: Directory(kept, op.entries()[0][1]),
    )


def remove(node: NodeBase, path: Path, timeout: float | None) -> Call[bool]:
    native, timeout_ns, packed = node._native, to_nanoseconds(timeout), _tuple.pack(names(path))
    return Call(lambda queue, tag: native.directory_remove(packed, timeout_ns, queue, tag), _native.Op.succeeded)


class Directories(Pages[Directory]):
    """Those in one, by name."""

    def __init__(self, node: NodeBase, path: Path, timeout: float | None) -> None:
        self._node = node
        self._path = names(path)
        self._packed = _tuple.pack(self._path)
        self._timeout_ns = to_nanoseconds(timeout)
        self._after: str | None = None

    def _submit(self, queue: _native.Queue | None, tag: int) -> _native.Op:
        return self._node._native.directory_list(self._packed, self._after, self._timeout_ns, queue, tag)

    def _take(self, op: _native.Op) -> list[Directory]:
        self._done = not op.more()
        found = [Directory((*self._path, name.decode()), prefix) for name, prefix, *_ in op.entries()]
        self._after = found[-1].path[-1] if found else self._after
        return found
