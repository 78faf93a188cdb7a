"""Leases, blocking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from . import _leases
from ._leases import LeaseInfo
from ._lifetime import ExcType, Traceback
from ._run import run, walk
from .errors import AspenError, NotFound


class Lease(_leases.LeaseBase):
    """Time that keys are attached to: they go, all in one step, when it has run out or is revoked. Its number.

        with node.kv.grant(10) as lease:                # seconds; kept alive until the end of the block
            node.kv.put("member/1", "here", lease=lease)

    Leaving the block revokes it. The leader counts the time: a lease never runs out before its time has passed since
    it was granted or renewed, or since the leader came to lead; what holds the leader up makes it last longer. A put
    without a lease detaches the key. All calls raise NotFound when it is gone.
    """

    def keep_alive(self, *, timeout: float | None = None) -> float:
        """Gives it all its time again, once; that is how many seconds."""
        return run(_leases.keep_alive(self._node, self, timeout)).remaining

    def info(self, *, timeout: float | None = None) -> LeaseInfo:
        """What is left of it."""
        return run(_leases.info(self._node, self, timeout))

    def keys(self, *, timeout: float | None = None) -> Iterator[bytes]:
        """The keys that are attached, in order."""
        return walk(_leases.Keys(self._node, self, timeout))

    def revoke(self, *, timeout: float | None = None) -> int:
        """Deletes its keys, in one step, and the lease; tells how many keys."""
        return run(_leases.revoke(self._node, self, timeout)).keys

    def __enter__(self) -> Self:
        self.keep()
        return self

    def __exit__(self, type: ExcType, value: BaseException | None, traceback: Traceback) -> None:
        try:
            self.drop()
            self.revoke()
        except NotFound:
            pass  # it is gone already
        except AspenError:
            if type is None:
                raise
