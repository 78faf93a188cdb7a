"""A decoder of docs/wire.md sections 8 to 11, written from the document alone; aspen_wire.py has the rest.

Every form is a function from a Decoder to a dict of the document's field names. FORMS has them by the names
that the fixtures use.
"""

import json
import os
import re
from typing import Any, Callable, Dict, List, Tuple

from aspen_wire import Decoder, Refused, decode_chain, domain_hash

Row = Dict[str, Any]

NUMBER = {"u64": {"max": 2**62 - 1}}
VERSION = {"u64": {"max": 2**32 - 1}}
ID = {"fixed": 32}
ADDRESS = {"text": 255}
KEY = {"bytes": 4096}
BOUND = {"bytes": 4097}
ENTRY_BOUND = {"bytes": 9219}
VALUE = {"bytes": 4_194_304}
FRAME = {"bytes": 16_777_216}


def fields(d: Decoder, **types: Any) -> Row:
    return {name: d.value(kind) for name, kind in types.items()}


def items(d: Decoder, maximum: int, item: Callable[[Decoder], Any]) -> List[Any]:
    return [item(d) for _ in range(d.count(maximum))]


def optional(d: Decoder, item: Callable[[Decoder], Any]) -> Any:
    return item(d) if d.boolean() else None


def require(rule: bool, reason: str = "value") -> None:
    if not rule:
        raise Refused(reason)


def ascending(values: List[Any]) -> bool:
    return all(low < high for low, high in zip(values, values[1:]))


def message(d: Decoder, kinds: Dict[int, Callable[[Decoder], Row]]) -> Row:
    start = d.position
    kind = d.u64()
    d.position = start
    outer_end = d.begin(kind if kind in kinds else None)
    row = {"kind": kind, **kinds[kind](d)}
    d.leave(outer_end)
    return row


# ---- section 8: errors


def error_numbers() -> List[int]:
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "errors.json")
    with open(path, encoding="utf-8") as file:
        return [row["number"] for row in json.load(file)["errors"]]


ERRORS = error_numbers()
NOT_LEADER = 16


def error(d: Decoder) -> Row:
    row = fields(d, code="u64", maybe_applied="bool", message={"text": 4096})
    require(row["code"] in ERRORS)
    return row


# ---- section 9: the connection


def subprotocol(d: Decoder) -> Row:
    row = fields(d, id="u64", version_min=VERSION, version_max=VERSION)
    require(row["version_min"] <= row["version_max"])
    return row


def hello_fields(d: Decoder) -> Row:
    row = fields(d, version_min="u64", version_max="u64", network=ID)
    require(row["version_min"] <= row["version_max"])
    start = d.position
    decode_chain(d)
    row["membership"] = d.data[start : d.position]
    row["subprotocols"] = items(d, 64, subprotocol)
    require(ascending([s["id"] for s in row["subprotocols"]]), "order")
    row["reset_token"] = d.fixed(16)
    d.newer_peer = row["version_max"] > 1
    return row


def hello(d: Decoder) -> Row:
    row = message(d, {1: hello_fields})
    row.pop("kind")
    return row


def stream(d: Decoder) -> Row:
    """What the opener of a stream sends, to its end."""
    row: Row = {"subprotocol": d.u64(), "frames": []}
    while d.position < d.end:
        row["frames"].append(d.value(FRAME))
    return row


def common_versions(ours: Row, theirs: Row) -> List[List[int]]:
    """Of each subprotocol two hellos have in common; None when they have no version of the protocol so."""
    require(ours["version_min"] <= theirs["version_max"] and theirs["version_min"] <= ours["version_max"])
    found = []
    for mine in ours["subprotocols"]:
        for other in theirs["subprotocols"]:
            highest = min(mine["version_max"], other["version_max"])
            if mine["id"] == other["id"] and highest >= max(mine["version_min"], other["version_min"]):
                found.append([mine["id"], highest])
    return found


def reset_token(seed: bytes, connection_id: bytes) -> bytes:
    key = domain_hash("aspen/net/reset-key/1", seed)
    return domain_hash("aspen/net/reset-token/1", key, connection_id)[:16]


# ---- section 10: consensus


def peer_or_nobody(d: Decoder) -> int:
    return int.from_bytes(d.fixed(8), "little")


def peer(d: Decoder) -> int:
    value = peer_or_nobody(d)
    require(value != 0)
    return value


def member(d: Decoder) -> Row:
    row: Row = {"peer": peer(d), **fields(d, node=ID, address=ADDRESS, role="u8")}
    require(row["role"] <= 1)
    return row


def members(d: Decoder) -> List[Row]:
    found = items(d, 64, member)
    require(ascending([m["peer"] for m in found]), "order")
    return found


def config(d: Decoder) -> Row:
    row: Row = {"members": members(d), "outgoing": items(d, 64, peer)}
    require(ascending(row["outgoing"]), "order")
    row["leaving"] = members(d)
    stay = [m["peer"] for m in row["members"]]
    require([m["peer"] for m in row["leaving"]] == [p for p in row["outgoing"] if p not in stay])
    return row


def entry(d: Decoder) -> Row:
    row = fields(d, term=NUMBER, kind="u8")
    require(row["kind"] <= 2)
    row.update(fields(d, time="i64", data={"bytes": 16_711_680}))
    if row["kind"] == 1:
        require(any(m["role"] == 1 for m in decode("config", row["data"])["members"]))
    require(row["kind"] != 2 or row["data"] == b"")
    return row


def hard_state(d: Decoder) -> Row:
    return {"term": d.value(NUMBER), "vote": peer_or_nobody(d)}


def snapshot_meta(d: Decoder) -> Row:
    return {**fields(d, index=NUMBER, term=NUMBER), "config": config(d), "time": d.i64()}


def append(d: Decoder, term: int) -> Row:
    return entries_after(d, term, fields(d, previous_index=NUMBER, previous_term=NUMBER, commit=NUMBER))


def fetched(d: Decoder, term: int) -> Row:
    return entries_after(d, term, fields(d, previous_index=NUMBER, previous_term=NUMBER))


def entries_after(d: Decoder, term: int, row: Row) -> Row:
    row["entries"] = items(d, 100_000, entry)
    terms = [row["previous_term"], *(e["term"] for e in row["entries"])]
    require(not row["entries"] or (terms == sorted(terms) and terms[-1] <= term))
    return row


def append_reply(d: Decoder) -> Row:
    row = fields(d, index=NUMBER, reject="bool")
    if row["reject"]:
        row.update(fields(d, hint_index=NUMBER, hint_term=NUMBER))
    else:
        row.update(fields(d, wait="bool"))
    return row


def read_index_reply(d: Decoder) -> Row:
    row = fields(d, round=NUMBER, reject="bool")
    if not row["reject"]:
        row.update(fields(d, index=NUMBER))
    return row


def vote(d: Decoder, may_transfer: bool) -> Row:
    row = fields(d, last_index=NUMBER, last_term=NUMBER, transfer="bool")
    require(may_transfer or not row["transfer"])
    return row


RAFT_FIELDS: Dict[int, Callable[[Decoder, int], Row]] = {
    1: lambda d, term: vote(d, False),
    2: lambda d, term: fields(d, reject="bool"),
    3: lambda d, term: vote(d, True),
    4: lambda d, term: fields(d, reject="bool"),
    5: append,
    6: lambda d, term: append_reply(d),
    7: lambda d, term: fields(d, commit=NUMBER, round=NUMBER),
    8: lambda d, term: fields(d, round=NUMBER, promise=NUMBER),
    9: lambda d, term: {"snapshot": snapshot_meta(d)},
    11: lambda d, term: {},
    12: lambda d, term: fields(d, round=NUMBER),
    13: lambda d, term: read_index_reply(d),
    14: lambda d, term: fields(d, previous_index=NUMBER, last_index=NUMBER),
    15: fetched,
}


def raft_fields(kind: int) -> Callable[[Decoder], Row]:
    def read(d: Decoder) -> Row:
        start: Row = {"from": peer(d), "to": peer(d), "term": d.value(NUMBER)}
        return {**start, **RAFT_FIELDS[kind](d, start["term"])}

    return read


def raft_message(d: Decoder) -> Row:
    return message(d, {kind: raft_fields(kind) for kind in RAFT_FIELDS})


def group_message(d: Decoder) -> Row:
    return {"group": d.value(NUMBER), "message": raft_message(d)}


# ---- section 11: the key-value protocol


def record(d: Decoder) -> Row:
    return fields(d, create_revision="u64", mod_revision="u64", version="u64", lease="u64", value=VALUE)


def compare(d: Decoder) -> Row:
    row: Row = fields(d, target="u8", relation="u8")
    require(1 <= row["target"] <= 7 and 1 <= row["relation"] <= 4)
    require(row["target"] < 6 or row["relation"] == 1)
    row.update(fields(d, key=BOUND, end={"optional": BOUND}))
    row.update(fields(d, value=VALUE) if row["target"] == 1 else fields(d, number="u64"))
    require(row["target"] != 6 or row["number"] <= 1)
    return row


def operation(depth: int) -> Callable[[Decoder], Row]:
    def read(d: Decoder) -> Row:
        kind = d.u8()
        require(1 <= kind <= 6)
        row: Row = {"kind": kind}
        if kind == 1:
            row.update(fields(d, key=KEY, value=VALUE, lease="u64", previous="bool"))
        elif kind == 2:
            row.update(fields(d, key=KEY, previous="bool"))
        elif kind == 3:
            row.update(fields(d, start=BOUND, end=BOUND, previous="bool"))
        elif kind == 4:
            row.update(fields(d, key=KEY))
        elif kind == 5:
            row["range"] = range_request(d)
            require(row["range"]["revision"] == 0)
        else:
            require(depth < 8, "limit")
            row["transaction"] = transaction(d, depth + 1)
        return row

    return read


def transaction(d: Decoder, depth: int = 0) -> Row:
    row: Row = {"compares": items(d, 4096, compare), "then": items(d, 4096, operation(depth))}
    return {**row, "otherwise": items(d, 4096, operation(depth))}


def leases(d: Decoder) -> Row:
    found = items(d, 4096, lambda d: d.u64())
    require(ascending(found), "order")
    return {"leases": found}


def numbered(body: Callable[[Decoder], Row]) -> Callable[[Decoder], Row]:
    def read(d: Decoder) -> Row:
        row = fields(d, session="u64", sequence="u64", acknowledged_below="u64")
        require(row["session"] != 0 or row["sequence"] == row["acknowledged_below"] == 0)
        return {**row, **body(d)}

    return read


def owner(d: Decoder) -> Row:
    if d.position == d.end:
        return {}
    row = fields(d, owner={"fixed": 32})
    require(row["owner"] != bytes(32))
    return row


COMMANDS: Dict[int, Callable[[Decoder], Row]] = {
    1: owner,
    2: numbered(lambda d: {"transaction": transaction(d)}),
    3: lambda d: fields(d, session="u64"),
    4: numbered(lambda d: fields(d, revision="u64")),
    5: numbered(lambda d: fields(d, ttl="i64", prefix=KEY)),
    6: numbered(lambda d: fields(d, lease="u64", prefix=KEY)),
    7: numbered(leases),
    8: numbered(lambda d: fields(d, prefix=KEY, bytes_max="u64", keys_max="u64")),
    9: numbered(lambda d: fields(d, name={"bytes": 255}, prefix=KEY, extractor={"bytes": 1024})),
    10: numbered(lambda d: fields(d, name={"bytes": 255})),
    11: numbered(lambda d: {}),
}


def command(d: Decoder) -> Row:
    return message(d, COMMANDS)


def range_entry(d: Decoder) -> Row:
    return {"key": d.value(KEY), "record": record(d)}


def change_result(d: Decoder) -> Row:
    row: Row = {"previous_revision": d.value({"optional": "u64"})}
    if row["previous_revision"] is not None:
        row["previous"] = optional(d, record)
        require(row["previous"] is None or row["previous"]["mod_revision"] == row["previous_revision"])
    return row


def erased_result(d: Decoder) -> Row:
    row: Row = {"count": d.limited(10_000), "erased": items(d, 10_000, range_entry)}
    require(len(row["erased"]) in (0, row["count"]))
    require(ascending([e["key"] for e in row["erased"]]), "order")
    return row


def operation_result(depth: int) -> Callable[[Decoder], Row]:
    def read(d: Decoder) -> Row:
        kind = d.u8()
        require(1 <= kind <= 5)
        row: Row = {"kind": kind}
        if kind == 1:
            row.update(change_result(d))
        elif kind == 2:
            row.update(erased_result(d))
        elif kind == 3:
            row["record"] = optional(d, record)
        elif kind == 4:
            row["range"] = range_reply(d)
        else:
            require(depth < 8, "limit")
            row["succeeded"] = d.boolean()
            row["results"] = items(d, 4096, operation_result(depth + 1))
        return row

    return read


def write_result(d: Decoder) -> Row:
    row = fields(d, succeeded="bool", revision="u64")
    if not row["succeeded"]:
        row["failed_compare"] = d.limited(4095)
        row["current"] = optional(d, range_entry)
    row["results"] = items(d, 4096, operation_result(0))
    return row


def write_reply(d: Decoder) -> Row:
    return message(d, {1: error, 2: write_result})


def done_reply(d: Decoder) -> Row:
    return message(d, {1: error, 4: lambda d: fields(d, revision="u64", result="u64")})


def session_reply(d: Decoder) -> Row:
    return message(d, {1: error, 3: lambda d: fields(d, session="u64")})


def range_request(d: Decoder) -> Row:
    return fields(d, start=BOUND, end=BOUND, limit=VERSION, reverse="bool", keys_only="bool", revision="u64")


def index_scan_request(d: Decoder) -> Row:
    row = fields(d, index={"bytes": 255}, start=ENTRY_BOUND, end=ENTRY_BOUND, limit=VERSION)
    return {**row, **fields(d, reverse="bool", keys_only="bool")}


def index_scan_reply(d: Decoder) -> Row:
    row: Row = {"entries": items(d, 10_000, lambda d: {"value": d.value({"bytes": 1024}), **range_entry(d)})}
    places = [(e["value"], e["key"]) for e in row["entries"]]
    require(ascending(places) or ascending(places[::-1]), "order")
    return {**row, **fields(d, continuation={"optional": ENTRY_BOUND}, revision="u64")}


def index_row(d: Decoder) -> Row:
    row = fields(d, name={"bytes": 255}, prefix=KEY, extractor={"bytes": 1024}, state="u8", cursor=BOUND, records="u64")
    require(1 <= row["state"] <= 3)
    return row


def listed_index(d: Decoder) -> Row:
    row: Row = {"id": d.u64()}
    inner = Decoder(d.value({"bytes": 16_384}))
    row["row"] = index_row(inner)
    inner.finish()
    return row


def index_list(d: Decoder) -> Row:
    row: Row = {"indexes": items(d, 64, listed_index)}
    require(ascending([index["id"] for index in row["indexes"]]), "order")
    return row


def get_request(d: Decoder) -> Row:
    return fields(d, key=KEY, revision="u64")


def range_reply(d: Decoder) -> Row:
    row: Row = {"entries": items(d, 10_000, range_entry)}
    keys = [e["key"] for e in row["entries"]]
    require(ascending(keys) or ascending(keys[::-1]), "order")
    return {**row, **fields(d, continuation={"optional": BOUND}, revision="u64")}


def get_reply(d: Decoder) -> Row:
    return {"record": optional(d, record), "revision": d.u64()}


def request(d: Decoder) -> Row:
    form = lambda d: fields(d, id="u64", freshness={"u64": {"max": 2}}, age_max={"u64": {"max": 2**63 - 1}}, body=FRAME)
    row = message(d, {kind: form for kind in range(1, 16)})
    require(row["kind"] in (2, 3) or row["freshness"] == 0)
    require(row["freshness"] == 1 or row["age_max"] == 0)
    require(row["kind"] not in (4, 5, 7, 9) or row["body"] == b"")
    return row


def hint(d: Decoder) -> Row:
    return fields(d, node=ID, address=ADDRESS)


def error_response(d: Decoder) -> Row:
    row = {"id": d.u64(), **error(d), "leader": optional(d, hint)}
    require(row["leader"] is None or row["code"] == NOT_LEADER)
    return row


def response(d: Decoder) -> Row:
    return message(d, {1: lambda d: fields(d, id="u64", body=FRAME), 2: error_response})


def snapshot_answer(d: Decoder) -> Row:
    return message(d, {1: lambda d: {}, 2: error, 3: lambda d: fields(d, chunk="u64")})


def join_request(d: Decoder) -> Row:
    row: Row = {"group": d.value(NUMBER), "peer": peer(d), "address": d.value(ADDRESS)}
    parts = re.fullmatch(r"(?:\[[!-~]+\]|(?!\[\]:)[!-9;-~]+):([0-9]+)", row["address"])
    require(parts is not None and int(parts[1]) <= 65535, "address")
    return {**row, "again": d.boolean()}


def transfer_request(d: Decoder) -> Row:
    row = {"group": d.value(NUMBER), "to": d.fixed(32), "from": d.fixed(32)}
    require((row["to"] == bytes(32)) != (row["from"] == bytes(32)))
    return row


def group_command(d: Decoder) -> Row:
    return fields(d, group=NUMBER, command={"bytes": 16711680})


def quota(d: Decoder) -> Row:
    return fields(d, prefix={"bytes": 4096}, bytes_max="u64", keys_max="u64", bytes="u64", keys="u64")


def quota_list(d: Decoder) -> Row:
    row: Row = {"revision": d.u64(), "quotas": items(d, 1000, quota)}
    require(ascending([q["prefix"] for q in row["quotas"]]), "order")
    return row


def member_list(d: Decoder) -> Row:
    return {"leader": optional(d, hint), "members": items(d, 64, hint)}


FORMS: Dict[str, Callable[[Decoder], Row]] = {
    "hello": hello,
    "stream": stream,
    "config": config,
    "entry": entry,
    "hard_state": hard_state,
    "snapshot_meta": snapshot_meta,
    "raft_message": raft_message,
    "group_message": group_message,
    "record": record,
    "command": command,
    "write_reply": write_reply,
    "session_reply": session_reply,
    "done_reply": done_reply,
    "get_request": get_request,
    "range_request": range_request,
    "range_reply": range_reply,
    "get_reply": get_reply,
    "index_scan_request": index_scan_request,
    "index_scan_reply": index_scan_reply,
    "index_list": index_list,
    "request": request,
    "response": response,
    "snapshot_answer": snapshot_answer,
    "join_request": join_request,
    "member_request": lambda d: fields(d, group=NUMBER, node={"fixed": 32}),
    "transfer_request": transfer_request,
    "member_removed": lambda d: fields(d, was_member="bool"),
    "new_leader": lambda d: fields(d, node={"fixed": 32}),
    "group_command": group_command,
    "quota_list": quota_list,
    "member_list": member_list,
}


def decode(form: str, data: bytes) -> Row:
    decoder = Decoder(data)
    row = FORMS[form](decoder)
    decoder.finish()
    return row


# Snapshots: the chunks in order, all of them.


def session_row(d: Decoder) -> Row:
    row = fields(d, counter="u64", last_used="i64", acknowledged_below="u64")
    row["replies"] = items(d, 4096, lambda d: fields(d, sequence="u64", reply={"bytes": 8_454_144}))
    sequences = [reply["sequence"] for reply in row["replies"]]
    require(ascending(sequences), "order")
    require(all(0 <= s - row["acknowledged_below"] < 4096 for s in sequences) and row["counter"] == 0)
    return {**row, **owner(d)}


def history_name(rest: bytes) -> Tuple[bytes, int]:
    key, at = b"", 0
    while rest[at : at + 2] != b"\0\1":
        require(at < len(rest))
        key += rest[at : at + 1]
        require(rest[at] != 0 or rest[at + 1 : at + 2] == b"\xff")
        at += 2 if rest[at] == 0 else 1
    require(len(rest) == at + 10 and 0 < len(key) <= 4096)
    return key, int.from_bytes(rest[at + 2 :], "big")


def change_item(d: Decoder) -> Row:
    row = fields(d, kind="u8", key=KEY, previous="u64")
    require(1 <= row["kind"] <= 2)
    return row


def history_row(rest: bytes, d: Decoder, compacted: int) -> Row:
    key, revision = history_name(rest)
    row: Row = {"history": key, "until": d.u64(), "record": record(d)}
    require(row["record"]["mod_revision"] == revision < row["until"] and row["until"] > compacted)
    return row


def changes_row(rest: bytes, d: Decoder, compacted: int) -> Row:
    row: Row = {"changes": number(rest), "items": items(d, 10_000, change_item)}
    require(ascending([item["key"] for item in row["items"]]), "order")
    require(row["items"] != [] and row["changes"] >= compacted)
    return row


def lease_row(rest: bytes, d: Decoder) -> Row:
    row = fields(d, ttl="i64", granted="i64")
    row = {"lease": number(rest), **row, "keys": d.limited(10_000), "key_bytes": d.limited(8_388_608)}
    return {**row, "prefix": d.value(KEY)}


def attachment_row(rest: bytes) -> Row:
    require(8 < len(rest) <= 8 + 4096)
    return {"attached_to": number(rest[:8]), "key": rest[8:]}


def quota_row(rest: bytes, d: Decoder) -> Row:
    require(len(rest) <= 4096)
    return {"quota": rest, **fields(d, bytes_max="u64", keys_max="u64", bytes="u64", keys="u64")}


def index_entry_row(rest: bytes) -> Row:
    require(8 < len(rest) <= 8 + 9218)
    return {"entry_of": number(rest[:8]), "entry": rest[8:]}


def number(rest: bytes) -> int:
    require(len(rest) == 8)
    return int.from_bytes(rest, "big")


def snapshot_row(key: bytes, value: bytes, compacted: int) -> Row:
    decoder = Decoder(value)
    row: Row
    if key == b"\0":
        row = {"progress": fields(decoder, applied="u64", time="i64", compacted="u64")}
        require(row["progress"]["compacted"] <= row["progress"]["applied"])
    elif key[:1] == b"\3":
        row = history_row(key[1:], decoder, compacted)
    elif key[:1] == b"\4":
        row = changes_row(key[1:], decoder, compacted)
    elif key[:1] == b"\5":
        row = lease_row(key[1:], decoder)
    elif key[:1] == b"\6":
        row = attachment_row(key[1:])
    elif key[:1] == b"\7":
        row = quota_row(key[1:], decoder)
    elif key[:1] == b"\x08":
        row = {"index": number(key[1:]), **index_row(decoder)}
    elif key[:1] == b"\x09":
        row = index_entry_row(key[1:])
    elif key[:1] == b"\1" and 1 < len(key) <= 4097:
        row = {"key": key[1:], "record": record(decoder)}
    else:
        require(key[:1] == b"\2" and len(key) == 11 and key[9:] == b"\0\0")
        row = {"session": int.from_bytes(key[1:9], "big"), **session_row(decoder)}
    decoder.finish()
    return row


def decode_snapshot(chunks: List[bytes], index: int) -> List[Row]:
    previous, rows, last_key, ended = bytes(32), [], b"", False
    for sequence, chunk in enumerate(chunks):
        require(not ended)
        require(chunk[:32] == domain_hash("aspen/kv/snapshot/2", previous, chunk[32:]), "hash")
        previous = chunk[:32]
        d = Decoder(chunk[32:])
        require(d.u64() == sequence)
        ended = d.boolean()
        count = d.u64()
        require(not ended or count == len(rows))
        for _ in range(0 if ended else count):
            key, value = d.value({"bytes": 9227}), d.value({"bytes": 13_631_488})
            require(not rows or key > last_key, "order")
            last_key = key
            compacted = rows[0].get("progress", {}).get("compacted", 0) if rows else 0
            rows.append(snapshot_row(key, value, compacted))
        d.finish()
    require(ended)
    require(bool(rows) and rows[0].get("progress", {}).get("applied") == index)
    return rows
