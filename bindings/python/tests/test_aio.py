"""What only asyncio has: many operations at once, cancelling, several loops."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import aspen
import pytest
from aspen import _aio_run, aio


def leftovers() -> int:
    """Event loops that aspen still holds something for."""
    return len(_aio_run._completions)


def test_a_thousand_puts_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with await aio.open(tmp_path / "n") as node:
            revisions = await asyncio.gather(*(node.kv.put(f"k{i:04}", f"v{i}") for i in range(1000)))
            assert len(set(revisions)) == 1000
            entries = [entry async for entry in node.kv.range("k")]
            assert [entry.value for entry in entries] == [b"v%d" % i for i in range(1000)]
            reads = await asyncio.gather(*(node.kv.get(f"k{i:04}") for i in range(1000)))
            assert [entry.value for entry in reads if entry] == [b"v%d" % i for i in range(1000)]

    asyncio.run(main())
    assert leftovers() == 0


def test_more_than_the_engine_takes_is_overloaded_not_lost(tmp_path: Path) -> None:
    in_flight = aspen.LIMITS["OPS_IN_FLIGHT"]

    async def main() -> None:
        async with await aio.open(tmp_path / "n") as node:
            puts = [asyncio.ensure_future(node.kv.put(f"k{i}", "v")) for i in range(2 * in_flight)]
            results = await asyncio.gather(*puts, return_exceptions=True)
            made = [result for result in results if isinstance(result, int)]
            refused = [result for result in results if isinstance(result, aspen.Overloaded)]
            assert len(made) + len(refused) == len(results) and len(made) >= in_flight
            assert all(error.applied == "no" and error.retryable for error in refused)
            kept = [entry.key async for entry in node.kv.range(keys_only=True)]
            assert len(kept) == len(made)

    asyncio.run(main())


def test_counters_by_compare_and_swap(tmp_path: Path) -> None:
    async def increment(node: aio.Node, times: int) -> None:
        for _ in range(times):
            while True:
                entry = await node.kv.get("n")
                assert entry is not None
                new = str(int(entry.value) + 1)
                if await node.kv.cas("n", new, expect=aspen.Revision(entry.mod_revision)):
                    break

    async def main() -> None:
        async with await aio.open(tmp_path / "n") as node:
            await node.kv.put("n", "0")
            await asyncio.gather(*(increment(node, 25) for _ in range(8)))
            entry = await node.kv.get("n")
            assert entry is not None and entry.value == b"200"

    asyncio.run(main())


def test_the_loop_runs_while_operations_wait(tmp_path: Path) -> None:
    async def main() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        with aspen.found(tmp_path / "gone", "127.0.0.1:0") as gone:
            ticket = gone.ticket()
        ticker = asyncio.ensure_future(tick())
        with pytest.raises(aspen.AspenError):
            await aio.connect(ticket, timeout=0.5)
        ticker.cancel()
        return ticks

    assert asyncio.run(main()) > 50


class TestCancel:
    def test_ends_the_operation_and_then_the_task(self, tmp_path: Path) -> None:
        async def main() -> None:
            with aspen.found(tmp_path / "gone", "127.0.0.1:0") as gone:
                ticket = gone.ticket()
            task = asyncio.ensure_future(aio.connect(ticket, timeout=60))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(asyncio.shield(task), 10)
            await asyncio.sleep(0)
            assert leftovers() == 0

        asyncio.run(main())

    def test_asyncio_timeout(self, tmp_path: Path) -> None:
        async def main() -> None:
            with aspen.found(tmp_path / "gone", "127.0.0.1:0") as gone:
                ticket = gone.ticket()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await aio.connect(ticket, timeout=60)

        asyncio.run(main())

    def test_a_cancelled_write_was_made_or_not(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with await aio.open(tmp_path / "n") as node:
                for i in range(200):
                    task = asyncio.ensure_future(node.kv.put(f"k{i}", "v"))
                    for _ in range(i % 4):
                        await asyncio.sleep(0)
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task
                revision = await node.kv.put("after", "v")
                entries = [entry async for entry in node.kv.range("k")]
                assert len(entries) <= 150  # a quarter was cancelled before it began
                assert all((entry.value, entry.version) == (b"v", 1) for entry in entries)
                assert all(entry.mod_revision < revision for entry in entries)

        asyncio.run(main())
        assert leftovers() == 0

    def test_again_and_again(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with await aio.open(tmp_path / "n") as node:
                tasks = [asyncio.ensure_future(node.kv.put(f"k{i}", "v")) for i in range(100)]
                await asyncio.sleep(0)
                for _ in range(5):
                    for task in tasks:
                        task.cancel()
                    await asyncio.sleep(0)
                results = await asyncio.gather(*tasks, return_exceptions=True)
                assert all(isinstance(result, (int, asyncio.CancelledError)) for result in results)

        asyncio.run(main())
        assert leftovers() == 0

    def test_an_open_that_succeeded_too_late_is_closed(self, tmp_path: Path) -> None:
        async def main() -> None:
            for i in range(30):
                task = asyncio.ensure_future(aio.open(tmp_path / "n"))
                await asyncio.sleep(i / 2000)
                task.cancel()
                try:
                    await (await task).close()
                except asyncio.CancelledError:
                    pass
            async with await aio.open(tmp_path / "n") as node:  # else: InUse
                await node.kv.put("k", "v")

        asyncio.run(main())

    def test_a_task_group_that_fails(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with await aio.open(tmp_path / "n") as node:
                with pytest.raises(ExceptionGroup) as caught:
                    async with asyncio.TaskGroup() as group:
                        for i in range(100):
                            group.create_task(node.kv.put(f"k{i}", "v"))
                        group.create_task(node.kv.put(b"k" * 5000, "v"))
                assert [type(error) for error in caught.value.exceptions] == [aspen.LimitExceeded]

        asyncio.run(main())


def test_close_with_operations_in_flight(tmp_path: Path) -> None:
    async def main() -> None:
        node = await aio.open(tmp_path / "n")
        puts = [asyncio.ensure_future(node.kv.put(f"k{i}", b"v" * 10_000)) for i in range(1000)]
        await asyncio.sleep(0)
        await node.close()
        results = await asyncio.gather(*puts, return_exceptions=True)
        made = [result for result in results if isinstance(result, int)]
        assert all(isinstance(result, (int, aspen.Shutdown)) for result in results)
        assert len(made) < len(results)
        with pytest.raises(aspen.Shutdown):
            await node.kv.get("k0")
        await node.close()
        async with await aio.open(tmp_path / "n") as again:
            kept = {entry.key async for entry in again.kv.range(keys_only=True)}
            assert {b"k%d" % i for i, result in enumerate(results) if isinstance(result, int)} <= kept

    asyncio.run(main())
    assert leftovers() == 0


def test_one_node_in_several_loops_and_threads(tmp_path: Path) -> None:
    with aspen.open(tmp_path / "n") as plain:
        node = aio.Node(plain._native)
        failures: list[BaseException] = []

        async def work(worker: int) -> None:
            await asyncio.gather(*(node.kv.put(f"{worker}/{i}", "v") for i in range(200)))

        def thread(worker: int) -> None:
            try:
                asyncio.run(work(worker))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=thread, args=(worker,)) for worker in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(60)
        assert failures == []
        assert sum(1 for _ in plain.kv.range(keys_only=True)) == 800
        node._mark_closed()
    assert leftovers() == 0


def test_one_loop_after_another(tmp_path: Path) -> None:
    node = asyncio.run(aio.open(tmp_path / "n"))
    for i in range(20):
        asyncio.run(_put(node, f"k{i}"))
    asyncio.run(node.close())
    assert leftovers() == 0


async def _put(node: aio.Node, key: str) -> int:
    return await node.kv.put(key, "v")


def test_a_loop_closed_with_operations_in_flight(tmp_path: Path) -> None:
    with aspen.open(tmp_path / "n") as plain:
        node = aio.Node(plain._native)
        loop = asyncio.new_event_loop()
        tasks = [loop.create_task(_put(node, f"k{i}")) for i in range(100)]
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
        asyncio.run(_put(node, "after"))
        assert leftovers() == 0
        assert plain.kv.get("after") is not None
        node._mark_closed()
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_a_forgotten_node_warns_and_closes(tmp_path: Path) -> None:
    async def forget() -> None:
        node = await aio.open(tmp_path / "n")
        await node.kv.put("k", "v")

    with pytest.warns(ResourceWarning, match="was not closed"):
        asyncio.run(forget())
    asyncio.run(_reopen(tmp_path))


async def _reopen(tmp_path: Path) -> None:
    async with await aio.open(tmp_path / "n") as node:
        assert await node.kv.get("k") is not None


def test_the_same_names_as_the_blocking_package() -> None:
    def public(thing: Any) -> set[str]:
        return {name for name in dir(thing) if not name.startswith("_")}

    for name in ("Node", "KeyValue", "Batch", "Transaction", "Branch"):
        assert public(getattr(aspen, name)) == public(getattr(aio, name))
    for name in ("open", "found", "join", "connect"):
        blocking, awaited = getattr(aspen, name), getattr(aio, name)
        assert blocking.__annotations__.keys() == awaited.__annotations__.keys()
