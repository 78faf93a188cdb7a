"""request.json: docs/wire.md section 11, requests and responses."""

from aspen_wire import varint
from consensus_vectors import peer
from kv_vectors import (
    ABSENT,
    ASK,
    PUT,
    RECORD,
    SCAN,
    command,
    done,
    failure,
    get_reply,
    get_request,
    index_scan_request,
    range_request,
    reply,
    write,
)
from membership_vectors import key
from packing import boolean, error, invalid, listed, message, optional, text, valid


def request_fields(row):
    return varint(row["id"]) + varint(row["freshness"]) + varint(row["age_max"]) + text(row["body"])


def hint(row):
    return row["node"] + text(row["address"])


def response_fields(row):
    if row["kind"] == 1:
        return varint(row["id"]) + text(row["body"])
    return varint(row["id"]) + error(row) + optional(row["leader"], hint)


def join_request(row):
    return varint(row["group"]) + peer(row["peer"]) + text(row["address"]) + boolean(row["again"])


def member_request(row):
    return varint(row["group"]) + row["node"]


def transfer_request(row):
    return varint(row["group"]) + row["to"] + row["from"]


def group_command(row):
    return varint(row["group"]) + text(row["command"])


def snapshot_answer(row):
    bodies = {1: lambda: b"", 2: lambda: error(row), 3: lambda: varint(row["chunk"])}
    return message(row["kind"], bodies[row["kind"]]())


def quota(row):
    return text(row["prefix"]) + b"".join(varint(row[name]) for name in ("bytes_max", "keys_max", "bytes", "keys"))


def quota_list(row):
    return varint(row["revision"]) + listed(row["quotas"], quota)


def member_list(row):
    return optional(row["leader"], hint) + listed(row["members"], hint)


ENCODERS = {
    "request": lambda row: message(row["kind"], request_fields(row)),
    "response": lambda row: message(row["kind"], response_fields(row)),
    "snapshot_answer": snapshot_answer,
    "join_request": join_request,
    "member_request": member_request,
    "transfer_request": transfer_request,
    "member_removed": lambda row: boolean(row["was_member"]),
    "new_leader": lambda row: row["node"],
    "group_command": group_command,
    "quota_list": quota_list,
    "member_list": member_list,
}

A, B = ({"node": key(name), "address": address} for name, address in (("a", "192.0.2.1:7000"), ("b", "")))
GET_KEY = get_request({"key": b"key", "revision": 0})
JOIN = {"group": 1, "peer": 2**64 - 1, "address": "[2001:db8::1]:7000", "again": False}


MEMBER = {"group": 1, "node": key("a")}
TRANSFER = {"group": 1, "to": key("a"), "from": bytes(32)}
QUOTA = {"prefix": b"user/", "bytes_max": 2**64 - 1, "keys_max": 0, "bytes": 300, "keys": 2}


def ask(kind, id=7, freshness=0, age_max=0, body=b""):
    return {"kind": kind, "id": id, "freshness": freshness, "age_max": age_max, "body": body}


def answer(body, id=7):
    return {"kind": 1, "id": id, "body": body}


def refusal(leader=None, id=7, **fields):
    return failure(**fields) | {"kind": 2, "id": id, "leader": leader}


VALID = [
    ("request", "write", ask(1, body=command(write([PUT], [ABSENT], 300, 7, 5)))),
    ("request", "get", ask(2, body=GET_KEY)),
    ("request", "stale get", ask(2, freshness=1, body=GET_KEY)),
    ("request", "get of an age", ask(2, freshness=1, age_max=2**63 - 1, body=GET_KEY)),
    ("request", "get by lease", ask(2, freshness=2, body=GET_KEY)),
    ("request", "range", ask(3, id=2**64 - 1, body=range_request(ASK))),
    ("request", "status", ask(4, id=0)),
    ("request", "members", ask(5)),
    ("request", "quotas", ask(7)),
    ("request", "index_scan", ask(8, body=index_scan_request(SCAN))),
    ("request", "indexes", ask(9)),
    ("request", "join", ask(6, body=join_request(JOIN))),
    *[("request", name, ask(kind, body=b"\1\7")) for kind, name in ((10, "lease_keep_alive"), (11, "lease_info"), (12, "lease_list"))],
    ("request", "group_command", ask(13, body=group_command({"group": 7, "command": b"count"}))),
    ("request", "remove_member", ask(14, body=member_request(MEMBER))),
    ("request", "transfer_leadership", ask(15, body=transfer_request(TRANSFER))),
    ("response", "empty", answer(b"")),
    ("response", "to a write", answer(reply(done(None)), 2**64 - 1)),
    ("response", "to a get", answer(get_reply({"record": RECORD, "revision": 300}), 0)),
    ("response", "error", refusal()),
    ("response", "not the leader", refusal(A, code=16, message="ask another")),
    ("response", "maybe applied", refusal(code=14, maybe_applied=True, message="é")),
    ("response", "the longest words", refusal(B, code=16, message="w" * 4096)),
    ("snapshot_answer", "in force", {"kind": 1}),
    ("snapshot_answer", "refused", failure(code=24) | {"kind": 2}),
    ("snapshot_answer", "from the beginning", {"kind": 3, "chunk": 0}),
    ("snapshot_answer", "from the last chunk of all", {"kind": 3, "chunk": 2**64 - 1}),
    ("join_request", "the highest peer", JOIN),
    ("join_request", "peer 1", {"group": 2**62 - 1, "peer": 1, "address": "h" * 250 + ":7000", "again": True}),
    ("join_request", "port 0", JOIN | {"address": "!:0"}),
    ("member_request", "of the store", MEMBER),
    ("member_request", "of no node", {"group": 2**62 - 1, "node": bytes(32)}),
    ("transfer_request", "to a node", TRANSFER),
    ("transfer_request", "from a node", {"group": 2**62 - 1, "to": bytes(32), "from": key("b")}),
    ("member_removed", "it was one", {"was_member": True}),
    ("member_removed", "it was none", {"was_member": False}),
    ("new_leader", "a", {"node": key("a")}),
    ("group_command", "an empty command", {"group": 2**62 - 1, "command": b""}),
    ("quota_list", "none", {"revision": 0, "quotas": []}),
    ("quota_list", "two", {"revision": 2**64 - 1, "quotas": [QUOTA | {"prefix": b""}, QUOTA]}),
    ("quota_list", "the longest prefix", {"revision": 1, "quotas": [QUOTA | {"prefix": b"p" * 4096}]}),
    ("member_list", "nobody", {"leader": None, "members": []}),
    ("member_list", "a leader and members", {"leader": A, "members": [B, A, B]}),
    ("member_list", "64 members", {"leader": None, "members": [B] * 64}),
]

LONG_BODY = varint(2**24 + 1) + bytes(8)
INVALID = [
    ("request", "kind 0", message(0, request_fields(ask(1))), "kind"),
    ("request", "kind 16", message(16, request_fields(ask(1))), "kind"),
    ("request", "freshness 3", ask(2, freshness=3), "limit"),
    ("request", "an age over the limit", ask(2, freshness=1, age_max=2**63), "limit"),
    *[("request", f"an age at freshness {freshness}", ask(2, freshness=freshness, age_max=1), "value") for freshness in (0, 2)],
    *[("request", f"a stale one of kind {kind}", ask(kind, freshness=1), "value") for kind in (1, 4, 5, 6, 7, 8, 9, 10)],
    *[("request", f"a leased one of kind {kind}", ask(kind, freshness=2), "value") for kind in (1, 4, 5, 6, 7, 8, 9, 10)],
    ("request", "status of something", ask(4, body=b"x"), "value"),
    ("request", "members of something", ask(5, body=b"x"), "value"),
    ("request", "quotas of something", ask(7, body=b"x"), "value"),
    ("request", "indexes of something", ask(9, body=b"x"), "value"),
    ("request", "a body over the limit", message(1, b"\7\0\0" + LONG_BODY), "limit"),
    ("request", "a body longer than the message", message(1, b"\7\0\0\3ab"), "truncated"),
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
    ("response", "words over the limit", refusal(message="w" * 4097), "limit"),
    ("response", "words that are not UTF-8", refusal(message=b"w\xc3"), "text"),
    ("response", "a leader with another error", refusal(A), "value"),
    ("response", "a leader's address that is not UTF-8", refusal(A | {"address": b"\xff"}, code=16), "text"),
    ("response", "leader is 2", message(2, b"\7\1\0\0\2"), "boolean"),
    ("response", "a leader's address over the limit", refusal(A | {"address": "a" * 256}, code=16), "limit"),
    ("response", "half a leader", message(2, b"\7\x10\0\0\1" + bytes(31)), "truncated"),
    ("response", "bytes after it", ENCODERS["response"](refusal()) + b"\0", "left_over"),
    ("snapshot_answer", "kind 0", message(0, b""), "kind"),
    ("snapshot_answer", "kind 4", message(4, b""), "kind"),
    ("snapshot_answer", "begin nowhere", message(3, b""), "truncated"),
    ("snapshot_answer", "words behind a begin", message(3, b"\0\0"), "left_over"),
    ("snapshot_answer", "words in an acceptance", message(1, b"\0"), "left_over"),
    ("snapshot_answer", "error 0", failure(code=0) | {"kind": 2}, "value"),
    ("snapshot_answer", "bytes after it", snapshot_answer({"kind": 1}) + b"\0", "left_over"),
    ("join_request", "group 2^62", JOIN | {"group": 2**62}, "limit"),
    ("group_command", "group 2^62", {"group": 2**62, "command": b""}, "limit"),
    ("group_command", "bytes after it", group_command({"group": 7, "command": b""}) + b"\0", "left_over"),
    ("join_request", "peer 0", JOIN | {"peer": 0}, "value"),
    *[
        ("join_request", name, JOIN | {"address": address}, "address")
        for name, address in (
            ("no address", ""),
            ("no port", "192.0.2.1"),
            ("an empty port", "192.0.2.1:"),
            ("a port over 16 bits", "192.0.2.1:65536"),
            ("a port in words", "192.0.2.1:http"),
            ("a port with a sign", "192.0.2.1:+70"),
            ("no host", ":7000"),
            ("no host in brackets", "[]:7000"),
            ("a host with a colon", "2001:db8::1:7000"),
            ("a host with a space", "192.0.2.1 :7000"),
            ("a host beyond ASCII", "hé:7000"),
        )
    ],
    ("join_request", "an address with a zero", JOIN | {"address": "host\0:7000"}, "text"),
    ("join_request", "an address over the limit", JOIN | {"address": "a" * 256}, "limit"),
    ("join_request", "again is 2", join_request(JOIN)[:-1] + b"\2", "boolean"),
    ("member_request", "group 2^62", MEMBER | {"group": 2**62}, "limit"),
    ("member_request", "half a node", member_request(MEMBER)[:-16], "truncated"),
    ("member_request", "bytes after it", member_request(MEMBER) + b"\0", "left_over"),
    ("transfer_request", "group 2^62", TRANSFER | {"group": 2**62}, "limit"),
    ("transfer_request", "to and from", TRANSFER | {"from": key("b")}, "value"),
    ("transfer_request", "neither", TRANSFER | {"to": bytes(32)}, "value"),
    ("transfer_request", "half a node", transfer_request(TRANSFER)[:-16], "truncated"),
    ("transfer_request", "bytes after it", transfer_request(TRANSFER) + b"\0", "left_over"),
    ("member_removed", "2", b"\2", "boolean"),
    ("new_leader", "a byte too many", bytes(33), "left_over"),
    ("join_request", "bytes after it", join_request(JOIN) + b"\0", "left_over"),
    ("quota_list", "1,001 quotas", {"revision": 1, "quotas": [QUOTA | {"prefix": b""}] * 1001}, "limit"),
    ("quota_list", "a prefix over the limit", {"revision": 1, "quotas": [QUOTA | {"prefix": b"p" * 4097}]}, "limit"),
    ("quota_list", "one prefix twice", {"revision": 1, "quotas": [QUOTA, QUOTA]}, "order"),
    ("quota_list", "bytes after it", quota_list({"revision": 1, "quotas": []}) + b"\0", "left_over"),
    ("member_list", "65 members", {"leader": None, "members": [B] * 65}, "limit"),
    ("member_list", "an address over the limit", {"leader": None, "members": [A | {"address": "a" * 256}]}, "limit"),
    ("member_list", "bytes after it", member_list({"leader": A, "members": []}) + b"\0", "left_over"),
]


def requests():
    return {
        "about": "docs/wire.md section 11: requests, responses and what they carry.",
        "valid": valid(ENCODERS, VALID),
        "invalid": invalid(ENCODERS, INVALID),
    }
