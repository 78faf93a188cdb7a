"""History, quotas, how fresh reads are, and the options of nodes."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import aspen
import pytest
from aspen import NodeOptions, Quota, aio
from cluster import Cluster


class TestHistory:
    def test_compaction_forgets(self, node: Any) -> None:
        revisions = [node.kv.put("k", str(i)) for i in range(10)]
        assert node.kv.get("k", revision=revisions[3]).value == b"3"
        assert node.kv.compact(revisions[5]) == revisions[5]
        with pytest.raises(aspen.Compacted):
            node.kv.get("k", revision=revisions[4])
        assert node.kv.get("k", revision=revisions[5]).value == b"5"
        assert node.kv.compact(revisions[2]) == revisions[5]
        with pytest.raises(aspen.InvalidArgument):
            node.kv.compact(revisions[-1] + 1000)

    def test_a_branch_ends_with_its_history(self, node: Any) -> None:
        node.kv.put("p/k", "1")
        branch = node.kv.branch("p/")
        for i in range(5):
            node.kv.put("p/k", str(i))
        node.kv.compact(node.kv.put("other", ""))
        with pytest.raises(aspen.Compacted):
            branch.get("p/k")

    def test_how_much_is_kept(self, tmp_path: Path) -> None:
        for options in (NodeOptions(history_revisions=10, history=math.inf), NodeOptions(journal_segment_bytes=2**25)):
            with aspen.open(tmp_path / "n", options=options) as node:
                first = node.kv.put("k", "first")
                for i in range(50):
                    node.kv.put("k", str(i))
                entry = node.kv.get("k", revision=first)
                assert entry is not None and entry.value == b"first"
        with pytest.raises(aspen.AspenError):
            aspen.open(tmp_path / "n", options=NodeOptions(journal_segment_bytes=1))
        with pytest.raises(aspen.InvalidArgument):
            aspen.open(tmp_path / "n", options=NodeOptions(history=-1))


class TestQuotas:
    def test_what_would_exceed_one_is_refused(self, node: Any) -> None:
        kv = node.kv
        kv.put("q/0", "v")
        kv.set_quota("q/", keys_max=3)
        kv.put("q/1", "v")
        kv.put("q/2", "v")
        with pytest.raises(aspen.QuotaExceeded) as caught:
            kv.put("q/3", "v")
        assert caught.value.applied == "no" and "q/" in caught.value.message
        with pytest.raises(aspen.QuotaExceeded):
            kv.batch().put("q/3", "v").apply()
        kv.put("other", "v")
        kv.put("q/1", "w")
        assert kv.quotas() == (Quota(b"q/", None, 3, 12, 3),)
        kv.delete("q/0")
        kv.put("q/3", "v")
        kv.set_quota("q/", bytes_max=5)
        with pytest.raises(aspen.QuotaExceeded):
            kv.put("q/1", "larger than before")
        kv.delete("q/1")
        assert kv.quotas() == (Quota(b"q/", 5, None, 8, 2),)
        kv.set_quota("q/")
        assert kv.quotas() == ()
        kv.put("q/4", "v")
        with pytest.raises(aspen.InvalidArgument, match="None for none"):
            kv.set_quota("q/", keys_max=0)

    def test_transactions_and_branches_are_bound_too(self, embedded: aspen.Node) -> None:
        kv = embedded.kv
        kv.set_quota("q/", keys_max=1)
        with pytest.raises(aspen.QuotaExceeded):
            kv.transact(lambda tx: [tx.put("q/1", ""), tx.put("q/2", "")])
        with pytest.raises(aspen.QuotaExceeded):
            with kv.branch("q/") as branch:
                branch.put("q/1", "")
                branch.put("q/2", "")
        assert list(kv.range()) == []


class TestFreshness:
    def test_every_way_to_read(self, node: Any) -> None:
        node.kv.put("k", "v")
        for how in ({}, {"stale": True}, {"staleness": 0.5}, {"lease_read": True}):
            assert node.kv.get("k", **how).value == b"v"
            assert [entry.value for entry in node.kv.range("k", **how)] == [b"v"]
        for how in ({"stale": True, "lease_read": True}, {"staleness": 0}, {"staleness": 1.0, "lease_read": True}):
            with pytest.raises(aspen.InvalidArgument):
                node.kv.get("k", **how)

    def test_members_that_read_by_themselves(self, tmp_path: Path) -> None:
        options = NodeOptions(lease_reads=True, member_reads=True, clock_drift_ppm=500, dead_voter=60)
        with aspen.found(tmp_path / "0", "127.0.0.1:0", options=options) as first:
            with aspen.join(tmp_path / "1", "127.0.0.1:0", first.ticket(), options=options) as second:
                for i in range(20):
                    first.kv.put("k", str(i))
                    for node in (first, second):
                        for how in ({}, {"lease_read": True}):
                            entry = node.kv.get("k", timeout=10, **how)  # type: ignore[arg-type]
                            assert entry is not None and entry.value == b"%d" % i
        with pytest.raises(aspen.AspenError):
            aspen.found(tmp_path / "2", "127.0.0.1:0", options=NodeOptions(dead_voter=0.1))

    def test_at_a_client(self, cluster: Cluster) -> None:
        with aspen.connect(cluster.ticket) as client:
            client.kv.put("k", "v")
            for how in ({}, {"staleness": 0.001}, {"lease_read": True}):
                entry = client.kv.get("k", **how)  # type: ignore[arg-type]
                assert entry is not None and entry.value == b"v"


def test_asyncio(tmp_path: Path) -> None:
    async def main() -> None:
        async with await aio.open(tmp_path / "n", options=NodeOptions(history=math.inf)) as node:
            revision = await node.kv.put("q/k", "v")
            await node.kv.set_quota("q/", keys_max=1)
            with pytest.raises(aspen.QuotaExceeded):
                await node.kv.put("q/l", "v")
            assert [quota.keys for quota in await node.kv.quotas()] == [1]
            assert await node.kv.compact(revision) == revision

    asyncio.run(main())
