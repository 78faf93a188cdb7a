"""How values are spelled in the fixtures, and base32 from Python's own library."""

import base64


def plain(value):
    """JSON has no 64-bit integers and no bytes: a decimal string and a hexadecimal one stand for them."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value.hex() if isinstance(value, bytes) else [plain(item) for item in value]


def base32(data):
    return base64.b32encode(data).decode().lower().rstrip("=")
