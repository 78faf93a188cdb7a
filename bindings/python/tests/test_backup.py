"""Backups, networks that begin with one, and verification."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
import threading
from pathlib import Path
from typing import Any

import aspen
import pytest
from aspen import aio
from cluster import Cluster


def fill(kv: aspen.KeyValue) -> dict[bytes, bytes]:
    for i in range(100):
        kv.put(f"k{i:03}", f"v{i}")
    kv.delete("k050")
    kv.set_quota("q/", keys_max=5)
    return {entry.key: entry.value for entry in kv.range()}


def test_a_new_node_begins_with_a_backup(tmp_path: Path) -> None:
    with aspen.open(tmp_path / "a") as node:
        before = fill(node.kv)
        manifest = node.backup(tmp_path / "backup")
        assert manifest["keys"] == 99 and manifest["revision"] > 0
        node.kv.put("later", "v")
        with pytest.raises(aspen.AlreadyExists):
            node.backup(tmp_path / "backup")
        with pytest.raises(aspen.InvalidArgument):
            node.backup(0)
    with aspen.open(tmp_path / "b", restore_from=tmp_path / "backup") as restored:
        assert {entry.key: entry.value for entry in restored.kv.range()} == before
        assert [quota.prefix for quota in restored.kv.quotas()] == [b"q/"]
        assert restored.kv.put("new", "v") > manifest["revision"]
    with aspen.found(tmp_path / "c", "127.0.0.1:0", restore_from=tmp_path / "backup") as restored:
        assert {entry.key: entry.value for entry in restored.kv.range()} == before
    with pytest.raises(aspen.AlreadyExists):
        aspen.open(tmp_path / "b", restore_from=tmp_path / "backup")
    with pytest.raises(aspen.NotFound):
        aspen.open(tmp_path / "d", restore_from=tmp_path / "none")


def test_a_backup_as_a_stream(tmp_path: Path) -> None:
    with aspen.open(tmp_path / "a") as node:
        before = fill(node.kv)
        read_end, write_end = os.pipe()
        received = bytearray()

        def receive() -> None:
            with open(read_end, "rb") as stream:
                received.extend(stream.read())

        reader = threading.Thread(target=receive)
        reader.start()
        manifest = node.backup(write_end)
        os.close(write_end)
        reader.join()
    with tarfile.open(fileobj=io.BytesIO(received)) as archive:
        archive.extractall(tmp_path / "backup", filter="data")
    assert aspen.verify(tmp_path / "backup")
    with aspen.open(tmp_path / "b", restore_from=tmp_path / "backup") as restored:
        assert {entry.key: entry.value for entry in restored.kv.range()} == before
    assert manifest["keys"] == 99


def test_verification(tmp_path: Path) -> None:
    with aspen.open(tmp_path / "a") as node:
        fill(node.kv)
        node.backup(tmp_path / "backup")
        with pytest.raises(aspen.InUse):
            aspen.verify(tmp_path / "a")
    good = aspen.verify(tmp_path / "a")
    assert good and good.ok and good.kind == "node" and good.problems == ()
    assert good.report["state"]["keys"] == 99
    assert aspen.verify(tmp_path / "backup").kind == "backup"
    with pytest.raises(aspen.NotFound):
        aspen.verify(tmp_path)
    damaged = max((tmp_path / "backup").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    bad = aspen.verify(tmp_path / "backup")
    assert not bad and [problem.code for problem in bad.problems] != []
    assert all(problem.message for problem in bad.problems)
    with pytest.raises(aspen.AspenError):
        aspen.open(tmp_path / "b", restore_from=tmp_path / "backup")


def test_of_a_running_cluster(cluster: Cluster, tmp_path: Path) -> None:
    with aspen.connect(cluster.ticket) as client:
        before = fill(client.kv)
        client.backup(tmp_path / "backup", timeout=60)
        client.backup(tmp_path / "stale", stale=True)
    with aspen.open(tmp_path / "restored", restore_from=tmp_path / "backup") as restored:
        assert {entry.key: entry.value for entry in restored.kv.range()} == before


def test_asyncio(tmp_path: Path) -> None:
    async def main() -> None:
        async with await aio.open(tmp_path / "a") as node:
            await node.kv.put("k", "v")
            manifest: dict[str, Any] = await node.backup(tmp_path / "backup")
            assert manifest["keys"] == 1
        assert (await aio.verify(tmp_path / "backup")).ok
        async with await aio.open(tmp_path / "b", restore_from=tmp_path / "backup") as node:
            assert await node.kv.get("k") is not None

    asyncio.run(main())
