"""What a file of an import is, and which folder its mail belongs to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.policy.import_layout import (
    FileKind,
    folder_of,
    is_beside_mail,
    is_in_maildir,
    maildir_of,
    may_be_mail,
)


@pytest.mark.parametrize(
    ("path", "kind", "levels"),
    [
        ("cur/1", FileKind.MAILDIR, ("INBOX",)),
        (".Entw&APw-rfe/new/1", FileKind.MAILDIR, ("Entwürfe",)),
        ("Facturas/2026/cur/1", FileKind.MAILDIR, ("Facturas", "2026")),
        ("ana/.A.B/cur/1", FileKind.MAILDIR, ("ana", "A", "B")),
        ("Mail.sbd/Sub/cur/1", FileKind.MAILDIR, ("Mail", "Sub")),
        ("INBOX.mbox", FileKind.MBOX, ("INBOX",)),
        ("Local Folders/Trash", FileKind.MBOX, ("Local Folders", "Trash")),
        ("Work.mbox/mbox", FileKind.MBOX, ("Work",)),
        ("mbox", FileKind.MBOX, ("mbox",)),
        ("2026/03/04/key", FileKind.EML, ("2026", "03", "04")),
        ("letter.eml", FileKind.EML, ("INBOX",)),
    ],
)
def test_folders_are_those_that_people_had(path: str, kind: FileKind, levels: tuple[str, ...]) -> None:
    """Each form says in its own way what a folder is called."""
    assert folder_of(path, kind) == levels


@given(st.text(min_size=1, max_size=40), st.sampled_from(FileKind))
def test_every_path_has_a_folder(path: str, kind: FileKind) -> None:
    """No name breaks it, and no level is empty."""
    if kind is FileKind.MAILDIR:
        path = f"{path}/cur/1"
    levels = folder_of(path, kind)
    assert levels
    assert all(levels)


@pytest.mark.parametrize(
    ("path", "head", "answer"),
    [
        ("a.eml", b"", True),
        ("key", b"Return-Path: <a@b>\r\nReceived: x\r\n", True),
        ("key", b"Subject: x\n\ntext", True),
        ("notes.txt", b"Dear all:\nwe meet\n", False),
        ("x.msf", b"// <!-- <mdb:mork:z v=1.4/> -->\n", False),
        ("a/dovecot.index", b"A: b\nC: d\n", False),
        (".DS_Store", b"A: b\nC: d\n", False),
        ("tmp/1.eml", b"A: b\nC: d\n", False),
        ("x.zip", b"PK\x03\x04", False),
    ],
)
def test_single_messages_are_told_by_name_or_header(path: str, head: bytes, answer: bool) -> None:
    """What lies beside mail is left out."""
    assert may_be_mail(path, head) is answer


def test_messages_of_a_maildir_lie_in_cur_and_new() -> None:
    """What is in tmp was never delivered."""
    assert [is_in_maildir(f"a/{name}/1") for name in ("cur", "new", "tmp", "x")] == [True, True, False, False]
    assert is_beside_mail("a/tmp/1")
    assert (maildir_of("a/.b/cur/1"), maildir_of("cur/1")) == ("a/.b", "")
