"""When nodes end: closed by their user, forgotten, at interpreter exit, or left behind by a fork."""

from __future__ import annotations

import atexit
import os
import warnings
import weakref
from types import TracebackType

from . import _calls, _native
from .errors import Shutdown

# Long enough for a healthy node to hand leadership on and flush; a stuck one must not keep a process alive.
_EXIT_CLOSE_NS = 10 * 10**9

_open: weakref.WeakSet[NodeBase] = weakref.WeakSet()


class NodeBase:
    """What the blocking and the asyncio node share."""

    def __init__(self, native: _native.Node) -> None:
        self._handle: _native.Node | None = native
        self._closed = False
        #: The node's id, 52 characters: its public key.
        self.id: str = native.id
        #: "host:port" that others reach it at; "" without a network.
        self.address: str = native.address
        _open.add(self)

    def __repr__(self) -> str:
        where = f" at {self.address}" if self.address else ""
        return f"<{type(self).__module__}.{type(self).__name__} {self.id[:8]}…{where}{' closed' * self._closed}>"

    @property
    def closed(self) -> bool:
        """Whether it is closed, or being closed."""
        return self._closed

    @property
    def _native(self) -> _native.Node:
        if self._handle is None:
            raise Shutdown("the node is closed")
        return self._handle

    def _mark_closed(self) -> None:
        self._closed = True
        _open.discard(self)

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            _warn(self)  # the engine's node is closed as its last reference goes

    def _close_at_exit(self) -> None:
        _warn(self)
        self._mark_closed()
        if self._handle is not None:
            self._handle.close(None, 0).wait(_EXIT_CLOSE_NS)


def _warn(node: NodeBase) -> None:
    warnings.warn(f"{node!r} was not closed", ResourceWarning, stacklevel=2, source=node)


def take_back(op: _native.Op) -> _calls.Call[None] | None:
    """How to close the node that an interrupted open made all the same; None when it made none."""
    node = op.take_node()
    return None if node is None else _calls.close(node)


@atexit.register
def _end() -> None:
    _native.begin_exit()  # non-daemon threads have ended by now
    for node in list(_open):
        node._close_at_exit()


def _forget_after_fork() -> None:
    """The parent's nodes are not the child's to close; a call with one raises RuntimeError."""
    for node in list(_open):
        node._mark_closed()


os.register_at_fork(after_in_child=_forget_after_fork)

ExcType = type[BaseException] | None
Traceback = TracebackType | None
