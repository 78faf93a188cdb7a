"""Keys of typed values, in the order of the values.

    key = aspen.tuple.pack(("user", 42, "name"))
    aspen.tuple.unpack(key)                              # ('user', 42, 'name')
    start, end = aspen.tuple.range(("user", 42))         # every longer tuple that begins so
    for entry in node.kv.range(start=start, end=end): ...

    users = aspen.Subspace(("app", "users"))             # a part of the key space
    node.kv.put(users.pack((42, "name")), "ada")

Packed, ("user", 9) is below ("user", 10). The bytes are the same in every language (docs/wire.md section 13).

An item is None, bytes (bytearray and memoryview too), str, int from -2^63 to 2^64-1, float (as a double), `Float32`,
bool, `uuid.UUID`, or a tuple or list of items. It comes back with its type: bytes-likes as bytes, lists as tuples.
The order is None < bytes < str < tuple < int < Float32 < float < False < True < UUID; -0.0 is below 0.0, and nan,
which equals itself here, above infinity.

Errors: `InvalidArgument`, `LimitExceeded` and `Unsupported`, which name the item or the byte; TypeError for an item of
another type.
"""

from __future__ import annotations

import math
import struct
import uuid
from typing import Any, TypeAlias, Union

from ._keys import KeyRange
from .errors import AspenError, InvalidArgument, LimitExceeded, Unsupported

#: The most bytes of a packed tuple with its prefix. As a key it is also at most `aspen.LIMITS["KEY_BYTES"]`.
BYTES_MAX = 65536
#: Tuples inside each other, the outermost not counted.
DEPTH_MAX = 32

_ZERO = 0x14
_FIXED = {0x20: 4, 0x21: 8, 0x30: 16}
_CONSTANTS: dict[int, bool | None] = {0x00: None, 0x26: False, 0x27: True}
_NANS = {4: b"\x7f\xc0\x00\x00", 8: b"\x7f\xf8" + bytes(6)}
_FORMATS = {4: ">f", 8: ">d"}
# Only the public format has these, and 0x40 to 0x4f.
_UNSUPPORTED = frozenset(b"\x0a\x0b\x1d\x1e\x22\x23\x24\x31\x32\x33")


class Float32(float):
    """A number of 32 bits: the nearest one to `value`. As an item it is another type than a float."""

    __slots__ = ()

    def __new__(cls, value: float = 0.0) -> Float32:
        try:
            [rounded] = struct.unpack(">f", struct.pack(">f", value))
        except OverflowError:
            rounded = math.copysign(math.inf, value)
        return super().__new__(cls, rounded)

    def __repr__(self) -> str:
        return f"Float32({float(self)!r})"


Item: TypeAlias = Union[
    None, bytes, bytearray, memoryview, str, int, float, uuid.UUID, "tuple[Item, ...]", list[Any]
]
#: What makes up a tuple. Not any iterable: a str or bytes would be taken apart.
Items: TypeAlias = tuple[Item, ...] | list[Any]


def pack(items: Items, prefix: bytes = b"") -> bytes:
    """`prefix` and then the packed items, which are at most `BYTES_MAX` bytes together."""
    if not isinstance(items, (tuple, list)):
        raise TypeError(f"tuple: a {type(items).__name__} is neither a tuple nor a list of items")
    parts = [bytes(prefix)]
    size = len(prefix)
    for index, item in enumerate(items):
        start = len(parts)
        _pack_item(item, index, 0, parts)
        size += sum(map(len, parts[start:]))
        if size > BYTES_MAX:
            break
    if size > BYTES_MAX:
        raise _too_long()
    return b"".join(parts)


def unpack(key: bytes) -> tuple[Any, ...]:
    """The items of a packed tuple."""
    return _unpack(bytes(key), 0)


def range(items: Items, prefix: bytes = b"") -> KeyRange:
    """The keys of all tuples that begin with these items and have more."""
    packed = pack(items, prefix)
    return KeyRange(packed + b"\x00", packed + b"\xff")


class Subspace:
    """A part of the key space: what its keys begin with, and tuples behind it.

    `prefix` is any bytes; the packed `items` follow it. Subspaces of which neither begins with the items of the other
    share no key.
    """

    __slots__ = ("_prefix",)

    def __init__(self, items: Items = (), prefix: bytes = b"") -> None:
        self._prefix = pack(items, prefix)

    @property
    def prefix(self) -> bytes:
        """What every key here begins with."""
        return self._prefix

    def subspace(self, items: Items) -> Subspace:
        """The part of this one whose tuples begin with these items."""
        return Subspace(items, self._prefix)

    def pack(self, items: Items) -> bytes:
        """The key of a tuple here."""
        return pack(items, self._prefix)

    def unpack(self, key: bytes) -> tuple[Any, ...]:
        """The tuple of a key. Errors: also InvalidArgument when the key is not of this subspace."""
        if key not in self:
            raise InvalidArgument("tuple: the key is outside the subspace")
        return _unpack(bytes(key), len(self._prefix))

    def range(self, items: Items = ()) -> KeyRange:
        """The keys of all tuples here that begin with these items and have more."""
        return range(items, self._prefix)

    def __contains__(self, key: bytes) -> bool:
        # After a string's end ff makes it a longer string: the key of a sibling. No type has that code.
        size = len(self._prefix)
        return bytes(key[:size]) == self._prefix and (len(key) == size or key[size] != 0xFF)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Subspace) and self._prefix == other._prefix

    def __hash__(self) -> int:
        return hash(self._prefix)

    def __repr__(self) -> str:
        return f"Subspace(prefix={self._prefix!r})"


def _too_long() -> LimitExceeded:
    return LimitExceeded(f"tuple: more than {BYTES_MAX} bytes")


# ---- packing


def _pack_item(item: Item, index: int, depth: int, parts: list[bytes]) -> None:
    if item is None:
        parts.append(b"\x00\xff" if depth else b"\x00")
    elif isinstance(item, bool):
        parts.append(b"\x27" if item else b"\x26")
    elif isinstance(item, int):
        parts.append(_pack_integer(item, index))
    elif isinstance(item, str):
        parts.append(_pack_text(item, index))
    elif isinstance(item, (bytes, bytearray, memoryview)):
        parts.append(_pack_string(b"\x01", bytes(item)))
    elif isinstance(item, float):
        parts.append(_pack_float(item))
    elif isinstance(item, (tuple, list)):
        _pack_nested(item, index, depth, parts)
    elif isinstance(item, uuid.UUID):
        parts.append(b"\x30" + item.bytes)
    else:
        raise TypeError(f"tuple: item {index} has a {type(item).__name__}, which is no type of an item")


def _pack_nested(items: Items, index: int, depth: int, parts: list[bytes]) -> None:
    if depth == DEPTH_MAX:
        raise LimitExceeded(f"tuple: more than {DEPTH_MAX} tuples inside each other in item {index}")
    parts.append(b"\x05")
    for item in items:
        _pack_item(item, index, depth + 1, parts)
    parts.append(b"\x00")


def _pack_integer(value: int, index: int) -> bytes:
    if not -(2**63) <= value < 2**64:
        raise LimitExceeded(f"tuple: integer outside -2^63 to 2^64-1 in item {index}")
    size = (value.bit_length() + 7) // 8
    if value < 0:
        return bytes((_ZERO - size,)) + (value + (1 << 8 * size) - 1).to_bytes(size, "big")
    return bytes((_ZERO + size,)) + value.to_bytes(size, "big")


def _pack_text(text: str, index: int) -> bytes:
    try:
        return _pack_string(b"\x02", text.encode())
    except UnicodeEncodeError:
        raise InvalidArgument(f"tuple: text that is not UTF-8 in item {index}") from None


def _pack_string(code: bytes, value: bytes) -> bytes:
    return code + value.replace(b"\x00", b"\x00\xff") + b"\x00"


def _pack_float(value: float) -> bytes:
    size = 4 if isinstance(value, Float32) else 8
    bits = _NANS[size] if value != value else struct.pack(_FORMATS[size], value)
    return (b"\x20" if size == 4 else b"\x21") + _flip(bits, bits[0] & 0x80)


def _flip(bits: bytes, all_of_them: int) -> bytes:
    if all_of_them:
        return bytes(byte ^ 0xFF for byte in bits)
    return bytes((bits[0] ^ 0x80,)) + bits[1:]


# ---- unpacking


def _unpack(data: bytes, start: int) -> tuple[Any, ...]:
    if len(data) > BYTES_MAX:
        raise _too_long()
    items = []
    while start < len(data):
        item, start = _unpack_item(data, start, 0)
        items.append(item)
    return tuple(items)


def _refusal(fault: str, start: int, kind: type[AspenError] = InvalidArgument) -> AspenError:
    return kind(f"tuple: {fault} at byte {start}")


def _unpack_item(data: bytes, start: int, depth: int) -> tuple[Any, int]:
    """The item at `start`, and where it ends."""
    code = data[start]
    if code in _CONSTANTS:
        return _CONSTANTS[code], start + 1
    if code == 0x01:
        return _unpack_string(data, start)
    if code == 0x02:
        value, end = _unpack_string(data, start)
        try:
            return value.decode(), end
        except UnicodeDecodeError:
            raise _refusal("text that is not UTF-8", start) from None
    if code == 0x05:
        return _unpack_nested(data, start, depth)
    integer = _ZERO - 8 <= code <= _ZERO + 8
    if not integer and code not in _FIXED:
        if code in _UNSUPPORTED or 0x40 <= code <= 0x4F:
            raise _refusal(f"unsupported type code 0x{code:02x}", start, Unsupported)
        raise _refusal(f"unknown type code 0x{code:02x}", start)
    end = start + 1 + (abs(code - _ZERO) if integer else _FIXED[code])
    body = data[start + 1 : end]
    if end > len(data):
        raise _refusal("truncated", start)
    if integer:
        return _unpack_integer(code, body, start), end
    return uuid.UUID(bytes=body) if code == 0x30 else _unpack_float(body, start), end


def _unpack_string(data: bytes, start: int) -> tuple[bytes, int]:
    end = start + 1
    while True:
        end = data.find(b"\x00", end) + 1
        if end == 0:
            raise _refusal("truncated", start)
        if data[end : end + 1] != b"\xff":
            return data[start + 1 : end - 1].replace(b"\x00\xff", b"\x00"), end
        end += 1


def _unpack_nested(data: bytes, start: int, depth: int) -> tuple[tuple[Any, ...], int]:
    if depth == DEPTH_MAX:
        raise _refusal(f"more than {DEPTH_MAX} tuples inside each other", start, LimitExceeded)
    items = []
    at = start + 1
    while at < len(data):
        if data[at] != 0:
            item, at = _unpack_item(data, at, depth + 1)
            items.append(item)
        elif data[at + 1 : at + 2] == b"\xff":
            items.append(None)
            at += 2
        else:
            return tuple(items), at + 1
    raise _refusal("truncated", start)


def _unpack_integer(code: int, body: bytes, start: int) -> int:
    value = int.from_bytes(body, "big")
    if code < _ZERO:
        value -= (1 << 8 * len(body)) - 1
    if (value.bit_length() + 7) // 8 != len(body):
        raise _refusal("overlong integer", start)
    if value < -(2**63):
        raise _refusal("integer below -2^63", start, Unsupported)
    return value


def _unpack_float(body: bytes, start: int) -> float:
    bits = _flip(body, ~body[0] & 0x80)
    value: float = struct.unpack(_FORMATS[len(bits)], bits)[0]
    if value != value and bits != _NANS[len(bits)]:
        raise _refusal("NaN of another form", start)
    return Float32(value) if len(bits) == 4 else value


__all__ = ["BYTES_MAX", "DEPTH_MAX", "Float32", "Item", "Items", "KeyRange", "Subspace", "pack", "range", "unpack"]
