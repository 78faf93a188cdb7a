"""What the encoders of sections 8 to 11 share, and how their examples become rows of the fixtures."""

from aspen_wire import varint
from forms import plain


def text(value):
    """Bytes, or text in UTF-8."""
    data = value.encode() if isinstance(value, str) else value
    return varint(len(data)) + data


def signed(value):
    return varint(value * 2 if value >= 0 else -value * 2 - 1)


def boolean(value):
    return b"\1" if value else b"\0"


def optional(value, encode):
    return b"\0" if value is None else b"\1" + encode(value)


def listed(values, encode):
    return varint(len(values)) + b"".join(map(encode, values))


def message(kind, fields):
    return varint(kind) + varint(len(fields)) + fields


def error(row):
    return varint(row["code"]) + boolean(row["maybe_applied"]) + text(row["message"])


def valid(encoders, examples):
    """`examples`: (form, name, value)."""
    return [
        {"form": form, "name": name, "hex": encoders[form](value).hex(), "value": plain(value)}
        for form, name, value in examples
    ]


def invalid(encoders, examples):
    """`examples`: (form, name, value or encoding, reason)."""
    rows = []
    for form, name, value, reason in examples:
        encoding = value if isinstance(value, bytes) else encoders[form](value)
        rows.append({"form": form, "name": name, "hex": encoding.hex(), "reason": reason})
    return rows
