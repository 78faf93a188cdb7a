"""lease.json: docs/wire.md section 11, leases."""

from aspen_wire import varint
from packing import boolean, invalid, listed, text, valid


def state(row):
    return b"".join(varint(row[name]) for name in ("lease", "ttl", "remaining", "keys"))


ENCODERS = {
    "lease_keep_alive": lambda row: listed(row["leases"], varint),
    "leases_kept": lambda row: listed(row["ttls"], varint),
    "lease_request": lambda row: varint(row["lease"]) + text(row["start"]) + varint(row["limit"]),
    "lease_info": lambda row: state(row) + listed(row["attached"], text) + boolean(row["more"]),
    "lease_list_request": lambda row: varint(row["after"]) + varint(row["limit"]),
    "lease_list": lambda row: listed(row["leases"], state) + boolean(row["more"]),
}

MOST = 2**64 - 1
LONGEST = 2**63 - 1
LEASE = {"lease": 300, "ttl": 10_000_000_000, "remaining": 9_999_999_999, "keys": 2}
BARE = {"lease": MOST, "ttl": LONGEST, "remaining": 0, "keys": 0}
INFO = LEASE | {"attached": [b"k", b"k\0"], "more": False}


VALID = [
    ("lease_keep_alive", "one", {"leases": [7]}),
    ("lease_keep_alive", "several", {"leases": [1, 300, MOST]}),
    ("leases_kept", "none", {"ttls": []}),
    ("leases_kept", "one that is gone, one that is not", {"ttls": [0, LONGEST]}),
    ("lease_request", "all of it", {"lease": 300, "start": b"", "limit": 0}),
    ("lease_request", "from a key on", {"lease": MOST, "start": b"k" * 4097, "limit": 2**32 - 1}),
    ("lease_info", "with keys", INFO),
    ("lease_info", "with more", INFO | {"keys": 10_000, "more": True}),
    ("lease_info", "without keys", BARE | {"attached": [], "more": False}),
    ("lease_list_request", "all", {"after": 0, "limit": 0}),
    ("lease_list_request", "some", {"after": MOST, "limit": 2**32 - 1}),
    ("lease_list", "none", {"leases": [], "more": False}),
    ("lease_list", "some", {"leases": [LEASE, BARE], "more": True}),
]

INVALID = [
    ("lease_keep_alive", "none", {"leases": []}, "value"),
    ("lease_keep_alive", "descending", {"leases": [2, 1]}, "order"),
    ("lease_keep_alive", "one twice", {"leases": [1, 1]}, "order"),
    ("lease_keep_alive", "4,097 leases", varint(4097) + bytes(5000), "limit"),
    ("lease_keep_alive", "bytes after it", b"\1\7\0", "left_over"),
    ("leases_kept", "a time over 63 bits", {"ttls": [LONGEST + 1]}, "limit"),
    ("leases_kept", "4,097 times", varint(4097) + bytes(5000), "limit"),
    ("lease_request", "a start over the limit", {"lease": 1, "start": b"k" * 4098, "limit": 0}, "limit"),
    ("lease_request", "a limit over 32 bits", {"lease": 1, "start": b"", "limit": 2**32}, "limit"),
    ("lease_request", "half of one", b"\7", "truncated"),
    ("lease_info", "a time over 63 bits", INFO | {"ttl": LONGEST + 1}, "limit"),
    ("lease_info", "too many keys", INFO | {"keys": 10_001}, "limit"),
    ("lease_info", "a key over the limit", INFO | {"attached": [b"k" * 4097]}, "limit"),
    ("lease_info", "keys that descend", INFO | {"attached": [b"b", b"a"]}, "order"),
    ("lease_info", "a key twice", INFO | {"attached": [b"a", b"a"]}, "order"),
    ("lease_info", "more is 2", state(LEASE) + b"\0\2", "boolean"),
    ("lease_list_request", "a limit over 32 bits", {"after": 1, "limit": 2**32}, "limit"),
    ("lease_list", "leases that descend", {"leases": [BARE, LEASE], "more": False}, "order"),
    ("lease_list", "a lease twice", {"leases": [LEASE, LEASE], "more": False}, "order"),
    ("lease_list", "10,001 leases", varint(10_001) + bytes(50_000), "limit"),
    ("lease_list", "bytes after it", b"\0\0\0", "left_over"),
]


def leases():
    return {
        "about": "docs/wire.md section 11: what is asked about leases.",
        "valid": valid(ENCODERS, VALID),
        "invalid": invalid(ENCODERS, INVALID),
    }
