"""Watches, blocking."""

from __future__ import annotations

from typing import Self

from . import _changes
from ._calls import Call, to_nanoseconds
from ._changes import Event, WatchBatch
from ._lifetime import ExcType, Traceback
from .errors import Cancelled, Compacted, DeadlineExceeded, InvalidArgument


class Watch(_changes.WatchBase):
    """What changes in some keys, as it happens: `with node.kv.watch("user/") as watch:`.

        for event in watch:                     # waits for the next change, for ever
            print(event.kind, event.key, event.revision)

    Every change is told once, in the order of the revisions. When the member that serves it is lost, it goes on at
    another one where it stood. A reader that is slow loses nothing; only when compaction has overtaken it does the
    watch end, with Compacted, whose `first` is the first revision that can still be watched. To go on with the state
    as it is: read the range, and watch from the revision after that. It never goes on with a gap. One that is closed
    ends its iteration. One thread reads it at a time.
    """

    __slots__ = ()

    def next(self, *, timeout: float | None = None) -> WatchBatch:
        """All events of one or more whole revisions, or a mark without any; waits for it.

        Errors: DeadlineExceeded after `timeout` seconds (nothing is lost by that), Compacted, LimitExceeded (one
        revision that is too large), PermissionDenied, Shutdown, Cancelled when it is closed meanwhile.
        """
        if kept := self._kept():
            return kept
        call = self._next_call()
        op = call.submit(None, 0)
        try:
            if not op.wait(-1 if timeout is None else to_nanoseconds(timeout)):
                op.cancel()
                op.wait(-1)
        except BaseException:  # a signal handler's, such as KeyboardInterrupt
            op.cancel()
            op.wait(-1)
            self._interrupted()
            raise
        return self._finish(call, timeout)

    def _finish(self, call: Call[WatchBatch], timeout: float | None) -> WatchBatch:
        assert self._op is not None  # the call made it
        try:
            return call.finish(self._op)
        except Cancelled:
            if timeout is None or self._closed:
                raise
            raise DeadlineExceeded(f"no change within {timeout} s", applied="no") from None
        except Compacted as error:
            self._explain(error)
            raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        while not self._pending:
            try:
                self._keep(self.next())
            except (Cancelled, InvalidArgument):
                if self._closed:
                    raise StopIteration from None
                raise
        return self._pending.popleft()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, type: ExcType, value: BaseException | None, traceback: Traceback) -> None:
        self.close()
