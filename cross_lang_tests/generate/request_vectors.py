"""request.json: docs/wire.md section 11, requests and responses."""

from aspen_wire import varint
from kv_vectors import ABSENT, ASK, PUT, RECORD, command, done, failure, get_reply, range_request, reply, write
from membership_vectors import key
from packing import boolean, error, invalid, listed, message, optional, text, valid


def request_fields(row):
    return varint(row["id"]) + boolean(row["stale"]) + text(row["body"])


def hint(row):
    return row["node"] + text(row["address"])


def response_fields(row):
    if row["kind"] == 1:
        return varint(row["id"]) + text(row["body"])
    return varint(row["id"]) + error(row) + optional(row["leader"], hint)


def join_request(row):
    return varint(row["peer"]) + text(row["address"])


def member_list(row):
    return optional(row["leader"], hint) + listed(row["members"], hint)


ENCODERS = {
    "request": lambda row: message(row["kind"], request_fields(row)),
    "response": lambda row: message(row["kind"], response_fields(row)),
    "join_request": join_request,
    "member_list": member_list,
}

A, B = ({"node": key(name), "address": address} for name, address in (("a", b"192.0.2.1:7000"), ("b", b"")))
JOIN = {"peer": 2**64 - 1, "address": b"[2001:db8::1]:7000"}


def ask(kind, id=7, stale=False, body=b""):
    return {"kind": kind, "id": id, "stale": stale, "body": body}


def answer(body, id=7):
    return {"kind": 1, "id": id, "body": body}


def refusal(leader=None, id=7, **fields):
    return failure(**fields) | {"kind": 2, "id": id, "leader": leader}


VALID = [
    ("request", "write", ask(1, body=command(write([PUT], [ABSENT], 300, 7, 5)))),
    ("request", "get", ask(2, body=b"key")),
    ("request", "stale get", ask(2, stale=True, body=b"key")),
    ("request", "range", ask(3, id=2**64 - 1, body=range_request(ASK))),
    ("request", "status", ask(4, id=0)),
    ("request", "members", ask(5)),
    ("request", "join", ask(6, body=join_request(JOIN))),
    ("response", "empty", answer(b"")),
    ("response", "to a write", answer(reply(done(None)), 2**64 - 1)),
    ("response", "to a get", answer(get_reply({"record": RECORD, "revision": 300}), 0)),
    ("response", "error", refusal()),
    ("response", "not the leader", refusal(A, code=16, message=b"ask another")),
    ("response", "maybe applied", refusal(code=14, maybe_applied=True, message=b"\xc3\xa9")),
    ("response", "the longest words", refusal(B, code=24, message=b"w" * 4096)),
    ("join_request", "the highest peer", JOIN),
    ("join_request", "peer 1", {"peer": 1, "address": b"h" * 250 + b":7000"}),
    ("join_request", "port 0", JOIN | {"address": b"!:0"}),
    ("member_list", "nobody", {"leader": None, "members": []}),
    ("member_list", "a leader and members", {"leader": A, "members": [B, A, B]}),
    ("member_list", "64 members", {"leader": None, "members": [B] * 64}),
]

LONG_BODY = varint(2**24 + 1) + bytes(8)
INVALID = [
    ("request", "kind 0", message(0, request_fields(ask(1))), "kind"),
    ("request", "kind 7", message(7, request_fields(ask(1))), "kind"),
    ("request", "stale is 2", message(2, b"\7\2\0"), "boolean"),
    ("request", "a body over the limit", message(1, b"\7\0" + LONG_BODY), "limit"),
    ("request", "a body longer than the message", message(1, b"\7\0\3ab"), "truncated"),
    ("request", "a field too many", message(2, request_fields(ask(2)) + b"\0"), "left_over"),
    ("request", "bytes after it", ENCODERS["request"](ask(2)) + b"\0", "left_over"),
    ("response", "kind 0", message(0, response_fields(answer(b""))), "kind"),
    ("response", "kind 3", message(3, response_fields(answer(b""))), "kind"),
    ("response", "a body over the limit", message(1, b"\7" + LONG_BODY), "limit"),
    ("response", "a field too many", message(1, response_fields(answer(b"")) + b"\0"), "left_over"),
    ("response", "error 0", refusal(code=0), "value"),
    ("response", "error 999", refusal(code=999), "value"),
    ("response", "error 2^32 + 1", refusal(code=2**32 + 1), "value"),
    ("response", "maybe applied 2", message(2, b"\7\1\2\0\0"), "boolean"),
    ("response", "words over the limit", refusal(message=b"w" * 4097), "limit"),
    ("response", "leader is 2", message(2, b"\7\1\0\0\2"), "boolean"),
    ("response", "a leader's address over the limit", refusal(A | {"address": b"a" * 256}), "limit"),
    ("response", "half a leader", message(2, b"\7\1\0\0\1" + bytes(31)), "truncated"),
    ("response", "bytes after it", ENCODERS["response"](refusal()) + b"\0", "left_over"),
    ("join_request", "peer 0", JOIN | {"peer": 0}, "value"),
    *[
        ("join_request", name, JOIN | {"address": address}, "address")
        for name, address in (
            ("no address", b""),
            ("no port", b"192.0.2.1"),
            ("an empty port", b"192.0.2.1:"),
            ("a port over 16 bits", b"192.0.2.1:65536"),
            ("a port in words", b"192.0.2.1:http"),
            ("a port with a sign", b"192.0.2.1:+70"),
            ("no host", b":7000"),
            ("no host in brackets", b"[]:7000"),
            ("a host with a colon", b"2001:db8::1:7000"),
            ("a host with a space", b"192.0.2.1 :7000"),
            ("a host with a zero", b"host\0:7000"),
            ("a host beyond ASCII", b"h\xc3\xa9:7000"),
        )
    ],
    ("join_request", "an address over the limit", JOIN | {"address": b"a" * 256}, "limit"),
    ("join_request", "bytes after it", join_request(JOIN) + b"\0", "left_over"),
    ("member_list", "65 members", {"leader": None, "members": [B] * 65}, "limit"),
    ("member_list", "an address over the limit", {"leader": None, "members": [A | {"address": b"a" * 256}]}, "limit"),
    ("member_list", "bytes after it", member_list({"leader": A, "members": []}) + b"\0", "left_over"),
]


def requests():
    return {
        "about": "docs/wire.md section 11: requests, responses and what they carry.",
        "valid": valid(ENCODERS, VALID),
        "invalid": invalid(ENCODERS, INVALID),
    }
