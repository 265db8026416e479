"""The pattern language of folders and exclude."""

from __future__ import annotations

import unicodedata

import pytest

from mailroom.exceptions import ConfigurationError
from mailroom.policy.folders import match_folders, matches_pattern, unmatched_patterns

NAMES = ["INBOX", "Archive", "Archive/2026", "[Gmail]/All Mail", "Trash", "Facturas/2026/enero", 'a "b" 📎']


@pytest.mark.parametrize(
    ("pattern", "name", "means"),
    [
        ("*", "Facturas/2026/enero", True),
        ("Facturas/*", "Facturas/2026/enero", True),
        ("Facturas/*", "Facturas", False),
        ("Archive", "Archive/2026", False),
        ("A?chive", "Archive", True),
        ("A?chive", "Achive", False),
        ("[Gmail]/*", "[Gmail]/All Mail", True),
        ("[Gmail]/*", "G/All Mail", False),
        ("inbox", "INBOX", True),
        ("INBOX", "Inbox", True),
        ("inbox/*", "INBOX/Invoices", True),
        ("inbox.*", "INBOX.Invoices", True),
        ("inboxes", "INBOXES", False),
        ("inbox*", "INBOX", True),
        ("trash", "Trash", False),
        ("**", "anything/at all", True),
        ("a.c", "abc", False),
        ("", "INBOX", False),
        ("*", "line\nbreak", True),
        ('a "b" 📎', 'a "b" 📎', True),
    ],
)
def test_pattern_language(pattern: str, name: str, means: bool) -> None:
    """Only ``*`` and ``?`` are special, and case counts except for INBOX."""
    assert matches_pattern(pattern, name) is means


def test_composed_and_decomposed_accents_are_the_same() -> None:
    """A name typed on one system means the folder made on another."""
    assert matches_pattern(unicodedata.normalize("NFD", "Año"), unicodedata.normalize("NFC", "Año"))


def test_special_use_attribute_means_the_folder_marked_so() -> None:
    """``\\Trash`` is whichever folder the server marks, whatever its language."""
    uses = {"Papierkorb": "\\Trash", "INBOX": None}
    assert match_folders(["\\trash"], [], uses, special_use=uses) == ["Papierkorb"]
    assert match_folders(["*"], ["\\Trash"], uses, special_use=uses) == ["INBOX"]


def test_selection_keeps_the_order_given_and_names_each_once() -> None:
    """Overlapping patterns do not repeat a folder."""
    assert match_folders(["Archive*", "*", "INBOX"], ["Trash"], NAMES) == [n for n in NAMES if n != "Trash"]


def test_pattern_that_means_no_folder_is_an_error_naming_those_there_are() -> None:
    """A typing error is told at once, with the names to choose from."""
    with pytest.raises(ConfigurationError, match=r"No folder matches 'Archvie'.*'\[Gmail\]/All Mail'"):
        match_folders(["INBOX", "Archvie"], [], NAMES)


def test_near_miss_in_case_is_pointed_out() -> None:
    """Who typed ``trash`` is asked whether ``Trash`` was meant."""
    with pytest.raises(ConfigurationError, match="did you mean 'Trash'"):
        match_folders(["trash"], [], NAMES)


def test_long_lists_of_names_are_cut_in_the_error() -> None:
    """An account of ten thousand folders does not make a sentence of ten thousand names."""
    with pytest.raises(ConfigurationError, match="and 70 more") as caught:
        match_folders(["nope"], [], [f"f{n}" for n in range(100)])
    assert len(str(caught.value)) < 500


def test_star_means_nothing_in_an_account_without_folders() -> None:
    """All of nothing is not a typing error."""
    assert match_folders(["*"], [], []) == []


def test_exclusion_that_means_no_folder_is_an_error_only_where_asked() -> None:
    """Where a typing error would delete mail, exclusions are checked as patterns are."""
    assert match_folders(["INBOX"], ["Spam"], NAMES) == ["INBOX"]
    with pytest.raises(ConfigurationError, match="'Spam'"):
        match_folders(["INBOX"], ["Spam"], NAMES, strict_exclude=True)


@pytest.mark.parametrize(("patterns", "exclude"), [("INBOX", []), (["*"], "Trash")])
def test_one_string_in_place_of_a_list_is_refused(patterns: object, exclude: object) -> None:
    """A string would otherwise be taken as a list of one-letter patterns."""
    with pytest.raises(ConfigurationError, match="list of patterns"):
        match_folders(patterns, exclude, NAMES)  # type: ignore[arg-type]


def test_no_pattern_at_all_is_refused() -> None:
    """An empty choice is a mistake, not everything and not nothing."""
    with pytest.raises(ConfigurationError, match="No folder is chosen"):
        match_folders([], [], NAMES)


def test_unmatched_patterns_are_listed_as_given() -> None:
    """The caller may want to report rather than fail."""
    assert unmatched_patterns(["x", "INBOX", "y*"], NAMES) == ["x", "y*"]


def test_exclusions_that_leave_nothing_are_an_error_where_something_must_be_chosen() -> None:
    """A mirror of no folder would succeed for ever; an account without folders is no error."""
    with pytest.raises(ConfigurationError, match="No folder is left: exclude"):
        match_folders(["*"], ["*"], ["INBOX", "Sent"], must_choose=True)
    assert match_folders(["*"], ["*"], ["INBOX", "Sent"]) == []
    assert match_folders(["*"], ["*"], [], must_choose=True) == []
