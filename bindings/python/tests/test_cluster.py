"""Three members on loopback, as processes and in this process: tickets, clients, a leader that dies."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import aspen
import pytest
from aspen import aio
from cluster import SIZE, Cluster, InProcessCluster, wait_for_leader


def test_a_client_uses_the_network(cluster: Cluster) -> None:
    with aspen.connect(cluster.ticket) as client:
        revision = client.kv.put("k", b"\0v")
        entry = client.kv.get("k")
        assert entry == aspen.Entry(b"k", b"\0v", revision, revision, 1)
        assert client.kv.cas("k", "w", expect=aspen.Revision(revision))
        assert client.kv.batch().check("k", "w").put("a", "1").put("b", "2").apply()
        assert [entry.key for entry in client.kv.range()] == [b"a", b"b", b"k"]
        assert client.kv.delete("a")
        with pytest.raises(aspen.LimitExceeded):
            client.kv.put(b"k" * 5000, "v")


def test_a_transaction_and_what_was_before(cluster: Cluster) -> None:
    with aspen.connect(cluster.ticket) as client:
        batch = client.kv.batch().check("lock", aspen.ABSENT).put("lock", "mine")
        with batch.otherwise():
            batch.get("lock")
            with batch.transaction() as nested:
                nested.compare("lock", "version", "==", 1).delete_range("lo", previous=True)
        taken = batch.apply()
        mine = aspen.Entry(b"lock", b"mine", taken.revision, taken.revision, 1)
        assert taken and taken.results == (aspen.Change(False, 0),)
        refused = batch.apply()
        deleted = aspen.NestedResult(True, (aspen.DeleteRangeResult(1, (mine,)),))
        assert not refused and refused.current == mine and refused.results == (mine, deleted)
        assert client.kv.get("lock") is None
        assert client.kv.get("lock", revision=taken.revision) == mine
        assert list(client.kv.range("lo", revision=taken.revision, stale=True)) == [mine]
        with pytest.raises(aspen.NotFound):
            client.kv.put("lock", "mine", lease=77)


def test_asyncio_transactions(cluster: Cluster) -> None:
    """Six tasks move ten coins each from one account to the next; none is made or lost."""

    async def move(node: aio.Node, source: str, target: str) -> int:
        moved = 0
        while moved < 10:
            a, b = await asyncio.gather(node.kv.get(source), node.kv.get(target))
            assert a is not None and b is not None
            batch = node.kv.batch().unchanged(source, since=a.mod_revision).unchanged(target, since=b.mod_revision)
            batch.put(source, str(int(a.value) - 1)).put(target, str(int(b.value) + 1))
            with batch.otherwise():
                batch.get(source).get(target)
            result = await batch.apply()
            if result:
                moved += 1
            else:
                assert all(isinstance(entry, aspen.Entry) for entry in result.results)
        return moved

    async def main() -> None:
        async with await aio.connect(cluster.ticket) as node:
            await asyncio.gather(*(node.kv.put(f"account{i}", "100") for i in range(6)))
            moves = [move(node, f"account{i}", f"account{(i + 1) % 6}") for i in range(6)]
            assert await asyncio.gather(*moves) == [10] * 6
            assert [entry.value async for entry in node.kv.range("account")] == [b"100"] * 6

    asyncio.run(main())


def test_status_and_tickets(cluster: Cluster) -> None:
    with aspen.connect(cluster.ticket) as client:
        leader = wait_for_leader(client)
        status = client.status()
        assert status.mode == "client" and status.role == "client"
        assert len(status.members) == SIZE
        assert [member.node_id for member in status.members if member.leader] == [leader]
        info = aspen.inspect_ticket(cluster.ticket)
        assert info.network_id == status.network_id
        assert {peer.node_id for peer in info.peers} <= {member.node_id for member in status.members}


def test_asyncio_clients(cluster: Cluster) -> None:
    async def main() -> None:
        async with await aio.connect(cluster.ticket) as one, await aio.connect(cluster.ticket) as two:
            await asyncio.gather(*(one.kv.put(f"k{i:03}", f"{i}") for i in range(300)))
            entries = [entry async for entry in two.kv.range("k")]
            assert [entry.value for entry in entries] == [b"%d" % i for i in range(300)]

    asyncio.run(main())


def test_no_acknowledged_write_is_lost_when_the_leader_dies(cluster: Cluster) -> None:
    acknowledged: list[bytes] = []
    failures: list[BaseException] = []
    stop = threading.Event()

    with aspen.connect(cluster.ticket) as client:

        def write() -> None:
            i = 0
            while not stop.is_set():
                key = b"k%06d" % i
                try:
                    client.kv.put(key, key, timeout=20)
                    acknowledged.append(key)
                except aspen.AspenError as error:
                    if not error.retryable:
                        failures.append(error)
                        return
                i += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            leader = wait_for_leader(client)
            time.sleep(0.5)
            cluster.kill(leader)
            before = len(acknowledged)
            wait_for_leader(client, other_than=leader)
            deadline = time.monotonic() + 20
            while len(acknowledged) < before + 50 and time.monotonic() < deadline and not failures:
                time.sleep(0.02)
            after = len(acknowledged)
            cluster.restart()
            time.sleep(0.5)
        finally:
            stop.set()
            writer.join(60)
        assert failures == []
        assert before > 0 and after >= before + 50
        stored = {entry.key: entry.value for entry in client.kv.range("k")}
        assert [key for key in acknowledged if stored.get(key) != key] == []


def test_each_member_serves_and_sees_all(tmp_path: Path) -> None:
    with InProcessCluster(tmp_path) as cluster:
        nodes = [node for _, node in cluster._nodes.values()]
        for i, node in enumerate(nodes):
            node.kv.put(f"from{i}", node.id)
        for node in nodes:
            assert [entry.value for entry in node.kv.range("from")] == [n.id.encode() for n in nodes]
            assert node.address.startswith("127.0.0.1:")
        roles = sorted(node.status().role for node in nodes)
        assert roles == ["follower", "follower", "leader"]


def test_a_member_comes_back_as_itself(tmp_path: Path) -> None:
    with aspen.found(tmp_path / "a", "127.0.0.1:0") as node:
        id, address, network = node.id, node.address, node.status().network_id
        node.kv.put("k", "v")
    with aspen.found(tmp_path / "a", address) as node:
        assert (node.id, node.address, node.status().network_id) == (id, address, network)
        entry = node.kv.get("k")
        assert entry is not None and entry.value == b"v"


def test_an_address_in_use(tmp_path: Path) -> None:
    with aspen.found(tmp_path / "a", "127.0.0.1:0") as node:
        with pytest.raises(aspen.InUse) as caught:
            aspen.found(tmp_path / "b", node.address)
        assert node.address.rsplit(":", 1)[1] in caught.value.message


def test_a_wrong_address(tmp_path: Path) -> None:
    for wrong in ("", "127.0.0.1", "127.0.0.1:99999", "no such host:1"):
        with pytest.raises(aspen.InvalidArgument):
            aspen.found(tmp_path / "a", wrong)


def test_a_ticket_of_another_network(tmp_path: Path) -> None:
    with aspen.found(tmp_path / "a", "127.0.0.1:0") as a, aspen.found(tmp_path / "b", "127.0.0.1:0") as b:
        aspen.join(tmp_path / "c", "127.0.0.1:0", a.ticket()).close()
        with pytest.raises(aspen.WrongNode):
            aspen.join(tmp_path / "c", "127.0.0.1:0", b.ticket(), timeout=10)


def test_an_expired_ticket(tmp_path: Path) -> None:
    with aspen.found(tmp_path / "a", "127.0.0.1:0") as node:
        ticket = node.ticket(valid=0.2)
        not_after = aspen.inspect_ticket(ticket).not_after
        assert not_after is not None and abs(not_after - time.time()) < 60
        time.sleep(0.3)
        with pytest.raises(aspen.GrantExpired):
            aspen.inspect_ticket(ticket)
        with pytest.raises(aspen.GrantExpired):
            aspen.connect(ticket, timeout=5)
        assert aspen.inspect_ticket(node.ticket()).not_after is None
