"""Watches: what is told, and that nothing is lost or told twice whatever happens to who reads or who serves."""

from __future__ import annotations

import asyncio
import threading
import time
from itertools import islice
from pathlib import Path

import aspen
import pytest
from aspen import Event, WatchBatch, aio
from cluster import Cluster, wait_for_leader

SECONDS = 30


def told(watch: aspen.Watch, count: int) -> list[tuple[str, bytes, int]]:
    """The next `count` events; a watch that says nothing fails."""
    events: list[Event] = []
    while len(events) < count:
        events.extend(watch.next(timeout=SECONDS).events)
    assert len(events) == count
    return [(event.kind, event.key, event.revision) for event in events]


class TestWhatIsTold:
    def test_changes_of_a_prefix(self, embedded: aspen.Node) -> None:
        kv = embedded.kv
        kv.put("user/0", "before")
        with kv.watch("user/") as watch:
            first = kv.put("user/1", "a")
            kv.put("other", "x")
            second = kv.delete("user/1").revision
            assert told(watch, 2) == [("put", b"user/1", first), ("delete", b"user/1", second)]
            assert watch.revision >= second

    def test_an_event(self, embedded: aspen.Node) -> None:
        kv = embedded.kv
        created = kv.put("k", "1")
        with kv.watch(key="k", previous=True) as watch:
            changed = kv.put("k", "2")
            deleted = kv.delete("k").revision
            put, delete = islice(watch, 2)
        one = aspen.Entry(b"k", b"1", created, created, 1)
        two = aspen.Entry(b"k", b"2", created, changed, 2)
        assert put == Event("put", changed, b"k", two, one)
        assert delete == Event("delete", deleted, b"k", None, two)

    def test_ranges_and_filters(self, embedded: aspen.Node) -> None:
        kv = embedded.kv
        with kv.watch(start="b", end="d") as some, kv.watch(deletes=False) as puts, kv.watch(puts=False) as deletes:
            for key in "abcd":
                kv.put(key, "1")
            kv.delete("b")
            assert [key for _, key, _ in told(some, 3)] == [b"b", b"c", b"b"]
            assert [key for _, key, _ in told(puts, 4)] == [b"a", b"b", b"c", b"d"]
            assert [key for _, key, _ in told(deletes, 1)] == [b"b"]
        with pytest.raises(aspen.InvalidArgument):
            kv.watch("p", key="k")
        with pytest.raises(aspen.InvalidArgument):
            kv.watch("p", start="k")

    def test_a_transaction_is_told_whole(self, embedded: aspen.Node) -> None:
        batch = embedded.kv.batch()
        for i in range(500):
            batch.put(f"k{i:03}", "v")
        with embedded.kv.watch("k") as watch:
            done = batch.apply()
            one = watch.next(timeout=SECONDS)
            assert one.revision >= done.revision
            assert [event.key for event in one.events] == [b"k%03d" % i for i in range(500)]
            assert {event.revision for event in one.events} == {done.revision}

    def test_from_a_revision_on(self, embedded: aspen.Node) -> None:
        kv = embedded.kv
        revisions = [kv.put("k", f"{i}") for i in range(10)]
        with kv.watch("k", revision=revisions[3]) as watch:
            for revision, event in zip(revisions[3:6], watch):
                assert event.revision == revision
            resume = watch.revision + 1
        assert resume == revisions[6]
        with kv.watch("k", revision=resume) as watch:
            assert [revision for _, _, revision in told(watch, 4)] == revisions[6:]

    def test_marks(self, embedded: aspen.Node) -> None:
        with embedded.kv.watch("k", progress=0.1) as watch:
            revision = embedded.kv.put("other", "1")
            while (batch := watch.next(timeout=SECONDS)).revision < revision:
                pass
            assert batch == WatchBatch(batch.revision, ())
            assert watch.revision == batch.revision


class TestWhoReads:
    def test_a_timeout_loses_nothing(self, embedded: aspen.Node) -> None:
        with embedded.kv.watch("k") as watch:
            with pytest.raises(aspen.DeadlineExceeded, match="no change within 0.05 s"):
                watch.next(timeout=0.05)
            revisions = []
            seen = []
            writer = threading.Thread(
                target=lambda: revisions.extend(embedded.kv.put("k", str(i)) for i in range(300))
            )
            writer.start()
            while len(seen) < 300:
                try:
                    seen += [event.revision for event in watch.next(timeout=0.0005).events]
                except aspen.DeadlineExceeded:
                    pass
            writer.join()
            assert seen == revisions

    def test_next_gives_what_an_iteration_left(self, embedded: aspen.Node) -> None:
        with embedded.kv.watch("k") as watch:
            done = embedded.kv.batch().put("k1", "").put("k2", "").put("k3", "").apply()
            assert next(watch).key == b"k1"
            assert watch.revision == done.revision - 1
            assert [event.key for event in watch.next().events] == [b"k2", b"k3"]
            assert watch.revision >= done.revision

    def test_closing_ends_an_iteration(self, embedded: aspen.Node) -> None:
        watch = embedded.kv.watch("k")
        threading.Timer(0.1, watch.close).start()
        assert list(watch) == []
        assert list(watch) == []
        watch.close()
        with pytest.raises((aspen.Cancelled, aspen.InvalidArgument)):
            watch.next()

    def test_closing_the_node_ends_it(self, tmp_path: Path) -> None:
        node = aspen.open(tmp_path / "n")
        watch = node.kv.watch("k")
        threading.Timer(0.1, node.close).start()
        with pytest.raises(aspen.Shutdown):
            next(watch)
        watch.close()

    def test_many(self, embedded: aspen.Node) -> None:
        watches = [embedded.kv.watch(f"k{i % 10}/") for i in range(100)]
        revisions = [embedded.kv.put(f"k{i}/x", "v") for i in range(10)]
        for i, watch in enumerate(watches):
            assert told(watch, 1) == [("put", b"k%d/x" % (i % 10), revisions[i % 10])]
            watch.close()

    def test_a_forgotten_revision(self, embedded: aspen.Node) -> None:
        kv = embedded.kv
        revision = kv.put("k", "1")
        for i in range(5):
            kv.put("k", str(i))
        kv.compact(kv.put("k", "last"))
        with pytest.raises(aspen.Compacted) as caught:
            with kv.watch("k", revision=revision) as watch:
                watch.next(timeout=SECONDS)
        assert caught.value.first > revision


class TestAsyncio:
    def test_iteration_and_cancelling(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with await aio.open(tmp_path / "n") as node:
                async with await node.kv.watch("k") as watch:
                    seen: list[int] = []
                    revisions: list[int] = []

                    async def write() -> None:
                        for i in range(300):
                            revisions.append(await node.kv.put("k", str(i)))

                    writer = asyncio.create_task(write())
                    while len(seen) < 300:
                        try:
                            async with asyncio.timeout(0.001):
                                async for event in watch:
                                    seen.append(event.revision)
                                    if len(seen) == 300:
                                        break
                        except TimeoutError:
                            pass
                    await writer
                    assert seen == revisions and watch.revision >= seen[-1]

        asyncio.run(main())

    def test_closing_ends_an_iteration(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with await aio.open(tmp_path / "n") as node:
                watch = await node.kv.watch("k")
                asyncio.get_running_loop().call_later(0.1, watch.close)
                assert [event async for event in watch] == []

        asyncio.run(main())


def test_nothing_is_lost_or_told_twice_when_the_leader_goes_away(cluster: Cluster) -> None:
    """A watch at a client, of keys that several threads write, while the leader is ended and comes back."""
    keys, stop = 8, threading.Event()
    with aspen.connect(cluster.ticket) as client, aspen.connect(cluster.ticket) as other:
        before = client.kv.put("w/start", "")
        watch = client.kv.watch("w/")
        seen: list[Event] = []
        failures: list[BaseException] = []

        def read() -> None:
            try:
                seen.extend(watch)
            except BaseException as error:
                failures.append(error)

        def write(worker: int) -> None:
            i = 0
            while not stop.is_set():
                i += 1
                try:
                    batch = other.kv.batch()
                    batch.put(f"w/{worker}", str(i)).put(f"w/{worker}/twin", str(i)).apply(timeout=10)
                except aspen.AspenError as error:
                    if not (error.retryable or error.applied == "maybe"):
                        failures.append(error)

        threads = [threading.Thread(target=write, args=(worker,)) for worker in range(keys)]
        reader = threading.Thread(target=read)
        for thread in (*threads, reader):
            thread.start()
        try:
            _wait(lambda: len(seen) > 100)
            cluster.kill(wait_for_leader(client))
            _wait(lambda length=len(seen): len(seen) > length + 200)  # type: ignore[misc]
            cluster.restart()
            _wait(lambda length=len(seen): len(seen) > length + 200)  # type: ignore[misc]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        end = client.kv.put("w/end", "")
        _wait(lambda: bool(seen) and seen[-1].revision >= end)
        watch.close()
        reader.join()
        assert failures == []
        assert [event.revision for event in seen] == sorted(event.revision for event in seen)
        told = [(event.revision, event.key) for event in seen]
        assert len(set(told)) == len(told) and seen[0].revision >= before
        versions: dict[bytes, int] = {}
        for event in seen:
            assert event.entry is not None
            assert event.entry.version == versions.get(event.key, 0) + 1, event  # none is left out
            versions[event.key] = event.entry.version
        for worker in range(keys):
            assert versions[b"w/%d" % worker] == versions[b"w/%d/twin" % worker]


def _wait(condition: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)
