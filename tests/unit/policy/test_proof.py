"""Whether a message is provably the archived one."""

from __future__ import annotations

from typing import Any

import pytest

from mailroom.model import Fingerprint
from mailroom.policy.proof import ArchivedCopy, ServerAnswer, find_difference, is_telling
from tests.unit.policy.rows import days_ago, mailbox_row

HEADER: dict[str, Any] = {"message_id": "<1@x>", "date": "d", "sender": "s", "subject": "t"}
HELD = ArchivedCopy(is_intact=True, fingerprint=Fingerprint(**HEADER))


def answer(**values: Any) -> ServerAnswer:
    stated: dict[str, Any] = (
        {"octets": 100, "internal_date": days_ago(40), "object_id": "E1"} | HEADER | values
    )
    return ServerAnswer(fingerprint=Fingerprint(**stated))


def test_same_answer_proves() -> None:
    """Size, dates, id and header fields as before: it is the archived message."""
    assert find_difference(mailbox_row(object_id="E1"), HELD, answer()) is None


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"octets": 101}, "size"),
        ({"internal_date": days_ago(39)}, "internal date"),
        ({"object_id": "E2"}, "object id"),
        ({"message_id": "<2@x>"}, "Message-ID"),
        ({"message_id": None}, "Message-ID"),
        ({"date": "e"}, "Date"),
        ({"sender": None}, "From"),
        ({"subject": "u"}, "Subject"),
    ],
    ids=lambda v: str(v) if isinstance(v, str) else "",
)
def test_each_difference_is_named(values: dict[str, Any], name: str) -> None:
    """One thing that is not as before is enough to keep the message."""
    assert find_difference(mailbox_row(object_id="E1"), HELD, answer(**values)) == name


@pytest.mark.parametrize("field", ["octets", "internal_date", "object_id"])
def test_what_the_server_does_not_state_is_not_compared(field: str) -> None:
    """POP3 has no dates and most servers no object ids; the header decides then."""
    assert find_difference(mailbox_row(object_id="E1"), HELD, answer(**{field: None})) is None


def test_what_was_not_stated_at_the_fetch_is_not_compared() -> None:
    """A size that nobody noted cannot differ."""
    row = mailbox_row(size=None, internal_date=None)
    assert find_difference(row, HELD, answer(octets=5, internal_date=days_ago(1))) is None


def test_header_field_that_appeared_differs() -> None:
    """The archived bytes have no Message-ID, so a message that has one is another."""
    held = ArchivedCopy(is_intact=True, fingerprint=Fingerprint(date="d", sender="s", subject="t"))
    assert find_difference(mailbox_row(), held, answer()) == "Message-ID"


def test_whole_octets_settle_the_question() -> None:
    """A message retrieved in this session needs no other witness."""
    retrieved = ServerAnswer(sha256="sha of 1", fingerprint=Fingerprint(octets=5))
    assert find_difference(mailbox_row(), HELD, retrieved) is None
    assert find_difference(mailbox_row(2), HELD, retrieved) == "octets"


@pytest.mark.parametrize(
    ("values", "telling"),
    [
        ({"message_id": "<1@x>"}, True),
        ({"date": "d", "sender": "s"}, True),
        ({"date": "d", "subject": "t"}, True),
        ({"date": "d"}, False),
        ({"sender": "s", "subject": "t"}, False),
        ({}, False),
    ],
)
def test_few_header_fields_do_not_tell_a_message_from_others(values: dict[str, Any], telling: bool) -> None:
    """Without Message-ID it takes a date and a name, else the whole message must be asked for."""
    assert is_telling(Fingerprint(**values)) is telling
