"""The store, on an embedded node, blocking and asyncio alike."""

from __future__ import annotations

import pickle
from typing import Any

import aspen
import pytest


def test_put_and_get(node: Any) -> None:
    revision = node.kv.put("greeting", "hello")
    assert node.kv.get("greeting") == aspen.Entry(b"greeting", b"hello", revision, revision, 1)
    assert node.kv.get("greeting", stale=True).value == b"hello"


def test_a_missing_key_is_none(node: Any) -> None:
    assert node.kv.get("nothing") is None


def test_revisions_and_versions(node: Any) -> None:
    first = node.kv.put("k", "1")
    second = node.kv.put("k", "2")
    assert second > first
    entry = node.kv.get("k")
    assert (entry.create_revision, entry.mod_revision, entry.version) == (first, second, 2)
    assert node.kv.delete("k")
    third = node.kv.put("k", "3")
    entry = node.kv.get("k")
    assert (entry.create_revision, entry.mod_revision, entry.version) == (third, third, 1)


def test_delete_tells_whether_the_key_existed(node: Any) -> None:
    node.kv.put("k", "v")
    deleted = node.kv.delete("k")
    assert deleted.existed and deleted.revision > 0
    assert not node.kv.delete("k").existed
    assert node.kv.get("k") is None


@pytest.mark.parametrize("key", [b"\0", b"\xff" * 9, b"a\0b", bytes(range(256)), "ключ", bytearray(b"x"), memoryview(b"y")])
def test_keys_and_values_are_bytes(node: Any, key: Any) -> None:
    value = bytes(reversed(range(256)))
    node.kv.put(key, value)
    entry = node.kv.get(key)
    assert entry.key == (key.encode() if isinstance(key, str) else bytes(key))
    assert entry.value == value


def test_an_empty_value(node: Any) -> None:
    node.kv.put("k", b"")
    assert node.kv.get("k").value == b""


def test_key_limit(node: Any) -> None:
    longest = b"k" * aspen.LIMITS["KEY_BYTES"]
    node.kv.put(longest, "v")
    assert node.kv.get(longest).value == b"v"
    for call in (
        lambda: node.kv.put(longest + b"k", "v"),
        lambda: node.kv.get(longest + b"k"),
        lambda: node.kv.delete(longest + b"k"),
        lambda: node.kv.cas(longest + b"k", "v", expect=aspen.ABSENT),
    ):
        with pytest.raises(aspen.LimitExceeded) as caught:
            call()
        assert "key" in caught.value.message
        assert str(aspen.LIMITS["KEY_BYTES"]) in caught.value.message
        assert caught.value.applied == "no"


def test_an_empty_key_is_refused(node: Any) -> None:
    with pytest.raises(ValueError) as caught:
        node.kv.put("", "v")
    assert isinstance(caught.value, (aspen.InvalidArgument, aspen.LimitExceeded))


def test_value_limit(node: Any) -> None:
    largest = b"v" * aspen.LIMITS["VALUE_BYTES"]
    node.kv.put("k", largest)
    assert node.kv.get("k").value == largest
    with pytest.raises(aspen.LimitExceeded) as caught:
        node.kv.put("k", largest + b"v")
    assert str(aspen.LIMITS["VALUE_BYTES"]) in caught.value.message
    assert node.kv.get("k").value == largest


class TestPrevious:
    def test_of_a_put(self, node: Any) -> None:
        made = node.kv.put("k", "1", previous=True)
        assert isinstance(made, int) and made.previous is None
        again = node.kv.put("k", "2", previous=True)
        assert again > made and again.previous == aspen.Entry(b"k", b"1", made, made, 1)
        assert node.kv.put("k", "3").previous is None
        assert node.kv.get("k").mod_revision > again

    def test_of_a_delete(self, node: Any) -> None:
        made = node.kv.put("k", "1")
        assert node.kv.delete("k", previous=True).previous == aspen.Entry(b"k", b"1", made, made, 1)
        assert node.kv.delete("k", previous=True).previous is None
        node.kv.put("k", "1")
        assert node.kv.delete("k").previous is None

    def test_a_put_result_is_its_revision(self, node: Any) -> None:
        node.kv.put("k", "1")
        made = node.kv.put("k", "2", previous=True)
        assert f"{made}" == repr(made) == str(int(made)) and {int(made): 1}[made] == 1
        copy = pickle.loads(pickle.dumps(made))
        assert copy == made and copy.previous == made.previous
        assert node.kv.cas("k", "3", expect=made)


class TestLeases:
    def test_none(self, node: Any) -> None:
        node.kv.put("k", "v", lease=None)
        assert node.kv.cas("k", "w", expect="v", lease=0)
        assert node.kv.get("k").lease == 0

    def test_one_that_does_not_exist(self, node: Any) -> None:
        for call in (
            lambda: node.kv.put("k", "v", lease=2**64 - 1),
            lambda: node.kv.cas("k", "v", expect=aspen.ABSENT, lease=2**64 - 1),
        ):
            with pytest.raises(aspen.NotFound) as caught:
                call()
            assert caught.value.applied == "no"
        assert node.kv.get("k") is None

    def test_what_is_no_lease(self, node: Any) -> None:
        for wrong in ("1", 1.5, False):
            with pytest.raises(TypeError):
                node.kv.put("k", "v", lease=wrong)
            with pytest.raises(TypeError):
                node.kv.cas("k", "v", expect=aspen.ABSENT, lease=wrong)
        with pytest.raises(aspen.InvalidArgument):
            node.kv.put("k", "v", lease=2**64)


class TestRevisions:
    def test_get(self, node: Any) -> None:
        first, second = node.kv.put("k", "1"), node.kv.put("k", "2")
        deleted = node.kv.delete("k").revision
        assert node.kv.get("k", revision=first) == aspen.Entry(b"k", b"1", first, first, 1)
        assert node.kv.get("k", revision=second).value == b"2"
        assert node.kv.get("k", revision=second, stale=True).value == b"2"
        assert node.kv.get("k", revision=deleted) is None
        node.kv.put("k", "3")
        assert node.kv.get("k", revision=None).value == node.kv.get("k", revision=0).value == b"3"

    def test_range_over_many_replies(self, node: Any) -> None:
        count = aspen.LIMITS["TRANSACTION_OPS"]
        value = b"v" * 1500  # together more than one reply holds
        batch = node.kv.batch()
        for i in range(count):
            batch.put(b"%06d" % i, value)
        revision = batch.apply().revision
        node.kv.batch().delete_range("").put("new", "1").apply()
        entries = node.kv.range(revision=revision)
        assert [entry.key for entry in entries] == [b"%06d" % i for i in range(count)]
        [last] = node.kv.range(revision=revision, reverse=True, limit=1)
        assert last.key == b"%06d" % (count - 1)
        assert [entry.key for entry in node.kv.range()] == [b"new"]

    def test_one_that_has_not_happened(self, node: Any) -> None:
        future = node.kv.put("k", "v") + 1000
        with pytest.raises(aspen.InvalidArgument, match=str(future)):
            node.kv.get("k", revision=future)
        with pytest.raises(aspen.InvalidArgument, match=str(future)):
            list(node.kv.range(revision=future))

    def test_what_is_none(self, node: Any) -> None:
        for wrong in ("1", 1.5, True):
            with pytest.raises(TypeError):
                node.kv.get("k", revision=wrong)
            with pytest.raises(TypeError):
                node.kv.range(revision=wrong)
        for wrong in (-1, 2**64):
            with pytest.raises(aspen.InvalidArgument):
                node.kv.get("k", revision=wrong)
            with pytest.raises(aspen.InvalidArgument):
                node.kv.range(revision=wrong)


class TestCas:
    def test_absent(self, node: Any) -> None:
        made = node.kv.cas("k", "1", expect=aspen.ABSENT)
        assert made and made.succeeded and made.current is None
        refused = node.kv.cas("k", "2", expect=aspen.ABSENT)
        assert not refused
        assert refused.current == aspen.Entry(b"k", b"1", made.revision, made.revision, 1)
        assert node.kv.get("k").value == b"1"

    def test_present(self, node: Any) -> None:
        refused = node.kv.cas("k", "1", expect=aspen.PRESENT)
        assert not refused and refused.current is None
        node.kv.put("k", "1")
        assert node.kv.cas("k", "2", expect=aspen.PRESENT)

    def test_value(self, node: Any) -> None:
        node.kv.put("k", b"1\0")
        assert not node.kv.cas("k", "2", expect=b"1")
        assert node.kv.cas("k", "2", expect=b"1\0")
        assert node.kv.cas("k", "3", expect="2")
        assert not node.kv.cas("missing", "3", expect=b"")
        assert node.kv.get("k").value == b"3"

    def test_revision(self, node: Any) -> None:
        first = node.kv.put("k", "1")
        second = node.kv.cas("k", "2", expect=aspen.Revision(first))
        assert second
        refused = node.kv.cas("k", "3", expect=aspen.Revision(first))
        assert not refused and refused.current.mod_revision == second.revision
        assert node.kv.cas("k", "3", expect=node.kv.get("k").mod_revision)

    def test_what_cannot_be_expected(self, node: Any) -> None:
        for wrong in (None, True, 1.5):
            with pytest.raises(TypeError):
                node.kv.cas("k", "v", expect=wrong)
        with pytest.raises(aspen.InvalidArgument):
            node.kv.cas("k", "v", expect=-1)
        assert node.kv.get("k") is None


class TestBatch:
    def test_all_at_one_revision(self, node: Any) -> None:
        old = node.kv.put("c", "old")
        result = node.kv.batch().check("a", aspen.ABSENT).put("a", "1").put("b", b"2").delete("c").delete("d").apply()
        assert result and result.failed_check is None and result.current is None
        absent = aspen.Change(False, 0)
        assert result.changes == (absent, absent, aspen.Change(True, old), absent)
        assert node.kv.get("a").mod_revision == node.kv.get("b").mod_revision == result.revision
        assert node.kv.get("c") is None

    def test_none_when_a_check_fails(self, node: Any) -> None:
        revision = node.kv.put("x", "1")
        batch = node.kv.batch().check("a", aspen.ABSENT).check("x", "2").check("y", aspen.PRESENT)
        result = batch.put("a", "1").delete("x").apply()
        assert not result
        assert result.failed_check == 1
        assert result.current == aspen.Entry(b"x", b"1", revision, revision, 1)
        assert result.changes == ()
        assert node.kv.get("a") is None
        assert node.kv.get("x").value == b"1"
        absent = node.kv.batch().check("y", aspen.PRESENT).put("y", "1").apply()
        assert (absent.succeeded, absent.failed_check, absent.current) == (False, 0, None)

    def test_can_be_applied_again(self, node: Any) -> None:
        batch = node.kv.batch().put("a", "1")
        assert batch.apply().revision < batch.apply().revision
        assert node.kv.get("a").version == 2

    def test_of_a_key_the_last_change_counts(self, node: Any) -> None:
        assert node.kv.batch().put("a", "1").put("b", "1").delete("a").put("b", "2").apply()
        assert [entry.value for entry in node.kv.range()] == [b"2"]

    def test_limits(self, node: Any) -> None:
        batch = node.kv.batch()
        for i in range(aspen.LIMITS["TRANSACTION_OPS"]):
            batch.put(f"k{i:05}", "v")
        assert batch.apply()
        batch.put("one more", "v")
        with pytest.raises(aspen.LimitExceeded) as caught:
            batch.apply()
        assert str(aspen.LIMITS["TRANSACTION_OPS"]) in caught.value.message
        assert node.kv.get("one more") is None


class TestRange:
    @pytest.fixture
    def filled(self, node: Any) -> Any:
        batch = node.kv.batch()
        for key in (b"a", b"b/1", b"b/2", b"b/3", b"b/\xff", b"c", b"\xff\xff"):
            batch.put(key, b"=" + key)
        batch.apply()
        return node

    @staticmethod
    def keys(entries: Any) -> list[bytes]:
        return [entry.key for entry in entries]

    def test_everything_in_order(self, filled: Any) -> None:
        entries = list(filled.kv.range())
        assert self.keys(entries) == [b"a", b"b/1", b"b/2", b"b/3", b"b/\xff", b"c", b"\xff\xff"]
        assert entries[0].value == b"=a" and entries[0].version == 1

    def test_prefix(self, filled: Any) -> None:
        assert self.keys(filled.kv.range("b/")) == [b"b/1", b"b/2", b"b/3", b"b/\xff"]
        assert self.keys(filled.kv.range(prefix=b"\xff")) == [b"\xff\xff"]
        assert self.keys(filled.kv.range(prefix="nothing")) == []
        assert len(self.keys(filled.kv.range(prefix=""))) == 7

    def test_start_and_end(self, filled: Any) -> None:
        assert self.keys(filled.kv.range(start="b/2", end="c")) == [b"b/2", b"b/3", b"b/\xff"]
        assert self.keys(filled.kv.range(start="c")) == [b"c", b"\xff\xff"]
        assert self.keys(filled.kv.range(end="b/2")) == [b"a", b"b/1"]

    def test_reverse_and_limit(self, filled: Any) -> None:
        assert self.keys(filled.kv.range("b/", reverse=True)) == [b"b/\xff", b"b/3", b"b/2", b"b/1"]
        assert self.keys(filled.kv.range("b/", limit=2)) == [b"b/1", b"b/2"]
        assert self.keys(filled.kv.range("b/", limit=3, reverse=True)) == [b"b/\xff", b"b/3", b"b/2"]
        assert self.keys(filled.kv.range(limit=0)) == []

    def test_keys_only(self, filled: Any) -> None:
        entries = list(filled.kv.range("b/", keys_only=True))
        assert self.keys(entries) == [b"b/1", b"b/2", b"b/3", b"b/\xff"]
        assert {entry.value for entry in entries} == {b""}
        assert all(entry.mod_revision > 0 for entry in entries)

    def test_stale(self, filled: Any) -> None:
        assert len(self.keys(filled.kv.range(stale=True))) == 7

    def test_continues_over_many_replies(self, node: Any) -> None:
        per_reply, batch_size = aspen.LIMITS["RANGE_ENTRIES"], aspen.LIMITS["TRANSACTION_OPS"]
        count = 2 * per_reply + 500
        keys = [b"%08d" % i for i in range(count)]
        for at in range(0, count, batch_size):
            batch = node.kv.batch()
            for key in keys[at : at + batch_size]:
                batch.put(key, "v")
            assert batch.apply()
        assert self.keys(node.kv.range()) == keys
        assert self.keys(node.kv.range(reverse=True, keys_only=True)) == keys[::-1]
        assert self.keys(node.kv.range(limit=per_reply + 7)) == keys[: per_reply + 7]
        assert self.keys(node.kv.range(start=keys[5], end=keys[-5], reverse=True)) == keys[-6:4:-1]

    def test_continues_over_large_values(self, node: Any) -> None:
        value = b"v" * (aspen.LIMITS["RANGE_BYTES"] // 3)
        for i in range(8):
            node.kv.put(f"k{i}", value)
        entries = list(node.kv.range("k"))
        assert self.keys(entries) == [b"k%d" % i for i in range(8)]
        assert all(entry.value == value for entry in entries)

    def test_arguments(self, node: Any) -> None:
        with pytest.raises(aspen.InvalidArgument):
            node.kv.range("p", start="s")
        with pytest.raises(aspen.InvalidArgument):
            node.kv.range(limit=-1)
        with pytest.raises(TypeError):
            node.kv.range(5)


class TestArguments:
    def test_types(self, node: Any) -> None:
        for wrong in (None, 5, ["k"]):
            with pytest.raises(TypeError):
                node.kv.get(wrong)
            with pytest.raises(TypeError):
                node.kv.put("k", wrong)

    @pytest.mark.parametrize("timeout", [0, -1, float("nan")])
    def test_timeouts(self, node: Any, timeout: float) -> None:
        with pytest.raises(aspen.InvalidArgument):
            node.kv.get("k", timeout=timeout)

    def test_an_endless_timeout(self, node: Any) -> None:
        assert node.kv.get("k", timeout=float("inf")) is None


def test_a_passed_deadline(node: Any) -> None:
    with pytest.raises(TimeoutError) as caught:
        for i in range(1000):  # one nanosecond: hard to meet, a thousand times
            node.kv.put(f"k{i}", "v", timeout=1e-9)
    assert isinstance(caught.value, aspen.DeadlineExceeded)
    assert caught.value.retryable


def test_status(node: Any) -> None:
    status = node.status()
    assert status.node_id == node.id and len(node.id) == 52
    assert status.mode == "embedded" and status.address == node.address == ""
    node.kv.put("k", "v")
    assert node.status().applied > 0
    with pytest.raises(AttributeError):
        status.term = 5


def test_an_embedded_node_gives_no_ticket(node: Any) -> None:
    with pytest.raises(aspen.Unsupported):
        node.ticket()
