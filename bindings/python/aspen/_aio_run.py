"""How asyncio waits.

Completions come through one queue per event loop, whose descriptor the loop watches while operations are in
flight; an idle loop holds nothing of aspen's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Generic, Self, TypeVar

from . import _calls, _lifetime, _native
from ._types import Entry

T = TypeVar("T")


class Completions:
    """The operations in flight of one event loop. Used on that loop's thread only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue = _native.Queue()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._last_tag = 0
        loop.add_reader(self._queue.fd, self._drain)

    async def of(self, submit: Callable[[_native.Queue | None, int], _native.Op]) -> _native.Op:
        """Submits, and gives the completed operation."""
        self._last_tag = tag = self._last_tag + 1
        op = submit(self._queue, tag)
        try:
            await self._completion(tag)
        except asyncio.CancelledError:
            op.cancel()
            await self._ended(tag)
            if closing := _lifetime.take_back(op):
                await self.of(closing.submit)
            raise
        return op

    def _completion(self, tag: int) -> asyncio.Future[None]:
        self._waiting[tag] = future = self._loop.create_future()
        return future

    async def _ended(self, tag: int) -> None:
        """Waits, whatever happens, for the completion of an operation that was cancelled."""
        while tag in self._waiting:
            try:
                await self._completion(tag)
            except asyncio.CancelledError:
                continue  # the first one is on its way already

    def _drain(self) -> None:
        for tag in self._queue.poll():
            future = self._waiting.pop(tag)
            if not future.done():
                future.set_result(None)
        if not self._waiting:
            # After the tasks just woken: most of them go on with another operation.
            self._loop.call_soon(self._release_if_idle)

    def _release_if_idle(self) -> None:
        if not self._waiting and _completions.get(self._loop) is self:
            self._loop.remove_reader(self._queue.fd)
            del _completions[self._loop]


_completions: dict[asyncio.AbstractEventLoop, Completions] = {}


def completions_here() -> Completions:
    loop = asyncio.get_running_loop()
    found = _completions.get(loop)
    if found is None:
        for other in list(_completions):  # loops that were closed with operations in flight
            if other.is_closed():
                _completions.pop(other, None)
        found = _completions[loop] = Completions(loop)
    return found


async def run(call: _calls.Call[T]) -> T:
    return call.finish(await completions_here().of(call.submit))


class Items(Generic[T]):
    """Something read reply by reply, for `async for`."""

    __slots__ = ("_items", "_keep", "_pages")

    def __init__(self, keep: object, pages: _calls.Pages[T]) -> None:
        self._keep = keep
        self._pages = pages
        self._items: Iterator[T] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            for item in self._items:
                return item
            call = self._pages.call()
            if call is None:
                raise StopAsyncIteration
            page = await run(call)
            self._items = iter(page)


class Range(Items[Entry]):
    """The entries of a range, fetched reply by reply, for `async for`."""

    __slots__ = ()
