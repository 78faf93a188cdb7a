"""Leases: time that keys are attached to."""

from __future__ import annotations

import asyncio
import pickle
import time
from pathlib import Path
from typing import Any

import aspen
import pytest
from aspen import aio
from cluster import Cluster, wait_for_leader


def gone(kv: aspen.KeyValue, key: str, seconds: float = 30) -> float:
    """Waits until the key is gone, and tells how long that took."""
    begin = time.monotonic()
    while kv.get(key) is not None:
        assert time.monotonic() - begin < seconds, f"{key} is still there"
        time.sleep(0.02)
    return time.monotonic() - begin


class TestLeases:
    def test_keys_go_when_it_runs_out(self, embedded: aspen.Node) -> None:
        kv = embedded.kv
        begin = time.monotonic()
        lease = kv.grant(1)
        kv.put("a", "1", lease=lease)
        kv.batch().put("b", "1", lease=lease).apply()
        kv.transact(lambda tx: tx.put("c", "1", lease=lease))
        kv.put("kept", "1", lease=lease)
        kv.put("kept", "2")  # detached
        entry = kv.get("a")
        assert entry is not None and entry.lease == lease
        assert list(lease.keys()) == [b"a", b"b", b"c"]
        gone(kv, "a")
        assert time.monotonic() - begin >= 1
        assert [entry.key for entry in kv.range()] == [b"kept"]
        for use in (lease.info, lease.keep_alive, lease.revoke, lambda: kv.put("a", "1", lease=lease)):
            with pytest.raises(aspen.NotFound):
                use()  # type: ignore[operator]

    def test_info_and_renewal(self, embedded: aspen.Node) -> None:
        kv = embedded.kv
        lease = kv.grant(60)
        for i in range(10):
            kv.put(f"k{i}", "", lease=lease)
        info = lease.info()
        assert (info.lease, info.ttl, info.keys) == (lease, 60, 10) and 50 < info.remaining <= 60
        assert lease.keep_alive() == 60
        assert kv.lease(int(lease)).info().keys == 10
        assert lease.revoke() == 10
        assert list(kv.range()) == []

    def test_all_leases(self, embedded: aspen.Node) -> None:
        made = [embedded.kv.grant(60 + i) for i in range(5)]
        listed = list(embedded.kv.leases())
        assert [info.lease for info in listed] == sorted(made)
        assert {info.ttl for info in listed} == {60, 61, 62, 63, 64}

    def test_a_block_keeps_it_alive_and_then_revokes_it(self, embedded: aspen.Node) -> None:
        kv = embedded.kv
        with kv.grant(1) as lease:
            kv.put("k", "v", lease=lease)
            time.sleep(2.5)
            assert kv.get("k") is not None and not lease.lost
        assert kv.get("k") is None
        with pytest.raises(KeyError):
            with kv.grant(60) as lease:
                kv.put("k", "v", lease=lease)
                raise KeyError
        assert kv.get("k") is None

    def test_one_that_is_lost_says_so(self, embedded: aspen.Node) -> None:
        kv = embedded.kv
        with kv.grant(1) as lease:
            assert not lease.lost
            kv.lease(lease).revoke()
            deadline = time.monotonic() + 30
            while not lease.lost:
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def test_one_that_is_dropped_runs_out(self, embedded: aspen.Node) -> None:
        kv = embedded.kv
        lease = kv.grant(1)
        lease.keep()
        lease.keep()
        kv.put("k", "v", lease=lease)
        time.sleep(1.5)
        lease.drop()
        lease.drop()
        assert kv.get("k") is not None and not lease.lost
        assert gone(kv, "k") > 0.3

    def test_what_is_refused(self, embedded: aspen.Node) -> None:
        kv = embedded.kv
        with pytest.raises(aspen.InvalidArgument):
            kv.grant(0)
        for ttl in (aspen.LIMITS["LEASE_TTL_MIN_NS"] / 2e9, aspen.LIMITS["LEASE_TTL_MAX_NS"] / 1e9 * 2):
            with pytest.raises((aspen.InvalidArgument, aspen.LimitExceeded)):
                kv.grant(ttl)
        with pytest.raises(aspen.NotFound):
            kv.lease(12345).info()
        with pytest.raises(aspen.NotFound):
            list(kv.lease(12345).keys())
        with pytest.raises(TypeError):
            kv.lease("1")  # type: ignore[arg-type]

    def test_it_is_a_number(self, embedded: aspen.Node) -> None:
        lease = embedded.kv.grant(60)
        assert isinstance(lease, int) and lease == int(lease) and hash(lease) == hash(int(lease))
        assert pickle.loads(pickle.dumps(lease)) == lease
        assert {lease: 1}[int(lease)] == 1


def test_asyncio(tmp_path: Path) -> None:
    async def main() -> None:
        async with await aio.open(tmp_path / "n") as node:
            async with await node.kv.grant(1) as lease:
                await node.kv.put("k", "v", lease=lease)
                await asyncio.sleep(2)
                assert await node.kv.get("k") is not None and not lease.lost
                assert (await lease.info()).keys == 1 and await lease.keep_alive() == 1
                assert [key async for key in lease.keys()] == [b"k"]
                assert [info.lease async for info in node.kv.leases()] == [lease]
            assert await node.kv.get("k") is None
            with pytest.raises(aspen.NotFound):
                await lease.revoke()

    asyncio.run(main())


def test_it_is_kept_while_the_leader_goes_away(cluster: Cluster) -> None:
    with aspen.connect(cluster.ticket) as client, aspen.connect(cluster.ticket) as other:
        with client.kv.grant(2) as lease:
            client.kv.put("member", "here", lease=lease)
            cluster.kill(wait_for_leader(client))
            deadline = time.monotonic() + 6
            while time.monotonic() < deadline:
                assert _present(other, "member")
                time.sleep(0.05)
            cluster.restart()
            assert _present(other, "member") and not lease.lost
        assert other.kv.get("member", timeout=30) is None


def _present(node: Any, key: str) -> bool:
    while True:
        try:
            return node.kv.get(key, timeout=5) is not None
        except aspen.AspenError as error:
            if not error.retryable:
                raise
