"""watch.json: docs/wire.md section 11, watches."""

from aspen_wire import varint
from kv_vectors import BARE, RECORD, failure, record
from packing import boolean, error, invalid, listed, message, optional, text, valid


def open_fields(row):
    out = text(row["start"]) + text(row["end"]) + varint(row["first_revision"])
    for name in ("previous", "skip_puts", "skip_erases"):
        out += boolean(row[name])
    return out + varint(row["progress_every"]) + varint(row["credit"])


CALLS = {
    1: open_fields,
    2: lambda row: varint(row["bytes"]),
    3: lambda row: b"",
    4: lambda row: b"",
}


def event(row):
    out = bytes([row["kind"]]) + text(row["key"])
    return out + (record(row["record"]) if "record" in row else b"") + optional(row["previous"], record)


def part(row):
    return varint(row["revision"]) + boolean(row["last"]) + listed(row["events"], event)


NEWS = {
    1: lambda row: varint(row["first_revision"]),
    2: lambda row: listed(row["parts"], part),
    3: lambda row: varint(row["revision"]),
    4: lambda row: varint(row["compacted"]) + error(row),
}

ENCODERS = {
    "watch_call": lambda row: message(row["kind"], varint(row["id"]) + CALLS[row["kind"]](row)),
    "watch_news": lambda row: message(row["kind"], varint(row["id"]) + NEWS[row["kind"]](row)),
}

MOST = 2**64 - 1


def watch(**fields):
    row = {"kind": 1, "id": 7, "start": b"", "end": b"", "first_revision": 0, "previous": False}
    return row | {"skip_puts": False, "skip_erases": False, "progress_every": 0, "credit": 0} | fields


def put(key, revision, previous=None):
    return {"kind": 1, "key": key, "record": RECORD | {"mod_revision": revision}, "previous": previous}


def erase(key, previous=None):
    return {"kind": 2, "key": key, "previous": previous}


def of(revision, *events, last=True):
    return {"revision": revision, "last": last, "events": list(events)}


def told(*parts, id=7):
    return {"kind": 2, "id": id, "parts": list(parts)}


def ended(compacted=0, **fields):
    return failure(**fields) | {"kind": 4, "id": 7, "compacted": compacted}


VALID = [
    ("watch_call", "everything", watch()),
    ("watch_call", "one key", watch(start=b"k", end=b"k\0", credit=1 << 20)),
    ("watch_call", "with all there is", watch(start=b"a", end=b"b", first_revision=300, previous=True, id=MOST)),
    ("watch_call", "puts only", watch(skip_erases=True, progress_every=10**9)),
    ("watch_call", "erases only", watch(skip_puts=True, progress_every=2**63 - 1)),
    ("watch_call", "credit", {"kind": 2, "id": 7, "bytes": 4096}),
    ("watch_call", "a mark, please", {"kind": 3, "id": 300}),
    ("watch_call", "cancel", {"kind": 4, "id": 0}),
    ("watch_news", "opened", {"kind": 1, "id": 7, "first_revision": 301}),
    ("watch_news", "a put", told(of(300, put(b"k", 300)))),
    ("watch_news", "an erase", told(of(300, erase(b"k")))),
    ("watch_news", "what was there before", told(of(300, erase(b"a", RECORD), put(b"b", 300, BARE)))),
    ("watch_news", "two revisions, one not complete", told(of(7, erase(b"k")), of(9, erase(b"a"), last=False))),
    ("watch_news", "a mark", {"kind": 3, "id": 7, "revision": MOST - 1}),
    ("watch_news", "compacted", ended(300, code=25)),
    ("watch_news", "closing", ended(code=14, message="")),
]

INVALID = [
    ("watch_call", "kind 0", message(0, varint(7)), "kind"),
    ("watch_call", "kind 5", message(5, varint(7)), "kind"),
    ("watch_call", "a start over the limit", watch(start=b"k" * 4098), "limit"),
    ("watch_call", "an end over the limit", watch(end=b"k" * 4098), "limit"),
    ("watch_call", "a period over the limit", watch(progress_every=2**63), "limit"),
    ("watch_call", "previous is 2", message(1, b"\7\0\0\0\2\0\0\0\0"), "boolean"),
    ("watch_call", "a field too many", message(3, b"\7\0"), "left_over"),
    ("watch_call", "bytes after it", ENCODERS["watch_call"](watch()) + b"\0", "left_over"),
    ("watch_news", "kind 0", message(0, varint(7)), "kind"),
    ("watch_news", "kind 5", message(5, varint(7)), "kind"),
    ("watch_news", "no parts", told(), "value"),
    ("watch_news", "a part of nothing", told(of(7)), "value"),
    ("watch_news", "an event of kind 3", told(of(7, erase(b"k") | {"kind": 3})), "kind"),
    ("watch_news", "a put of another revision", told(of(7, put(b"k", 8))), "value"),
    ("watch_news", "keys that descend", told(of(7, erase(b"b"), erase(b"a"))), "order"),
    ("watch_news", "a key twice", told(of(7, erase(b"a"), erase(b"a"))), "order"),
    ("watch_news", "revisions that descend", told(of(8, erase(b"a")), of(7, erase(b"a"))), "order"),
    ("watch_news", "a revision twice", told(of(7, erase(b"a")), of(7, erase(b"b"))), "order"),
    ("watch_news", "one not complete before another", told(of(7, erase(b"a"), last=False), of(8, erase(b"a"))), "value"),
    ("watch_news", "a key over the limit", told(of(7, erase(b"k" * 4097))), "limit"),
    ("watch_news", "parts over the limit", message(2, b"\7" + varint(4097)), "limit"),
    ("watch_news", "the last revision there is", {"kind": 3, "id": 7, "revision": MOST}, "limit"),
    ("watch_news", "compacted with another error", ended(300), "value"),
    ("watch_news", "error 999", ended(code=999), "value"),
    ("watch_news", "bytes after it", ENCODERS["watch_news"](told(of(7, erase(b"k")))) + b"\0", "left_over"),
]


def watches():
    return {
        "about": "docs/wire.md section 11: watches.",
        "valid": valid(ENCODERS, VALID),
        "invalid": invalid(ENCODERS, INVALID),
    }
