"""Tuples and subspaces: the fixtures that every language reads, and what is Python's own."""

from __future__ import annotations

import json
import math
import os
import pickle
import struct
import uuid
from pathlib import Path
from typing import Any

import aspen
import pytest
from aspen.tuple import Float32, pack, unpack

_HERE = Path(__file__).resolve()
FIXTURES = Path(os.environ.get("ASPEN_FIXTURES") or _HERE.parents[3] / "cross_lang_tests" / "fixtures")
FIXTURE: dict[str, Any] = json.loads((FIXTURES / "tuple.json").read_text(encoding="utf-8"))


def rows(section: str) -> Any:
    return pytest.mark.parametrize(
        "row", [pytest.param(row, id=row.get("name", str(n))) for n, row in enumerate(FIXTURE[section])]
    )


def item(spelled: Any) -> Any:
    """A value as the fixture spells it, as Python has it."""
    if spelled is None or isinstance(spelled, bool):
        return spelled
    if isinstance(spelled, list):
        return tuple(map(item, spelled))
    [(kind, body)] = spelled.items()
    if kind == "float":
        return Float32(struct.unpack(">f", bytes.fromhex(body))[0])
    read: dict[str, Any] = {
        "int": int,
        "text": str,
        "bytes": bytes.fromhex,
        "double": lambda bits: struct.unpack(">d", bytes.fromhex(bits))[0],
        "uuid": lambda digits: uuid.UUID(hex=digits),
    }
    return read[kind](body)


def exact(value: Any) -> Any:
    """What tells items apart that Python calls equal: 1, 1.0 and True, 0.0 and -0.0; and makes nan equal itself."""
    if isinstance(value, tuple):
        return tuple(map(exact, value))
    return type(value), struct.pack(">d", value) if isinstance(value, float) else value


def begins_with(value: tuple[Any, ...], beginning: tuple[Any, ...]) -> bool:
    return exact(value)[: len(beginning)] == exact(beginning) and len(value) > len(beginning)


@rows("valid")
def test_valid(row: Any) -> None:
    value = item(row["value"])
    assert pack(value).hex() == row["hex"]
    assert exact(unpack(bytes.fromhex(row["hex"]))) == exact(value)


@rows("nans")
def test_nans(row: Any) -> None:
    assert pack(item(row["value"])).hex() == row["hex"]


def test_order() -> None:
    keys = [pack(item(row["value"])) for row in FIXTURE["order"]]
    assert [key.hex() for key in keys] == [row["hex"] for row in FIXTURE["order"]]
    assert len(keys) > 80 and keys == sorted(set(keys))


@rows("ranges")
def test_range(row: Any) -> None:
    value = item(row["value"])
    start, end = aspen.tuple.range(value)
    assert (start.hex(), end.hex()) == (row["start"], row["end"])
    for key in map(bytes.fromhex, row["inside"]):
        assert start <= key < end and begins_with(unpack(key), value)
    for key in map(bytes.fromhex, row["outside"]):
        assert not start <= key < end and not begins_with(unpack(key), value)


@rows("subspaces")
def test_subspace(row: Any) -> None:
    space = aspen.Subspace(prefix=bytes.fromhex(row["prefix"])).subspace(item(row["tuple"]))
    assert space == aspen.Subspace(item(row["tuple"]), bytes.fromhex(row["prefix"]))
    key = space.pack(item(row["value"]))
    assert key.hex() == row["key"] and key in space and space.prefix in space
    assert exact(space.unpack(key)) == exact(item(row["value"]))
    assert tuple(end.hex() for end in space.range()) == (row["start"], row["end"])
    for other in map(bytes.fromhex, row["outside"]):
        assert other not in space
        with pytest.raises(aspen.InvalidArgument, match="^tuple: the key is outside the subspace$"):
            space.unpack(other)


@rows("invalid")
def test_invalid(row: Any) -> None:
    with pytest.raises(aspen.AspenError) as caught:
        unpack(bytes.fromhex(row["hex"]))
    assert (caught.value.code, caught.value.message) == (row["code"], row["message"])
    assert caught.value.applied == "no"


@rows("unpackable")
def test_unpackable(row: Any) -> None:
    with pytest.raises(aspen.AspenError) as caught:
        pack(item(row["value"]))
    assert (caught.value.code, caught.value.message) == (row["code"], row["message"])


def test_what_python_has_besides() -> None:
    assert unpack(pack([bytearray(b"a"), memoryview(b"b"), ["c"]])) == (b"a", b"b", ("c",))
    assert exact(unpack(pack((aspen.Revision(5), True, 1, 1.0)))) == exact((5, True, 1, 1.0))
    assert pack(("a",), b"prefix") == b"prefix" + pack(("a",))
    assert aspen.tuple.range((1,), b"p") == (b"p\x15\x01\x00", b"p\x15\x01\xff")
    assert unpack(memoryview(pack((1,)))) == (1,)  # type: ignore[arg-type]


def test_text_and_types_that_are_none() -> None:
    with pytest.raises(aspen.InvalidArgument, match="^tuple: text that is not UTF-8 in item 1$"):
        pack((1, "\ud800"))
    for wrong in (object(), 1j, {}, {1}, range(3)):
        with pytest.raises(TypeError, match="^tuple: item 0 has a "):
            pack((wrong,))  # type: ignore[arg-type]
    for wrong in ("ab", b"ab", 5, None, iter(())):
        with pytest.raises(TypeError, match="neither a tuple nor a list"):
            pack(wrong)  # type: ignore[arg-type]


def test_sizes() -> None:
    assert (aspen.tuple.BYTES_MAX, aspen.tuple.DEPTH_MAX) == (aspen.LIMITS["TUPLE_BYTES"], aspen.LIMITS["TUPLE_DEPTH"])
    longest = pack((b"x" * 65534,))
    assert len(longest) == 65536 and unpack(longest) == (b"x" * 65534,)
    for call in (
        lambda: pack((b"x" * 65535,)),
        lambda: pack((b"\x00" * 32768,)),
        lambda: pack((1,), b"p" * 65535),
        lambda: unpack(bytes(65537)),
    ):
        with pytest.raises(aspen.LimitExceeded, match="^tuple: more than 65536 bytes$"):
            call()


def test_float32() -> None:
    assert Float32(0.1) == struct.unpack(">f", struct.pack(">f", 0.1))[0] != 0.1
    assert (Float32(1e300), Float32(-1e300)) == (math.inf, -math.inf)
    assert repr(Float32(1.5)) == "Float32(1.5)"
    assert type(pickle.loads(pickle.dumps(Float32(1.5)))) is Float32


def test_with_a_store(embedded: aspen.Node) -> None:
    users, others = aspen.Subspace(("app", "users")), aspen.Subspace(("app", "userz"))
    for number in (10, 9, 11):
        embedded.kv.put(users.pack((number, "name")), str(number))
    embedded.kv.put(others.pack((10,)), "other")
    start, end = users.range()
    assert [users.unpack(entry.key)[0] for entry in embedded.kv.range(start=start, end=end)] == [9, 10, 11]
    start, end = users.range((10,))
    assert [entry.value for entry in embedded.kv.range(start=start, end=end)] == [b"10"]
