"""wire.json, node_id.json and hash.json: docs/wire.md sections 1 to 5."""

import ed25519
from aspen_wire import domain_hash, varint
from forms import base32, plain


def encode(kind, value):
    if kind == "u8":
        return bytes([value])
    if kind == "u64" or "u64" in kind:
        return varint(value)
    if kind == "i64":
        return varint(value * 2 if value >= 0 else -value * 2 - 1)
    if kind == "bool":
        return b"\1" if value else b"\0"
    if "fixed" in kind:
        return value
    if "bytes" in kind or "text" in kind:
        data = value.encode() if "text" in kind else value
        return varint(len(data)) + data
    if "optional" in kind:
        return b"\0" if value is None else b"\1" + encode(kind["optional"], value)
    if "list" in kind:
        return varint(len(value)) + b"".join(encode(kind["list"], item) for item in value)
    if "map" in kind:
        pairs = (encode(kind["map"][0], key) + encode(kind["map"][1], item) for key, item in value)
        return varint(len(value)) + b"".join(pairs)
    fields = b"".join(encode(field, item) for field, item in zip(kind["fields"], value))
    return varint(kind["message"]) + varint(len(fields)) + fields


BYTES = {"bytes": 300}
TEXT = {"text": 20}
LIST = {"list": "u64", "max": 5}
MAP = {"map": [{"bytes": 10}, "u64"], "max": 5}
INT_MAP = {"map": ["u64", "bool"], "max": 5}
OPTIONAL = {"optional": BYTES}
SMALL = {"u64": {"max": 1000}}
PUT = {"message": 7, "fields": [BYTES, BYTES, {"optional": "u64"}]}
EMPTY = {"message": 0, "fields": []}
NESTED = {
    "message": 300,
    "fields": ["u64", {"message": 1, "fields": [TEXT]}, {"list": EMPTY, "max": 3}, "bool"],
}
INNER_LAST = {"message": 1, "fields": [{"message": 2, "fields": [BYTES]}]}

WIRE_VALID = [
    *[("u8", n) for n in (0, 1, 127, 128, 255)],
    *[("u64", n) for n in (0, 1, 127, 128, 255, 300, 16383, 16384, 2**32 - 1, 2**53 + 1, 2**63, 2**64 - 1)],
    *[("i64", n) for n in (0, -1, 1, 63, -64, 64, -65, -(2**53) - 1, 2**63 - 1, -(2**63))],
    (SMALL, 1000),
    ("bool", False),
    ("bool", True),
    ({"fixed": 4}, b"\0\1\xfe\xff"),
    ({"fixed": 0}, b""),
    *[(BYTES, value) for value in (b"", b"key", b"\0", b"\xff\x80", b"x" * 127, b"y" * 128, b"z" * 300)],
    *[(TEXT, value) for value in ("", "aspen", "café", "€", "\U0001f333", "\U0010ffff", "\x01\x7f")],
    *[(OPTIONAL, value) for value in (None, b"", b"some")],
    *[(LIST, value) for value in ([], [0], [1, 300], [5, 4, 3, 2, 1])],
    *[(MAP, value) for value in ([], [(b"", 1)], [(b"a", 2), (b"aa", 1), (b"b", 0), (b"\xff", 3)])],
    (INT_MAP, [(1, True), (127, False), (128, True), (2**64 - 1, False)]),
    (EMPTY, []),
    (PUT, [b"k", b"v", None]),
    (PUT, [b"", b"v" * 200, 2**64 - 1]),
    (NESTED, [1, ["inner"], [[], []], True]),
]

# Type, encoding, and the word docs/wire.md has for what is wrong.
WIRE_INVALID = [
    ("u8", "", "truncated"),
    ("u8", "0000", "left_over"),
    ("u64", "", "truncated"),
    ("u64", "80", "truncated"),
    ("u64", "ffffffffffffffffff", "truncated"),
    ("u64", "8000", "overlong"),
    ("u64", "8100", "overlong"),
    ("u64", "808000", "overlong"),
    ("u64", "ff8000", "overlong"),
    ("u64", "80808080808080808000", "overlong"),
    ("u64", "80808080808080808002", "range"),
    ("u64", "ffffffffffffffffff7f", "range"),
    ("u64", "8080808080808080808001", "range"),
    ("u64", "ffffffffffffffffffff01", "range"),
    ("u64", "0100", "left_over"),
    ("i64", "8000", "overlong"),
    ("i64", "ffffffffffffffffff03", "range"),
    (SMALL, "e907", "limit"),
    (SMALL, "ffffffffffffffffff01", "limit"),
    ("bool", "", "truncated"),
    ("bool", "02", "boolean"),
    ("bool", "80", "boolean"),
    ("bool", "ff", "boolean"),
    ({"fixed": 4}, "000102", "truncated"),
    ({"fixed": 4}, "0001020304", "left_over"),
    (BYTES, "", "truncated"),
    (BYTES, "01", "truncated"),
    (BYTES, "03616b", "truncated"),
    (BYTES, "810061", "overlong"),
    (BYTES, "ad02" + "61" * 301, "limit"),
    (BYTES, "ffffffffffffffffff01", "limit"),
    (BYTES, "ffffffff0f", "limit"),
    (BYTES, "016161", "left_over"),
    (TEXT, "0100", "text"),
    (TEXT, "03610062", "text"),
    (TEXT, "0180", "text"),
    (TEXT, "02c080", "text"),
    (TEXT, "02c328", "text"),
    (TEXT, "03e28261", "text"),
    (TEXT, "02e282", "text"),
    (TEXT, "03eda080", "text"),
    (TEXT, "04f4908080", "text"),
    (TEXT, "04f08080af", "text"),
    (TEXT, "15" + "61" * 21, "limit"),
    (OPTIONAL, "", "truncated"),
    (OPTIONAL, "02", "boolean"),
    (OPTIONAL, "01", "truncated"),
    (OPTIONAL, "0000", "left_over"),
    (LIST, "", "truncated"),
    (LIST, "0201", "truncated"),
    (LIST, "0280", "truncated"),
    (LIST, "06010101010101", "limit"),
    (LIST, "ffffffffffffffffff01", "limit"),
    (LIST, "0101" + "00", "left_over"),
    (LIST, "01" + "8000", "overlong"),
    (MAP, "02" + "016101" + "016102", "order"),
    (MAP, "02" + "016201" + "016102", "order"),
    (MAP, "02" + "02616101" + "016101", "order"),
    (MAP, "02" + "01ff01" + "017f01", "order"),
    (MAP, "01" + "0161", "truncated"),
    (MAP, "06" + "0001" * 6, "limit"),
    (INT_MAP, "02" + "800101" + "7f01", "order"),
    (INT_MAP, "02" + "0501" + "0501", "order"),
    (EMPTY, "", "truncated"),
    (EMPTY, "00", "truncated"),
    (EMPTY, "0100", "kind"),
    (EMPTY, "800000", "overlong"),
    (EMPTY, "008000", "overlong"),
    (EMPTY, "0001", "truncated"),
    (EMPTY, "00ffffffffffffffffff01", "truncated"),
    (EMPTY, "000161", "left_over"),
    (EMPTY, "000061", "left_over"),
    (PUT, "0704" + "016b" + "0176", "truncated"),
    (PUT, "0706" + "016b" + "0176" + "00" + "00", "left_over"),
    (INNER_LAST, "0104" + "0201" + "03" + "61", "truncated"),
    (INNER_LAST, "0105" + "0204" + "0361", "truncated"),
    (INNER_LAST, "0104" + "0203" + "0161", "truncated"),
]

# What a decoder takes from a peer that negotiated a newer version: unknown trailing fields are skipped, in
# their own message only.
WIRE_NEWER = [
    (EMPTY, "0002" + "abcd", []),
    (PUT, "0709" + "016b" + "0176" + "00" + "99887766", [b"k", b"v", None]),
    (INNER_LAST, "0107" + "0204" + "0161" + "ffff" + "aa", [[b"a"]]),
]
WIRE_NEWER_INVALID = [
    (EMPTY, "0002" + "ab", "truncated"),
    (EMPTY, "0001" + "ab" + "cd", "left_over"),
    (PUT, "0703" + "016b" + "03", "truncated"),
]


def wire():
    return {
        "about": "docs/wire.md sections 1 and 2. Integers are decimal strings, bytes hexadecimal ones.",
        "valid": [{"type": t, "value": plain(v), "hex": encode(t, v).hex()} for t, v in WIRE_VALID],
        "invalid": [{"type": t, "hex": h, "reason": r} for t, h, r in WIRE_INVALID],
        "newer_peer_valid": [{"type": t, "value": plain(v), "hex": h} for t, h, v in WIRE_NEWER],
        "newer_peer_invalid": [{"type": t, "hex": h, "reason": r} for t, h, r in WIRE_NEWER_INVALID],
    }


def node_id():
    keys = [bytes(32), b"\xff" * 32, bytes(range(32)), ed25519.public_key(bytes(32)), b"\x80" + bytes(31)]
    text = base32(bytes(range(32)))
    invalid = [
        ("", "length"),
        (text[:-1], "length"),
        (text + "a", "length"),
        (text + "====", "length"),
        (" " + text, "length"),
        (base32(bytes(31)), "length"),
        (base32(bytes(33)), "length"),
        (text.upper(), "character"),
        ("A" + text[1:], "character"),
        (text[:-1] + "=", "character"),
        (text[:-1] + "\n", "character"),
        (text[:20] + "1" + text[21:], "character"),
        (text[:20] + "8" + text[21:], "character"),
        (text[:20] + "\0" + text[21:], "character"),
        (text[:20] + "é" + text[22:], "character"),
        (text[:-1] + "r", "incomplete"),
        ("7" * 52, "incomplete"),
    ]
    return {
        "about": "docs/wire.md section 4: node ids and network ids as text.",
        "valid": [{"hex": key.hex(), "text": base32(key)} for key in keys],
        "invalid": [{"text": text, "reason": reason} for text, reason in invalid],
    }


def hashes():
    inputs = [
        ("", []),
        ("aspen/test/1", []),
        ("aspen/test/1", [b""]),
        ("aspen/test/1", [b"abc"]),
        ("aspen/test/1", [b"ab", b"c"]),
        ("aspen/test/1", [b"a", b"bc"]),
        ("aspen/test/1", [b"abc", b""]),
        ("aspen/test/1", [b"", b"abc"]),
        ("aspen/test/2", [b"abc"]),
        ("aspen/test/", [b"1", b"abc"]),
        ("aspen/test/1", [bytes(127)]),
        ("aspen/test/1", [bytes(128)]),
        ("aspen/test/1", [bytes(range(256)) * 4, bytes(range(256))]),
        ("é", [b"\xc3\xa9"]),
    ]
    return {
        "about": "docs/wire.md section 5: H(domain, part...). No two of them are equal.",
        "valid": [
            {
                "domain": domain,
                "parts": [part.hex() for part in parts],
                "hash": domain_hash(domain, *parts).hex(),
            }
            for domain, parts in inputs
        ],
    }
