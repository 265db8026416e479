"""Which attachments a rule chooses."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from mailroom.exceptions import ConfigurationError
from mailroom.policy.attachments import Attachment, AttachmentRule, Choice, Place, choose, label_of

SENT = datetime(2026, 3, 4, 23, 30, tzinfo=UTC)
INBOX = Place(account="work", folder="INBOX")
FILED = Place(account="work", folder="Facturas/2026")
HOME = Place(account="home", folder="INBOX")


def attachment(**values: Any) -> Attachment:
    """Return an invoice of 5,000 octets."""
    known: dict[str, Any] = {
        "message_sha256": "ab" * 32,
        "part": "2",
        "filename": "Invoice-17.PDF",
        "content_type": "application/pdf",
        "disposition": "attachment",
        "size": 5000,
        "sha256": "cd" * 32,
        "sender": "ana@supplier.com",
        "subject": "Your Invoice of März",
        "date": SENT,
        "moment": SENT,
        "places": (INBOX, FILED),
        "recipients": ("Büro <office@example.org>", "bob@example.com"),
        "detected_type": "application/pdf",
        "position": 2,
    }
    return Attachment(**(known | values))


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        ({}, True),
        ({"name": "*.pdf"}, True),
        ({"name": "invoice-??.pdf"}, True),
        ({"name": "invoice"}, False),
        ({"name": "*.xlsx|*.pdf"}, True),
        ({"name": "*.xlsx | *.csv"}, False),
        ({"name": "[I]nvoice-17.pdf"}, False),
        ({"name_regex": r"-\d{2}\.pdf$"}, True),
        ({"name_regex": r"^\d"}, False),
        ({"content_type": "application/*"}, True),
        ({"content_type": "Application/PDF"}, True),
        ({"content_type": "image/*"}, False),
        ({"min_size": 5000, "max_size": 5000}, True),
        ({"min_size": 5001}, False),
        ({"max_size": 4999}, False),
        ({"sender": "*@supplier.com"}, True),
        ({"sender": "ANA@*"}, True),
        ({"sender": "supplier.com"}, False),
        ({"subject": "*invoice*"}, True),
        ({"subject": "*MÄRZ"}, True),
        ({"subject": "*receipt*"}, False),
        ({"folder": "inbox"}, True),
        ({"folder": "Facturas/*"}, True),
        ({"folder": "Trash|Facturas/*"}, True),
        ({"folder": "Trash"}, False),
        ({"since": date(2026, 3, 4), "until": date(2026, 3, 5)}, True),
        ({"since": date(2026, 3, 5)}, False),
        ({"until": date(2026, 3, 4)}, False),
        ({"name": "*.pdf", "sender": "bob@*"}, False),
        ({"detected_type": "application/*"}, True),
        ({"detected_type": "application/zip"}, False),
        ({"detected_type": "text/csv|text/*"}, False),
        ({"detected_type": "text/csv|application/pdf"}, True),
        ({"name_regex": "^INVOICE"}, True),
        ({"name_regex": "(?-i:^INVOICE)"}, False),
        ({"recipient": "office@*"}, True),
        ({"recipient": "BÜRO *"}, True),
        ({"recipient": "bob@example.com"}, True),
        ({"recipient": "example.com"}, False),
        ({"position": "2"}, True),
        ({"position": "1"}, False),
        ({"position": "1-3"}, True),
        ({"position": "3-"}, False),
        ({"disposition": "attachment"}, True),
        ({"disposition": "inline"}, False),
    ],
)
def test_every_word_of_a_rule_must_hold(words: dict[str, Any], holds: bool) -> None:
    """Texts are compared whole, with * and ?, whatever the case."""
    assert AttachmentRule(**words).chooses(attachment()) is holds


def test_images_inside_the_text_are_left_out_unless_asked_for() -> None:
    """A logo in a signature is no attachment to its reader; an inline PDF is."""
    logo = attachment(filename="logo.png", content_type="image/png", disposition="inline")
    assert not AttachmentRule().chooses(logo)
    assert AttachmentRule(inline=True).chooses(logo)
    assert AttachmentRule().chooses(attachment(disposition="inline"))
    assert AttachmentRule().chooses(attachment(content_type="image/png", disposition=None))


def test_resource_forks_are_left_out_unless_asked_for() -> None:
    """They have the name of the file that a Macintosh keeps them beside, and are no such file."""
    fork = attachment(content_type="application/applefile", detected_type="multipart/appledouble")
    for words in ({}, {"name": "*.pdf"}, {"name_regex": "17"}, {"content_type": "*"}):
        assert not AttachmentRule(**words).chooses(fork)
        assert AttachmentRule(**words).chooses(attachment())
    assert AttachmentRule(content_type="application/AppleFile").chooses(fork)
    assert AttachmentRule(detected_type="multipart/appledouble").chooses(fork)
    whole = attachment(content_type="application/applefile", detected_type="application/applefile")
    assert AttachmentRule().chooses(whole)


def test_what_the_mail_shows_inline_can_be_asked_for_alone() -> None:
    """``disposition`` means what the mail says; who asks for inline parts means images too."""
    logo = attachment(filename="logo.png", content_type="image/png", disposition="inline", position=0)
    assert AttachmentRule(disposition="inline").chooses(logo)
    assert not AttachmentRule(disposition="attachment", inline=True).chooses(logo)
    assert AttachmentRule(disposition="attachment").chooses(attachment(disposition=None))
    assert not AttachmentRule(position="1-", inline=True).chooses(logo)


def test_content_that_nobody_looked_at_is_not_of_the_type_asked_for() -> None:
    """Nothing is chosen by what is not known."""
    assert not AttachmentRule(detected_type="*/*").chooses(attachment(detected_type=None))


def test_day_of_a_message_without_date_is_the_day_it_was_received() -> None:
    """``moment`` stands in where no header says when a message was sent."""
    undated = attachment(date=None, moment=datetime(2026, 3, 9, tzinfo=UTC))
    assert AttachmentRule(since=date(2026, 3, 9)).chooses(undated)


def test_place_is_the_first_the_rule_and_the_account_allow() -> None:
    """A message in several folders is delivered from the one the rule names."""
    many = attachment(places=(HOME, INBOX, FILED))
    assert AttachmentRule().place_of(many) == HOME
    assert AttachmentRule().place_of(many, "work") == INBOX
    assert AttachmentRule(folder="Fact*").place_of(many, "work") == FILED
    assert AttachmentRule(folder="Fact*").place_of(many, "home") is None
    assert not AttachmentRule().chooses(attachment(places=()))


def test_rules_are_alternatives_and_choose_once() -> None:
    """An attachment that two rules choose comes once, from the first rule's place."""
    rules = [AttachmentRule(folder="Facturas/*"), AttachmentRule(name="*.pdf")]
    other = attachment(part="3", filename="b.csv", places=(INBOX,))
    assert list(choose(rules, [attachment(), other])) == [Choice(attachment(), FILED, 0)]
    assert list(choose(rules[1:], [attachment()])) == [Choice(attachment(), INBOX, 0)]
    assert list(choose([], [attachment()])) == []


def test_rules_are_called_by_their_names_or_numbers() -> None:
    """Counts and rows need a word for each; a rule that is alone needs none."""
    rules = [AttachmentRule(rule="invoices"), AttachmentRule()]
    assert [label_of(rules, number) for number in (0, 1)] == ["invoices", "2"]
    assert label_of(rules[1:], 0) is None
    assert label_of(rules[:1], 0) == "invoices"


def test_cheap_question_never_rules_out_what_a_rule_chooses() -> None:
    """Name, type and size alone decide only against."""
    assert AttachmentRule(name="*.pdf", sender="nobody@*").may_choose("a.pdf", "x/y", 1)
    assert AttachmentRule(min_size=10_000).may_choose("b", "x/y", 10_000)
    assert not AttachmentRule(min_size=10_000).may_choose("b", "x/y", 9_999)


@pytest.mark.parametrize(
    "words",
    [
        {"name_regex": "("},
        {"detected_type": "text/csv"},
        {"detected_type": "text/csv|text/x-*v"},
        {"min_size": 2, "max_size": 1},
        {"since": date(2026, 1, 1), "until": date(2026, 1, 1)},
        {"position": "0"},
        {"position": "3-2"},
        {"position": "first"},
        {"disposition": "form-data"},
        {"rule": " "},
        {"rule": "a\nb"},
        {"rule": "x" * 101},
    ],
)
def test_rule_that_can_never_hold_is_refused(words: dict[str, Any]) -> None:
    """A mistake is told before anything is looked at."""
    with pytest.raises(ConfigurationError):
        AttachmentRule(**words)
