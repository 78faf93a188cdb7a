"""Transactions, on an embedded node, blocking and asyncio alike: branches, nesting, comparisons, results."""

from __future__ import annotations

from typing import Any

import aspen
import pytest
from aspen import ABSENT, PRESENT, Change, DeleteRangeResult, Entry, KeyRange, RangeResult, NestedResult


def first(revision: int, key: bytes, value: bytes) -> Entry:
    """The entry of a key that one write made."""
    return Entry(key, value, revision, revision, 1)


class TestBranches:
    def test_then_and_otherwise(self, node: Any) -> None:
        batch = node.kv.batch().check("lock", ABSENT).put("lock", "mine")
        with batch.otherwise():
            batch.get("lock").put("seen", "1")
        taken = batch.apply()
        assert taken and taken.results == (Change(False, 0),) == taken.changes
        assert (taken.failed_check, taken.current) == (None, None)
        assert node.kv.get("seen") is None
        refused = batch.apply()
        held = first(taken.revision, b"lock", b"mine")
        assert not refused and (refused.failed_check, refused.current) == (0, held)
        assert refused.results == (held, Change(False, 0)) and refused.changes == (Change(False, 0),)
        assert node.kv.get("seen").mod_revision == refused.revision
        assert node.kv.get("lock") == held

    def test_otherwise_without_then(self, node: Any) -> None:
        batch = node.kv.batch().check("k", PRESENT)
        with batch.otherwise() as same:
            same.put("k", "made")
        absent = batch.apply()
        assert (absent.succeeded, absent.current, absent.results) == (False, None, (Change(False, 0),))
        present = batch.apply()
        assert (present.succeeded, present.results) == (True, ())

    def test_what_otherwise_read_is_not_what_failed(self, node: Any) -> None:
        """The key of the check is absent, so that all entries are those of operations."""
        held = first(node.kv.put("other", "1"), b"other", b"1")
        batch = node.kv.batch().check("k", PRESENT)
        with batch.otherwise():
            batch.get("other").put("other", "2", previous=True)
        result = batch.apply()
        assert result.current is None and result.results == (held, Change(True, held.mod_revision, held))

    def test_checks_and_operations_can_follow_otherwise(self, node: Any) -> None:
        batch = node.kv.batch()
        with batch.otherwise():
            batch.put("otherwise", "1")
        batch.check("gate", PRESENT).put("then", "1")
        assert not batch.apply()
        node.kv.put("gate", "open")
        assert batch.apply()
        assert [entry.version for entry in node.kv.range()] == [1, 1, 1]

    def test_a_failed_check_without_otherwise_changes_nothing(self, node: Any) -> None:
        held = first(node.kv.put("x", "1"), b"x", b"1")
        result = node.kv.batch().check("a", ABSENT).check("x", "2").put("a", "1").delete("x").apply()
        assert (result.succeeded, result.failed_check, result.current) == (False, 1, held)
        assert result.changes == result.results == ()
        assert [entry.key for entry in node.kv.range()] == [b"x"]

    def test_when_one_operation_cannot_be_carried_out_none_is(self, node: Any) -> None:
        with pytest.raises(aspen.NotFound) as caught:
            node.kv.batch().put("a", "1").put("b", "1", lease=12345).apply()
        assert caught.value.applied == "no" and "12345" in caught.value.message
        assert node.kv.get("a") is None


class TestOperations:
    def test_each_sees_the_ones_before_it(self, node: Any) -> None:
        batch = node.kv.batch().get("k").put("k", "1").get("k").put("k", "2").delete("k").get("k").put("k", "3")
        result = batch.apply()
        at = result.revision
        assert result.results[:3] == (None, Change(False, 0), first(at, b"k", b"1"))
        assert result.results[3:] == (Change(True, at), Change(True, at), None, Change(False, 0))
        assert node.kv.get("k").value == b"3"

    def test_range(self, node: Any) -> None:
        batch = node.kv.batch().put("a/1", "x").put("a/2", "y").put("b", "z")
        batch.range("a/").range("a/", limit=1).range(start="a/2", reverse=True).range(end="b", keys_only=True)
        batch.range(limit=2**70).range("none")
        result = batch.apply()
        pairs = ((b"a/1", b"x"), (b"a/2", b"y"), (b"b", b"z"))
        one, two, three = (first(result.revision, *pair) for pair in pairs)
        assert result.results[3:] == (
            RangeResult((one, two), False),
            RangeResult((one,), True),
            RangeResult((three, two), False),
            RangeResult((one._replace(value=b""), two._replace(value=b"")), False),
            RangeResult((one, two, three), False),
            RangeResult((), False),
        )

    def test_a_range_gives_what_a_reply_holds(self, node: Any) -> None:
        value = b"v" * (aspen.LIMITS["RANGE_BYTES"] // 3)
        for i in range(4):
            node.kv.put(f"k{i}", value)
        [read] = node.kv.batch().range("k").apply().results
        assert read.more and 1 <= len(read.entries) < 4

    def test_delete_range(self, node: Any) -> None:
        at = node.kv.batch().put("a", "1").put("b/1", "2").put("b/2", "3").put("c", "4").put("d", "5").apply().revision
        batch = node.kv.batch().delete_range("b/", previous=True).delete_range("b/").delete_range(start="c")
        result = batch.apply()
        was = (first(at, b"b/1", b"2"), first(at, b"b/2", b"3"))
        assert result.results == (DeleteRangeResult(2, was), DeleteRangeResult(0, ()), DeleteRangeResult(2, ()))
        assert result.changes == ()
        assert [entry.key for entry in node.kv.range()] == [b"a"]
        assert node.kv.batch().delete_range("").apply().results == (DeleteRangeResult(1, ()),)

    def test_what_was_there(self, node: Any) -> None:
        j, k = first(node.kv.put("j", "1"), b"j", b"1"), first(node.kv.put("k", "1"), b"k", b"1")
        batch = node.kv.batch().put("j", "2", previous=True).put("k", "2", previous=True)
        result = batch.delete("k").delete("k", previous=True).apply()
        was = (Change(True, j.mod_revision, j), Change(True, k.mod_revision, k))
        assert result.results == (*was, Change(True, result.revision), Change(False, 0))


class TestNesting:
    def test_results_are_nested(self, node: Any) -> None:
        batch = node.kv.batch().put("a", "1")
        with batch.transaction() as outer:
            outer.check("a", "1").get("a")
            with outer.transaction() as inner:
                inner.check("b", PRESENT).put("c", "never")
                with inner.otherwise():
                    inner.put("b", "2", previous=True).get("b")
            with outer.otherwise():
                outer.delete("a")
        batch.get("b")
        result = batch.apply()
        a, b = first(result.revision, b"a", b"1"), first(result.revision, b"b", b"2")
        inner_result = NestedResult(False, (Change(False, 0), b))
        assert result.results == (Change(False, 0), NestedResult(True, (a, inner_result)), b)
        assert result.changes == (Change(False, 0),)
        assert result.results[1] and not inner_result
        assert node.kv.get("c") is None

    def test_in_the_other_branch(self, node: Any) -> None:
        batch = node.kv.batch().check("k", PRESENT)
        with batch.otherwise(), batch.transaction() as nested:
            nested.check("k", ABSENT).put("k", "v")
        result = batch.apply()
        assert result.results == (NestedResult(True, (Change(False, 0),)),)
        assert node.kv.get("k").value == b"v"

    def test_siblings_in_their_order(self, node: Any) -> None:
        batch = node.kv.batch()
        one, empty, two = batch.transaction(), batch.transaction(), batch.transaction()
        two.get("k")
        one.put("k", "1")
        results = batch.apply().results
        assert [result.succeeded for result in results] == [True, True, True]
        assert [len(result.results) for result in results] == [1, 0, 1]
        assert results[2].results[0].value == b"1"
        assert empty.__enter__() is empty

    def test_depth(self, node: Any) -> None:
        assert aspen.LIMITS["TRANSACTION_DEPTH"] == 8
        batch = deepest = node.kv.batch()
        for _ in range(8):
            deepest = deepest.transaction()
        deepest.put("k", "v")
        result = batch.apply().results
        for _ in range(8):
            [nested] = result
            result = nested.results
        assert result == (Change(False, 0),)
        with pytest.raises(aspen.LimitExceeded, match="over 8"):
            deepest.transaction()

    def test_operations_count_with_the_nested_ones(self, node: Any) -> None:
        batch = node.kv.batch()
        with batch.transaction() as nested:
            for i in range(aspen.LIMITS["TRANSACTION_OPS"]):
                nested.put(f"k{i}", "v")
        with pytest.raises(aspen.LimitExceeded, match=str(aspen.LIMITS["TRANSACTION_OPS"])):
            batch.apply()
        assert list(node.kv.range()) == []


class TestComparisons:
    @pytest.fixture
    def k(self, node: Any) -> Any:
        """The entry of "k": version 2, value "m"."""
        node.kv.put("k", "first")
        node.kv.put("k", "m")
        return node.kv.get("k")

    @staticmethod
    def holds(node: Any, key: Any, field: str, relation: str, operand: Any) -> bool:
        succeeded: bool = node.kv.batch().compare(key, field, relation, operand).apply().succeeded
        return succeeded

    @pytest.mark.parametrize("field", ["value", "version", "create_revision", "mod_revision", "lease"])
    def test_every_field_in_every_relation(self, node: Any, k: Entry, field: str) -> None:
        stored = getattr(k, field)
        if field == "value":
            below, above = b"l\xff", "m\0"
        else:
            below, above = stored - 1, stored + 1
        expected = {"==": (False, True, False), "!=": (True, False, True)}
        expected |= {"<": (False, False, True), ">": (True, False, False)}
        for relation, truths in expected.items():
            for operand, truth in zip((below, stored, above), truths, strict=True):
                if operand != -1:
                    assert self.holds(node, "k", field, relation, operand) is truth, (relation, operand)

    def test_an_absent_key_has_no_value_and_is_0_in_everything_else(self, node: Any) -> None:
        assert not self.holds(node, "none", "value", "!=", "x")
        assert not self.holds(node, "none", "value", "==", "")
        for field in ("version", "create_revision", "mod_revision", "lease"):
            assert self.holds(node, "none", field, "==", 0) and self.holds(node, "none", field, "<", 2**64 - 1)
            assert not self.holds(node, "none", field, ">", 0)

    def test_a_range_of_keys(self, node: Any, k: Entry) -> None:
        made = node.kv.batch().put("j/1", "a").put("j/2", "b").apply().revision
        jobs = KeyRange.of_prefix("j/")
        assert self.holds(node, jobs, "version", "==", 1) and self.holds(node, jobs, "value", "<", "c")
        assert self.holds(node, KeyRange(b"j/1", b"j/2"), "value", "==", "a")
        assert not self.holds(node, KeyRange(b"j/", b""), "version", "==", 1)
        assert self.holds(node, KeyRange.of_prefix("none/"), "version", "==", 77)
        failed = node.kv.batch().compare(jobs, "value", "!=", "b").apply()
        assert failed.current == first(made, b"j/2", b"b")

    def test_checks_of_a_range(self, node: Any, k: Entry) -> None:
        node.kv.put("j/1", "before")
        made = node.kv.batch().put("j/1", "a").put("j/2", "a").apply().revision
        jobs, none = KeyRange.of_prefix("j/"), KeyRange.of_prefix("none/")
        good = node.kv.batch().check(jobs, PRESENT).check(none, ABSENT).check(jobs, "a").check(jobs, made)
        assert good.apply()
        for key, expect in ((none, PRESENT), (jobs, ABSENT), (jobs, "b"), (jobs, k.mod_revision)):
            assert node.kv.batch().check(key, expect).apply().failed_check == 0

    def test_a_subspace_is_a_range(self, node: Any) -> None:
        users = aspen.Subspace(("users",))
        batch = node.kv.batch().check(users.range((7,)), ABSENT).put(users.pack((7, "name")), "ada")
        assert batch.apply() and not batch.apply()

    def test_unchanged(self, node: Any, k: Entry) -> None:
        def unchanged(key: Any, since: int) -> bool:
            succeeded: bool = node.kv.batch().unchanged(key, since=since).apply().succeeded
            return succeeded

        assert unchanged("k", k.mod_revision) and not unchanged("k", k.create_revision)
        assert unchanged(KeyRange.of_prefix("k"), k.mod_revision) and unchanged("none", 0)
        gone = node.kv.delete("k").revision
        assert not unchanged("k", k.mod_revision) and unchanged("k", gone)
        assert not unchanged(KeyRange(b"", b""), k.mod_revision) and unchanged(KeyRange(b"", b""), gone)

    def test_prefixes(self) -> None:
        assert KeyRange.of_prefix("a") == (b"a", b"b")
        assert KeyRange.of_prefix(b"a\xff\xff") == (b"a\xff\xff", b"b")
        assert KeyRange.of_prefix(b"\xff") == (b"\xff", b"") and KeyRange.of_prefix("") == (b"", b"")


class TestArguments:
    def test_of_checks(self, node: Any) -> None:
        batch = node.kv.batch()
        for call in (
            lambda: batch.compare("k", "size", "==", 1),
            lambda: batch.compare("k", "exists", "==", 1),
            lambda: batch.compare("k", "version", ">=", 1),
            lambda: batch.compare("k", "version", "==", -1),
            lambda: batch.compare("k", "version", "==", 2**64),
            lambda: batch.check("k", -1),
            lambda: batch.check(KeyRange(b"a", b"b"), 2**64),
            lambda: batch.unchanged("k", since=-1),
        ):
            with pytest.raises(aspen.InvalidArgument):
                call()
        for call in (
            lambda: batch.compare("k", "version", "==", "1"),
            lambda: batch.compare("k", "version", "==", True),
            lambda: batch.compare("k", "version", "==", None),
            lambda: batch.compare("k", "value", "==", 1),
            lambda: batch.compare(None, "version", "==", 1),
            lambda: batch.compare(("a", "b"), "version", "==", 1),
            lambda: batch.compare(KeyRange(1, 2), "version", "==", 1),  # type: ignore[arg-type]
            lambda: batch.check("k", None),
            lambda: batch.unchanged("k", since=None),
        ):
            with pytest.raises(TypeError):
                call()
        assert batch.apply().results == ()

    def test_of_operations(self, node: Any) -> None:
        batch = node.kv.batch()
        for call in (
            lambda: batch.put("k", "v", lease=-1),
            lambda: batch.delete_range(),
            lambda: batch.delete_range("a", end="b"),
            lambda: batch.range("a", start="b"),
            lambda: batch.range(limit=0),
        ):
            with pytest.raises(aspen.InvalidArgument):
                call()
        for call in (
            lambda: batch.put("k", 1),
            lambda: batch.put("k", "v", lease="1"),
            lambda: batch.delete(None),
            lambda: batch.get(5),
            lambda: batch.range(5),
            lambda: batch.delete_range(end=5),
        ):
            with pytest.raises(TypeError):
                call()
        assert batch.apply().results == ()

    def test_sizes_are_checked_when_it_is_applied(self, node: Any) -> None:
        long = b"k" * (aspen.LIMITS["KEY_BYTES"] + 1)
        for batch in (
            node.kv.batch().check(long, ABSENT),
            node.kv.batch().compare(long, "version", "==", 1),
            node.kv.batch().put(long, "v"),
            node.kv.batch().get(long),
            node.kv.batch().delete(long),
            node.kv.batch().range(long + b"k"),
            node.kv.batch().delete_range(start=long + b"k"),
            node.kv.batch().compare(KeyRange(b"", long + b"k"), "version", "==", 1),
            node.kv.batch().compare("k", "value", "==", b"v" * (aspen.LIMITS["VALUE_BYTES"] + 1)),
        ):
            with pytest.raises(aspen.LimitExceeded) as caught:
                batch.apply()
            assert caught.value.applied == "no"
        for batch in (node.kv.batch().get(""), node.kv.batch().check("", ABSENT).compare("", "lease", "==", 0)):
            with pytest.raises(aspen.InvalidArgument):
                batch.apply()

    def test_of_branches(self, node: Any) -> None:
        batch = node.kv.batch()
        with batch.otherwise():
            for call in (
                lambda: batch.check("k", ABSENT),
                lambda: batch.compare("k", "version", "==", 1),
                lambda: batch.unchanged("k", since=1),
                lambda: batch.otherwise().__enter__(),
            ):
                with pytest.raises(aspen.InvalidArgument, match="otherwise"):
                    call()
        with pytest.raises(RuntimeError), batch.otherwise():
            raise RuntimeError
        batch.check("k", ABSENT).put("k", "v")
        assert batch.apply()
