"""Names in a Maildir."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.policy import maildir

CUT = re.compile(r"-[0-9a-f]{16}\Z")
"""How a name ends that was too long for a directory."""

LEVEL = st.text(st.characters(exclude_characters="/\0."), min_size=1, max_size=20)


@given(st.lists(LEVEL, min_size=1, max_size=4))
def test_folder_names_come_back_from_their_directory(levels: list[str]) -> None:
    """Any proper name without dots is exact; the directory is one segment of printable ASCII."""
    directory = maildir.folder_directory(levels)
    assert "/" not in directory
    assert directory.isascii()
    assert len(directory) <= 255
    is_exact = all(_is_unicode(level) for level in levels) and CUT.search(directory) is None
    if is_exact and [level.upper() for level in levels] != ["INBOX"]:
        assert maildir.folder_levels(directory) == [level.replace(maildir.DOT, ".") for level in levels]


def _is_unicode(text: str) -> bool:
    return text.encode("utf-8", "replace").decode() == text and not text.startswith("␦")


@pytest.mark.parametrize(
    ("levels", "directory"),
    [
        (["INBOX"], ""),
        (["inbox"], ""),
        (["INBOX", "Sub"], ".INBOX.Sub"),
        (["..", "..", "etc"], ".&ICQgJA-.&ICQgJA-.etc"),
        (["a/b"], ".a&IhU-b"),
        (["a\x00b"], ".a_b"),
        (["", ""], "._"),
    ],
)
def test_directories_stay_where_they_belong(levels: list[str], directory: str) -> None:
    """Nothing climbs or hides; INBOX in any case is the Maildir itself."""
    assert maildir.folder_directory(levels) == directory


def test_long_names_are_cut_and_still_differ() -> None:
    """Two folders that only their end tells apart are two directories."""
    one, other = (maildir.folder_directory(["日" * 100, end]) for end in "ab")
    assert one != other
    assert max(len(one), len(other)) <= 255


def test_file_names_tell_message_and_flags() -> None:
    """What is written is what is found again, also after a mail program has changed the flags."""
    name = maildir.message_name(5, "ab" * 32, 3, (10, 12), "FSa")
    found = maildir.DELIVERED.match(name.replace("FSa", "RST"))
    assert found is not None
    assert (found[1], found[2]) == ("ab" * 32, "3")
    assert maildir.flags_of_name(name, {"a": "work"}) == ("\\Flagged", "\\Seen", "work")
    assert maildir.flags_of_name("1.host", {}) == ()
    assert maildir.message_name(-5, "ab" * 32, 1, (1, 1), "").startswith("0.")


def test_keywords_have_the_place_of_their_number() -> None:
    """A gap keeps its letter, and what is no such file is no keyword."""
    assert maildir.parse_keywords(maildir.format_keywords(["a", "b c"])) == ["a", "b c"]
    assert maildir.parse_keywords(b"1 x\nnonsense\n99 y\n\xff\n") == ["", "x"]
