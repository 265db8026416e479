"""Real messages, as two mail libraries ship them for their own tests.

They are read where the environment variable ``MAILROOM_CORPUS`` points; without it, this
file is skipped as one test. What Python's ``email`` makes of them is the yardstick where
it gets through without a complaint of its own.
"""

from __future__ import annotations

import email
import email.header
import email.message
import email.utils
import hashlib
import mmap
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailroom.message import fingerprint_of_header, index_message, iter_attachment

CORPUS = os.environ.get("MAILROOM_CORPUS", "")
if not CORPUS:
    pytest.skip("MAILROOM_CORPUS is not set: no messages of others to test on", allow_module_level=True)

MESSAGES = sorted(path for suffix in ("eml", "raw") for path in Path(CORPUS).rglob(f"*.{suffix}"))

NOT_TEXT = ("unk-encoding-part.raw",)
"""Files in an encoding that nobody knows: their line ends cannot be told from their content."""


def files_by_email(path: Path) -> list[str] | None:
    """Return the digests of the files that Python's email finds, or None where it complains."""
    message = email.message_from_bytes(path.read_bytes())
    if any(part.defects for part in message.walk()):
        return None
    named = [part for part in message.walk() if not part.is_multipart() and part.get_filename() is not None]
    payloads = [part.get_payload(decode=True) for part in named]
    return [hashlib.sha256(payload).hexdigest() for payload in payloads if isinstance(payload, bytes)]


def subject_by_email(path: Path) -> list[str] | None:
    """Return the words of the subject that Python's email reads, or None where it cannot."""
    subject = email.message_from_bytes(path.read_bytes())["subject"]
    if not isinstance(subject, str):
        return None
    try:
        return str(email.header.make_header(email.header.decode_header(subject))).split()
    except (LookupError, UnicodeDecodeError):
        return None


def date_by_email(path: Path) -> datetime | None:
    """Return the date that Python's email reads, or None where it cannot."""
    date = email.message_from_bytes(path.read_bytes())["date"]
    if not isinstance(date, str):
        return None
    try:
        found = email.utils.parsedate_to_datetime(date)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def each(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=[path.name for path in paths])


def test_there_are_messages() -> None:
    """A path that leads nowhere is a mistake, not a pass."""
    assert MESSAGES


@each(MESSAGES)
def test_every_attachment_is_what_the_index_says(path: Path) -> None:
    """Size, checksum and content of every attachment agree, in memory and mapped."""
    content = path.read_bytes()
    found = index_message(content)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert index_message(mapped) == found
        for attachment in found.attachments:
            octets = b"".join(iter_attachment(mapped, attachment.part))
            assert (len(octets), hashlib.sha256(octets).hexdigest()) == (attachment.size, attachment.sha256)
    for text in (found.subject, found.sender, found.text, *(a.filename for a in found.attachments)):
        text.encode("utf-8")


@each([path for path in MESSAGES if path.name not in NOT_TEXT])
def test_line_ends_change_neither_identity_nor_fingerprint(path: Path) -> None:
    """A server delivers with CRLF what was stored with LF: it is the same message."""
    bare = path.read_bytes().replace(b"\r\n", b"\n")
    wire = bare.replace(b"\n", b"\r\n")
    assert index_message(bare).identity == index_message(wire).identity
    assert fingerprint_of_header(bare) == fingerprint_of_header(wire)


@each(MESSAGES)
def test_every_cut_is_read(path: Path) -> None:
    """A message that arrived in part is read as far as it goes."""
    content = path.read_bytes()
    for length in range(0, len(content), max(1, len(content) // 40)):
        index_message(content[:length])


@each([path for path in MESSAGES if files_by_email(path) is not None])
def test_files_that_pythons_email_finds_are_found(path: Path) -> None:
    """Each named part that it decodes without complaint is an attachment of ours, octet by octet."""
    ours = {attachment.sha256 for attachment in index_message(path.read_bytes()).attachments}
    assert set(files_by_email(path) or ()) <= ours


@each([path for path in MESSAGES if subject_by_email(path) is not None])
def test_subjects_that_pythons_email_reads_are_the_same(path: Path) -> None:
    """Where the standard library can decode the subject, so can we."""
    assert index_message(path.read_bytes()).subject.split() == subject_by_email(path)


@each([path for path in MESSAGES if date_by_email(path) is not None])
def test_dates_that_pythons_email_reads_are_the_same(path: Path) -> None:
    """Where the standard library can read the date, so can we."""
    assert index_message(path.read_bytes()).date == date_by_email(path)
