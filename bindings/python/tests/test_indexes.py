"""Secondary indexes and directories."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aspen
import pytest
from aspen import aio
from cluster import Cluster


def ready(kv: Any, name: str) -> None:
    deadline = time.monotonic() + 30
    while [index.state for index in kv.indexes() if index.name == name] != ["ready"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def scanned(kv: Any, *arguments: Any, **options: Any) -> list[tuple[Any, bytes]]:
    return [(found.value, found.entry.key) for found in kv.scan_index(*arguments, **options)]


class TestIndexes:
    def test_of_json(self, node: Any) -> None:
        kv = node.kv
        for i, (name, age) in enumerate([("ada", 36), ("bob", 41), ("ada", 7), ("eve", None)]):
            kv.put(f"user/{i}", json.dumps({"name": name, "age": age, "tags": ["x", i]}))
        kv.create_index("by-name", "user/", "json:/name")
        kv.create_index("by-age", "user/", "json:/age")
        kv.create_index("by-tag", "user/", "json:/tags")
        for name in ("by-name", "by-age", "by-tag"):
            ready(kv, name)
        assert scanned(kv, "by-name", "ada") == [("ada", b"user/0"), ("ada", b"user/2")]
        assert scanned(kv, "by-name") == [("ada", b"user/0"), ("ada", b"user/2"), ("bob", b"user/1"), ("eve", b"user/3")]
        assert scanned(kv, "by-name", reverse=True, limit=2) == [("eve", b"user/3"), ("bob", b"user/1")]
        assert scanned(kv, "by-age", start=7, end=41) == [(7, b"user/2"), (36, b"user/0")]
        assert scanned(kv, "by-age", None) == [(None, b"user/3")]
        assert scanned(kv, "by-tag", 2) == [(2, b"user/2")]
        assert len(scanned(kv, "by-tag", "x")) == 4
        kv.put("user/0", json.dumps({"name": "zoe"}))
        kv.delete("user/2")
        kv.put("user/4", "not JSON")
        assert scanned(kv, "by-name", "ada") == [] and scanned(kv, "by-name", "zoe") == [("zoe", b"user/0")]
        [found] = kv.scan_index("by-name", "zoe", keys_only=True)
        assert found.entry.value == b"" and found.entry.version == 2

    def test_of_tuples_and_values(self, node: Any) -> None:
        kv = node.kv
        kv.create_index("by-second", "t/", "tuple:1")
        kv.create_index("by-value", "v/", "value")
        kv.put("t/1", aspen.tuple.pack(("a", 2.5)))
        kv.put("v/1", "whole")
        ready(kv, "by-second")
        ready(kv, "by-value")
        assert scanned(kv, "by-second", 2.5) == [(2.5, b"t/1")]
        assert scanned(kv, "by-value", b"whole") == [(b"whole", b"v/1")]

    def test_more_than_a_reply(self, node: Any) -> None:
        kv = node.kv
        kv.create_index("by", "k", "value")
        ready(kv, "by")
        count = aspen.LIMITS["RANGE_ENTRIES"] + 10
        for at in range(0, count, 1000):
            batch = kv.batch()
            for i in range(at, min(at + 1000, count)):
                batch.put(f"k{i:06}", f"{i % 7}")
            batch.apply()
        found = scanned(kv, "by", keys_only=True)
        assert len(found) == count and found == sorted(found)

    def test_the_list_and_what_is_refused(self, node: Any) -> None:
        kv = node.kv
        assert kv.indexes() == ()
        kv.create_index("by", b"p\xff", "number:/n")
        [index] = kv.indexes()
        assert (index.name, index.prefix, index.extractor) == ("by", b"p\xff", "number:/n")
        with pytest.raises(aspen.AlreadyExists):
            kv.create_index("by", "p", "value")
        with pytest.raises(aspen.InvalidArgument):
            kv.create_index("other", "p", "xml:/n")
        kv.drop_index("by")
        with pytest.raises(aspen.NotFound):
            kv.drop_index("by")
        with pytest.raises(aspen.NotFound):
            scanned(kv, "by")
        with pytest.raises(aspen.InvalidArgument):
            kv.scan_index("by", 1, start=2)


class TestDirectories:
    def test_a_directory_is_a_subspace(self, node: Any) -> None:
        kv = node.kv
        users = kv.directory(("app", "users"))
        assert users.created and users.path == ("app", "users") and isinstance(users, aspen.Subspace)
        assert 0 < len(users.prefix) < 10
        kv.put(users.pack((42, "name")), "ada")
        start, end = users.range((42,))
        [entry] = kv.range(start=start, end=end)
        assert users.unpack(entry.key) == (42, "name")
        again = kv.directory(["app", "users"])
        assert again == users and not again.created
        other = kv.directory(("app", "orders"), layer="queue")
        assert other.prefix != users.prefix

    def test_how_it_is_opened(self, node: Any) -> None:
        kv = node.kv
        with pytest.raises(aspen.NotFound):
            kv.directory(("a",), create=False)
        kv.directory(("a",), exist_ok=False, layer=b"l")
        with pytest.raises(aspen.AlreadyExists):
            kv.directory(("a",), exist_ok=False)
        with pytest.raises(aspen.InvalidArgument):
            kv.directory(("a",), layer=b"other")
        with pytest.raises(TypeError):
            kv.directory("a")
        with pytest.raises(aspen.InvalidArgument):
            kv.directory(())

    def test_list_move_remove(self, node: Any) -> None:
        kv = node.kv
        for path in (("a", "x"), ("a", "y"), ("b",)):
            kv.directory(path)
        assert [found.path for found in kv.directories()] == [("a",), ("b",)]
        assert [found.path for found in kv.directories(("a",))] == [("a", "x"), ("a", "y")]
        y = kv.directory(("a", "y"))
        kv.put(y.pack((1,)), "v")
        moved = kv.move_directory(("a", "y"), ("b", "z"))
        assert moved.path == ("b", "z") and moved.prefix == y.prefix
        assert kv.get(moved.pack((1,))).value == b"v"
        with pytest.raises(aspen.NotFound):
            kv.move_directory(("a", "y"), ("b", "w"))
        with pytest.raises(aspen.AlreadyExists):
            kv.move_directory(("a", "x"), ("b", "z"))
        assert kv.remove_directory(("b",)) is True
        assert kv.remove_directory(("b",)) is False
        assert kv.get(moved.pack((1,))) is None
        assert [found.path for found in kv.directories()] == [("a",)]
        with pytest.raises(aspen.NotFound):
            list(kv.directories(("b",)))


def test_at_a_cluster(cluster: Cluster) -> None:
    with aspen.connect(cluster.ticket) as one, aspen.connect(cluster.ticket) as two:
        one.kv.create_index("by-age", "user/", "json:/age")
        ready(one.kv, "by-age")
        for i in range(50):
            one.kv.put(f"user/{i}", json.dumps({"age": i % 5}))
        assert len(scanned(two.kv, "by-age", 3)) == 10
        assert one.kv.directory(("app",)) == two.kv.directory(("app",))


def test_asyncio(tmp_path: Path) -> None:
    async def main() -> None:
        async with await aio.open(tmp_path / "n") as node:
            await node.kv.create_index("by", "k", "value")
            await node.kv.put("k1", "v")
            while [index.state for index in await node.kv.indexes()] != ["ready"]:
                await asyncio.sleep(0.01)
            assert [found.entry.key async for found in node.kv.scan_index("by", b"v")] == [b"k1"]
            directory = await node.kv.directory(("a", "b"))
            assert [found.path async for found in node.kv.directories(("a",))] == [directory.path]
            moved = await node.kv.move_directory(("a", "b"), ("c",))
            assert moved == directory and await node.kv.remove_directory(("c",))
            await node.kv.drop_index("by")

    asyncio.run(main())
