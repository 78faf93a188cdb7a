"""A hundred thousand operations leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from pathlib import Path

import aspen
import pytest
from aspen import aio

OPERATIONS = 100_000
# A leaked operation with its result is over 500 bytes: 50 MB. The store itself is overwritten in place.
GROWTH_BYTES_MAX = 25 << 20


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_reads(embedded: aspen.Node) -> None:
    embedded.kv.put("k", b"v" * 400)
    for _ in range(OPERATIONS // 10):
        embedded.kv.get("k", stale=True)
    before, files = resident_bytes(), descriptors()
    for _ in range(OPERATIONS):
        embedded.kv.get("k", stale=True)
    assert resident_bytes() - before < GROWTH_BYTES_MAX
    assert descriptors() == files


def test_asyncio_reads(tmp_path: Path) -> None:
    async def main() -> None:
        async with await aio.open(tmp_path / "n") as node:
            await node.kv.put("k", b"v" * 400)

            async def read(rounds: int) -> None:
                for _ in range(rounds):
                    await asyncio.gather(*(node.kv.get("k", stale=True) for _ in range(100)))

            await read(OPERATIONS // 1000)
            before, files = resident_bytes(), descriptors()
            await read(OPERATIONS // 100)
            assert resident_bytes() - before < GROWTH_BYTES_MAX
            assert descriptors() == files

    asyncio.run(main())


def test_results_of_batches(embedded: aspen.Node) -> None:
    """Each holds 40 KB. The store keeps its replies for a while, so it is Python's memory that is looked at."""
    for i in range(10):
        embedded.kv.put(f"k{i}", b"v" * 1000)

    def apply() -> None:
        batch = embedded.kv.batch().check("k0", aspen.ABSENT)
        with batch.otherwise(), batch.transaction() as nested:
            nested.range("k").range("k", reverse=True).range("k").range("k")
        [nested_result] = batch.apply().results
        assert isinstance(nested_result, aspen.NestedResult) and len(nested_result.results) == 4

    tracemalloc.start()
    try:
        apply()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(200):
            apply()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 400_000


def test_batches_that_are_refused(embedded: aspen.Node) -> None:
    """What the engine has of each is over 4 KB: 80 MB."""
    batch = embedded.kv.batch()
    with batch.transaction() as nested:
        nested.check("k", b"v" * 4096).put(b"k" * 5000, "v")

    def apply(times: int) -> None:
        for _ in range(times):
            with pytest.raises(aspen.LimitExceeded):
                batch.apply()

    apply(1000)
    before = resident_bytes()
    apply(20_000)
    assert resident_bytes() - before < GROWTH_BYTES_MAX


def test_opening_and_closing(tmp_path: Path) -> None:
    for _ in range(3):
        aspen.open(tmp_path / "n").close()
    files, threads = descriptors(), len(os.listdir("/proc/self/task"))
    for _ in range(20):
        with aspen.open(tmp_path / "n") as node:
            node.kv.put("k", "v")
    assert descriptors() == files  # though `node` still exists
    assert len(os.listdir("/proc/self/task")) == threads
