"""Reads every fixture with the independent decoder. Run: pytest cross_lang_tests/python"""

import json
import os
import random
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import aspen_protocol  # noqa: E402
import aspen_tuple  # noqa: E402
import aspen_lease  # noqa: E402, F401
import aspen_watch  # noqa: E402, F401
import aspen_wire  # noqa: E402
import ed25519  # noqa: E402
from aspen_wire import Decoder, NotValid, Refused  # noqa: E402


def fixture(name):
    with open(os.path.join(HERE, "..", "fixtures", name + ".json"), encoding="utf-8") as file:
        return json.load(file)


def rows(name, section):
    """The rows as test cases, named by what tells them apart."""
    return [
        pytest.param(row, id=str(row.get("name", row.get("text", row.get("hex", number))))[:40])
        for number, row in enumerate(fixture(name)[section])
    ]


def plain(value):
    """A decoded value as the fixtures spell it."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value.hex() if isinstance(value, bytes) else [plain(item) for item in value]


@pytest.mark.parametrize("row", rows("wire", "valid"))
def test_wire_value(row):
    data = bytes.fromhex(row["hex"])
    assert plain(aspen_wire.decode(row["type"], data)) == row["value"]
    for size in range(len(data)):
        with pytest.raises(Refused):
            aspen_wire.decode(row["type"], data[:size])


@pytest.mark.parametrize(
    "newer, row",
    [(False, r) for r in fixture("wire")["invalid"]]
    + [(True, r) for r in fixture("wire")["newer_peer_invalid"]],
)
def test_wire_refused(newer, row):
    with pytest.raises(Refused) as refused:
        aspen_wire.decode(row["type"], bytes.fromhex(row["hex"]), newer)
    assert refused.value.reason == row["reason"]


@pytest.mark.parametrize("row", rows("wire", "newer_peer_valid"))
def test_wire_of_a_newer_peer(row):
    data = bytes.fromhex(row["hex"])
    assert plain(aspen_wire.decode(row["type"], data, True)) == row["value"]
    with pytest.raises(Refused):
        aspen_wire.decode(row["type"], data)


def test_random_bytes_are_decoded_or_refused():
    types = [row["type"] for row in fixture("wire")["valid"]]
    source = random.Random(1)
    for _ in range(20_000):
        data = bytes(source.choice((0, 1, 2, 3, source.randrange(256))) for _ in range(source.randrange(12)))
        try:
            aspen_wire.decode(source.choice(types), data)
        except Refused:
            pass


@pytest.mark.parametrize("row", rows("node_id", "valid"))
def test_node_id(row):
    assert aspen_wire.node_id_decode(row["text"]).hex() == row["hex"]


@pytest.mark.parametrize("row", rows("node_id", "invalid"))
def test_node_id_refused(row):
    with pytest.raises(Refused) as refused:
        aspen_wire.node_id_decode(row["text"])
    assert refused.value.reason == row["reason"]


def test_hashes():
    found = set()
    for row in fixture("hash")["valid"]:
        value = aspen_wire.domain_hash(row["domain"], *map(bytes.fromhex, row["parts"])).hex()
        assert value == row["hash"]
        found.add(value)
    assert len(found) == len(fixture("hash")["valid"])


def judge_chain(row):
    all_rows = fixture("grant")
    decoder = Decoder(bytes.fromhex(row["hex"]))
    chain = aspen_wire.decode_chain(decoder)
    decoder.finish()
    network, subject = (bytes.fromhex(all_rows[name]) for name in ("network", "subject"))
    aspen_wire.verify_chain(network, chain, subject, int(all_rows["now"]))
    return chain


@pytest.mark.parametrize("row", rows("grant", "valid"))
def test_chain(row):
    chain = judge_chain(row)
    for link, expected in zip(chain, row.get("links", [])):
        assert {name: plain(value) for name, value in link.items()} == expected


@pytest.mark.parametrize("row", rows("grant", "invalid"))
def test_chain_not_valid(row):
    with pytest.raises(NotValid) as error:
        judge_chain(row)
    assert error.value.code == row["code"]


@pytest.mark.parametrize("row", rows("grant", "malformed"))
def test_chain_refused(row):
    with pytest.raises(Refused) as refused:
        judge_chain(row)
    assert refused.value.reason == row["reason"]


@pytest.mark.parametrize("row", rows("ticket", "valid"))
def test_ticket(row):
    ticket = aspen_wire.parse_ticket(row["text"], int(fixture("ticket")["now"]))
    assert ticket["network"].hex() == row["network"]
    assert ticket["invitation_seed"].hex() == row["invitation_seed"]
    assert [{"node": node.hex(), "address": address} for node, address in ticket["peers"]] == row["peers"]
    decoder = Decoder(bytes.fromhex(row["chain"]))
    assert aspen_wire.decode_chain(decoder) == ticket["chain"]


@pytest.mark.parametrize("row", rows("ticket", "invalid"))
def test_ticket_not_valid(row):
    with pytest.raises(NotValid) as error:
        aspen_wire.parse_ticket(row["text"], int(fixture("ticket")["now"]))
    assert error.value.code == row["code"]


PROTOCOLS = ("hello", "raft", "kv", "request", "lease", "watch")


@pytest.mark.parametrize("row", [row for name in PROTOCOLS for row in rows(name, "valid")])
def test_protocol(row):
    data = bytes.fromhex(row["hex"])
    assert plain(aspen_protocol.decode(row["form"], data)) == row["value"]
    if row["form"] == "stream":
        return
    for size in range(len(data)):
        with pytest.raises(Refused):
            aspen_protocol.decode(row["form"], data[:size])
    with pytest.raises(Refused):
        aspen_protocol.decode(row["form"], data + b"\0")


@pytest.mark.parametrize("row", [row for name in PROTOCOLS for row in rows(name, "invalid")])
def test_protocol_refused(row):
    with pytest.raises(Refused) as refused:
        aspen_protocol.decode(row["form"], bytes.fromhex(row["hex"]))
    assert refused.value.reason == row["reason"]


@pytest.mark.parametrize("row", fixture("hello")["newer"])
def test_hello_of_a_newer_peer(row):
    newer, known = (aspen_protocol.decode("hello", bytes.fromhex(row[name])) for name in ("hex", "same_as"))
    assert newer == known


def test_random_bytes_are_of_a_protocol_or_refused():
    source = random.Random(2)
    examples = [row for name in PROTOCOLS for row in fixture(name)["valid"] if len(row["hex"]) < 2000]
    for _ in range(20_000):
        row = source.choice(examples)
        data = bytearray.fromhex(row["hex"])
        data[source.randrange(len(data))] = source.choice((0, 1, 2, 127, 128, source.randrange(256)))
        try:
            aspen_protocol.decode(row["form"], bytes(data))
        except Refused:
            pass


def judge_hellos(row):
    all_rows = fixture("hello")
    ours, theirs = (aspen_protocol.decode("hello", bytes.fromhex(h)) for h in (all_rows["ours"], row["theirs"]))
    try:
        versions = aspen_protocol.common_versions(ours, theirs)
    except Refused:
        raise NotValid("UNSUPPORTED", "version")
    if ours["network"] != theirs["network"]:
        raise NotValid("NOT_A_MEMBER", "network")
    chain = aspen_wire.decode_chain(Decoder(theirs["membership"]))
    aspen_wire.verify_chain(ours["network"], chain, bytes.fromhex(all_rows["peer"]), int(all_rows["now"]))
    return versions


@pytest.mark.parametrize("row", rows("hello", "accepted"))
def test_hello_accepted(row):
    assert plain(judge_hellos(row)) == row["versions"]


@pytest.mark.parametrize("row", rows("hello", "not_accepted"))
def test_hello_not_accepted(row):
    with pytest.raises(NotValid) as error:
        judge_hellos(row)
    assert error.value.code == row["code"]


@pytest.mark.parametrize("row", fixture("hello")["reset_tokens"])
def test_reset_token(row):
    seed, connection_id = bytes.fromhex(row["seed"]), bytes.fromhex(row["connection_id"])
    assert aspen_protocol.reset_token(seed, connection_id).hex() == row["token"]


def read_snapshot(row):
    return aspen_protocol.decode_snapshot([bytes.fromhex(c) for c in row["chunks"]], int(row["index"]))


@pytest.mark.parametrize("row", rows("kv", "snapshots"))
def test_snapshot(row):
    assert plain(read_snapshot(row)) == row["rows"]


@pytest.mark.parametrize("row", rows("kv", "invalid_snapshots"))
def test_snapshot_refused(row):
    with pytest.raises(Refused):
        read_snapshot(row)


@pytest.mark.parametrize("row", rows("tuple", "valid"))
def test_tuple(row):
    data = bytes.fromhex(row["hex"])
    assert aspen_tuple.decode_tuple(data) == row["value"]
    assert aspen_tuple.decode_tuple(b"prefix" + data, 6) == row["value"]


@pytest.mark.parametrize("row", rows("tuple", "invalid"))
def test_tuple_refused(row):
    with pytest.raises(aspen_tuple.TupleRefused) as refused:
        aspen_tuple.decode_tuple(bytes.fromhex(row["hex"]))
    assert (refused.value.reason, refused.value.at) == (row["reason"], row["at"])


def test_the_size_of_a_tuple():
    assert aspen_tuple.decode_tuple(bytes(65536)) == [None] * 65536
    with pytest.raises(aspen_tuple.TupleRefused):
        aspen_tuple.decode_tuple(bytes(65537))


def test_tuples_in_order():
    keys = [bytes.fromhex(row["hex"]) for row in fixture("tuple")["order"]]
    assert keys == sorted(set(keys))
    for row in fixture("tuple")["order"]:
        assert aspen_tuple.decode_tuple(bytes.fromhex(row["hex"])) == row["value"]


@pytest.mark.parametrize("row", fixture("tuple")["ranges"])
def test_tuple_range(row):
    start, end = bytes.fromhex(row["start"]), bytes.fromhex(row["end"])
    for inside, keys in ((True, row["inside"]), (False, row["outside"])):
        for key in map(bytes.fromhex, keys):
            value = aspen_tuple.decode_tuple(key)
            begins = value[: len(row["value"])] == row["value"] and value != row["value"]
            assert (start <= key < end, begins) == (inside, inside)


@pytest.mark.parametrize("row", fixture("tuple")["subspaces"])
def test_subspace(row):
    key, prefix = bytes.fromhex(row["key"]), bytes.fromhex(row["start"])[:-1]
    assert aspen_tuple.contains(prefix, key)
    assert aspen_tuple.decode_tuple(key, len(prefix)) == row["value"]
    assert aspen_tuple.decode_tuple(key, len(row["prefix"]) // 2) == row["tuple"] + row["value"]
    for other in row["outside"]:
        assert not aspen_tuple.contains(prefix, bytes.fromhex(other))


def test_random_bytes_are_a_tuple_or_refused():
    source = random.Random(3)
    codes = (0, 1, 2, 5, 12, 20, 21, 28, 32, 33, 38, 48, 255)
    for _ in range(20_000):
        data = bytes(source.choice((*codes, source.randrange(256))) for _ in range(source.randrange(12)))
        try:
            aspen_tuple.decode_tuple(data)
        except aspen_tuple.TupleRefused:
            pass


# RFC 8032 section 7.1, tests 1 to 3.
@pytest.mark.parametrize(
    "seed, key, message, signature",
    [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ],
)
def test_ed25519(seed, key, message, signature):
    seed, key, message, signature = map(bytes.fromhex, (seed, key, message, signature))
    assert ed25519.public_key(seed) == key
    assert ed25519.sign(seed, message) == signature
    assert ed25519.verify(key, message, signature)
    assert not ed25519.verify(key, message + b"x", signature)
    assert not ed25519.verify(key, message, signature[:5] + bytes([signature[5] ^ 1]) + signature[6:])
