"""Finding the message that somebody asks about, by what they know of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.exceptions import ConfigurationError
from mailroom.services.policy_explanation import find_message
from tests.support.archives import archive_messages, body, context, digest, place


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Three messages, and one more with the Message-ID of the first."""
    made = Archive(tmp_path)
    archive_messages(made, range(3))
    with made.writer(context("run-2")) as writer:
        writer.add(body(0, size=900), place(7, run_id="run-2"))
        writer.finish("succeeded", {"added": 1}, 0)
    return made


def test_a_message_is_found_by_checksum_its_beginning_or_message_id(archive: Archive) -> None:
    """Whatever a report, the audit or a mail program showed."""
    wanted = digest(1)
    assert {find_message(archive, words) for words in (wanted, wanted[:8].upper(), " <1@example.org> ")} == {
        wanted
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [("<9@example.org>", "no message"), ("<0@example.org>", "2 messages"), ("abc", "no message")],
)
def test_what_names_none_or_several_is_refused(archive: Archive, words: str, says: str) -> None:
    """The sentence says what to give instead."""
    with pytest.raises(ConfigurationError, match=f"{says}.*SHA-256 or a Message-ID"):
        find_message(archive, words)
