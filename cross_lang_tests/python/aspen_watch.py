"""A decoder of watches (docs/wire.md section 11), written from the document alone. It adds its forms to
aspen_protocol's."""

from aspen_protocol import BOUND, FORMS, KEY, Decoder, Row, ascending, error, fields, items, message, optional, record, require

REVISION = {"u64": {"max": 2**64 - 2}}
COMPACTED = 25


def watch_open(d: Decoder) -> Row:
    row = fields(d, id="u64", start=BOUND, end=BOUND, first_revision="u64")
    row.update(fields(d, previous="bool", skip_puts="bool", skip_erases="bool"))
    return {**row, **fields(d, progress_every={"u64": {"max": 2**63 - 1}}, credit="u64")}


def watch_call(d: Decoder) -> Row:
    kinds = {1: watch_open, 2: lambda d: fields(d, id="u64", bytes="u64")}
    kinds[3] = kinds[4] = lambda d: fields(d, id="u64")
    return message(d, kinds)


def part(d: Decoder) -> Row:
    row = fields(d, revision=REVISION, last="bool")

    def event(d: Decoder) -> Row:
        found: Row = {"kind": d.u8()}
        require(found["kind"] in (1, 2), "kind")
        found["key"] = d.value(KEY)
        if found["kind"] == 1:
            found["record"] = record(d)
            require(found["record"]["mod_revision"] == row["revision"])
        return {**found, "previous": optional(d, record)}

    row["events"] = items(d, 4096, event)
    require(len(row["events"]) > 0)
    require(ascending([e["key"] for e in row["events"]]), "order")
    return row


def events(d: Decoder) -> Row:
    row = {"id": d.u64(), "parts": items(d, 4096, part)}
    require(len(row["parts"]) > 0)
    require(ascending([p["revision"] for p in row["parts"]]), "order")
    require(all(p["last"] for p in row["parts"][:-1]))
    return row


def ended(d: Decoder) -> Row:
    row = {**fields(d, id="u64", compacted="u64"), **error(d)}
    require(row["compacted"] == 0 or row["code"] == COMPACTED)
    return row


def watch_news(d: Decoder) -> Row:
    kinds = {1: lambda d: fields(d, id="u64", first_revision=REVISION), 2: events}
    return message(d, {**kinds, 3: lambda d: fields(d, id="u64", revision=REVISION), 4: ended})


FORMS.update(watch_call=watch_call, watch_news=watch_news)
