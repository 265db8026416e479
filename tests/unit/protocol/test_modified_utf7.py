"""Mailbox names: modified UTF-7, and names that are none."""

from __future__ import annotations

import pytest

from mailroom.protocol.modified_utf7 import RAW, decode_mailbox_name, encode_mailbox_name


@pytest.mark.parametrize(
    ("octets", "name"),
    [
        (b"INBOX", "INBOX"),
        (b"~peter/mail/&ZeVnLIqe-/&U,BTFw-", "~peter/mail/日本語/台北"),
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"Tom &- Jerry", "Tom & Jerry"),
        (b"&2D3eAA-", "😀"),
        (b"&AOkA6Q-", "éé"),
        (b'with "quotes" and \\', 'with "quotes" and \\'),
        (b"a&AAk-b", "a\tb"),
        (b"", ""),
    ],
)
def test_names_are_read_and_written_as_the_rfc_says(octets: bytes, name: str) -> None:
    """RFC 3501 section 5.1.3, its own example among them."""
    assert decode_mailbox_name(octets) == name
    assert encode_mailbox_name(name) == octets


@pytest.mark.parametrize(
    ("octets", "shown"),
    [
        (b"A & B", "A & B"),
        (b"unfinished &AOk", "unfinished &AOk"),
        (b"&AGE-", "&AGE-"),
        (b"&AOk-&AOk-", "&AOk-&AOk-"),
        (b"&AO-", "&AO-"),
        (b"&2D0-", "&2D0-"),
        (b"&!!!-", "&!!!-"),
        ("Entwürfe".encode(), "Entwürfe"),
        (b"tab\there", "tab\there"),
    ],
)
def test_a_name_that_is_no_modified_utf7_goes_back_as_it_came(octets: bytes, shown: str) -> None:
    """What a server calls its folder is what it must be asked for, marked so that it can be told apart."""
    name = decode_mailbox_name(octets)
    assert name == RAW + shown
    assert encode_mailbox_name(name) == octets


def test_octets_that_are_no_text_at_all_go_back_as_they_came() -> None:
    """Latin-1 holds every octet."""
    name = decode_mailbox_name(b"K\xf6ln")
    assert name == RAW * 2 + "Köln"
    assert encode_mailbox_name(name) == b"K\xf6ln"


def test_two_names_of_a_server_never_become_one() -> None:
    """The same letters in modified UTF-7, UTF-8 and Latin-1 are three folders."""
    names = {decode_mailbox_name(octets) for octets in (b"&AOk-", "é".encode(), "é".encode("latin-1"))}
    assert len(names) == 3


@pytest.mark.parametrize("octets", [RAW.encode(), RAW.encode() * 2 + b"x", b"&JCY-", b"&JCYkJg-a"])
def test_a_name_that_begins_with_our_own_mark_goes_back_as_it_came(octets: bytes) -> None:
    """The mark is a character like any other to a server."""
    assert encode_mailbox_name(decode_mailbox_name(octets)) == octets


def test_every_decoded_name_fits_a_table() -> None:
    """Half a surrogate pair would break every table it is written to."""
    decode_mailbox_name(b"&2D0-x").encode("utf-8")


def test_whatever_a_person_types_can_be_asked_for() -> None:
    """A name nobody has is the server's to refuse, not ours to fail at."""
    assert encode_mailbox_name("\ud83d") == b"&2D0-"
    assert encode_mailbox_name(RAW * 2 + "日") == b"?"
