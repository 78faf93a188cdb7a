"""Optimistic transactions and branches, for asyncio."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Self, TypeVar

from . import _draft
from ._aio_run import Range, run
from ._keys import to_bytes
from ._lifetime import ExcType, NodeBase, Traceback
from ._types import Bytes, Entry

T = TypeVar("T")


class _Reads(_draft.Draft):
    __slots__ = ()

    async def get(self, key: Bytes, *, timeout: float | None = None) -> Entry | None:
        """As `aspen.Transaction.get`."""
        return await run(self._get_call(key, timeout))

    def range(
        self,
        prefix: Bytes | None = None,
        *,
        start: Bytes | None = None,
        end: Bytes | None = None,
        limit: int | None = None,
        reverse: bool = False,
        keys_only: bool = False,
        timeout: float | None = None,
    ) -> Range:
        """As `aspen.Transaction.range`, for `async for`."""
        return Range(self, self._scan(prefix, start, end, limit, reverse, keys_only, timeout))


class Transaction(_Reads):
    """As `aspen.Transaction`, its reads awaited."""

    __slots__ = ()


async def transact(
    node: NodeBase, fn: Callable[[Transaction], Awaitable[T] | T], attempts: int, timeout: float | None
) -> T:
    _draft.check_attempts(attempts)
    for attempt in range(attempts):
        if attempt > 0:
            await asyncio.sleep(_draft.pause(attempt - 1))
        transaction = Transaction(node, node._native.transaction(), timeout)
        try:
            result = fn(transaction)
            given = await result if inspect.isawaitable(result) else result
            if (await run(transaction._commit_call(None)))[0]:
                return given
        finally:
            transaction._end()
    raise _draft.too_many_conflicts(attempts)


class Branch(_Reads):
    """As `aspen.Branch`, its reads and commit awaited."""

    __slots__ = {"prefix": "What its keys begin with."}

    _noun = "branch"
    prefix: bytes

    async def branch(self, prefix: Bytes | None = None, *, timeout: float | None = None) -> Branch:
        """As `aspen.Branch.branch`."""
        return await open_branch(self._node, self, self.prefix if prefix is None else prefix, timeout)

    async def commit(self, *, timeout: float | None = None) -> int:
        """As `aspen.Branch.commit`."""
        succeeded, revision, conflicts = await run(self._commit_call(timeout))
        if not succeeded:
            raise _draft.conflict(conflicts)
        self._end()
        return revision

    def discard(self) -> None:
        """Forgets the changes. Safe to call again."""
        self._end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, type: ExcType, value: BaseException | None, traceback: Traceback) -> None:
        try:
            if type is None and self._native is not None:
                await self.commit()
        finally:
            self._end()


async def open_branch(node: NodeBase, parent: Branch | None, prefix: Bytes, timeout: float | None) -> Branch:
    native = await run(_draft.branch_call(node, parent, prefix, timeout))
    branch = Branch(node, native, timeout)
    branch.prefix = to_bytes(prefix, "prefix")
    return branch
