"""The errors: they are the engine's table, and behave as Python expects."""

from __future__ import annotations

import pickle

import aspen
import pytest
from aspen import _native, errors


def test_one_class_per_code_of_the_engine() -> None:
    table = _native.errors()
    assert len(table) >= 24
    for name, number, applied, retryable, text in table:
        error = errors.make(number, "", applied, retryable)  # type: ignore[arg-type]
        cls = type(error)
        assert cls is not aspen.AspenError, f"no class for {name}"
        assert (cls.code, cls.number, cls.text) == (name, number, text)
        assert cls.__name__.lower() == name.replace("_", "").lower()
        assert (cls().applied, cls().retryable) == (applied, retryable)
        assert getattr(aspen, cls.__name__) is cls and cls.__name__ in errors.__all__
        assert error.name == name and str(error) == text


def test_an_unknown_code() -> None:
    error = errors.make(9999, "from the future", "maybe", False)
    assert type(error) is aspen.AspenError
    assert error.code == "UNKNOWN" and error.applied == "maybe" and not error.retryable
    assert "9999" in str(error) and "from the future" in str(error)


@pytest.mark.parametrize(
    ("cls", "builtin"),
    [(aspen.DeadlineExceeded, TimeoutError), (aspen.InvalidArgument, ValueError), (aspen.LimitExceeded, ValueError)],
)
def test_builtin_kinship(cls: type[aspen.AspenError], builtin: type[Exception]) -> None:
    error = cls("what happened", applied="no", retryable=True)
    assert isinstance(error, builtin)
    assert str(error) == error.message == "what happened"


def test_what_one_error_says_is_its_own() -> None:
    error = aspen.Unavailable("gone", applied="maybe", retryable=False)
    assert (error.applied, error.retryable) == ("maybe", False)
    assert (aspen.Unavailable().applied, aspen.Unavailable().retryable) == ("no", True)


@pytest.mark.parametrize("cls", [aspen.NotLeader, aspen.DeadlineExceeded, aspen.LimitExceeded, aspen.AspenError])
def test_pickles(cls: type[aspen.AspenError]) -> None:
    copy = pickle.loads(pickle.dumps(cls("which one", applied="no", retryable=True)))
    assert type(copy) is cls
    assert (copy.message, copy.applied, copy.retryable) == ("which one", "no", True)


def test_a_callers_subclass_is_only_theirs() -> None:
    class NotFound(aspen.AspenError):
        pass

    assert type(errors.make(aspen.NotFound.number, "m", "no", False)) is aspen.NotFound
    assert NotFound("m").code == "UNKNOWN"


def test_limits_are_the_engines() -> None:
    assert aspen.LIMITS["KEY_BYTES"] == 4096
    assert aspen.LIMITS["VALUE_BYTES"] == 4 << 20
    with pytest.raises(TypeError):
        aspen.LIMITS["KEY_BYTES"] = 1  # type: ignore[index]


def test_node_ids() -> None:
    id = bytes(range(32))
    text = aspen.format_node_id(id)
    assert len(text) == 52 and text == text.lower()
    assert aspen.parse_node_id(text) == id
    for wrong in ("", "a", text[:-1], text + "a", text.upper(), text + "\0", "é" * 52):
        with pytest.raises(aspen.InvalidArgument):
            aspen.parse_node_id(wrong)
    with pytest.raises(aspen.InvalidArgument):
        aspen.format_node_id(id[:31])


@pytest.mark.parametrize("ticket", ["x", "aspen-ticket", "é", "a" * 100_000])
def test_wrong_tickets(ticket: str) -> None:
    with pytest.raises(aspen.TicketInvalid) as caught:
        aspen.inspect_ticket(ticket)
    assert caught.value.message
    with pytest.raises(aspen.TicketInvalid):
        aspen.connect(ticket, timeout=5)


def test_an_empty_ticket() -> None:
    with pytest.raises(aspen.TicketInvalid):
        aspen.inspect_ticket("")
    with pytest.raises(aspen.InvalidArgument) as caught:
        aspen.connect("")
    assert "ticket" in caught.value.message


def test_texts_with_nul() -> None:
    for call in (lambda: aspen.connect("a\0b"), lambda: aspen.open("a\0b"), lambda: aspen.inspect_ticket("\0")):
        with pytest.raises(aspen.InvalidArgument):
            call()
