"""Members that are removed, and leadership that is handed on."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import aspen
import pytest
from aspen import aio
from cluster import Cluster, InProcessCluster, wait_for_leader

NOTICED_SECONDS = 3  # after which a leader knows that a member is gone


def test_of_a_running_cluster(cluster: Cluster) -> None:
    with aspen.connect(cluster.ticket) as client:
        leader = wait_for_leader(client)
        members = {member.node_id for member in client.status().members}
        chosen = max(members - {leader})
        assert client.transfer_leadership(chosen) == chosen
        assert client.status().leader == chosen
        assert client.transfer_leadership(chosen) == chosen
        anyone = client.transfer_leadership()
        assert anyone in members - {chosen}
        assert client.status().leader == anyone
        with pytest.raises(aspen.NotFound):
            client.transfer_leadership(client.id)

        gone, alive = members - {anyone}
        cluster.kill(gone)
        time.sleep(NOTICED_SECONDS)
        started = time.monotonic()
        with pytest.raises(aspen.DeadlineExceeded, match="no majority"):
            client.remove_member(alive, timeout=1)
        with pytest.raises(aspen.DeadlineExceeded):
            client.transfer_leadership(gone, timeout=1)
        assert time.monotonic() - started < 6
        assert client.remove_member(gone) is True
        assert client.remove_member(gone) is False
        assert {member.node_id for member in client.status().members} == members - {gone}
        with pytest.raises(aspen.NotFound):
            client.transfer_leadership(gone)
        client.kv.put("k", "v")


def test_of_one_member(node: Any) -> None:
    with pytest.raises(aspen.InvalidArgument, match="only voter"):
        node.remove_member(node.id)
    assert node.transfer_leadership(node.id) == node.id
    for wrong in ("", "x", node.id[:-1], node.id + "a", node.id + "\0"):
        with pytest.raises(aspen.InvalidArgument):
            node.remove_member(wrong)
        with pytest.raises(aspen.InvalidArgument):
            node.transfer_leadership(wrong)
    for call in (node.remove_member, node.transfer_leadership):
        with pytest.raises(aspen.InvalidArgument, match="timeout"):
            call(node.id, timeout=0)
        with pytest.raises(TypeError):
            call(1)
    with pytest.raises(aspen.NotFound):
        node.transfer_leadership()
    node.kv.put("k", "v")


def test_asyncio(tmp_path: Path) -> None:
    async def main(ticket: str) -> None:
        async with await aio.connect(ticket) as client:
            status = await client.status()
            chosen, gone = [member.node_id for member in status.members if not member.leader]
            assert await client.transfer_leadership(chosen) == chosen
            assert (await client.status()).leader == chosen
            assert await client.transfer_leadership() != chosen
            assert await client.transfer_leadership(chosen) == chosen
            assert await client.remove_member(gone) is True
            assert await client.remove_member(gone) is False
            members = {member.node_id for member in (await client.status()).members}
            assert members == {member.node_id for member in status.members} - {gone}

    with InProcessCluster(tmp_path) as cluster:
        asyncio.run(main(cluster.ticket))
