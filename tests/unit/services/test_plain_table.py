"""Tables line up, whatever writing the folders are in."""

from __future__ import annotations

from mailroom.services.plain_table import table


def test_numbers_stand_right_and_texts_left() -> None:
    """Digits of one column are comparable at a glance."""
    lines = table(["folder", "n"], [["INBOX", "1,000"], ["Sent", "7"]], text_columns={0})
    assert lines == ["folder      n", "INBOX   1,000", "Sent        7"]


def test_wide_and_combining_characters_keep_columns_aligned() -> None:
    """A terminal gives Japanese letters two cells, and accents of their own none."""
    lines = table(["f", "n"], [["日本", "1"], ["e\u0301tes", "2"]], text_columns={0})
    assert lines == ["f     n", "日本  1", "e\u0301tes  2"]
