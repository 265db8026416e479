"""The messages that tests are made of."""

from __future__ import annotations

import email
import email.policy

import pytest

from tests.support.mail import AWKWARD, make_message, message_of_size

PDF = ("año.pdf", "application/pdf", b"%PDF-1.4 " * 20)


def test_the_same_arguments_give_the_same_bytes() -> None:
    """Tests compare bytes, so nothing in a message may be drawn at random."""
    first, second = (make_message(html="<p>x</p>", attachments=[PDF], inline=[PDF]) for _ in range(2))
    assert first == second


def test_different_arguments_give_different_message_ids() -> None:
    """Two messages are two unless a test says otherwise."""
    assert make_message(subject="a") != make_message(subject="b")
    ids = {email.message_from_bytes(make_message(subject=s))["Message-ID"] for s in ("a", "b")}
    assert len(ids) == 2


def test_line_ends_are_crlf() -> None:
    """A message looks as it does on the wire."""
    content = make_message(text="one\ntwo\n", html="<p>\nx</p>", attachments=[PDF])
    assert content.count(b"\n") == content.count(b"\r\n")


def test_attachments_come_back_as_they_were() -> None:
    """An attachment's name, type and content survive the way through the message."""
    message = email.message_from_bytes(make_message(attachments=[PDF]), policy=email.policy.default)
    (part,) = message.iter_attachments()
    assert (part.get_filename(), part.get_content_type(), part.get_content()) == PDF


def test_headers_can_be_left_out() -> None:
    """A date of None and an empty Message-ID give a message without them."""
    content = make_message(date=None, message_id="")
    assert b"Date:" not in content
    assert b"Message-ID:" not in content


@pytest.mark.parametrize("octets", [200, 4096, 100_001])
def test_a_message_of_a_size_has_exactly_that_size(octets: int) -> None:
    """Benchmarks and limits count octets."""
    content = message_of_size(octets)
    assert len(content) == octets
    assert content.endswith(b"\r\n")


def test_awkward_messages_are_all_different() -> None:
    """A test may store them all and count them by content."""
    assert len(set(AWKWARD.values())) == len(AWKWARD)
