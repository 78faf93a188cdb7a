"""A decoder of aspen's wire format, written from docs/wire.md and from nothing else of the engine.

It is here to disagree: when the engine and the document drift apart, the fixtures fail on one side. Section
numbers are those of the document. Types are written as in the fixtures:

    "u8" "u64" "i64" "bool"  {"u64": {"max": n}}  {"fixed": n}  {"bytes": max}  {"text": max}
    {"optional": T}  {"list": T, "max": n}  {"map": [K, V], "max": n}  {"message": kind, "fields": [T, ...]}

Values are ints, bools, bytes, str, None, lists (of items, of (key, value) pairs, of fields).
"""

import hashlib
from typing import Any, Dict, List, Optional, Tuple

import ed25519

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


class Refused(Exception):
    """The input is not the encoding of a value; `reason` is the word docs/wire.md gives it."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


# ---- sections 1 and 2: values and messages


class Decoder:
    def __init__(self, data: bytes, newer_peer: bool = False):
        self.data = data
        self.position = 0
        self.end = len(data)
        self.newer_peer = newer_peer

    def fixed(self, size: int) -> bytes:
        if size > self.end - self.position:
            raise Refused("truncated")
        self.position += size
        return self.data[self.position - size : self.position]

    def u8(self) -> int:
        return self.fixed(1)[0]

    def u64(self) -> int:
        value = 0
        for index in range(10):
            byte = self.u8()
            value |= (byte & 0x7F) << (7 * index)
            if byte & 0x80 == 0:
                if byte == 0 and index > 0:
                    raise Refused("overlong")
                if value >= 2**64:
                    raise Refused("range")
                return value
        raise Refused("range")

    def i64(self) -> int:
        raw = self.u64()
        return raw >> 1 if raw & 1 == 0 else -(raw >> 1) - 1

    def boolean(self) -> bool:
        byte = self.u8()
        if byte > 1:
            raise Refused("boolean")
        return byte == 1

    def limited(self, maximum: int) -> int:
        value = self.u64()
        if value > maximum:
            raise Refused("limit")
        return value

    def byte_string(self, maximum: int) -> bytes:
        return self.fixed(self.limited(maximum))

    def text(self, maximum: int) -> str:
        data = self.byte_string(maximum)
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("text")
        if "\0" in text:
            raise Refused("text")
        return text

    def count(self, maximum: int) -> int:
        count = self.limited(maximum)
        if count > self.end - self.position:
            raise Refused("truncated")
        return count

    def pairs(self, key: Any, value: Any, maximum: int) -> List[Tuple[Any, Any]]:
        found: List[Tuple[Any, Any]] = []
        for _ in range(self.count(maximum)):
            pair = (self.value(key), self.value(value))
            if found and not pair[0] > found[-1][0]:
                raise Refused("order")
            found.append(pair)
        return found

    def message(self, kind: Optional[int], fields: List[Any]) -> List[Any]:
        outer_end = self.begin(kind)
        values = [self.value(field) for field in fields]
        self.leave(outer_end)
        return values

    def begin(self, kind: Optional[int]) -> int:
        """Enters a message, whose kind must be `kind`; returns what leave() needs."""
        if self.u64() != kind:
            raise Refused("kind")
        length = self.u64()
        if length > self.end - self.position:
            raise Refused("truncated")
        outer_end, self.end = self.end, self.position + length
        return outer_end

    def leave(self, outer_end: int) -> None:
        if self.newer_peer:
            self.position = self.end
        if self.position != self.end:
            raise Refused("left_over")
        self.end = outer_end

    def finish(self) -> None:
        if self.position != self.end:
            raise Refused("left_over")

    def value(self, kind: Any) -> Any:
        simple = {"u8": self.u8, "u64": self.u64, "i64": self.i64, "bool": self.boolean}
        if isinstance(kind, str):
            return simple[kind]()
        if "u64" in kind:
            return self.limited(kind["u64"]["max"])
        if "fixed" in kind:
            return self.fixed(kind["fixed"])
        if "bytes" in kind:
            return self.byte_string(kind["bytes"])
        if "text" in kind:
            return self.text(kind["text"])
        if "optional" in kind:
            return self.value(kind["optional"]) if self.boolean() else None
        if "list" in kind:
            return [self.value(kind["list"]) for _ in range(self.count(kind["max"]))]
        if "map" in kind:
            return self.pairs(kind["map"][0], kind["map"][1], kind["max"])
        return self.message(kind["message"], kind["fields"])


def decode(kind: Any, data: bytes, newer_peer: bool = False) -> Any:
    decoder = Decoder(data, newer_peer)
    value = decoder.value(kind)
    decoder.finish()
    return value


# ---- section 4: text forms


def base32_decode(text: str) -> bytes:
    bits = 0
    for character in text:
        if character not in ALPHABET:
            raise Refused("character")
        bits = bits << 5 | ALPHABET.index(character)
    spare = len(text) * 5 % 8
    if spare >= 5 or bits & ((1 << spare) - 1) != 0:
        raise Refused("incomplete")
    return (bits >> spare).to_bytes(len(text) * 5 // 8, "big")


def node_id_decode(text: str) -> bytes:
    if len(text.encode()) != 52:
        raise Refused("length")
    return base32_decode(text)


# ---- section 5: hashes


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def domain_hash(domain: str, *parts: bytes) -> bytes:
    state = hashlib.blake2b(digest_size=32)
    for part in (domain.encode(), *parts):
        state.update(varint(len(part)) + part)
    return state.digest()


# ---- section 6: grants

ADMIN, INVITATION, NODE = 1, 2, 3
GRANT_FIELDS = ["subject", "roles", "scope", "not_after", "revocation_id", "signature"]
GRANT_TYPES = [
    {"fixed": 32},
    "u64",
    {"bytes": 255},
    {"u64": {"max": 2**63 - 1}},
    {"fixed": 16},
    {"fixed": 64},
]

Grant = Dict[str, Any]


class NotValid(Exception):
    """A chain or ticket that decodes and may not be used; `code` is of capi/errors.def."""

    def __init__(self, code: str, reason: str):
        super().__init__(f"{code}: {reason}")
        self.code = code


def decode_grant(decoder: Decoder) -> Grant:
    start = decoder.position
    kind = decoder.u64()
    decoder.position = start
    outer_end = decoder.begin(kind if kind in (ADMIN, INVITATION, NODE) else None)
    grant = {name: decoder.value(kind) for name, kind in zip(GRANT_FIELDS, GRANT_TYPES)}
    grant["kind"] = kind
    decoder.leave(outer_end)
    return grant


def decode_chain(decoder: Decoder) -> List[Grant]:
    return [decode_grant(decoder) for _ in range(decoder.count(4))]


def signed_hash(network: bytes, grant: Grant) -> bytes:
    fields = (
        bytes([grant["kind"]])
        + grant["subject"]
        + varint(grant["roles"])
        + varint(len(grant["scope"]))
        + grant["scope"]
        + varint(grant["not_after"])
        + grant["revocation_id"]
    )
    return domain_hash("aspen/grant/1", network, fields)


def verify_links(network: bytes, chain: List[Grant], now: int) -> Grant:
    """The last link of a chain that holds; raises NotValid when a rule is broken."""
    issuer: Grant = {"subject": network, "kind": ADMIN, "roles": 2**64 - 1, "scope": b"", "not_after": 0}
    for number, grant in enumerate(chain, 1):
        broken = (
            ("kind", issuer["kind"] == NODE or (issuer["kind"] == INVITATION and grant["kind"] != NODE)),
            ("roles", grant["roles"] & ~issuer["roles"] != 0),
            ("scope", not grant["scope"].startswith(issuer["scope"])),
            (
                "not_after",
                issuer["not_after"] != 0
                and (grant["not_after"] == 0 or grant["not_after"] > issuer["not_after"]),
            ),
            (
                "signature",
                not ed25519.verify(issuer["subject"], signed_hash(network, grant), grant["signature"]),
            ),
        )
        for rule, is_broken in broken:
            if is_broken:
                raise NotValid("NOT_A_MEMBER", f"link {number}: {rule}")
        issuer = grant
    for grant in chain:
        if grant["not_after"] != 0 and grant["not_after"] <= now:
            raise NotValid("GRANT_EXPIRED", "expired")
    return issuer


def verify_chain(network: bytes, chain: List[Grant], subject: bytes, now: int) -> Grant:
    if not chain:
        raise NotValid("NOT_A_MEMBER", "empty chain")
    # Expiry comes after every other rule.
    last = verify_links(network, chain, 0)
    if last["kind"] != NODE or last["subject"] != subject:
        raise NotValid("NOT_A_MEMBER", "not issued to this node")
    return verify_links(network, chain, now)


# ---- section 7: tickets


def decode_ticket(encoding: bytes) -> Dict[str, Any]:
    decoder = Decoder(encoding)
    outer_end = decoder.begin(1)
    ticket: Dict[str, Any] = {"network": decoder.fixed(32)}
    ticket["peers"] = [(decoder.fixed(32), decoder.text(255)) for _ in range(decoder.count(16))]
    ticket["invitation_seed"] = decoder.fixed(32)
    ticket["chain"] = decode_chain(decoder)
    decoder.leave(outer_end)
    decoder.finish()
    return ticket


def parse_ticket(text: str, now: int) -> Dict[str, Any]:
    if len(text.encode()) > 4096:
        raise NotValid("TICKET_INVALID", "length")
    if not text.startswith("aspen1"):
        raise NotValid("TICKET_INVALID", "prefix")
    try:
        body = base32_decode(text[len("aspen1") :])
        if len(body) < 4:
            raise Refused("truncated")
        encoding, checksum = body[:-4], body[-4:]
        if domain_hash("aspen/ticket/1", encoding)[:4] != checksum:
            raise NotValid("TICKET_INVALID", "checksum")
        ticket = decode_ticket(encoding)
    except Refused as refused:
        raise NotValid("TICKET_INVALID", refused.reason)
    chain = ticket["chain"]
    if not chain or chain[-1]["kind"] != INVITATION or len(chain) >= 4:
        raise NotValid("TICKET_INVALID", "chain")
    if ed25519.public_key(ticket["invitation_seed"]) != chain[-1]["subject"]:
        raise NotValid("TICKET_INVALID", "seed")
    try:
        verify_links(ticket["network"], chain, now)
    except NotValid as not_valid:
        if not_valid.code == "NOT_A_MEMBER":
            raise NotValid("TICKET_INVALID", str(not_valid))
        raise
    return ticket
