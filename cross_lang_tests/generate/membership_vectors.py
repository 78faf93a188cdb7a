"""grant.json and ticket.json: docs/wire.md sections 6 and 7."""

import ed25519
from aspen_wire import domain_hash, signed_hash, varint
from forms import base32, plain

ADMIN, INVITATION, NODE = 1, 2, 3
NOW = 1_700_000_000_000_000_000
HOUR = 3_600_000_000_000
CLIENT, MEMBER, BOTH = 1, 2, 3


def seed(name):
    return domain_hash("aspen/test/seed", name.encode())


def key(name):
    return ed25519.public_key(seed(name))


NETWORK = key("root")


def grant(issuer, kind, subject, roles=BOTH, scope=b"", not_after=0, signed_by=None, network=NETWORK):
    """A link as `issuer` signs it."""
    link = {"kind": kind, "subject": subject if isinstance(subject, bytes) else key(subject), "roles": roles}
    link.update(scope=scope, not_after=not_after)
    link["revocation_id"] = domain_hash("aspen/test/revocation", varint(kind), link["subject"])[:16]
    link["signature"] = ed25519.sign(seed(signed_by or issuer), signed_hash(network, link))
    return link


def encode_chain(chain):
    out = varint(len(chain))
    for link in chain:
        fields = link["subject"] + varint(link["roles"]) + varint(len(link["scope"])) + link["scope"]
        fields += varint(link["not_after"]) + link["revocation_id"] + link["signature"]
        out += varint(link["kind"]) + varint(len(fields)) + fields
    return out


def plus_order(link):
    """Signed with S + the group order: valid arithmetic, and a second form of the same signature."""
    s = int.from_bytes(link["signature"][32:], "little") + ed25519.ORDER
    return link | {"signature": link["signature"][:32] + s.to_bytes(32, "little")}


def forged_by_identity(link):
    """Under the key 0100...00, the neutral point, any S signs anything."""
    s = 5
    link["signature"] = ed25519.encode_point(ed25519.multiply(s, ed25519.BASE)) + s.to_bytes(32, "little")
    return link


def grants():
    admin = grant("root", ADMIN, "admin", scope=b"app/", not_after=NOW + 3 * HOUR)
    invitation = grant("admin", INVITATION, "invite", scope=b"app/x", not_after=NOW + 2 * HOUR)
    node = grant("invite", NODE, "node", roles=CLIENT, scope=b"app/x/1", not_after=NOW + HOUR)
    open_invitation = grant("root", INVITATION, "invite")
    neutral = b"\1" + bytes(31)
    chains = [
        ("root to node", [grant("root", NODE, "node")], None),
        ("every kind, narrowing", [admin, invitation, node], None),
        (
            "an admin names an admin",
            [grant("root", ADMIN, "admin"), grant("admin", ADMIN, "b"), grant("b", NODE, "node")],
            None,
        ),
        ("roles yet unnamed", [grant("root", NODE, "node", roles=2**64 - 1)], None),
        (
            "four links",
            [
                grant("root", ADMIN, "a"),
                grant("a", ADMIN, "b"),
                grant("b", INVITATION, "c"),
                grant("c", NODE, "node"),
            ],
            None,
        ),
        ("a scope of 255 bytes", [grant("root", NODE, "node", scope=b"s" * 255)], None),
        ("expires one nanosecond from now", [grant("root", NODE, "node", not_after=NOW + 1)], None),
        ("expires now", [grant("root", NODE, "node", not_after=NOW)], "GRANT_EXPIRED"),
        (
            "expired with its issuer",
            [grant("root", INVITATION, "invite", not_after=1), grant("invite", NODE, "node", not_after=1)],
            "GRANT_EXPIRED",
        ),
        ("no links", [], "NOT_A_MEMBER"),
        ("ends in an invitation", [grant("root", INVITATION, "node")], "NOT_A_MEMBER"),
        ("ends in an admin", [grant("root", ADMIN, "node")], "NOT_A_MEMBER"),
        ("issued to another node", [grant("root", NODE, "other")], "NOT_A_MEMBER"),
        ("of another network", [grant("root", NODE, "node", network=key("other network"))], "NOT_A_MEMBER"),
        ("signed by another key", [grant("root", NODE, "node", signed_by="mallory")], "NOT_A_MEMBER"),
        ("links in the wrong order", [invitation, admin, node], "NOT_A_MEMBER"),
        ("a link left out", [admin, node], "NOT_A_MEMBER"),
        ("a node issues", [grant("root", NODE, "a"), grant("a", NODE, "node")], "NOT_A_MEMBER"),
        (
            "an invitation invites",
            [open_invitation, grant("invite", INVITATION, "b"), grant("b", NODE, "node")],
            "NOT_A_MEMBER",
        ),
        (
            "an invitation names an admin",
            [open_invitation, grant("invite", ADMIN, "b"), grant("b", NODE, "node")],
            "NOT_A_MEMBER",
        ),
        (
            "wider roles",
            [grant("root", INVITATION, "invite", roles=CLIENT), grant("invite", NODE, "node", roles=BOTH)],
            "NOT_A_MEMBER",
        ),
        (
            "other roles",
            [grant("root", INVITATION, "invite", roles=CLIENT), grant("invite", NODE, "node", roles=MEMBER)],
            "NOT_A_MEMBER",
        ),
        (
            "wider scope",
            [grant("root", INVITATION, "invite", scope=b"app/"), grant("invite", NODE, "node", scope=b"app")],
            "NOT_A_MEMBER",
        ),
        (
            "other scope",
            [
                grant("root", INVITATION, "invite", scope=b"app/"),
                grant("invite", NODE, "node", scope=b"ops/"),
            ],
            "NOT_A_MEMBER",
        ),
        (
            "outlives its issuer",
            [
                grant("root", INVITATION, "invite", not_after=NOW + 1),
                grant("invite", NODE, "node", not_after=NOW + 2),
            ],
            "NOT_A_MEMBER",
        ),
        (
            "never ends though its issuer does",
            [grant("root", INVITATION, "invite", not_after=NOW + 1), grant("invite", NODE, "node")],
            "NOT_A_MEMBER",
        ),
        ("kind changed after signing", [grant("root", INVITATION, "node") | {"kind": NODE}], "NOT_A_MEMBER"),
        (
            "subject changed after signing",
            [grant("root", NODE, "other") | {"subject": key("node")}],
            "NOT_A_MEMBER",
        ),
        (
            "roles changed after signing",
            [grant("root", NODE, "node", roles=CLIENT) | {"roles": BOTH}],
            "NOT_A_MEMBER",
        ),
        (
            "scope changed after signing",
            [grant("root", NODE, "node", scope=b"a") | {"scope": b""}],
            "NOT_A_MEMBER",
        ),
        (
            "expiry changed after signing",
            [grant("root", NODE, "node", not_after=NOW + 1) | {"not_after": 0}],
            "NOT_A_MEMBER",
        ),
        (
            "revocation id changed after signing",
            [grant("root", NODE, "node") | {"revocation_id": bytes(16)}],
            "NOT_A_MEMBER",
        ),
        ("signature of zeros", [grant("root", NODE, "node") | {"signature": bytes(64)}], "NOT_A_MEMBER"),
        ("signature with S over the group order", [plus_order(grant("root", NODE, "node"))], "NOT_A_MEMBER"),
        (
            "issued by the neutral point",
            [grant("root", ADMIN, neutral), forged_by_identity(grant("x", NODE, "node"))],
            "NOT_A_MEMBER",
        ),
    ]
    good = encode_chain([grant("root", NODE, "node")])
    malformed = [
        ("", "truncated"),
        ("00" + "00", "left_over"),
        ("05" + "0100" * 5, "limit"),
        (good[:-1].hex(), "truncated"),
        (good.hex() + "00", "left_over"),
        ((b"\1\0" + good[2:]).hex(), "kind"),
        ((b"\1\4" + good[2:]).hex(), "kind"),
        (encode_chain([grant("root", NODE, "node", scope=b"s" * 256)]).hex(), "limit"),
        (encode_chain([grant("root", NODE, "node", not_after=2**63)]).hex(), "limit"),
        ((good[:2] + varint(good[2] + 1) + good[3:] + b"\0").hex(), "left_over"),
    ]
    return {
        "about": "docs/wire.md section 6. A chain shown by the peer `subject` to a member of `network` at the time `now`.",
        "network": NETWORK.hex(),
        "subject": key("node").hex(),
        "now": str(NOW),
        "valid": [chain_row(name, chain) for name, chain, code in chains if code is None],
        "invalid": [dict(chain_row(name, chain), code=code) for name, chain, code in chains if code],
        "malformed": [{"hex": text, "reason": reason} for text, reason in malformed],
    }


def chain_row(name, chain):
    links = [{field: plain(value) for field, value in link.items()} for link in chain]
    row = {"name": name, "hex": encode_chain(chain).hex()}
    return dict(row, links=links) if name in ("root to node", "every kind, narrowing") else row


def ticket_encoding(peers, chain, invitation_seed=None, kind=1, network=NETWORK, tail=b""):
    fields = network + varint(len(peers))
    for node, address in peers:
        data = address if isinstance(address, bytes) else address.encode()
        fields += key(node) + varint(len(data)) + data
    fields += (invitation_seed or seed("invite")) + encode_chain(chain) + tail
    return varint(kind) + varint(len(fields)) + fields


def ticket_text(encoding, prefix="aspen1"):
    return prefix + base32(encoding + domain_hash("aspen/ticket/1", encoding)[:4])


def tickets():
    invitation = grant("root", INVITATION, "invite")
    peers = [("a", "192.0.2.1:7000"), ("b", "[2001:db8::1]:7001")]
    admin = grant("root", ADMIN, "admin")
    long_chain = [
        admin,
        grant("admin", INVITATION, "invite", roles=CLIENT, scope=b"app/", not_after=NOW + HOUR),
    ]
    valid = [
        ("two peers", peers, [invitation]),
        ("no peers", [], [invitation]),
        ("narrow", peers[:1], long_chain),
    ]
    good_encoding = ticket_encoding(peers, [invitation])
    good = ticket_text(good_encoding)
    swapped = good[:40] + ("b" if good[40] == "a" else "a") + good[41:]
    invalid = [
        ("empty", "", "TICKET_INVALID"),
        ("the prefix alone", "aspen1", "TICKET_INVALID"),
        ("less than a checksum", "aspen1aaaa", "TICKET_INVALID"),
        ("another prefix", "birch1" + good[6:], "TICKET_INVALID"),
        ("another version", "aspen2" + good[6:], "TICKET_INVALID"),
        ("upper case", good.upper(), "TICKET_INVALID"),
        ("a space before", " " + good, "TICKET_INVALID"),
        ("a line end after", good + "\n", "TICKET_INVALID"),
        ("one character changed", swapped, "TICKET_INVALID"),
        ("cut", good[:-8], "TICKET_INVALID"),
        ("cut by one character", good[:-1], "TICKET_INVALID"),
        ("longer than the limit", "aspen1" + "a" * 4091, "TICKET_INVALID"),
        ("unknown kind", ticket_text(ticket_encoding(peers, [invitation], kind=2)), "TICKET_INVALID"),
        ("bytes after the encoding", ticket_text(good_encoding + b"\0"), "TICKET_INVALID"),
        ("a field too many", ticket_text(ticket_encoding(peers, [invitation], tail=b"\0")), "TICKET_INVALID"),
        (
            "seventeen peers",
            ticket_text(ticket_encoding([("a", "h:1")] * 17, [invitation])),
            "TICKET_INVALID",
        ),
        (
            "an address of 256 bytes",
            ticket_text(ticket_encoding([("a", "h" * 256)], [invitation])),
            "TICKET_INVALID",
        ),
        (
            "an address that is not UTF-8",
            ticket_text(ticket_encoding([("a", b"h\xff:1")], [invitation])),
            "TICKET_INVALID",
        ),
        ("no chain", ticket_text(ticket_encoding(peers, [])), "TICKET_INVALID"),
        (
            "a chain to an admin",
            ticket_text(ticket_encoding(peers, [admin], seed("admin"))),
            "TICKET_INVALID",
        ),
        (
            "a chain to a node",
            ticket_text(ticket_encoding(peers, [grant("root", NODE, "invite")])),
            "TICKET_INVALID",
        ),
        (
            "no room for a node grant",
            ticket_text(
                ticket_encoding(
                    [],
                    [
                        admin,
                        grant("admin", ADMIN, "b"),
                        grant("b", ADMIN, "c"),
                        grant("c", INVITATION, "invite"),
                    ],
                )
            ),
            "TICKET_INVALID",
        ),
        (
            "the seed of another key",
            ticket_text(ticket_encoding(peers, [invitation], seed("mallory"))),
            "TICKET_INVALID",
        ),
        (
            "a chain of another network",
            ticket_text(ticket_encoding(peers, [invitation], network=key("other network"))),
            "TICKET_INVALID",
        ),
        (
            "a widened chain",
            ticket_text(
                ticket_encoding(
                    peers, [grant("root", ADMIN, "admin", roles=CLIENT), grant("admin", INVITATION, "invite")]
                )
            ),
            "TICKET_INVALID",
        ),
        (
            "an expired invitation",
            ticket_text(ticket_encoding(peers, [grant("root", INVITATION, "invite", not_after=NOW)])),
            "GRANT_EXPIRED",
        ),
    ]
    return {
        "about": "docs/wire.md section 7. Tickets as read at the time `now`.",
        "now": str(NOW),
        "valid": [
            {
                "name": name,
                "text": ticket_text(ticket_encoding(nodes, chain)),
                "network": NETWORK.hex(),
                "peers": [{"node": key(node).hex(), "address": address} for node, address in nodes],
                "invitation_seed": seed("invite").hex(),
                "chain": encode_chain(chain).hex(),
            }
            for name, nodes, chain in valid
        ],
        "invalid": [{"name": name, "text": text, "code": code} for name, text, code in invalid],
    }
