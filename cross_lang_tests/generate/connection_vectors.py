"""hello.json: docs/wire.md section 9."""

from aspen_wire import domain_hash, varint
from membership_vectors import ADMIN, NETWORK, NODE, NOW, encode_chain, grant, key, seed
from packing import invalid, listed, message, text, valid


def subprotocol(row):
    return varint(row["id"]) + varint(row["version_min"]) + varint(row["version_max"])


def hello_fields(row):
    fields = varint(row["version_min"]) + varint(row["version_max"]) + row["network"] + row["membership"]
    return fields + listed(row["subprotocols"], subprotocol) + row["reset_token"]


def hello(row):
    return message(1, hello_fields(row))


def stream(row):
    return varint(row["subprotocol"]) + b"".join(map(text, row["frames"]))


def speaks(*subprotocols):
    names = ("id", "version_min", "version_max")
    return [dict(zip(names, values)) for values in subprotocols]


ENCODERS = {"hello": hello, "stream": stream}
CHAIN = encode_chain([grant("root", NODE, "node")])
ALL = speaks((1, 1, 1), (2, 1, 1), (3, 1, 1))
GOOD = {
    "version_min": 1,
    "version_max": 1,
    "network": NETWORK,
    "membership": CHAIN,
    "subprotocols": ALL,
    "reset_token": bytes(range(16)),
}
NEWER = GOOD | {"version_max": 2}
LONG = encode_chain([grant("root", ADMIN, "a"), grant("a", ADMIN, "b"), grant("b", NODE, "node", scope=b"s/")])
OURS = GOOD | {"subprotocols": speaks((1, 1, 1), (2, 2, 5), (3, 1, 9), (7, 4, 4)), "reset_token": b"\xff" * 16}


def reset_token(node_seed, connection_id):
    reset_key = domain_hash("aspen/net/reset-key/1", node_seed)
    return domain_hash("aspen/net/reset-token/1", reset_key, connection_id)[:16]


def hellos():
    accepted = [
        ("the same", GOOD, [[1, 1], [3, 1]]),
        ("nothing in common", GOOD | {"subprotocols": speaks((4, 1, 1), (9, 1, 9))}, []),
        (
            "ranges that overlap",
            GOOD | {"subprotocols": speaks((0, 1, 1), (2, 0, 3), (3, 9, 2**32 - 1), (7, 1, 4))},
            [[2, 3], [3, 9], [7, 4]],
        ),
        ("ranges that do not", GOOD | {"subprotocols": speaks((2, 1, 1), (3, 10, 11), (7, 1, 3))}, []),
        ("a newer peer", NEWER, [[1, 1], [3, 1]]),
        ("an older version below ours", GOOD | {"version_min": 0}, [[1, 1], [3, 1]]),
        ("three links", GOOD | {"membership": LONG}, [[1, 1], [3, 1]]),
    ]
    other = key("other network")
    not_accepted = [
        ("only newer versions", GOOD | {"version_min": 2, "version_max": 3}, "UNSUPPORTED"),
        ("only older versions", GOOD | {"version_min": 0, "version_max": 0}, "UNSUPPORTED"),
        (
            "only newer versions, another network",
            NEWER | {"version_min": 2, "network": other},
            "UNSUPPORTED",
        ),
        ("another network", GOOD | {"network": other}, "NOT_A_MEMBER"),
        ("no chain", GOOD | {"membership": b"\0"}, "NOT_A_MEMBER"),
        (
            "another node's chain",
            GOOD | {"membership": encode_chain([grant("root", NODE, "other")])},
            "NOT_A_MEMBER",
        ),
        (
            "a chain that has expired",
            GOOD | {"membership": encode_chain([grant("root", NODE, "node", not_after=NOW)])},
            "GRANT_EXPIRED",
        ),
    ]
    return {
        "about": "docs/wire.md section 9. `ours` judges a hello of the holder of key `peer` at the time `now`.",
        "ours": hello(OURS).hex(),
        "peer": key("node").hex(),
        "now": str(NOW),
        "valid": valid(ENCODERS, VALID),
        "invalid": invalid(ENCODERS, INVALID),
        "newer": [
            {"hex": message(1, hello_fields(NEWER) + tail).hex(), "same_as": hello(NEWER).hex()}
            for tail in (b"\0", b"what this version does not know")
        ],
        "accepted": [{"name": n, "theirs": hello(h).hex(), "versions": named(v)} for n, h, v in accepted],
        "not_accepted": [{"name": n, "theirs": hello(h).hex(), "code": c} for n, h, c in not_accepted],
        "close_codes": CLOSE_CODES,
        "reset_tokens": [
            {"seed": s.hex(), "connection_id": cid.hex(), "token": reset_token(s, cid).hex()}
            for s in (seed("node"), bytes(32))
            for cid in (bytes(8), bytes(range(8)), b"")
        ],
    }


def named(versions):
    return [[str(id), str(version)] for id, version in versions]


VALID = [
    ("hello", "of a member", GOOD),
    ("hello", "of a client", GOOD | {"subprotocols": speaks((3, 1, 1))}),
    ("hello", "that says nothing", GOOD | {"membership": b"\0", "subprotocols": []}),
    ("hello", "three links", GOOD | {"membership": LONG}),
    ("hello", "64 subprotocols", GOOD | {"subprotocols": speaks(*[(n * 5, n, n + 1) for n in range(64)])}),
    ("hello", "the largest numbers", GOOD | {"subprotocols": speaks((2**64 - 1, 0, 2**32 - 1))}),
    ("hello", "of versions 0 and 1", GOOD | {"version_min": 0}),
    ("hello", "of version 0", GOOD | {"version_min": 0, "version_max": 0}),
    ("stream", "no frames", {"subprotocol": 3, "frames": []}),
    ("stream", "frames", {"subprotocol": 1, "frames": [b"one", b"", b"three"]}),
    ("stream", "a frame of 128 bytes", {"subprotocol": 2**64 - 1, "frames": [b"x" * 128]}),
    ("stream", "of subprotocol 300", {"subprotocol": 300, "frames": [b""]}),
]

INVALID = [
    ("hello", "nothing", b"", "truncated"),
    ("hello", "another kind", message(2, hello_fields(GOOD)), "kind"),
    ("hello", "versions the wrong way round", GOOD | {"version_min": 2}, "value"),
    ("hello", "a field too many", message(1, hello_fields(GOOD) + b"\0"), "left_over"),
    ("hello", "bytes after it", hello(GOOD) + b"\0", "left_over"),
    ("hello", "bytes after a newer one", hello(NEWER) + b"\0", "left_over"),
    ("hello", "no reset token", message(1, hello_fields(GOOD)[:-16]), "truncated"),
    ("hello", "a newer one without reset token", message(1, hello_fields(NEWER)[:-16]), "truncated"),
    ("hello", "five links", GOOD | {"membership": b"\5" + CHAIN[1:] * 5}, "limit"),
    ("hello", "65 subprotocols", GOOD | {"subprotocols": speaks(*[(n, 1, 1) for n in range(65)])}, "limit"),
    ("hello", "a subprotocol twice", GOOD | {"subprotocols": speaks((1, 1, 1), (1, 2, 2))}, "order"),
    ("hello", "subprotocols descending", GOOD | {"subprotocols": speaks((2, 1, 1), (1, 1, 1))}, "order"),
    ("hello", "subprotocol versions the wrong way round", GOOD | {"subprotocols": speaks((1, 2, 1))}, "value"),
    ("hello", "a subprotocol version over 32 bits", GOOD | {"subprotocols": speaks((1, 1, 2**32))}, "limit"),
    ("stream", "ends before its id", b"", "truncated"),
    ("stream", "ends inside its id", b"\x80", "truncated"),
    ("stream", "an overlong id", b"\x83\0", "overlong"),
    ("stream", "an id over 64 bits", b"\xff" * 9 + b"\2", "range"),
    ("stream", "ends inside a length", b"\3\x80", "truncated"),
    ("stream", "ends inside a frame", b"\3\3ab", "truncated"),
    ("stream", "ends before a frame's bytes", b"\3\1", "truncated"),
    ("stream", "an overlong length", b"\3\x81\0a", "overlong"),
    ("stream", "a frame over the limit", b"\3" + varint(2**24 + 1), "limit"),
    ("stream", "a length over 64 bits", b"\3" + b"\xff" * 9 + b"\2", "range"),
]

CLOSE_CODES = [
    {"layer": "application", "code": "0", "error": "CONNECTION_LOST"},
    {"layer": "application", "code": "1", "error": "INVALID_ARGUMENT"},
    {"layer": "application", "code": "6", "error": "NOT_A_MEMBER"},
    {"layer": "application", "code": "7", "error": "GRANT_EXPIRED"},
    {"layer": "application", "code": "14", "error": "SHUTDOWN"},
    {"layer": "application", "code": "24", "error": "INTERNAL"},
    {"layer": "application", "code": "999", "error": "PROTOCOL"},
    {"layer": "application", "code": str(2**32 + 6), "error": "PROTOCOL"},
    {"layer": "application", "code": str(2**62 - 1), "error": "PROTOCOL"},
    {"layer": "transport", "code": "0", "error": "PROTOCOL"},
    {"layer": "transport", "code": "2", "error": "OVERLOADED"},
    {"layer": "transport", "code": str(0x12A), "error": "WRONG_PEER"},
    {"layer": "transport", "code": str(0x174), "error": "PROTOCOL"},
    {"layer": "transport", "code": str(0x178), "error": "UNSUPPORTED"},
]
