"""kv.json: docs/wire.md section 11, without its requests."""

from aspen_wire import domain_hash, varint
from forms import plain
from packing import boolean, error, invalid, listed, message, optional, signed, text, valid

# ---- commands, replies, reads


def record(row):
    numbers = [row[name] for name in ("create_revision", "mod_revision", "version", "lease")]
    return b"".join(map(varint, numbers)) + text(row["value"])


def compare(row):
    out = bytes([row["target"], row["relation"]]) + text(row["key"]) + optional(row["end"], text)
    return out + (text(row["value"]) if "value" in row else varint(row["number"]))


def operation(row):
    out = bytes([row["kind"]])
    for name in ("key", "start", "end", "value"):
        out += text(row[name]) if name in row else b""
    if "lease" in row:
        out += varint(row["lease"])
    if "previous" in row:
        out += boolean(row["previous"])
    if "range" in row:
        out += range_request(row["range"])
    return out + (transaction(row["transaction"]) if "transaction" in row else b"")


def transaction(row):
    return listed(row["compares"], compare) + listed(row["then"], operation) + listed(row["otherwise"], operation)


COMMAND_BODIES = {
    2: lambda row: transaction(row["transaction"]),
    4: lambda row: varint(row["revision"]),
    5: lambda row: signed(row["ttl"]) + text(row["prefix"]),
    6: lambda row: varint(row["lease"]) + text(row["prefix"]),
    7: lambda row: listed(row["leases"], varint),
    8: lambda row: text(row["prefix"]) + varint(row["bytes_max"]) + varint(row["keys_max"]),
    9: lambda row: text(row["name"]) + text(row["prefix"]) + text(row["extractor"]),
    10: lambda row: text(row["name"]),
    11: lambda row: b"",
}


def command_fields(row):
    if row["kind"] == 1:
        return row.get("owner", b"")
    if row["kind"] == 3:
        return varint(row["session"])
    out = varint(row["session"]) + varint(row["sequence"]) + varint(row["acknowledged_below"])
    return out + COMMAND_BODIES[row["kind"]](row)


def command(row):
    return message(row["kind"], command_fields(row))


def reply_fields(row):
    if row["kind"] == 1:
        return error(row)
    if row["kind"] == 3:
        return varint(row["session"])
    if row["kind"] == 4:
        return varint(row["revision"]) + varint(row["result"])
    out = boolean(row["succeeded"]) + varint(row["revision"])
    if not row["succeeded"]:
        out += varint(row["failed_compare"]) + optional(row["current"], range_entry)
    return out + listed(row["results"], result)


def range_entry(row):
    return text(row["key"]) + record(row["record"])


def result(row):
    out = bytes([row["kind"]])
    if row["kind"] == 1:
        out += optional(row["previous_revision"], varint)
        return out + (optional(row["previous"], record) if "previous" in row else b"")
    if row["kind"] == 2:
        return out + varint(row["count"]) + listed(row["erased"], range_entry)
    if row["kind"] == 3:
        return out + optional(row["record"], record)
    if row["kind"] == 4:
        return out + range_reply(row["range"])
    return out + boolean(row["succeeded"]) + listed(row["results"], result)


def reply(row):
    return message(row["kind"], reply_fields(row))


def range_request(row):
    out = text(row["start"]) + text(row["end"]) + varint(row["limit"])
    return out + boolean(row["reverse"]) + boolean(row["keys_only"]) + varint(row["revision"])


def index_scan_request(row):
    out = text(row["index"]) + text(row["start"]) + text(row["end"]) + varint(row["limit"])
    return out + boolean(row["reverse"]) + boolean(row["keys_only"])


def index_entry(row):
    return text(row["value"]) + text(row["key"]) + record(row["record"])


def index_scan_reply(row):
    out = listed(row["entries"], index_entry)
    return out + optional(row["continuation"], text) + varint(row["revision"])


def index_row(row):
    texts = text(row["name"]) + text(row["prefix"]) + text(row["extractor"])
    return texts + bytes([row["state"]]) + text(row["cursor"]) + varint(row["records"])


def index_list(row):
    return listed(row["indexes"], lambda index: varint(index["id"]) + text(index_row(index["row"])))


def get_request(row):
    return text(row["key"]) + varint(row["revision"])


def range_reply(row):
    out = listed(row["entries"], range_entry)
    return out + optional(row["continuation"], text) + varint(row["revision"])


def get_reply(row):
    return optional(row["record"], record) + varint(row["revision"])


KV_ENCODERS = {
    "record": record,
    "command": command,
    "write_reply": reply,
    "session_reply": reply,
    "done_reply": reply,
    "get_request": get_request,
    "range_request": range_request,
    "range_reply": range_reply,
    "get_reply": get_reply,
    "index_scan_request": index_scan_request,
    "index_scan_reply": index_scan_reply,
    "index_list": index_list,
}

MOST = 2**64 - 1
OWNER = bytes(range(1, 33))
RECORD = {"create_revision": 7, "mod_revision": 300, "version": 3, "lease": 0, "value": b"value"}
BARE = {"create_revision": 1, "mod_revision": 1, "version": 1, "lease": 0, "value": b""}
LEASED = RECORD | {"lease": 150}
PUT = {"kind": 1, "key": b"k", "value": b"v", "lease": 0, "previous": False}
ERASE = {"kind": 2, "key": b"\0\xff", "previous": False}
ERASE_RANGE = {"kind": 3, "start": b"a", "end": b"b", "previous": False}
GET = {"kind": 4, "key": b"k"}


def compares(target, relation=1, key=b"k", end=None, **operand):
    return {"target": target, "relation": relation, "key": key, "end": end} | (operand or {"number": 300})


ABSENT, PRESENT = compares(6, key=b"lock", number=0), compares(6, key=b"lock", number=1)
EQUALS, REVISION = compares(1, value=b""), compares(4)
EVERY_COMPARE = [ABSENT, PRESENT, EQUALS, REVISION, compares(2, 2), compares(3, 3), compares(5, 4), compares(7)]


def txn(then=(), compares=(), otherwise=()):
    return {"compares": list(compares), "then": list(then), "otherwise": list(otherwise)}


def inside(transaction):
    return {"kind": 6, "transaction": transaction}


def deep(depth, inner):
    """`inner` in so many transactions, one inside the other."""
    return inner if depth == 0 else txn([inside(deep(depth - 1, inner))])


def numbered(kind, session=0, sequence=0, acknowledged_below=0, **body):
    row = {"kind": kind, "session": session, "sequence": sequence, "acknowledged_below": acknowledged_below}
    return row | body


def write(operations=(), conditions=(), session=0, sequence=0, acknowledged_below=0, otherwise=()):
    body = txn(operations, conditions, otherwise)
    return numbered(2, session, sequence, acknowledged_below, transaction=body)


def failure(code=18, maybe_applied=False, message="too much"):
    return {"kind": 1, "code": code, "maybe_applied": maybe_applied, "message": message}


def change(previous_revision, previous=None):
    row = {"kind": 1, "previous_revision": previous_revision}
    return row if previous_revision is None else row | {"previous": previous}


def done(*results, revision=300):
    """`results`: of a change only the previous revision is enough."""
    rows = [row if isinstance(row, dict) else change(row) for row in results]
    return {"kind": 2, "succeeded": True, "revision": revision, "results": rows}


def not_done(failed_compare, current, revision=300, results=()):
    row = {"kind": 2, "succeeded": False, "revision": revision}
    return row | {"failed_compare": failed_compare, "current": current, "results": list(results)}


def erased(count, *entries):
    return {"kind": 2, "count": count, "erased": list(entries)}


def nested_result(*results, succeeded=True):
    return {"kind": 5, "succeeded": succeeded, "results": list(results)}


def deep_result(depth):
    return nested_result(*([deep_result(depth - 1)] if depth > 1 else []))


def entry(key):
    return {"key": key, "record": BARE}


ASK = {"start": b"a", "end": b"b", "limit": 10, "reverse": False, "keys_only": False, "revision": 0}
RANGE = {"kind": 5, "range": ASK}
ENTRY = {"key": b"k", "record": RECORD}
FOUND = {"entries": [ENTRY], "continuation": None, "revision": 300}
EVERY_RESULT = [
    change(300, RECORD),
    erased(300),
    erased(2, entry(b"a"), entry(b"b")),
    {"kind": 3, "record": None},
    {"kind": 3, "record": LEASED},
    {"kind": 4, "range": FOUND | {"continuation": b"k\0"}},
    nested_result(change(None), nested_result(), succeeded=False),
]
QUOTA = numbered(8, prefix=b"p", bytes_max=300, keys_max=0)
CREATE = numbered(9, name=b"i", prefix=b"p", extractor=b"json:/a")
SCAN = {"index": b"i", "start": b"a", "end": b"b", "limit": 10, "reverse": False, "keys_only": False}
FOUND_BY = {"value": b"\2v\0", "key": b"k", "record": RECORD}
SCANNED = {"entries": [FOUND_BY], "continuation": None, "revision": 300}
LISTED = {"id": 200, "row": {"name": b"i", "prefix": b"k", "extractor": b"value", "state": 2, "cursor": b"", "records": 3}}

KV_VALID = [
    ("record", "put three times", RECORD),
    ("record", "with a lease", LEASED),
    ("record", "an empty value", BARE),
    ("record", "the highest", dict.fromkeys(RECORD, MOST) | {"value": b"\xff"}),
    ("command", "open_session", {"kind": 1}),
    ("command", "open_session of an owner", {"kind": 1, "owner": OWNER}),
    ("command", "close_session", {"kind": 3, "session": 300}),
    ("command", "a write of nothing", write()),
    ("command", "put", write([PUT])),
    ("command", "erase", write([ERASE])),
    ("command", "every compare", write([PUT, ERASE], EVERY_COMPARE, 300, 7, 5)),
    ("command", "compares of ranges", write([], [compares(1, 4, b"", b"", value=b"v"), compares(7, 1, b"a", b"b")])),
    ("command", "every operation", write([PUT | {"lease": 300, "previous": True}, ERASE, ERASE_RANGE, GET, RANGE])),
    ("command", "the other branch", write([], [ABSENT], otherwise=[GET, ERASE_RANGE | {"previous": True}])),
    ("command", "one inside another", write([inside(txn([PUT], [ABSENT], [inside(txn())]))])),
    ("command", "eight inside each other", numbered(2, transaction=deep(8, txn([GET])))),
    ("command", "the highest numbers", write([], [REVISION | {"number": MOST}], MOST, MOST, MOST)),
    ("command", "compact", numbered(4, revision=300)),
    ("command", "lease_grant", numbered(5, 300, 7, 5, ttl=10_000_000_000, prefix=b"p")),
    ("command", "a lease that it will not grant", numbered(5, ttl=-1, prefix=b"")),
    ("command", "lease_revoke", numbered(6, lease=300, prefix=b"")),
    ("command", "lease_revoke of a prefix", numbered(6, lease=300, prefix=b"p" * 4096)),
    ("command", "leases_expire", numbered(7, leases=[1, 300, MOST])),
    ("command", "quota_set", QUOTA),
    ("command", "index_create", CREATE),
    ("command", "index_drop", numbered(10, 300, 7, 5, name=b"i")),
    ("command", "index_step", numbered(11)),
    ("command", "the longest key", write([PUT | {"key": b"k" * 4096}])),
    ("command", "a key it will not carry out", write([PUT | {"key": b""}])),
    ("write_reply", "error", failure()),
    ("write_reply", "maybe applied, no words", failure(17, True, "")),
    ("write_reply", "the longest words", failure(1, False, "w" * 4094 + "é")),
    ("write_reply", "done", done(None, 7, 0, MOST)),
    ("write_reply", "nothing to do", done(revision=0)),
    ("write_reply", "not done, no record", not_done(0, None)),
    ("write_reply", "not done", not_done(4095, ENTRY, results=[change(300)])),
    ("write_reply", "every result", done(*EVERY_RESULT)),
    ("write_reply", "eight inside each other", done(deep_result(8))),
    ("done_reply", "done", {"kind": 4, "revision": 300, "result": MOST}),
    ("done_reply", "error", failure(25)),
    ("get_request", "a key", {"key": b"k", "revision": 0}),
    ("get_request", "at a revision", {"key": b"k" * 4096, "revision": MOST}),
    ("session_reply", "error", failure(19)),
    ("session_reply", "a session", {"kind": 3, "session": MOST}),
    ("range_request", "some keys", ASK),
    ("range_request", "all", ASK | {"start": b"", "end": b"", "limit": 0}),
    ("range_request", "from the end", ASK | {"reverse": True}),
    ("range_request", "names only", ASK | {"keys_only": True}),
    ("range_request", "at a revision", ASK | {"revision": 300}),
    ("range_request", "names only, from the end", ASK | {"reverse": True, "keys_only": True}),
    ("range_request", "the longest", ASK | {"start": b"a" * 4097, "end": b"b" * 4097, "limit": 2**32 - 1}),
    ("range_reply", "nothing", FOUND | {"entries": []}),
    ("range_reply", "all there is", FOUND),
    ("range_reply", "more", FOUND | {"entries": [ENTRY, {"key": b"l", "record": BARE}], "continuation": b"l\0"}),
    ("range_reply", "descending", FOUND | {"entries": [{"key": b"l", "record": BARE}, ENTRY]}),
    ("range_reply", "a continuation of no bytes", FOUND | {"continuation": b"", "revision": MOST}),
    ("index_scan_request", "some entries", SCAN),
    ("index_scan_request", "names only, from the end", SCAN | {"reverse": True, "keys_only": True}),
    ("index_scan_request", "the longest", SCAN | {"index": b"i" * 255, "start": b"a" * 9219, "end": b"b" * 9219}),
    ("index_scan_reply", "nothing", SCANNED | {"entries": []}),
    ("index_scan_reply", "two of a value", SCANNED | {"entries": [FOUND_BY, FOUND_BY | {"key": b"l"}]}),
    ("index_scan_reply", "descending", SCANNED | {"entries": [FOUND_BY | {"value": b"\2w\0"}, FOUND_BY], "continuation": b"x"}),
    ("index_list", "nothing", {"indexes": []}),
    ("index_list", "two", {"indexes": [LISTED, LISTED | {"id": 201}]}),
    ("get_reply", "nothing", {"record": None, "revision": 0}),
    ("get_reply", "a record", {"record": RECORD, "revision": 301}),
]

LONG_VALUE = varint(4_194_305) + bytes(8)
KV_INVALID = [
    ("record", "a value over the limit", varint(1) * 4 + LONG_VALUE, "limit"),
    ("record", "bytes after it", record(RECORD) + b"\0", "left_over"),
    ("command", "kind 0", message(0, b""), "kind"),
    ("command", "kind 12", message(12, b""), "kind"),
    ("command", "an index's name over the limit", CREATE | {"name": b"n" * 256}, "limit"),
    ("command", "an extractor over the limit", CREATE | {"extractor": b"e" * 1025}, "limit"),
    ("command", "a field in index_step", message(11, bytes(4)), "left_over"),
    ("command", "an owner of 31 bytes", message(1, OWNER[1:]), "truncated"),
    ("command", "an owner of 33 bytes", message(1, OWNER + b"\0"), "left_over"),
    ("command", "an owner of zeros", message(1, bytes(32)), "value"),
    ("command", "a field too many", message(2, command_fields(write()) + b"\0"), "left_over"),
    ("command", "bytes after it", command(write()) + b"\0", "left_over"),
    ("command", "operation 0", write([PUT | {"kind": 0}]), "value"),
    ("command", "operation 7", write([{"kind": 7, "key": b"k"}]), "value"),
    ("command", "target 0", write([], [ABSENT | {"target": 0}]), "value"),
    ("command", "target 8", write([], [ABSENT | {"target": 8}]), "value"),
    ("command", "relation 0", write([], [REVISION | {"relation": 0}]), "value"),
    ("command", "relation 5", write([], [REVISION | {"relation": 5}]), "value"),
    ("command", "does not exist", write([], [ABSENT | {"relation": 2}]), "value"),
    ("command", "changed since", write([], [compares(7, 4)]), "value"),
    ("command", "exists 2", write([], [ABSENT | {"number": 2}]), "value"),
    ("command", "a range at a revision", write([{"kind": 5, "range": ASK | {"revision": 1}}]), "value"),
    ("command", "nine inside each other", numbered(2, transaction=deep(9, txn([GET]))), "limit"),
    ("command", "a start over the limit", write([ERASE_RANGE | {"start": b"k" * 4098}]), "limit"),
    ("command", "leases descending", numbered(7, leases=[2, 1]), "order"),
    ("command", "a lease twice", numbered(7, leases=[1, 1]), "order"),
    ("command", "4,097 leases", message(7, bytes(3) + varint(4097) + bytes(5000)), "limit"),
    ("command", "a prefix over the limit", QUOTA | {"prefix": b"p" * 4097}, "limit"),
    ("command", "a compact with a sequence and no session", numbered(4, sequence=1, revision=1), "value"),
    ("command", "a sequence without a session", write(sequence=1), "value"),
    ("command", "an acknowledgement without a session", write(acknowledged_below=1), "value"),
    ("command", "a key over the limit", write([PUT | {"key": b"k" * 4097}]), "limit"),
    ("command", "a compare's key over the limit", write([], [ABSENT | {"key": b"k" * 4098}]), "limit"),
    ("command", "a value over the limit", message(2, bytes(4) + b"\1\1\1k" + LONG_VALUE), "limit"),
    ("command", "4,097 operations", message(2, bytes(4) + varint(4097) + bytes(5000)), "limit"),
    ("command", "4,097 compares", message(2, bytes(3) + varint(4097) + bytes(5000)), "limit"),
    ("command", "more operations than bytes", message(2, bytes(4) + varint(3) + b"\2\0"), "truncated"),
    ("write_reply", "kind 0", message(0, reply_fields(done())), "kind"),
    ("write_reply", "kind 5", message(5, reply_fields(done())), "kind"),
    ("write_reply", "of another command", {"kind": 4, "revision": 300, "result": 0}, "kind"),
    ("done_reply", "of a write", done(), "kind"),
    ("done_reply", "a field too many", message(4, b"\1\0\0"), "left_over"),
    ("write_reply", "result 0", done(nested_result() | {"kind": 0}), "value"),
    ("write_reply", "result 6", done(nested_result() | {"kind": 6}), "value"),
    ("write_reply", "a record of another revision", done(change(299, RECORD)), "value"),
    ("write_reply", "fewer records than were erased", done(erased(2, entry(b"a"))), "value"),
    ("write_reply", "records in another order", done(erased(2, entry(b"b"), entry(b"a"))), "order"),
    ("write_reply", "10,001 erased", done(erased(10_001)), "limit"),
    ("write_reply", "nine inside each other", done(deep_result(9)), "limit"),
    ("get_request", "a key over the limit", {"key": b"k" * 4097, "revision": 0}, "limit"),
    ("get_request", "bytes after it", b"\1k\0\0", "left_over"),
    ("write_reply", "of a session", {"kind": 3, "session": 1}, "kind"),
    ("session_reply", "of a write", done(), "kind"),
    ("write_reply", "error 0", failure(0), "value"),
    ("write_reply", "error 999", failure(999), "value"),
    ("write_reply", "words over the limit", failure(message="w" * 4097), "limit"),
    ("write_reply", "words that are not UTF-8", failure(message=b"w\xff"), "text"),
    ("write_reply", "words with a zero", failure(message="w\0"), "text"),
    ("write_reply", "maybe applied 2", message(1, b"\1\2\0"), "boolean"),
    ("write_reply", "a field after an error", message(1, error(failure()) + b"\0"), "left_over"),
    ("write_reply", "bytes after an error", reply(failure()) + b"\0", "left_over"),
    ("write_reply", "a field too many", message(2, reply_fields(done(None)) + b"\0"), "left_over"),
    ("write_reply", "compare 4096 failed", not_done(4096, None), "limit"),
    ("write_reply", "4,097 results", message(2, b"\1\0" + varint(4097) + bytes(4097)), "limit"),
    ("write_reply", "succeeded 2", message(2, b"\2\0\0"), "boolean"),
    ("range_request", "a start over the limit", ASK | {"start": b"a" * 4098}, "limit"),
    ("range_request", "an end over the limit", ASK | {"end": b"a" * 4098}, "limit"),
    ("range_request", "a limit over 32 bits", ASK | {"limit": 2**32}, "limit"),
    ("range_request", "reverse 2", range_request(ASK)[:-3] + b"\2\0\0", "boolean"),
    ("range_request", "bytes after it", range_request(ASK) + b"\0", "left_over"),
    ("range_reply", "10,001 entries", varint(10_001) + bytes(10_100), "limit"),
    ("range_reply", "a key over the limit", FOUND | {"entries": [ENTRY | {"key": b"k" * 4097}]}, "limit"),
    ("range_reply", "a continuation over the limit", FOUND | {"continuation": b"k" * 4098}, "limit"),
    ("range_reply", "a key twice", FOUND | {"entries": [ENTRY, ENTRY]}, "order"),
    ("range_reply", "up and down", FOUND | {"entries": [entry(b"a"), entry(b"c"), entry(b"b")]}, "order"),
    ("range_reply", "down and up", FOUND | {"entries": [entry(b"c"), entry(b"a"), entry(b"b")]}, "order"),
    ("range_reply", "more is 2", b"\0\2\0\0", "boolean"),
    ("index_scan_request", "a start over the limit", SCAN | {"start": b"a" * 9220}, "limit"),
    ("index_scan_request", "bytes after it", index_scan_request(SCAN) + b"\0", "left_over"),
    ("index_scan_reply", "a value over the limit", SCANNED | {"entries": [FOUND_BY | {"value": b"v" * 1025}]}, "limit"),
    ("index_scan_reply", "an entry twice", SCANNED | {"entries": [FOUND_BY, FOUND_BY]}, "order"),
    (
        "index_scan_reply",
        "up and down",
        SCANNED | {"entries": [FOUND_BY | {"key": key} for key in (b"a", b"c", b"b")]},
        "order",
    ),
    ("index_list", "ids descending", {"indexes": [LISTED, LISTED]}, "order"),
    ("index_list", "65", varint(65) + bytes(70), "limit"),
    ("get_reply", "record is 2", b"\2\0", "boolean"),
    ("get_reply", "bytes after it", b"\0\0\0", "left_over"),
]

# ---- snapshots


def session_row(row):
    out = varint(row.get("counter", 0)) + signed(row["last_used"]) + varint(row["acknowledged_below"])
    out += listed(row["replies"], lambda r: varint(r["sequence"]) + text(r["reply"]))
    return out + row.get("owner", b"")


def big(number):
    return number.to_bytes(8, "big")


def change_item(row):
    return bytes([row["kind"]]) + text(row["key"]) + varint(row["previous"])


def snapshot_row(row):
    """A row's key and value; `row` as the fixtures spell it."""
    if "progress" in row:
        progress = row["progress"]
        return b"\0", varint(progress["applied"]) + signed(progress["time"]) + varint(progress["compacted"])
    if "history" in row:
        name = row["history"].replace(b"\0", b"\0\xff") + b"\0\1" + big(row["record"]["mod_revision"])
        return b"\3" + name, varint(row["until"]) + record(row["record"])
    if "changes" in row:
        return b"\4" + big(row["changes"]), listed(row["items"], change_item)
    if "lease" in row:
        value = signed(row["ttl"]) + signed(row["granted"]) + varint(row["keys"]) + varint(row["key_bytes"])
        return b"\5" + big(row["lease"]), value + text(row["prefix"])
    if "attached_to" in row:
        return b"\6" + big(row["attached_to"]) + row["key"], b""
    if "quota" in row:
        numbers = [row[name] for name in ("bytes_max", "keys_max", "bytes", "keys")]
        return b"\7" + row["quota"], b"".join(map(varint, numbers))
    if "index" in row:
        return b"\x08" + big(row["index"]), index_row(row)
    if "entry_of" in row:
        return b"\x09" + big(row["entry_of"]) + row["entry"], b""
    if "session" in row:
        return b"\2" + row["session"].to_bytes(8, "big") + b"\0\0", session_row(row)
    return b"\1" + row["key"], record(row["record"])


def pairs(rows):
    return [text(key) + text(value) for key, value in map(snapshot_row, rows)]


def seal(bodies):
    previous, chunks = bytes(32), []
    for body in bodies:
        previous = domain_hash("aspen/kv/snapshot/2", previous, body)
        chunks.append(previous + body)
    return chunks


def bodies(*parts, last=None):
    """One body for the encoded rows of each part, and the last one."""
    out = [varint(n) + b"\0" + varint(len(part)) + b"".join(part) for n, part in enumerate(parts)]
    return [*out, varint(len(out)) + b"\1" + varint(sum(map(len, parts)) if last is None else last)]


PROGRESS = {"progress": {"applied": 300, "time": 1_700_000_000_000_000_000, "compacted": 100}}


def session(id, acknowledged_below=0, replies=()):
    row = {"session": id, "counter": 0, "last_used": 1_700_000_000_000_000_000}
    row["acknowledged_below"] = acknowledged_below
    return row | {"replies": [{"sequence": sequence, "reply": text} for sequence, text in replies]}


RECORDS = [
    {"key": b"\0", "record": BARE},
    {"key": b"k", "record": RECORD},
    {"key": b"k\0", "record": BARE},
    {"key": b"\xff", "record": BARE},
]
REPLIES = [(5, reply(done(None))), (300, reply(not_done(0, ENTRY))), (4100, reply(failure(18)))]
SESSIONS = [session(0xFF), session(0x100, 5, REPLIES), session(299, 9) | {"owner": OWNER}]
HISTORY = [
    {"history": b"\0", "until": 300, "record": BARE},
    {"history": b"\0k\0", "until": 101, "record": RECORD | {"mod_revision": 8}},
    {"history": b"k", "until": 299, "record": RECORD | {"mod_revision": 7}},
    {"history": b"k", "until": 300, "record": RECORD | {"mod_revision": 299}},
    {"history": b"k\0", "until": 300, "record": RECORD | {"mod_revision": 150}},
    {"history": b"k\1", "until": 300, "record": LEASED | {"mod_revision": 150}},
]
CHANGES = [
    {"changes": 100, "items": [{"kind": 1, "key": b"k", "previous": 0}]},
    {"changes": 300, "items": [{"kind": 2, "key": b"a", "previous": 299}, {"kind": 1, "key": b"k", "previous": 300}]},
]
LEASES = [
    {"lease": 150, "ttl": 10_000_000_000, "granted": 1_700_000_000_000_000_000, "keys": 2, "key_bytes": 3, "prefix": b""},
    {"lease": 256, "ttl": 100_000_000, "granted": -1, "keys": 0, "key_bytes": 0, "prefix": b"k"},
    {"attached_to": 150, "key": b"k"},
    {"attached_to": 150, "key": b"k\0"},
]
QUOTAS = [
    {"quota": b"", "bytes_max": 300, "keys_max": 0, "bytes": 7, "keys": 4},
    {"quota": b"k", "bytes_max": 0, "keys_max": 300, "bytes": MOST, "keys": 2},
]
INDEX = {"index": 200, "name": b"i", "prefix": b"k", "extractor": b"json:/a", "state": 2, "cursor": b"", "records": 300}
INDEXES = [
    INDEX,
    INDEX | {"index": 256, "name": b"j", "state": 1, "cursor": b"k\0"},
    {"entry_of": 200, "entry": b"\2v\0\1k\0"},
    {"entry_of": 256, "entry": b"\2v\0\1k\0"},
]
ROWS = [PROGRESS, *RECORDS, *SESSIONS, *HISTORY, *CHANGES, *LEASES, *QUOTAS, *INDEXES]


def snapshots():
    rows = pairs(ROWS)
    fresh = [{"progress": {"applied": 0, "time": 0, "compacted": 0}}]
    long_key = [PROGRESS, {"key": b"\xff" * 4096, "record": BARE}]
    long_key.append({"history": b"\0" * 4096, "until": 300, "record": BARE})
    long_key.append({"entry_of": 200, "entry": b"\2" + b"v" * 1022 + b"\0\1" + b"\0\xff" * 4096 + b"\0"})
    whole = [
        ("nothing yet", 0, fresh, bodies(pairs(fresh))),
        ("rows of every kind", 300, ROWS, bodies(rows)),
        ("the longest key", 300, long_key, bodies(pairs(long_key))),
    ]
    # No engine cuts so early, but every one reads it.
    cut = ("cut into three", 300, ROWS, bodies(rows[:1], rows[1:6], rows[6:]))
    return [
        {"name": n, "index": str(i), "is_cut": c is cut[3], "chunks": [x.hex() for x in seal(c)], "rows": plain(r)}
        for n, i, r, c in (*whole, cut)
    ]


def changed(row, **fields):
    return pairs([PROGRESS, row | fields])


def slot(row, number):
    key, value = snapshot_row(row)
    return text(key[:-2] + number.to_bytes(2, "big")) + text(value)


def invalid_snapshots():
    rows = pairs(ROWS)
    good = seal(bodies(rows[:1], rows[1:]))
    late = session(1, 5, [(5 + 4096, b"r")])
    odd_key = [*pairs([PROGRESS]), text(b"\x0ax") + text(b"")]
    past, change, lease, quota = HISTORY[0], CHANGES[1], LEASES[0], QUOTAS[0]
    beyond = [{"progress": {"applied": 300, "time": 0, "compacted": 301}}]
    plain_cases = [
        ("no chunks", []),
        ("no last chunk", good[:2]),
        ("a chunk left out", good[:1] + good[2:]),
        ("chunks in the wrong order", [good[1], good[0], good[2]]),
        ("a chunk twice", [good[0], *good]),
        ("a chunk after the last", [*good, good[2]]),
        ("a chunk shorter than a hash", [good[0][:31]]),
        ("a bit changed in a hash", [bytes([good[0][0] ^ 1]) + good[0][1:], *good[1:]]),
        ("a bit changed in a row", [good[0][:-1] + bytes([good[0][-1] ^ 1]), *good[1:]]),
    ]
    first, second, last = bodies(rows[:1], rows[1:])
    sealed_cases = [
        ("sequence from 1", [b"\1" + first[1:], *bodies(rows[:1], rows[1:])[1:]]),
        ("a sequence twice", [first, b"\0" + second[1:], last]),
        ("last is 2", [first, second, last[:1] + b"\2" + last[2:]]),
        ("too many rows counted", bodies(rows, last=len(rows) + 1)),
        ("too few rows counted", bodies(rows, last=len(rows) - 1)),
        ("bytes after the last chunk's count", [first, second, last + b"\0"]),
        ("bytes after a chunk's rows", [first + b"\0", second, last]),
        ("fewer rows than said", [b"\0\0\2" + first[3:], second, last]),
        ("rows descending", bodies([rows[0], rows[2], rows[1], *rows[3:]])),
        ("rows descending over chunks", bodies([rows[0], rows[2]], [rows[1], *rows[3:]])),
        ("a row twice", bodies([rows[0], rows[1], rows[1]])),
        ("no progress", bodies(rows[1:])),
        ("nothing at all", bodies([])),
        ("of another index", bodies(pairs([{"progress": {"applied": 299, "time": 0, "compacted": 0}}]))),
        ("bytes after progress", bodies([text(b"\0") + text(snapshot_row(PROGRESS)[1] + b"\0")])),
        ("a record that is not one", bodies([rows[0], text(b"\1k") + text(b"\0")])),
        ("an empty key", bodies(changed(RECORDS[0], key=b""))),
        ("a key over the limit", bodies(changed(RECORDS[0], key=b"k" * 4097))),
        ("a row key of no bytes", bodies([text(b"") + text(b""), *rows])),
        ("a row of kind 10", bodies(odd_key)),
        ("compacted beyond its index", bodies(pairs(beyond))),
        ("history that is compacted", bodies(changed(past, until=100))),
        ("history that ends before it begins", bodies(changed(past, record=BARE | {"mod_revision": 300}))),
        ("history of an empty key", bodies(changed(past, history=b""))),
        ("history of a key over the limit", bodies(changed(past, history=b"k" * 4097))),
        ("history of another revision", bodies([rows[0], text(b"\3k\0\1" + big(2)) + text(b"\xac\2" + record(BARE))])),
        ("a key that does not end", bodies([rows[0], text(b"\3k" + big(1)) + text(b"\xac\2" + record(BARE))])),
        ("changes that are compacted", bodies(changed(change, changes=99))),
        ("no changes", bodies(changed(change, items=[]))),
        ("a change of kind 3", bodies(changed(change, items=[change["items"][0] | {"kind": 3}]))),
        ("changes descending", bodies(changed(change, items=change["items"][::-1]))),
        ("a lease of too many keys", bodies(changed(lease, keys=10_001))),
        ("a lease of too long keys", bodies(changed(lease, key_bytes=8_388_609))),
        ("a lease of a prefix over the limit", bodies(changed(lease, prefix=b"p" * 4097))),
        ("an attached empty key", bodies(changed(LEASES[2], key=b""))),
        ("an attachment that says something", bodies([rows[0], text(b"\6" + big(150) + b"k") + text(b"\0")])),
        ("a quota of a prefix over the limit", bodies(changed(quota, quota=b"p" * 4097))),
        ("an index in state 4", bodies(changed(INDEX, state=4))),
        ("an index of a name over the limit", bodies(changed(INDEX, name=b"n" * 256))),
        ("an empty index entry", bodies(changed(INDEXES[2], entry=b""))),
        ("an index entry over the limit", bodies(changed(INDEXES[2], entry=b"e" * 9219))),
        ("an index entry that says something", bodies([rows[0], text(b"\x09" + big(1) + b"k") + text(b"\0")])),
        ("a session id of 7 bytes", bodies([rows[0], text(b"\2" + bytes(9)) + text(session_row(SESSIONS[0]))])),
        ("replies descending", bodies(changed(session(1, 0, REPLIES[:2][::-1])))),
        ("a reply twice", bodies(changed(session(1, 0, [REPLIES[0]] * 2)))),
        ("a reply too far ahead", bodies(changed(late))),
        ("an acknowledged reply", bodies(changed(session(1, 6, REPLIES[:1])))),
        ("a session's counter", bodies(changed(session(1), counter=1))),
        ("a session in slot 1", bodies([rows[0], slot(SESSIONS[0], 1)])),
        ("a session of zeros", bodies(changed(session(1), owner=bytes(32)))),
        ("a session of half an owner", bodies(changed(session(1), owner=bytes(16)))),
        ("a session in two rows", bodies([rows[0], slot(SESSIONS[0], 0), slot(SESSIONS[0], 1)])),
    ]
    cases = plain_cases + [(name, seal(case)) for name, case in sealed_cases]
    return [{"name": n, "index": "300", "chunks": [chunk.hex() for chunk in case]} for n, case in cases]


def kvs():
    return {
        "about": "docs/wire.md section 11, without requests. A snapshot is read as one of `index`.",
        "valid": valid(KV_ENCODERS, KV_VALID),
        "invalid": invalid(KV_ENCODERS, KV_INVALID),
        "snapshots": snapshots(),
        "invalid_snapshots": invalid_snapshots(),
    }
