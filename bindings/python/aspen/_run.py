"""How the blocking package waits. Every wait runs signal handlers, so Ctrl-C ends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from . import _calls, _lifetime

T = TypeVar("T")


def run(call: _calls.Call[T]) -> T:
    op = call.submit(None, 0)
    try:
        op.wait(-1)
    except BaseException:  # a signal handler's, such as KeyboardInterrupt
        op.cancel()
        op.wait(-1)
        if closing := _lifetime.take_back(op):
            run(closing)
        raise
    return call.finish(op)


def walk(pages: _calls.Pages[T]) -> Iterator[T]:
    while (call := pages.call()) is not None:
        yield from run(call)
