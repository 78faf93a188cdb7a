"""Transactions that read before they write, and branches."""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from pathlib import Path
from typing import Any

import aspen
import pytest
from aspen import KeyRange, aio
from cluster import SIZE, Cluster, wait_for_leader


def values(entries: Any) -> dict[bytes, bytes]:
    return {entry.key: entry.value for entry in entries}


class TestTransact:
    def test_reads_then_writes_and_gives_what_the_function_gave(self, embedded: aspen.Node) -> None:
        kv = embedded.kv
        kv.put("n", "1")
        kv.put("gone", "x")

        def add(tx: aspen.Transaction) -> int:
            entry = tx.get("n")
            assert entry is not None and entry.mod_revision > 0
            tx.put("n", str(int(entry.value) + 1))
            tx.delete("gone")
            mine = tx.get("n")
            assert mine is not None and (mine.value, mine.mod_revision) == (b"2", 0)
            assert tx.get("gone") is None and tx.get("never") is None
            return int(mine.value)

        assert kv.transact(add) == 2
        assert values(kv.range()) == {b"n": b"2"}

    def test_ranges_show_its_own_changes(self, embedded: aspen.Node) -> None:
        kv = embedded.kv
        for i in range(3):
            kv.put(f"a/{i}", "old")

        def change(tx: aspen.Transaction) -> dict[bytes, bytes]:
            tx.put("a/3", "new")
            tx.delete("a/0")
            tx.delete_range(start="a/1", end="a/2")
            assert [e.key for e in tx.range("a/", limit=1, reverse=True)] == [b"a/3"]
            assert [e.value for e in tx.range("a/", keys_only=True)] == [b"", b""]
            return values(tx.range("a/"))

        assert kv.transact(change) == {b"a/2": b"old", b"a/3": b"new"} == values(kv.range())
        kv.transact(lambda tx: tx.delete_range("a/"))
        assert values(kv.range()) == {}

    @pytest.mark.parametrize("read", ["a key", "an absent key", "a range", "a gap"])
    def test_what_was_read_has_changed(self, embedded: aspen.Node, read: str) -> None:
        kv = embedded.kv
        kv.put("k/2", "1")
        calls = []

        def fn(tx: aspen.Transaction) -> None:
            calls.append(tx)
            if read == "a key":
                tx.get("k/2")
            elif read == "an absent key":
                tx.get("k/1")
            else:
                list(tx.range("k/"))
            if len(calls) == 1:
                kv.put("k/2" if read in ("a key", "a range") else "k/1", "theirs")
            tx.put("done", str(len(calls)))

        kv.transact(fn)
        assert len(calls) == 2 and calls[0] is not calls[1]
        assert values(kv.range("done")) == {b"done": b"2"}

    def test_what_was_not_read_may_change(self, embedded: aspen.Node) -> None:
        calls = []

        def fn(tx: aspen.Transaction) -> None:
            calls.append(1)
            tx.get("a")
            embedded.kv.put("b", "theirs")
            tx.put("b", "mine")

        embedded.kv.transact(fn)
        assert calls == [1] and values(embedded.kv.range()) == {b"b": b"mine"}

    def test_all_reads_are_of_one_revision(self, embedded: aspen.Node) -> None:
        kv = embedded.kv
        kv.batch().put("a", "1").put("b", "1").apply()

        def both(tx: aspen.Transaction) -> list[bytes]:
            first = values(tx.range("a"))
            kv.batch().put("a", "2").put("b", "2").apply()
            return [first[b"a"], values(tx.range("b"))[b"b"]]

        assert kv.transact(both) == [b"1", b"1"]  # one that only read has nothing to fail of

    def test_gives_up_after_its_attempts(self, embedded: aspen.Node) -> None:
        kv, calls = embedded.kv, []

        def never(tx: aspen.Transaction) -> None:
            calls.append(tx.get("n"))
            kv.put("n", str(len(calls)))
            tx.put("mine", "1")

        with pytest.raises(aspen.Conflict, match="in each of 4 attempts") as caught:
            kv.transact(never, attempts=4)
        assert len(calls) == 4 and kv.get("mine") is None
        error = caught.value
        assert (error.code, error.applied, error.retryable, error.conflicts) == ("CONFLICT", "no", True, ())
        with pytest.raises(aspen.InvalidArgument, match="attempts"):
            kv.transact(never, attempts=0)

    def test_pauses_between_attempts(self, embedded: aspen.Node) -> None:
        starts: list[float] = []

        def never(tx: aspen.Transaction) -> None:
            starts.append(time.monotonic())
            tx.get("n")
            embedded.kv.put("n", "theirs")
            tx.put("mine", "1")

        with pytest.raises(aspen.Conflict):
            embedded.kv.transact(never, attempts=14)
        pauses = [after - before for before, after in zip(starts, starts[1:])]
        assert max(pauses[7:]) > 4 * min(pauses[:4]) and max(pauses) < 5

    def test_an_exception_discards(self, embedded: aspen.Node) -> None:
        def fn(tx: aspen.Transaction) -> None:
            tx.put("k", "v")
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            embedded.kv.transact(fn)
        assert embedded.kv.get("k") is None

    def test_it_is_over_when_the_function_returns(self, embedded: aspen.Node) -> None:
        tx = embedded.kv.transact(lambda tx: tx)
        late = tx.range()
        for use in (lambda: tx.put("k", "v"), lambda: tx.get("k"), lambda: tx.delete("k"), lambda: next(late)):
            with pytest.raises(aspen.InvalidArgument, match="the transaction is over"):
                use()

    def test_what_is_refused(self, embedded: aspen.Node) -> None:
        def fn(tx: aspen.Transaction) -> None:
            with pytest.raises(aspen.InvalidArgument, match="empty"):
                tx.put("", "v")
            with pytest.raises(aspen.LimitExceeded):
                tx.put("k", b"v" * (aspen.LIMITS["VALUE_BYTES"] + 1))
            with pytest.raises(aspen.InvalidArgument):
                tx.get("")
            with pytest.raises(aspen.InvalidArgument, match="no bounds"):
                tx.delete_range()
            with pytest.raises(TypeError):
                tx.put("k", 5)  # type: ignore[arg-type]
            tx.put("k", "v")

        embedded.kv.transact(fn)
        assert values(embedded.kv.range()) == {b"k": b"v"}
        with pytest.raises(aspen.LimitExceeded) as caught:
            embedded.kv.transact(lambda tx: [tx.put(f"{i}", "v") for i in range(aspen.LIMITS["TRANSACTION_OPS"] + 1)])
        assert caught.value.applied == "no"
        with pytest.raises(aspen.NotFound):
            embedded.kv.transact(lambda tx: tx.put("k", "v", lease=12345))

    def test_an_async_function_is_refused_where_nobody_awaits_it(self, embedded: aspen.Node) -> None:
        async def fn(tx: aspen.Transaction) -> None:
            tx.put("k", "v")

        with pytest.raises(TypeError, match="async"):
            embedded.kv.transact(fn)
        assert embedded.kv.get("k") is None

    def test_a_closed_node(self, tmp_path: Path) -> None:
        node = aspen.open(tmp_path / "n")

        def fn(tx: aspen.Transaction) -> None:
            tx.put("k", "v")
            node.close()

        with pytest.raises(aspen.Shutdown):
            node.kv.transact(fn)
        with pytest.raises(aspen.Shutdown):
            node.kv.transact(fn)
        with aspen.open(tmp_path / "n") as again:
            assert again.kv.get("k") is None


class TestBranches:
    def test_leaving_the_block_commits(self, node: Any) -> None:
        node.kv.put("p/a", "1")
        node.kv.put("p/b", "1")
        with node.kv.branch("p/") as branch:
            assert values(branch.range("p/")) == {b"p/a": b"1", b"p/b": b"1"}
            branch.put("p/a", "2")
            branch.delete("p/b")
            branch.put("p/c", "2")
            assert branch.get("p/a").value == b"2" and branch.get("p/b") is None
            node.kv.put("other", "theirs")
            assert values(node.kv.range("p/")) == {b"p/a": b"1", b"p/b": b"1"}
        assert values(node.kv.range("p/")) == {b"p/a": b"2", b"p/c": b"2"}
        with pytest.raises(aspen.InvalidArgument, match="the branch is over"):
            branch.put("p/a", "3")

    def test_leaving_it_by_an_exception_discards(self, node: Any) -> None:
        with pytest.raises(KeyError):
            with node.kv.branch("p/") as branch:
                branch.put("p/a", "1")
                raise KeyError
        with node.kv.branch("p/") as branch:
            branch.put("p/a", "1")
            branch.discard()
            branch.discard()
        assert node.kv.get("p/a") is None

    def test_conflicts_are_named(self, node: Any) -> None:
        node.kv.put("p/a", "1")
        with pytest.raises(aspen.Conflict) as caught:
            with node.kv.branch("p/") as branch:
                branch.get("p/a")
                branch.put("p/b", "mine")
                list(branch.range(start="p/c", end="p/e"))
                for key in ("p/a", "p/b", "p/d", "p/unread"):
                    node.kv.put(key, "theirs")
        error = caught.value
        assert [keys.key for keys in error.conflicts] == [b"p/a", b"p/b", None]
        assert error.conflicts[2] == KeyRange(b"p/c", b"p/e")
        assert "3 places: b'p/a', b'p/b'" in error.message and (error.applied, error.retryable) == ("no", False)
        assert node.kv.get("p/b").value == b"theirs"
        assert pickle.loads(pickle.dumps(error)).conflicts == error.conflicts

    def test_a_branch_with_conflicts_can_still_be_read(self, node: Any) -> None:
        branch = node.kv.branch("p/")
        branch.put("p/a", "mine")
        node.kv.put("p/a", "theirs")
        with pytest.raises(aspen.Conflict):
            branch.commit()
        again = node.kv.branch("p/")
        for entry in branch.range("p/"):
            again.put(entry.key, entry.value)
        assert again.commit() > 0
        assert node.kv.get("p/a").value == b"mine"
        with pytest.raises(aspen.InvalidArgument, match="over"):
            again.commit()

    def test_branches_of_branches(self, node: Any) -> None:
        with node.kv.branch("p/") as outer:
            outer.put("p/x/1", "outer")
            with outer.branch("p/x/") as inner:
                assert inner.get("p/x/1").value == b"outer"
                inner.put("p/x/2", "inner")
                assert outer.get("p/x/2") is None
                with pytest.raises(aspen.InvalidArgument):
                    inner.put("p/y", "outside")
            assert outer.get("p/x/2").value == b"inner"
            discarded = outer.branch()
            discarded.put("p/x/1", "discarded")
            discarded.discard()
            assert node.kv.get("p/x/1") is None
            with pytest.raises(aspen.Conflict) as caught:
                with outer.branch() as late:
                    late.get("p/x/1")
                    outer.put("p/x/1", "again")
            assert [keys.key for keys in caught.value.conflicts] == [b"p/x/1"]
        assert values(node.kv.range()) == {b"p/x/1": b"again", b"p/x/2": b"inner"}

    def test_how_deep(self, node: Any) -> None:
        branches = [node.kv.branch("")]
        with pytest.raises(aspen.LimitExceeded):
            for _ in range(aspen.LIMITS["BRANCH_DEPTH"] + 1):
                branches.append(branches[-1].branch())
        assert len(branches) in (aspen.LIMITS["BRANCH_DEPTH"], aspen.LIMITS["BRANCH_DEPTH"] + 1)
        with pytest.raises(aspen.InvalidArgument):
            node.kv.branch("p/").branch("q/")

    def test_forgotten_ones_are_discarded(self, node: Any) -> None:
        for _ in range(100):
            node.kv.branch("p/").put("p/a", "1")
        assert node.kv.get("p/a") is None


class TestAsyncio:
    def test_transact(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with await aio.open(tmp_path / "n") as node:
                calls = []

                async def add(tx: aio.Transaction) -> int:
                    calls.append(1)
                    entry = await tx.get("n")
                    total = (0 if entry is None else int(entry.value)) + 1
                    tx.put("n", str(total))
                    assert [e.value async for e in tx.range("n")] == [b"%d" % total]
                    return total

                totals = await asyncio.gather(*(node.kv.transact(add, attempts=200) for _ in range(20)))
                assert sorted(totals) == list(range(1, 21)) and len(calls) >= 20

                def blind(tx: aio.Transaction) -> str:
                    tx.put("k", "v")
                    return "done"

                assert await node.kv.transact(blind) == "done"
                both = await node.kv.transact(lambda tx: asyncio.gather(tx.get("n"), tx.get("k")))
                assert [entry.value for entry in both if entry] == [b"20", b"v"]

                async def never(tx: aio.Transaction) -> None:
                    await tx.get("n")
                    await node.kv.put("n", "theirs")
                    tx.put("k", "mine")

                with pytest.raises(aspen.Conflict, match="in each of 2 attempts"):
                    await node.kv.transact(never, attempts=2)

        asyncio.run(main())

    def test_a_cancelled_transaction_changes_nothing(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with await aio.open(tmp_path / "n") as node:
                begun = asyncio.Event()

                async def fn(tx: aio.Transaction) -> None:
                    tx.put("k", "v")
                    begun.set()
                    await asyncio.sleep(60)

                task = asyncio.ensure_future(node.kv.transact(fn))
                await begun.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert await node.kv.get("k") is None

        asyncio.run(main())


def test_transfers_while_the_leader_goes_away(cluster: Cluster) -> None:
    """Money is neither made nor lost, and each transfer that was acknowledged has left its line."""
    accounts, workers = 8, 6
    acknowledged: list[bytes] = []
    failures: list[BaseException] = []
    stop = threading.Event()
    with aspen.connect(cluster.ticket) as client:
        kv = client.kv
        for i in range(accounts):
            kv.put(f"account/{i}", "100")

        def transfer(number: int, line: str) -> Any:
            source, target = f"account/{number % accounts}", f"account/{(number * 3 + 1) % accounts}"

            def fn(tx: aspen.Transaction) -> None:
                balances = values(tx.range("account/"))
                if source == target:
                    return
                tx.put(source, str(int(balances[source.encode()]) - 1))
                tx.put(target, str(int(balances[target.encode()]) + 1))
                tx.put(line, "")

            return fn

        def work(worker: int) -> None:
            number = worker
            while not stop.is_set():
                number += workers
                line = f"line/{worker}/{number}"
                try:
                    kv.transact(transfer(number, line))
                    if number % accounts != (number * 3 + 1) % accounts:
                        acknowledged.append(line.encode())
                except aspen.AspenError as error:
                    if not (error.retryable or error.applied == "maybe"):
                        failures.append(error)
                        return

        def wait_for(count: int) -> None:
            deadline = time.monotonic() + 60
            while len(acknowledged) < count and not failures:
                assert time.monotonic() < deadline, f"{len(acknowledged)} of {count}"
                time.sleep(0.02)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(workers)]
        for thread in threads:
            thread.start()
        wait_for(20)
        leader = wait_for_leader(client)
        cluster.kill(leader)
        wait_for(len(acknowledged) + 20)
        cluster.restart()
        wait_for(len(acknowledged) + 5)
        stop.set()
        for thread in threads:
            thread.join()
        assert failures == []
        balances = values(kv.range("account/"))
        assert len(balances) == accounts and sum(map(int, balances.values())) == 100 * accounts
        assert set(acknowledged) <= {entry.key for entry in kv.range("line/", keys_only=True)}
        assert SIZE == 3
