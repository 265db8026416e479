"""Errors carry facts, cross process borders whole, and say one thing clearly."""

from __future__ import annotations

import pickle

import pytest

from mailroom import exceptions
from mailroom.exceptions import CommandRejected, ConnectionLost, IntegrityError, MailroomError

ALL_ERRORS = [getattr(exceptions, name) for name in exceptions.__all__]


@pytest.mark.parametrize("kind", ALL_ERRORS)
def test_every_error_is_a_mailroom_error(kind: type[Exception]) -> None:
    """One except clause catches all that Mailroom raises on purpose."""
    assert issubclass(kind, MailroomError)


@pytest.mark.parametrize("kind", ALL_ERRORS)
def test_every_error_pickles_with_its_sentence(kind: type[MailroomError]) -> None:
    """Errors come back whole from worker processes."""
    error = kind("INBOX on mail.example.org is gone; list the folders.", mailbox="INBOX", expected=1)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert copy.facts == error.facts


def test_facts_are_attributes() -> None:
    """Callers branch on facts, never on text."""
    error = CommandRejected("SELECT was refused.", command="SELECT", kind="NO", code="NONEXISTENT", text="no")
    assert (error.command, error.kind, error.code, error.text) == ("SELECT", "NO", "NONEXISTENT", "no")
    damaged = IntegrityError("It is damaged.", digest_expected="ab", digest_found="cd")
    assert (damaged.digest_expected, damaged.digest_found) == ("ab", "cd")


def test_facts_with_a_usual_value_may_be_left_out() -> None:
    """A lost connection without more to say was closed."""
    assert ConnectionLost("mail.example.org went away.").reason == "closed"
    assert CommandRejected("NOOP was refused.", command="NOOP", kind="BAD").code is None
