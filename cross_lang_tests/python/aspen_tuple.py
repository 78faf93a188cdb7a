"""A decoder of packed tuples, written from docs/wire.md section 13 and from nothing else of the engine.

Items are as the fixtures spell them: null, true and false; {"int": "-7"}; {"text": "t"}; {"bytes": "00ff"} and
{"uuid": ...} in hexadecimal; {"float": ...} and {"double": ...} as the hexadecimal bits of their IEEE 754 forms;
a nested tuple is a list.
"""

import re
from typing import Any, List, Tuple

from aspen_wire import Refused

BYTES_MAX = 65536
DEPTH_MAX = 32
# Of the public format, and not of aspen.
UNSUPPORTED = {0x0A, 0x0B, 0x1D, 0x1E, 0x22, 0x23, 0x24, 0x31, 0x32, 0x33, *range(0x40, 0x50)}
FIXED = {0x20: 4, 0x21: 8, 0x30: 16}
CONSTANTS = {0x00: None, 0x26: False, 0x27: True}
NANS = {0x20: "7fc00000", 0x21: "7ff8000000000000"}


class TupleRefused(Refused):
    """`at` is the byte at which the faulty item begins; of `size`, which is about all of them, None."""

    def __init__(self, reason: str, at: Any):
        super().__init__(reason)
        self.at = at


def decode_tuple(data: bytes, start: int = 0) -> List[Any]:
    if len(data) > BYTES_MAX:
        raise TupleRefused("size", None)
    items = []
    while start < len(data):
        item, start = decode_item(data, start, 0)
        items.append(item)
    return items


def decode_item(data: bytes, start: int, depth: int) -> Tuple[Any, int]:
    """The item at `start` and where the next begins."""
    code = data[start]
    if code in CONSTANTS:
        return CONSTANTS[code], start + 1
    if code in (0x01, 0x02):
        return decode_string(data, start)
    if code == 0x05:
        return decode_nested(data, start, depth)
    if not (code in FIXED or 0x0C <= code <= 0x1C):
        raise TupleRefused("unsupported" if code in UNSUPPORTED else "type", start)
    size = FIXED[code] if code in FIXED else abs(code - 0x14)
    body = data[start + 1 : start + 1 + size]
    if len(body) < size:
        raise TupleRefused("truncated", start)
    read = decode_uuid if code == 0x30 else decode_ieee if code in FIXED else decode_integer
    return read(code, body, start), start + 1 + size


def decode_string(data: bytes, start: int) -> Tuple[Any, int]:
    found = re.compile(rb"((?:[^\0]|\0\xff)*)\0(?!\xff)", re.DOTALL).match(data, start + 1)
    if found is None:
        raise TupleRefused("truncated", start)
    value = found[1].replace(b"\0\xff", b"\0")
    if data[start] == 0x01:
        return {"bytes": value.hex()}, found.end()
    try:
        return {"text": value.decode()}, found.end()
    except UnicodeDecodeError:
        raise TupleRefused("text", start) from None


def decode_nested(data: bytes, start: int, depth: int) -> Tuple[Any, int]:
    if depth == DEPTH_MAX:
        raise TupleRefused("depth", start)
    items, at = [], start + 1
    while data[at : at + 1] != b"\0" or data[at : at + 2] == b"\0\xff":
        if at >= len(data):
            raise TupleRefused("truncated", start)
        if data[at] == 0:
            item, at = None, at + 2
        else:
            item, at = decode_item(data, at, depth + 1)
        items.append(item)
    return items, at + 1


def decode_integer(code: int, body: bytes, start: int) -> Any:
    value = int.from_bytes(body, "big")
    if code < 0x14:
        value -= 256 ** len(body) - 1
    if (abs(value).bit_length() + 7) // 8 != len(body):
        raise TupleRefused("overlong", start)
    if value < -(2**63):
        raise TupleRefused("range", start)
    return {"int": str(value)}


def decode_ieee(code: int, body: bytes, start: int) -> Any:
    bits = bytes([body[0] ^ 0x80]) + body[1:] if body[0] & 0x80 else bytes(byte ^ 0xFF for byte in body)
    exponent_bits = 8 if code == 0x20 else 11
    magnitude = int.from_bytes(bits, "big") & (1 << (8 * len(bits) - 1)) - 1
    infinity = ((1 << exponent_bits) - 1) << (8 * len(bits) - 1 - exponent_bits)
    if magnitude > infinity and bits.hex() != NANS[code]:
        raise TupleRefused("nan", start)
    return {"float" if code == 0x20 else "double": bits.hex()}


def decode_uuid(code: int, body: bytes, start: int) -> Any:
    return {"uuid": body.hex()}


def contains(prefix: bytes, key: bytes) -> bool:
    """Whether `key` is of the subspace with this prefix."""
    return key == prefix or (key.startswith(prefix) and key[len(prefix)] != 0xFF)
