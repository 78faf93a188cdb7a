"""The installed package: what it holds, and that its types are right."""

from __future__ import annotations

import importlib.util
import pydoc
import subprocess
import sys
import sysconfig
from pathlib import Path

import aspen
import pytest
from aspen import _batch, _draft

PACKAGE = Path(aspen.__file__).parent

USER = '''
import asyncio
import aspen
from aspen import aio

def blocking() -> None:
    with aspen.open("d") as node:
        revision: int = node.kv.put("k", b"v", timeout=1)
        entry: aspen.Entry | None = node.kv.get("k", stale=True)
        key: bytes = b"" if entry is None else entry.key
        existed: bool = node.kv.delete(key).existed
        swapped: aspen.CasResult = node.kv.cas("k", "v", expect=aspen.ABSENT)
        done: aspen.BatchResult = node.kv.batch().check("k", aspen.Revision(revision)).put("k", "v").apply()
        names: list[bytes] = [e.key for e in node.kv.range("p", limit=3, revision=revision)]
        was: aspen.Entry | None = node.kv.put("k", "v", lease=None, previous=True).previous
        batch = node.kv.batch().check(aspen.KeyRange.of_prefix("p"), aspen.ABSENT).unchanged("k", since=revision)
        batch.compare("k", "value", "!=", "v").compare("k", "version", ">", 1)
        batch.put("k", "v", lease=7, previous=True).get("k").delete("k", previous=True)
        with batch.otherwise():
            batch.range("p", limit=1)
        with batch.transaction() as nested:
            nested.delete_range("p", previous=True)
        for item in batch.apply().results:
            match item:
                case aspen.Entry() | None:
                    was = item
                case aspen.RangeResult() | aspen.DeleteRangeResult():
                    names += [e.key for e in item.entries]
                case aspen.Change():
                    was = item.previous
                case aspen.NestedResult():
                    more: tuple[aspen.OperationResult, ...] = item.results
        count: int = node.kv.transact(lambda tx: len(list(tx.range("p"))), attempts=3)
        with node.kv.branch("p") as branch, branch.branch() as inner:
            inner.put("p", "v", lease=7)
            was = branch.get("p")
        leader: str = node.status().leader
        users = aspen.Subspace(("app", 1, [None, 1.5]))
        start, end = users.range((aspen.tuple.Float32(2), (True, b"")))
        first: bytes = aspen.tuple.pack(("a", 1)) + start + users.pack(aspen.tuple.unpack(end))

async def main() -> None:
    async with await aio.connect("t") as node:
        first, second = await asyncio.gather(node.kv.put("a", "1"), node.kv.get("b"))
        total: int = first + (second.version if second else 0)
        names: list[bytes] = [e.key async for e in node.kv.range(start="a", end="b")]
        async def read(tx: aio.Transaction) -> aspen.Entry | None:
            tx.delete_range("q")
            return await tx.get("p")
        entry: aspen.Entry | None = await node.kv.transact(read)
        async with await node.kv.branch("p") as branch:
            names += [e.key async for e in branch.range()]

try:
    asyncio.run(main())
except aspen.Conflict as conflict:
    keys: list[bytes | None] = [keys.key for keys in conflict.conflicts]
except aspen.NotLeader as error:
    number: int = error.number
    certain: bool = error.applied == "no" and error.retryable
'''

WRONG = {
    'aspen.open("d").kv.put("k", 5)': "arg-type",
    'aspen.open("d").kv.get("k").value': "union-attr",
    'aspen.open("d").kv.cas("k", "v")': "call-arg",
    'aspen.open("d").kv.get("k", timeout="1")': "arg-type",
    'aspen.open("d").kv.batch().compare("k", "version", "==", "1")': "call-overload",
    'aspen.open("d").kv.batch().compare("k", "version", ">=", 1)': "call-overload",
    'aspen.open("d").kv.batch().apply().results[0].value': "union-attr",
    'aspen.tuple.pack("ab")': "arg-type",
    "aspen.tuple.pack((object(),))": "arg-type",
    'aspen.open("d").kv.transact(lambda tx: tx.get("k").value)': "union-attr",
    'aspen.open("d").kv.branch("p").put("k", "v", previous=True)': "call-arg",
    "aspen.opne": "attr-defined",
}


def mypy(*arguments: object) -> str:
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir=/dev/null", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300).stdout


def test_it_is_the_installed_one() -> None:
    assert str(PACKAGE).startswith(sysconfig.get_path("platlib"))
    assert (PACKAGE / "py.typed").is_file() and (PACKAGE / "_native.pyi").is_file()


def test_it_brings_its_engine() -> None:
    maps = Path("/proc/self/maps").read_text().splitlines()
    loaded = {line.split(maxsplit=5)[5] for line in maps if "libaspen.so" in line}
    assert loaded == {str(path.resolve()) for path in PACKAGE.glob("libaspen.so*")}


def test_versions() -> None:
    from importlib.metadata import version

    assert aspen.__version__ == version("aspen")


def test_strictly_typed() -> None:
    assert "Success: no issues found" in (out := mypy("-p", "aspen")), out


def test_a_program_against_the_types(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(USER)
    assert "Success: no issues found" in (out := mypy(tmp_path / "user.py")), out
    wrong = list(WRONG.items())
    (tmp_path / "wrong.py").write_text("import aspen\n" + "\n".join(line for line, _ in wrong))
    out = mypy(tmp_path / "wrong.py")
    for number, (line, code) in enumerate(wrong, 2):
        assert any(f"wrong.py:{number}: error" in row and f"[{code}]" in row for row in out.splitlines()), (line, out)


def test_the_stub_is_the_module() -> None:
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    command = [sys.executable, "-m", "mypy.stubtest", "aspen._native", "--ignore-disjoint-bases"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    missing = [line for line in result.stdout.splitlines() if "is not present" in line]
    assert missing == [], result.stdout


def test_everything_public_says_what_it_is() -> None:
    for name in aspen.__all__:
        thing = getattr(aspen, name)
        if callable(thing):
            assert pydoc.getdoc(thing), name
    for cls in (aspen.Node, aspen.KeyValue, aspen.Batch, aspen.NestedBatch, _batch.Builder, aspen.Branch, _draft.Draft):
        for name, thing in vars(cls).items():
            if not name.startswith("_") and name != "closed":
                assert pydoc.getdoc(thing), f"{cls.__name__}.{name}"
