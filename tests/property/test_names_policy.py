"""Whatever a sender typed, a name is one safe segment and a path stays where it belongs."""

from __future__ import annotations

import posixpath
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from mailroom.policy.attachments import Attachment, Place
from mailroom.policy.destinations import MAX_PATH_OCTETS, DestinationTemplate
from mailroom.policy.filenames import MAX_SEGMENT_OCTETS, numbered, safe_filename, safe_segment

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)
NASTY = st.lists(
    st.sampled_from(
        ["/", "\\", "..", ".", " ", "\0", "\r\n", "CON", "nul", "a", "📎", "\u202e", "\u200d", ":", ".pdf"]
    ),
    max_size=40,
).map("".join)
NAMES = ANY_TEXT | NASTY
TEMPLATE = DestinationTemplate(
    "{account}/{folder}/{date:%Y}/{sender_domain}/{sender}/{part}/{stem}/{filename}"
)


@given(NAMES)
def test_segment_is_safe_everywhere(name: str) -> None:
    """No separator, no control character, no climbing, no device, short enough, valid UTF-8."""
    safe = safe_segment(name)
    assert len(safe.encode("utf-8")) <= MAX_SEGMENT_OCTETS
    assert not set(safe) & set('/\\:*?"<>|')
    assert not any(ord(character) < 32 or ord(character) == 127 for character in safe)
    assert not safe.startswith((".", " "))
    assert not safe.endswith((".", " "))
    assert safe.split(".")[0].rstrip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}
    assert safe_filename(name)


@given(NAMES)
def test_safe_names_stay_as_they_are(name: str) -> None:
    """A name made safe twice is the same name."""
    once = safe_filename(name)
    assert safe_filename(once) == once


@given(NAMES, st.integers(2, 10_000))
def test_numbered_names_are_safe_and_differ(name: str, turn: int) -> None:
    """A number makes another name, which is as safe."""
    first = safe_filename(name)
    other = numbered(first, turn)
    assert other != first
    assert safe_segment(other) == other
    assert len(other.encode()) <= MAX_SEGMENT_OCTETS
    assert numbered(first, turn + 1) != other


@given(filename=NAMES, sender=NAMES, folder=NAMES, account=NAMES, part=NAMES, turn=st.integers(1, 99))
def test_path_stays_below_the_destination(
    filename: str, sender: str, folder: str, account: str, part: str, turn: int
) -> None:
    """No mail can name a place outside of the destination."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    attachment = Attachment(
        message_sha256="ab" * 32,
        part=part,
        filename=filename,
        content_type="application/pdf",
        disposition=None,
        size=1,
        sha256="cd" * 32,
        sender=sender,
        subject="",
        date=moment,
        moment=moment,
        places=(),
    )
    path = TEMPLATE.render(attachment, Place(account=account, folder=folder), turn)
    assert posixpath.normpath(f"/root/{path}") == f"/root/{path}"
    assert len(path.encode()) <= MAX_PATH_OCTETS
