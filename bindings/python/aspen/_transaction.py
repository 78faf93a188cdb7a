"""Optimistic transactions and branches, blocking."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from typing import Self, TypeVar

from . import _draft
from ._keys import to_bytes
from ._lifetime import ExcType, NodeBase, Traceback
from ._run import run, walk
from ._types import Bytes, Entry

T = TypeVar("T")


class _Reads(_draft.Draft):
    __slots__ = ()

    def get(self, key: Bytes, *, timeout: float | None = None) -> Entry | None:
        """The key's entry; None when it does not exist. One that was put here has revisions of 0."""
        return run(self._get_call(key, timeout))

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
    ) -> Iterator[Entry]:
        """As `KeyValue.range`. What counts as read is as far as the replies went."""
        return walk(self._scan(prefix, start, end, limit, reverse, keys_only, timeout))


class Transaction(_Reads):
    """A transaction that reads before it knows what to write: what `KeyValue.transact` calls its function with.

    All its reads see the store at one revision, with its own changes over it. It is carried out only if nothing
    that it read has changed since, absent keys and the gaps of ranges included. What is read and changed may come to
    `aspen.LIMITS["TRANSACTION_OPS"]` and `aspen.LIMITS["TRANSACTION_BYTES"]`: errors LimitExceeded. It can be used
    until the function returns.
    """

    __slots__ = ()


def transact(node: NodeBase, fn: Callable[[Transaction], T], attempts: int, timeout: float | None) -> T:
    _draft.check_attempts(attempts)
    for attempt in range(attempts):
        if attempt > 0:
            time.sleep(_draft.pause(attempt - 1))
        transaction = Transaction(node, node._native.transaction(), timeout)
        try:
            result = fn(transaction)
            if inspect.iscoroutine(result):
                result.close()
                raise TypeError("the function of a blocking transaction must not be async; aspen.aio takes such")
            if run(transaction._commit_call(None))[0]:
                return result
        finally:
            transaction._end()
    raise _draft.too_many_conflicts(attempts)


class Branch(_Reads):
    """A copy of the keys with a prefix, which costs nothing: `with node.kv.branch("app/") as branch:`.

    It sees them as they were when it was made, with its own changes over them. Leaving the block commits it, as one
    step; leaving it by an exception discards it. The commit is refused, with a Conflict that names all the keys, when
    others have meanwhile changed what it read or changed.

    A branch may have branches, which read through it and are committed into it, at most
    `aspen.LIMITS["BRANCH_DEPTH"]` deep. Of the limits of a transaction each key that was read takes three, and each
    that was changed four. Reads and the commit raise Compacted when it lives longer than old revisions are kept.
    """

    __slots__ = {"prefix": "What its keys begin with."}

    _noun = "branch"
    prefix: bytes

    def branch(self, prefix: Bytes | None = None, *, timeout: float | None = None) -> Branch:
        """A branch of this one; of all its keys, or of those with a longer `prefix`."""
        return open_branch(self._node, self, self.prefix if prefix is None else prefix, timeout)

    def commit(self, *, timeout: float | None = None) -> int:
        """Makes the changes, and gives their revision; of a branch of a branch, in that. The branch is then over.

        Errors: Conflict (nothing is changed, and the branch can still be read), LimitExceeded, QuotaExceeded,
        Compacted.
        """
        succeeded, revision, conflicts = run(self._commit_call(timeout))
        if not succeeded:
            raise _draft.conflict(conflicts)
        self._end()
        return revision

    def discard(self) -> None:
        """Forgets the changes. Safe to call again."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, type: ExcType, value: BaseException | None, traceback: Traceback) -> None:
        try:
            if type is None and self._native is not None:
                self.commit()
        finally:
            self._end()


def open_branch(node: NodeBase, parent: Branch | None, prefix: Bytes, timeout: float | None) -> Branch:
    native = run(_draft.branch_call(node, parent, prefix, timeout))
    branch = Branch(node, native, timeout)
    branch.prefix = to_bytes(prefix, "prefix")
    return branch
