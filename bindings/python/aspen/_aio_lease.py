"""Leases, for asyncio."""

from __future__ import annotations

from typing import Self

from . import _leases
from ._aio_run import Items, run
from ._leases import LeaseInfo
from ._lifetime import ExcType, Traceback
from .errors import AspenError, NotFound


class Lease(_leases.LeaseBase):
    """As `aspen.Lease`, awaited: `async with await node.kv.grant(10) as lease:`."""

    async def keep_alive(self, *, timeout: float | None = None) -> float:
        """As `aspen.Lease.keep_alive`."""
        return (await run(_leases.keep_alive(self._node, self, timeout))).remaining

    async def info(self, *, timeout: float | None = None) -> LeaseInfo:
        """As `aspen.Lease.info`."""
        return await run(_leases.info(self._node, self, timeout))

    def keys(self, *, timeout: float | None = None) -> Items[bytes]:
        """As `aspen.Lease.keys`, for `async for`."""
        return Items(self._node, _leases.Keys(self._node, self, timeout))

    async def revoke(self, *, timeout: float | None = None) -> int:
        """As `aspen.Lease.revoke`."""
        return (await run(_leases.revoke(self._node, self, timeout))).keys

    async def __aenter__(self) -> Self:
        self.keep()
        return self

    async def __aexit__(self, type: ExcType, value: BaseException | None, traceback: Traceback) -> None:
        try:
            self.drop()
            await self.revoke()
        except NotFound:
            pass  # it is gone already
        except AspenError:
            if type is None:
                raise
