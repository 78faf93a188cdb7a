"""Watches, for asyncio."""

from __future__ import annotations

from typing import Self

from . import _changes
from ._aio_run import run
from ._changes import Event, WatchBatch
from ._lifetime import ExcType, Traceback
from .errors import Cancelled, Compacted, InvalidArgument


class Watch(_changes.WatchBase):
    """As `aspen.Watch`, awaited: `async with await node.kv.watch("user/") as watch:`, `async for event in watch:`.

    Cancelling who waits for it loses nothing: the next one who waits is given it.
    """

    __slots__ = ()

    async def next(self) -> WatchBatch:
        """As `aspen.Watch.next`; `asyncio.timeout` bounds it."""
        if kept := self._kept():
            return kept
        try:
            return await run(self._next_call())
        except Compacted as error:
            self._explain(error)
            raise
        finally:
            self._interrupted()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._pending:
            try:
                self._keep(await self.next())
            except (Cancelled, InvalidArgument):
                if self._closed:
                    raise StopAsyncIteration from None
                raise
        return self._pending.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, type: ExcType, value: BaseException | None, traceback: Traceback) -> None:
        self.close()
