"""tuple.json: docs/wire.md section 13.

Items are spelled as in aspen_tuple.py, so that no language's own types come between the fixture and the bytes.
"""

import struct

NAN32, NAN64 = "7fc00000", "7ff8000000000000"
INFINITY32, INFINITY64 = 0x7F800000, 0x7FF0000000000000


# ---- spelling

def i(n):
    return {"int": str(n)}


def t(text):
    return {"text": text}


def b(data):
    return {"bytes": data.hex()}


def f(x):
    return {"float": struct.pack(">f", x).hex()}


def d(x):
    return {"double": struct.pack(">d", x).hex()}


def u(data):
    return {"uuid": data.hex()}


def nested(depth, inner=()):
    value = list(inner)
    for _ in range(depth):
        value = [value]
    return value


# ---- the encoder

def pack(items):
    return b"".join(item(value, False) for value in items)


def string(code, data):
    return code + data.replace(b"\0", b"\0\xff") + b"\0"


def ieee(code, bits, infinity, nan):
    size = 4 * len(bits)
    sign, magnitude = divmod(int(bits, 16), 1 << (size - 1))
    if magnitude > infinity:
        sign, magnitude = 0, int(nan, 16)
    value = (1 << (size - 1)) - 1 - magnitude if sign else (1 << (size - 1)) + magnitude
    return code + value.to_bytes(size // 8, "big")


def integer(n):
    size = (abs(n).bit_length() + 7) // 8
    if n < 0:
        return bytes([20 - size]) + (256**size - 1 + n).to_bytes(size, "big")
    return bytes([20 + size]) + n.to_bytes(size, "big")


def item(value, inside):
    if value is None:
        return b"\0\xff" if inside else b"\0"
    if isinstance(value, bool):
        return b"\x27" if value else b"\x26"
    if isinstance(value, list):
        return b"\5" + b"".join(item(inner, True) for inner in value) + b"\0"
    [(kind, body)] = value.items()
    if kind == "int":
        return integer(int(body))
    if kind == "text":
        return string(b"\2", body.encode())
    if kind == "float":
        return ieee(b"\x20", body, INFINITY32, NAN32)
    if kind == "double":
        return ieee(b"\x21", body, INFINITY64, NAN64)
    return string(b"\1", bytes.fromhex(body)) if kind == "bytes" else b"\x30" + bytes.fromhex(body)


# ---- examples

UUID = bytes(range(0x10, 0x20))

VALID = [
    ("nothing", []),
    ("null", [None]),
    ("false and true", [False, True]),
    ("no bytes", [b(b"")]),
    ("bytes with a zero (public example)", [b(b"foo\0bar")]),
    ("zeros and ff", [b(b"\0"), b(b"\0\xff"), b(b"\xff\0\0\xff"), b(b"\xff")]),
    ("no text", [t("")]),
    ("text with a zero (public example)", [t("F\u00d4O\0bar")]),
    ("text of 1 to 4 bytes a character", [t("a\u00e9\u20ac\U0001f333")]),
    ("text that begins with a byte order mark", [t("\ufeffa")]),
    ("text, decomposed and composed", [t("e\u0301"), t("\u00e9")]),
    ("the last code points", [t("\ud7ff\ue000\uffff\U0010ffff")]),
    ("bytes and text of the same letters", [b(b"a"), t("a")]),
    ("nested (public example)", [[b(b"foo\0bar"), None, []]]),
    ("an empty tuple inside", [[]]),
    ("nulls inside", [[None], [None, None], None, [[None], None]]),
    ("every type inside", [[None, b(b"\0"), t("\0"), [], i(-1), i(0), i(1), f(1.0), d(1.0), False, True, u(UUID)]]),
    ("32 tuples inside each other", nested(32)),
    ("a negative integer (public example)", [i(-5551212)]),
    ("zero", [i(0)]),
    *[(f"around 2^{bits}", [i(s * 2**bits + n) for s in (-1, 1) for n in (-1, 0, 1)]) for bits in (8, 16, 24, 32, 40, 48, 53, 56)],
    ("the lowest integers", [i(-(2**63)), i(-(2**63) + 1)]),
    ("around 2^63", [i(2**63 - 1), i(2**63), i(2**63 + 1)]),
    ("the highest integers", [i(2**64 - 2), i(2**64 - 1)]),
    ("minus 42 as a float (public example)", [f(-42.0)]),
    ("floats", [f(0.0), f(-0.0), f(1.5), f(-1.5), {"float": "00000001"}, {"float": "80000001"}, {"float": "7f7fffff"}]),
    ("infinite floats", [{"float": "ff800000"}, {"float": "7f800000"}]),
    ("the float NaN", [{"float": NAN32}]),
    ("doubles", [d(0.0), d(-0.0), d(1.5), d(-1.5), d(0.1), d(5e-324), d(-5e-324), d(1.7976931348623157e308)]),
    ("doubles that are whole", [d(1.0), d(-7.0), d(2.0**53), d(1e300)]),
    ("infinite doubles", [d(float("-inf")), d(float("inf"))]),
    ("the double NaN", [{"double": NAN64}]),
    ("the same number in three types", [i(1), f(1.0), d(1.0)]),
    ("uuids", [u(bytes(16)), u(UUID), u(b"\xff" * 16)]),
    ("a key", [t("app"), t("users"), i(42), t("name")]),
]

# Packed only: what comes back is the one NaN.
NANS = [
    *[{"float": bits} for bits in ("ffc00000", "7f800001", "7fc00001", "ffffffff")],
    *[{"double": bits} for bits in ("fff8000000000000", "7ff0000000000001", "7ff8000000000001", "ffffffffffffffff")],
]

ORDER = [
    [],
    [None],
    [None, None],
    [None, b(b"")],
    [b(b"")],
    [b(b""), None],
    [b(b""), u(bytes(16))],
    [b(b"\0")],
    [b(b"\0\0")],
    [b(b"\0\xff")],
    [b(b"\1")],
    [b(b"a")],
    [b(b"a"), None],
    [b(b"a"), u(b"\xff" * 16)],
    [b(b"a\0")],
    [b(b"a\0"), None],
    [b(b"aa")],
    [b(b"\x80")],
    [b(b"\xff")],
    [b(b"\xff\xff")],
    [t("")],
    [t(""), i(0)],
    [t("\0")],
    [t("10")],
    [t("9")],
    [t("a")],
    [t("a"), t("b")],
    [t("ab")],
    [t("\ufffd")],
    [t("\U00010000")],
    [[]],
    [[], None],
    [[], u(UUID)],
    [[None]],
    [[None, None]],
    [[None, []]],
    [[b(b"")]],
    [[t("a")]],
    [[t("a")], i(1)],
    [[t("a"), None]],
    [[t("a"), i(1)]],
    [[t("b")]],
    [[[]]],
    [[[None]]],
    [[u(UUID)]],
    [i(-(2**63))],
    [i(-(2**63) + 1)],
    [i(-(2**32))],
    [i(-65536)],
    [i(-65535)],
    [i(-257)],
    [i(-256)],
    [i(-255)],
    [i(-10)],
    [i(-9)],
    [i(-1)],
    [i(0)],
    [i(0), None],
    [i(1)],
    [i(9)],
    [i(10)],
    [i(255)],
    [i(256)],
    [i(65535)],
    [i(65536)],
    [i(2**53)],
    [i(2**53 + 1)],
    [i(2**63 - 1)],
    [i(2**63)],
    [i(2**64 - 1)],
    *[[{"float": bits}] for bits in ("ff800000", "ff7fffff")],
    *[[f(x)] for x in (-2.0, -1.0)],
    *[[{"float": bits}] for bits in ("80000001", "80000000", "00000000", "00000001")],
    *[[f(x)] for x in (1.0, 2.0, float("inf"))],
    [{"float": NAN32}],
    *[[d(x)] for x in (float("-inf"), -1e300, -2.0, -1.0, -5e-324, -0.0, 0.0, 5e-324, 1.0, 1.5, 2.0, 1e300)],
    [d(float("inf"))],
    [{"double": NAN64}],
    [False],
    [False, t("more")],
    [True],
    [u(bytes(16))],
    [u(bytes(15) + b"\1")],
    [u(b"\x80" + bytes(15))],
]

# A tuple, tuples that begin with it, and others; their encodings.
RANGES = [
    ([], [[None], [i(1)], [u(b"\xff" * 16)]], [[]]),
    ([t("a")], [[t("a"), None], [t("a"), t("")], [t("a"), u(b"\xff" * 16)]], [[t("a")], [t("a\0")], [t("ab")], [b(b"a")]]),
    ([b(b"\xff")], [[b(b"\xff"), i(1)]], [[b(b"\xff")], [b(b"\xff\0"), i(1)], [b(b"\xff\xff")], [t("")]]),
    ([[t("a")]], [[[t("a")], None], [[t("a")], i(5)]], [[[t("a")]], [[t("a"), None]], [[t("a"), i(5)]], [[t("b")]]]),
    ([i(255)], [[i(255), None], [i(255), i(256)]], [[i(255)], [i(256)], [i(65280)], [i(254), i(1)]]),
    ([None], [[None, None], [None, t("z")]], [[None], [b(b"")], []]),
    ([d(-0.0), True], [[d(-0.0), True, False]], [[d(0.0), True, False], [d(-0.0), False, True], [d(-0.0)]]),
]

# A prefix as it is, the tuple that makes a subspace of it, a tuple packed there, and keys it does not contain.
SUBSPACES = [
    (b"", [t("app"), i(1)], [t("x"), None], [b"", b"\2app\0", b"\2app\0\x15\2", b"\2app\0\x15\1\xff"]),
    (b"\xff\x03raw", [], [i(7)], [b"\xff\x03ra", b"\xff\x03raw\xff", b"\x15\7"]),
    (b"p", [b(b"a")], [], [b"p\1a\0\xff\0", b"p\1a", b"\1a\0", b"p\1b\0"]),
]

# Name, bytes, the word docs/wire.md has for what is wrong, and the byte at which the faulty item begins.
INVALID = [
    ("an integer without its byte", "15", "truncated", 0),
    ("an integer of 7 bytes of 8", "1c01020304050607", "truncated", 0),
    ("a negative integer of 1 byte of 2", "1412fe", "truncated", 1),
    ("a float of 3 bytes", "208000000020800000", "truncated", 5),
    ("a double of 7 bytes", "2180000000000000", "truncated", 0),
    ("a uuid of 15 bytes", "30" + "00" * 15, "truncated", 0),
    ("bytes without an end", "01616263", "truncated", 0),
    ("text without an end", "15010261", "truncated", 2),
    ("a string whose end is escaped", "016100ff", "truncated", 0),
    ("a type code alone", "02", "truncated", 0),
    ("a tuple without an end", "051501026100", "truncated", 0),
    ("a tuple that ends in a null", "0500ff", "truncated", 0),
    ("an inner tuple without an end", "0514051400000514051400", "truncated", 6),
    ("a cut item of an inner tuple", "140505261601", "truncated", 4),
    ("zero with a byte", "1500", "overlong", 0),
    ("one in two bytes", "160001", "overlong", 0),
    ("255 in eight bytes", "141c00000000000000ff", "overlong", 1),
    ("minus zero", "13ff", "overlong", 0),
    ("minus one in two bytes", "12fffe", "overlong", 0),
    ("minus 255 in eight bytes", "0cffffffffffffff00", "overlong", 0),
    ("-2^63-1", "0c7ffffffffffffffe", "range", 0),
    ("-2^64+1", "140c0000000000000000", "range", 1),
    ("text: a lone continuation byte", "028000", "text", 0),
    ("text: overlong", "150102c08000", "text", 2),
    ("text: an escaped zero inside a character", "02c300ff00", "text", 0),
    ("text: a surrogate", "02eda08000", "text", 0),
    ("text: above U+10FFFF", "02f490808000", "text", 0),
    ("text: cut in a character", "02e28200", "text", 0),
    ("text inside a tuple", "0501410002ff0000", "text", 4),
    ("float: the negative NaN", "20003fffff", "nan", 0),
    ("float: a NaN with a payload", "1420ffc00001", "nan", 1),
    ("double: the negative NaN", "210007ffffffffffff", "nan", 0),
    ("double: a signalling NaN", "21fff0000000000001", "nan", 0),
    ("33 tuples inside each other", "05" * 33 + "00" * 33, "depth", 32),
    ("33 that do not even end", "00" + "05" * 33, "depth", 33),
    *[(f"type code {code:02x}", f"{code:02x}00", "type", 0) for code in (0x03, 0x04, 0x06, 0x09, 0x1F, 0x25, 0x28, 0x2F, 0x34, 0x3F, 0x50, 0x80, 0xFE, 0xFF)],
    ("ff after a null", "00ff", "type", 1),
    ("ff after a string", "0161001501ff", "type", 5),
    ("an unknown type inside", "0514ff00", "type", 2),
    *[(f"type code {code:02x}", f"14{code:02x}090102030405060708090a0b0c00", "unsupported", 1) for code in (0x0A, 0x0B, 0x1D, 0x1E, 0x22, 0x23, 0x24, 0x31, 0x32, 0x33, 0x40, 0x4F)],
]

# Reason: the code and the message that every language has for it.
REFUSALS = {
    "truncated": ("INVALID_ARGUMENT", "truncated"),
    "overlong": ("INVALID_ARGUMENT", "overlong integer"),
    "range": ("UNSUPPORTED", "integer below -2^63"),
    "text": ("INVALID_ARGUMENT", "text that is not UTF-8"),
    "nan": ("INVALID_ARGUMENT", "NaN of another form"),
    "depth": ("LIMIT_EXCEEDED", "more than 32 tuples inside each other"),
    "type": ("INVALID_ARGUMENT", "unknown type code 0x{:02x}"),
    "unsupported": ("UNSUPPORTED", "unsupported type code 0x{:02x}"),
}

# Values that have no encoding. An implementation that cannot even hold an integer so large has nothing to refuse.
UNPACKABLE = [
    ("2^64", [i(2**64)], "LIMIT_EXCEEDED", "tuple: integer outside -2^63 to 2^64-1 in item 0"),
    ("-2^63-1", [t("a"), i(-(2**63) - 1)], "LIMIT_EXCEEDED", "tuple: integer outside -2^63 to 2^64-1 in item 1"),
    ("an inner integer", [None, None, [[i(10**30)]]], "LIMIT_EXCEEDED", "tuple: integer outside -2^63 to 2^64-1 in item 2"),
    ("33 tuples inside each other", [i(1), *nested(33)], "LIMIT_EXCEEDED", "tuple: more than 32 tuples inside each other in item 1"),
]


def invalid(name, data, reason, at):
    code, text = REFUSALS[reason]
    message = f"tuple: {text.format(bytes.fromhex(data)[at])} at byte {at}"
    return {"name": name, "hex": data, "reason": reason, "at": at, "code": code, "message": message}


def subspace(prefix, made_of, value, outside):
    whole = prefix + pack(made_of)
    return {
        "prefix": prefix.hex(),
        "tuple": made_of,
        "value": value,
        "key": (whole + pack(value)).hex(),
        "start": (whole + b"\0").hex(),
        "end": (whole + b"\xff").hex(),
        "outside": [key.hex() for key in outside],
    }


def tuples():
    assert [pack(value) for value in ORDER] == sorted(set(pack(value) for value in ORDER))
    return {
        "about": "docs/wire.md section 13; values are spelled as in cross_lang_tests/python/aspen_tuple.py.",
        "valid": [{"name": name, "value": value, "hex": pack(value).hex()} for name, value in VALID],
        "nans": [{"value": [value], "hex": pack([value]).hex()} for value in NANS],
        "order": [{"value": value, "hex": pack(value).hex()} for value in ORDER],
        "ranges": [
            {
                "value": value,
                "start": (pack(value) + b"\0").hex(),
                "end": (pack(value) + b"\xff").hex(),
                "inside": [pack(other).hex() for other in inside],
                "outside": [pack(other).hex() for other in outside],
            }
            for value, inside, outside in RANGES
        ],
        "subspaces": [subspace(*example) for example in SUBSPACES],
        "invalid": [invalid(*example) for example in INVALID],
        "unpackable": [
            {"name": name, "value": value, "code": code, "message": message}
            for name, value, code, message in UNPACKABLE
        ],
    }
