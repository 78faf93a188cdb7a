"""A decoder of what is asked about leases (docs/wire.md section 11), written from the document alone. It adds its
forms to aspen_protocol's."""

from aspen_protocol import BOUND, FORMS, KEY, Decoder, Row, ascending, fields, items, require

TIME = {"u64": {"max": 2**63 - 1}}
LIMIT = {"u64": {"max": 2**32 - 1}}


def keep_alive(d: Decoder) -> Row:
    row: Row = {"leases": items(d, 4096, lambda d: d.u64())}
    require(len(row["leases"]) > 0)
    require(ascending(row["leases"]), "order")
    return row


def kept(d: Decoder) -> Row:
    return {"ttls": items(d, 4096, lambda d: d.value(TIME))}


def state(d: Decoder) -> Row:
    return {**fields(d, lease="u64", ttl=TIME, remaining=TIME), "keys": d.limited(10_000)}


def info(d: Decoder) -> Row:
    row = state(d)
    row["attached"] = items(d, 10_000, lambda d: d.value(KEY))
    require(ascending(row["attached"]), "order")
    return {**row, **fields(d, more="bool")}


def listed(d: Decoder) -> Row:
    row: Row = {"leases": items(d, 10_000, state)}
    require(ascending([lease["lease"] for lease in row["leases"]]), "order")
    return {**row, **fields(d, more="bool")}


FORMS.update(lease_keep_alive=keep_alive, leases_kept=kept, lease_info=info, lease_list=listed)
FORMS["lease_request"] = lambda d: fields(d, lease="u64", start=BOUND, limit=LIMIT)
FORMS["lease_list_request"] = lambda d: fields(d, after="u64", limit=LIMIT)
