"""raft.json: docs/wire.md section 10."""

from aspen_wire import varint
from membership_vectors import key
from packing import boolean, invalid, listed, message, signed, text, valid

COMMAND, CONFIG, NOOP = 0, 1, 2
LEARNER, VOTER = 0, 1
TIME = 1_700_000_000_000_000_000


def peer(value):
    return value.to_bytes(8, "little")


def member(row):
    return peer(row["peer"]) + row["node"] + text(row["address"]) + bytes([row["role"]])


def config(row):
    return listed(row["members"], member) + listed(row["outgoing"], peer) + listed(row["leaving"], member)


def entry(row):
    return varint(row["term"]) + bytes([row["kind"]]) + signed(row["time"]) + text(row["data"])


def hard_state(row):
    return varint(row["term"]) + peer(row["vote"])


def snapshot_meta(row):
    return varint(row["index"]) + varint(row["term"]) + config(row["config"]) + signed(row["time"])


def append_reply(row):
    fields = varint(row["index"]) + boolean(row["reject"])
    if not row["reject"]:
        return fields + boolean(row["wait"])
    return fields + varint(row["hint_index"]) + varint(row["hint_term"])


def read_index_reply(row):
    fields = varint(row["round"]) + boolean(row["reject"])
    return fields if row["reject"] else fields + varint(row["index"])


def vote(row):
    return varint(row["last_index"]) + varint(row["last_term"]) + boolean(row["transfer"])


def append(row):
    fields = varint(row["previous_index"]) + varint(row["previous_term"]) + varint(row["commit"])
    return fields + listed(row["entries"], entry)


def fetched(row):
    fields = varint(row["previous_index"]) + varint(row["previous_term"])
    return fields + listed(row["entries"], entry)


def reply(row):
    return boolean(row["reject"])


FIELDS = {
    1: vote,
    2: reply,
    3: vote,
    4: reply,
    5: append,
    6: append_reply,
    7: lambda row: varint(row["commit"]) + varint(row["round"]),
    8: lambda row: varint(row["round"]) + varint(row["promise"]),
    9: lambda row: snapshot_meta(row["snapshot"]),
    11: lambda row: b"",
    12: lambda row: varint(row["round"]),
    13: lambda row: read_index_reply(row),
    14: lambda row: varint(row["previous_index"]) + varint(row["last_index"]),
    15: lambda row: fetched(row),
}


def raft_fields(row):
    return peer(row["from"]) + peer(row["to"]) + varint(row["term"]) + FIELDS[row["kind"]](row)


def raft_message(row):
    return message(row["kind"], raft_fields(row))


def group_message(row):
    return varint(row["group"]) + raft_message(row["message"])


ENCODERS = {
    "config": config,
    "entry": entry,
    "hard_state": hard_state,
    "snapshot_meta": snapshot_meta,
    "raft_message": raft_message,
    "group_message": group_message,
}

MOST = 2**62 - 1
# As integers 0xff is before 0x100, as bytes on the wire it is behind.
LOW, HIGH, TOP = 0xFF, 0x100, 2**64 - 1


def node(number, role=VOTER, address=None):
    named = "192.0.2.%d:7000" % (number % 250) if address is None else address
    return {"peer": number, "node": key(f"member {number}"), "address": named, "role": role}


def taking_part(members, outgoing=(), leaving=()):
    return {"members": list(members), "outgoing": list(outgoing), "leaving": list(leaving)}


ONE = taking_part([node(LOW)])
THREE = taking_part([node(LOW), node(HIGH), node(TOP, LEARNER)])
JOINT = taking_part([node(2), node(HIGH)], [1, 2, LOW], [node(1), node(LOW, LEARNER)])
FULL = taking_part([node(n, address="é" + "a" * 253) for n in range(1, 65)])
EMPTY = taking_part([])

NO_ADDRESS = taking_part([node(7, address="")])
CONFIGS = [
    ("nobody", EMPTY),
    ("one voter", ONE),
    ("two voters and a learner", THREE),
    ("joint, two leaving", JOINT),
    ("joint, nobody leaving", taking_part([node(1), node(2)], [1])),
    ("everybody leaving", taking_part([node(3)], [1, 2], [node(1), node(2)])),
    ("an address of no bytes", NO_ADDRESS),
    ("64 members with the longest addresses", FULL),
]


def entry_of(kind, data=b"", term=5, time=TIME):
    return {"term": term, "kind": kind, "time": time, "data": data}


ENTRIES = [
    ("a command", entry_of(COMMAND, b"set")),
    ("an empty command", entry_of(COMMAND)),
    ("a configuration", entry_of(CONFIG, config(THREE))),
    ("a noop", entry_of(NOOP)),
    ("term 0, time 0", entry_of(COMMAND, b"x", 0, 0)),
    ("the highest term, the earliest time", entry_of(COMMAND, b"x", MOST, -(2**63))),
    ("the latest time", entry_of(COMMAND, b"x", 1, 2**63 - 1)),
]

META = {"index": 1000, "term": 5, "config": THREE, "time": TIME}
HARD_STATES = [
    ("nothing yet", {"term": 0, "vote": 0}),
    ("no vote", {"term": 300, "vote": 0}),
    ("a vote", {"term": 5, "vote": HIGH}),
    ("the highest", {"term": MOST, "vote": TOP}),
]
METAS = [
    ("of nothing", {"index": 0, "term": 0, "config": EMPTY, "time": 0}),
    ("of a thousand entries", META),
    ("in joint consensus", META | {"config": JOINT}),
    ("the highest", {"index": MOST, "term": MOST, "config": ONE, "time": -1}),
]


def raft(kind, term=5, **fields):
    return {"kind": kind, "from": LOW, "to": HIGH, "term": term, **fields}


def appended(*entries, previous_index=9, previous_term=4, commit=8, term=5):
    fields = {"previous_index": previous_index, "previous_term": previous_term, "commit": commit}
    return raft(5, term, **fields, entries=list(entries))


REJECTED = {"index": 9, "reject": True, "hint_index": 7, "hint_term": 3}
MESSAGES = [
    ("pre_vote", raft(1, last_index=9, last_term=4, transfer=False)),
    ("pre_vote_reply", raft(2, reject=True)),
    ("vote", raft(3, last_index=0, last_term=0, transfer=False)),
    ("vote in a transfer", raft(3, last_index=9, last_term=4, transfer=True)),
    ("vote_reply", raft(4, reject=False)),
    ("append of nothing", appended()),
    ("append to nothing", appended(entry_of(NOOP, term=1), previous_index=0, previous_term=0, commit=0)),
    ("append", appended(*[e for _, e in ENTRIES[:4]])),
    ("append of rising terms", appended(*[entry_of(COMMAND, b"c", t) for t in (4, 4, 5)], commit=MOST)),
    ("append_reply", raft(6, index=12, reject=False, wait=False)),
    ("append_reply, wait", raft(6, index=12, reject=False, wait=True)),
    ("append_reply, rejected", raft(6, **REJECTED)),
    ("heartbeat", raft(7, commit=12, round=300)),
    ("heartbeat_reply", raft(8, round=MOST, promise=0)),
    ("heartbeat_reply with a promise", raft(8, round=7, promise=300_000_000)),
    ("snapshot", raft(9, snapshot=META)),
    ("timeout_now", raft(11, term=MOST)),
    ("read_index", raft(12, round=MOST)),
    ("read_index_reply", raft(13, round=7, reject=False, index=12)),
    ("read_index_reply, rejected", raft(13, round=7, reject=True)),
    ("fetch", raft(14, previous_index=9, last_index=MOST)),
    ("fetched", raft(15, previous_index=9, previous_term=4, entries=[e for _, e in ENTRIES[:4]])),
    ("fetched nothing", raft(15, previous_index=9, previous_term=0, entries=[])),
    ("from the highest peer", raft(11) | {"from": TOP, "to": 1}),
]

VALID = [
    *[("config", *example) for example in CONFIGS],
    *[("entry", *example) for example in ENTRIES],
    *[("hard_state", *example) for example in HARD_STATES],
    *[("snapshot_meta", *example) for example in METAS],
    *[("raft_message", *example) for example in MESSAGES],
    ("group_message", "of group 0", {"group": 0, "message": raft(7, commit=12, round=300)}),
    ("group_message", "of the last group", {"group": MOST, "message": raft(11)}),
]


DESCENDING = taking_part([node(2), node(1)])


def config_entry(data):
    return entry_of(CONFIG, data)


def crowd(count):
    return [node(n, address="") for n in range(1, count + 1)]


INVALID_CONFIGS = [
    ("peer 0", taking_part([node(0)]), "value"),
    ("role 2", taking_part([node(1, role=2)]), "value"),
    ("role 255", taking_part([node(1, role=255)]), "value"),
    ("a member twice", taking_part([node(1), node(1)]), "order"),
    ("members descending", DESCENDING, "order"),
    ("members in the order of bytes", taking_part([node(HIGH), node(LOW)]), "order"),
    ("an address of 256 bytes", taking_part([node(1, address="a" * 256)]), "limit"),
    ("an address that is not UTF-8", taking_part([node(1, address=b"h\xff:7000")]), "text"),
    ("an address with a zero", taking_part([node(1, address="h\0:7000")]), "text"),
    ("65 members", taking_part(crowd(65)), "limit"),
    ("outgoing peer 0", taking_part([node(1)], [0]), "value"),
    ("an outgoing voter twice", taking_part([node(1)], [1, 1]), "order"),
    ("outgoing voters descending", taking_part([node(1), node(2)], [2, 1]), "order"),
    ("65 outgoing voters", taking_part(crowd(64), list(range(1, 66))), "limit"),
    ("leaving without outgoing", taking_part([node(1)], [], [node(2)]), "value"),
    ("an outgoing voter is nowhere", taking_part([node(1)], [1, 2]), "value"),
    ("a leaving member stays", taking_part([node(1), node(2)], [1, 2], [node(2)]), "value"),
    ("another member leaves", taking_part([node(1)], [2], [node(3)]), "value"),
    ("one leaves too many", taking_part([node(1)], [2], [node(2), node(3)]), "value"),
    ("leaving members descending", taking_part([node(3)], [1, 2], [node(2), node(1)]), "order"),
    ("65 leaving members", taking_part([], [], crowd(65)), "limit"),
    ("bytes after it", config(ONE) + b"\0", "left_over"),
]
INVALID_ENTRIES = [
    ("kind 3", entry_of(3), "value"),
    ("kind 255", entry_of(255), "value"),
    ("a term of 2^62", entry_of(COMMAND, term=MOST + 1), "limit"),
    ("data in a noop", entry_of(NOOP, b"\0"), "value"),
    ("a configuration without voters", config_entry(config(taking_part([node(1, LEARNER)]))), "value"),
    ("a configuration of nobody", config_entry(config(EMPTY)), "value"),
    ("a configuration of leaving voters", config_entry(config(taking_part([], [1], [node(1)]))), "value"),
    ("an empty configuration", config_entry(b""), "truncated"),
    ("bytes after a configuration", config_entry(config(ONE) + b"\0"), "left_over"),
    ("a configuration out of order", config_entry(config(DESCENDING)), "order"),
    ("a time over 64 bits", varint(1) + b"\0" + b"\xff" * 9 + b"\2" + b"\0", "range"),
    ("data over the limit", varint(1) + b"\0\0" + varint(16_711_681) + bytes(16), "limit"),
    ("bytes after it", entry(entry_of(NOOP)) + b"\0", "left_over"),
]
INVALID_MESSAGES = [
    ("kind 0", message(0, raft_fields(raft(11))), "kind"),
    ("kind 10", message(10, raft_fields(raft(11))), "kind"),
    ("kind 16", message(16, raft_fields(raft(11))), "kind"),
    ("an index in a rejection", message(13, raft_fields(raft(13, round=7, reject=True)) + b"\7"), "left_over"),
    ("fetched terms that fall", raft(15, previous_index=9, previous_term=5, entries=[entry_of(COMMAND, term=4)]), "value"),
    ("a promise of 2^62", raft(8, round=1, promise=MOST + 1), "limit"),
    ("from nobody", raft(11) | {"from": 0}, "value"),
    ("to nobody", raft(11) | {"to": 0}, "value"),
    ("a term of 2^62", raft(11, term=MOST + 1), "limit"),
    ("a field too many", message(11, raft_fields(raft(11)) + b"\0"), "left_over"),
    ("bytes after it", raft_message(raft(11)) + b"\0", "left_over"),
    ("transfer in a pre_vote", raft(1, last_index=9, last_term=4, transfer=True), "value"),
    ("transfer 2", message(3, raft_fields(raft(3, last_index=9, last_term=4, transfer=0))[:-1] + b"\2"), "boolean"),
    ("a last index of 2^62", raft(3, last_index=MOST + 1, last_term=4, transfer=False), "limit"),
    ("a last term of 2^62", raft(3, last_index=9, last_term=MOST + 1, transfer=False), "limit"),
    ("a previous index of 2^62", appended(previous_index=MOST + 1), "limit"),
    ("a previous term of 2^62", appended(previous_term=MOST + 1), "limit"),
    ("a commit index of 2^62", appended(commit=MOST + 1), "limit"),
    ("an entry below the previous term", appended(entry_of(COMMAND, term=3)), "value"),
    ("terms that fall", appended(entry_of(COMMAND), entry_of(COMMAND, term=4)), "value"),
    ("an entry above the message's term", appended(entry_of(COMMAND, term=6)), "value"),
    ("an entry that is refused", appended(entry_of(NOOP, b"x")), "value"),
    ("more entries than bytes", message(5, raft_fields(appended())[:-1] + varint(2)), "truncated"),
    ("100,001 entries", message(5, raft_fields(appended())[:-1] + varint(100_001)), "limit"),
    ("a hint in an acceptance", message(6, raft_fields(raft(6, index=9, reject=False, wait=False)) + b"\7\3"), "left_over"),
    ("a rejection without hint", message(6, raft_fields(raft(6, **REJECTED))[:-2]), "truncated"),
    ("a hint of 2^62", raft(6, **REJECTED | {"hint_index": MOST + 1}), "limit"),
    ("a round of 2^62", raft(8, round=MOST + 1, promise=0), "limit"),
    ("a snapshot of members out of order", raft(9, snapshot=META | {"config": DESCENDING}), "order"),
]

INVALID = [
    *[("config", *example) for example in INVALID_CONFIGS],
    *[("entry", *example) for example in INVALID_ENTRIES],
    ("hard_state", "a term of 2^62", {"term": MOST + 1, "vote": 0}, "limit"),
    ("hard_state", "bytes after it", hard_state({"term": 1, "vote": 1}) + b"\0", "left_over"),
    ("snapshot_meta", "an index of 2^62", META | {"index": MOST + 1}, "limit"),
    ("snapshot_meta", "a term of 2^62", META | {"term": MOST + 1}, "limit"),
    ("snapshot_meta", "bytes after it", snapshot_meta(META) + b"\0", "left_over"),
    *[("raft_message", *example) for example in INVALID_MESSAGES],
    ("group_message", "group 2^62", {"group": MOST + 1, "message": raft(11)}, "limit"),
    ("group_message", "no message", varint(7), "truncated"),
    ("group_message", "kind 10", varint(7) + message(10, raft_fields(raft(11))), "kind"),
    ("group_message", "bytes after it", group_message({"group": 7, "message": raft(11)}) + b"\0", "left_over"),
]


def rafts():
    return {
        "about": "docs/wire.md section 10. Peers are spelled as integers.",
        "valid": valid(ENCODERS, VALID),
        "invalid": invalid(ENCODERS, INVALID),
    }
