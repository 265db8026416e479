"""Names from mail as names of files."""

from __future__ import annotations

import pytest

from mailroom.policy.filenames import (
    MAX_SEGMENT_OCTETS,
    numbered,
    safe_filename,
    safe_segment,
    split_extension,
)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("invoice.pdf", "invoice.pdf"),
        ("Rechnung März 📎.pdf", "Rechnung März 📎.pdf"),
        ("👨‍👩‍👧.png", "👨‍👩‍👧.png"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..\\..\\boot.ini", "_.._boot.ini"),
        ("/etc/passwd", "_etc_passwd"),
        ("C:\\temp\\a.txt", "C__temp_a.txt"),
        ("a\x00b\r\nc.txt", "a_b__c.txt"),
        ("a\u2028b.txt", "a_b.txt"),
        ("annex\u202efdp.exe", "annexfdp.exe"),
        ("CON", "_CON"),
        ("con.txt", "_con.txt"),
        ("Com1 .log", "_Com1 .log"),
        ("COM10.log", "COM10.log"),
        ("console.log", "console.log"),
        (".htaccess", "htaccess"),
        ("name. . ", "name"),
        ("  name.pdf  ", "name.pdf"),
        ("what?<now>|*.txt", "what__now___.txt"),
        ("..", "attachment"),
        ("", "attachment"),
        (" . . ", "attachment"),
        ("\u202e", "attachment"),
        ("caf\u0065\u0301.txt", "café.txt"),
        ("odd\udcff.bin", "odd\ufffd\ufffd\ufffd.bin"),
    ],
)
def test_names_are_kept_where_they_are_harmless(name: str, safe: str) -> None:
    """What is dangerous or impossible somewhere is replaced, the rest stays as its author wrote it."""
    assert safe_filename(name) == safe


@pytest.mark.parametrize(
    ("content_type", "name"),
    [("application/pdf", "attachment.pdf"), ("IMAGE/PNG", "attachment.png"), ("x/y", "attachment")],
)
def test_nameless_part_is_called_by_its_type(content_type: str, name: str) -> None:
    """A calendar entry without a name still opens by a click."""
    assert safe_filename("", content_type) == name


def test_long_name_is_cut_before_its_extension() -> None:
    """What a file is stays readable however long its name."""
    safe = safe_filename("n" * 500 + ".tar.gz")
    assert safe.endswith("n.tar.gz")
    assert len(safe) == MAX_SEGMENT_OCTETS


def test_no_character_is_cut_in_half() -> None:
    """Octets count, and an emoji has several."""
    safe = safe_filename("📎" * 100 + ".pdf")
    assert safe.endswith("📎.pdf")
    assert len(safe.encode()) <= MAX_SEGMENT_OCTETS
    assert safe_segment("ä" * 300) == "ä" * 100


def test_text_after_a_dot_that_is_too_long_is_no_extension() -> None:
    """A sentence with a dot is cut at its end."""
    assert safe_filename("Hello. " + "x" * 300).startswith("Hello. x")
    assert split_extension("Hello. World") == ("Hello. World", "")
    assert split_extension(".hidden") == (".hidden", "")


def test_taken_names_get_a_number_before_the_extension() -> None:
    """The first keeps its name; a number never makes a name too long."""
    assert [numbered("a.pdf", turn) for turn in (1, 2, 10)] == ["a.pdf", "a-2.pdf", "a-10.pdf"]
    assert numbered("README", 2) == "README-2"
    long = numbered("n" * 196 + ".pdf", 1234)
    assert long.endswith("n-1234.pdf")
    assert len(long) == MAX_SEGMENT_OCTETS
