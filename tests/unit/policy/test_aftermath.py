"""What is done to mail after its delivery, in the words of a form."""

from __future__ import annotations

import pytest

from mailroom.exceptions import ConfigurationError
from mailroom.policy.aftermath import Aftermath, read_aftermath


@pytest.mark.parametrize(
    ("words", "flags", "folder"),
    [
        (["seen"], ("\\Seen",), None),
        (["FLAG", "seen", "flag"], ("\\Flagged", "\\Seen"), None),
        (["keyword:$Paid"], ("$Paid",), None),
        (["move:Archive/2026: done"], (), "Archive/2026: done"),
        ([" answered ", "move: Done "], ("\\Answered",), "Done"),
    ],
)
def test_words_mean_flags_and_a_folder(words: list[str], flags: tuple[str, ...], folder: str | None) -> None:
    """Several may be asked for at once."""
    assert read_aftermath("on_success", words) == Aftermath(flags=flags, folder=folder)


def test_labels_are_asked_for_by_name() -> None:
    """With blanks and levels, each once."""
    found = read_aftermath("on_success", ["label: Paid bills/2026 ", "label:Café", "label:Café"])
    assert found == Aftermath(labels=("Paid bills/2026", "Café"))
    assert found is not None
    assert found.words == "label:Café label:Paid bills/2026"


@pytest.mark.parametrize("name", ["\\Trash", "Inbox", "[Gmail]/Spam", "[Google Mail]/Trash", "a\r\nb", " "])
def test_gmails_own_labels_cannot_be_given(name: str) -> None:
    """They move or delete a message, which has words of its own."""
    with pytest.raises(ConfigurationError):
        read_aftermath("on_success", [f"label:{name}"])


def test_nothing_is_nothing() -> None:
    """A form that nobody filled in asks for nothing."""
    assert read_aftermath("on_success", []) is None


@pytest.mark.parametrize("word", ["", "delete", "move:", "seen:1", "keyword:", "keyword:two words"])
def test_what_cannot_be_meant_is_refused(word: str) -> None:
    """Deleting is retention's, with its own proof."""
    with pytest.raises(ConfigurationError):
        read_aftermath("on_success", [word])


def test_two_folders_are_refused() -> None:
    """A message goes to one place."""
    with pytest.raises(ConfigurationError, match="move:B"):
        read_aftermath("on_success", ["move:A", "move:B"])


def test_the_same_wish_has_the_same_words() -> None:
    """By these it is known whether it was carried out."""
    one = read_aftermath("on_success", ["seen", "flag", "move:X"])
    other = read_aftermath("on_success", ["flag", "move:X", "seen"])
    assert one is not None
    assert other is not None
    assert one.words == other.words
