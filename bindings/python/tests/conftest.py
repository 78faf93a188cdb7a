"""What the tests share: an embedded node in both flavours, and three-node clusters of both kinds."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aspen
import pytest
from aspen import aio
from cluster import Cluster, InProcessCluster, ProcessCluster, aspen_binary


class Blocking:
    """An asyncio object with its calls awaited, so that one test covers both flavours."""

    def __init__(self, inner: Any, runner: asyncio.Runner) -> None:
        self._inner = inner
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        return self._adapt(getattr(self._inner, name))

    def __enter__(self) -> Any:
        return self._adapt(self._runner.run(self._inner.__aenter__()))

    def __exit__(self, *how: Any) -> None:
        self._runner.run(self._inner.__aexit__(*how))

    def _adapt(self, value: Any) -> Any:
        if inspect.iscoroutine(value):
            return self._adapt(self._runner.run(value))
        if isinstance(value, aio.Items):
            return iter(self._runner.run(collect(value)))
        if isinstance(value, (aio.Node, aio.KeyValue, aio.Batch, aio.Branch)):
            return Blocking(value, self._runner)
        if inspect.ismethod(value):
            return lambda *args, **kwargs: self._adapt(value(*args, **kwargs))
        return value


async def collect(items: aio.Items[Any]) -> list[Any]:
    return [item async for item in items]


@pytest.fixture(params=["blocking", "asyncio"])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """An embedded node; through `aspen.aio` it is used from a loop that is idle between calls."""
    directory = tmp_path / "node"
    if request.param == "blocking":
        with aspen.open(directory) as opened:
            yield opened
        return
    with asyncio.Runner() as runner:
        adapted = Blocking(runner.run(aio.open(directory)), runner)
        yield adapted
        adapted.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[aspen.Node]:
    with aspen.open(tmp_path / "node") as opened:
        yield opened


@pytest.fixture(params=["processes", "in-process"])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """Three members and a client; the members are `aspen node` processes, or nodes of this one."""
    if request.param == "in-process":
        with InProcessCluster(tmp_path) as running:
            yield running
        return
    binary = aspen_binary()
    if binary is None:
        pytest.skip("no aspen command: build it, or name it in ASPEN_BIN")
    with ProcessCluster(tmp_path, binary) as running:
        yield running
