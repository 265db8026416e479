"""The three forms of exported mail: an mbox a folder, a Maildir, a tree of ``.eml`` files.

Here: which file a message goes to, and what is written beside it. Not here: which messages
(``export``), how files come to be (``archive.export_store``), names (``policy.maildir``,
``policy.export_paths``).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Protocol

from mailroom.archive.exchanging.export_store import Delivered, ExportStore, Sink
from mailroom.archive.reading.contents import HeldFolder, HeldMessage
from mailroom.message import header_summary
from mailroom.message.line_ends import can_have_line_feeds, with_line_feeds
from mailroom.message.mbox import mbox_entry, status_headers
from mailroom.message.octets import Buffer, count, windows
from mailroom.policy import maildir
from mailroom.policy.export_paths import DELIVERED as EML_DELIVERED
from mailroom.policy.export_paths import eml_name

__all__ = ["ExportFormat", "FolderWriter", "folder_writer"]


class ExportFormat(enum.Enum):
    """How exported mail is laid out."""

    MBOX = "mbox"
    MAILDIR = "maildir"
    EML = "eml"


class FolderWriter(Protocol):
    """Writes one folder; a context manager. Left by an error, it leaves nothing that looks whole."""

    def holds(self, message: HeldMessage) -> bool:
        """Say whether an earlier run has put a message there."""

    def add(self, message: HeldMessage, content: Buffer) -> None:
        """Put a message there."""

    def warnings(self) -> list[str]:
        """Return what could not be said in this form."""

    def __enter__(self) -> FolderWriter:
        """Begin."""

    def __exit__(self, *error: object) -> None:
        """End."""


def folder_writer(
    form: ExportFormat,
    store: ExportStore,
    account: str,
    folder: HeldFolder,
    segments: tuple[str, ...],
    *,
    with_status: bool,
) -> FolderWriter:
    """Return what writes one folder in a form.

    :param account: path of the account below the destination; empty where it is the destination.
    :param segments: path of the folder below that, for forms that keep people's names.
    :param with_status: write flags into an mbox, as headers.
    """
    path = "/".join([*filter(None, [account]), *segments])
    if form is ExportFormat.MBOX:
        return _Mbox(store, f"{path}.mbox", with_status=with_status)
    if form is ExportFormat.EML:
        return _Eml(store, path)
    directory = maildir.folder_directory(folder.levels)
    return _Maildir(store, "/".join(filter(None, [account, directory])), folder)


def _delivered_at(message: HeldMessage, content: Buffer) -> datetime:
    """Return when a message was delivered: as the server says, else as its own header does."""
    return message.internal_date or header_summary(content)[0] or message.archived_at


def _pieces(content: Buffer) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
    else:
        yield from windows(content, 0, len(content))


class _Mbox:
    def __init__(self, store: ExportStore, path: str, *, with_status: bool) -> None:
        self._store = store
        self._path = path
        self._with_status = with_status
        self._held = ExitStack()

    def __enter__(self) -> _Mbox:
        self._file: Sink = self._held.enter_context(self._store.replacing(self._path))
        return self

    def __exit__(self, *error: object) -> None:
        self._held.__exit__(*error)  # type: ignore[arg-type]  # as handed in

    def holds(self, message: HeldMessage) -> bool:
        return False

    def add(self, message: HeldMessage, content: Buffer) -> None:
        headers = status_headers(message.flags) if self._with_status else b""
        for piece in mbox_entry(content, _delivered_at(message, content), headers):
            self._file.write(piece)

    def warnings(self) -> list[str]:
        return []


class _Eml:
    def __init__(self, store: ExportStore, path: str) -> None:
        self._store = store
        self._path = path

    def __enter__(self) -> _Eml:
        self._store.make_folder(self._path)
        self._delivered: Delivered = self._store.delivered([self._path], EML_DELIVERED)
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def holds(self, message: HeldMessage) -> bool:
        return self._delivered.holds(message.digest, message.turn)

    def add(self, message: HeldMessage, content: Buffer) -> None:
        date, subject = header_summary(content)
        when = message.internal_date or date or message.archived_at
        name = eml_name(message.digest, message.turn, date or message.internal_date, subject)
        self._store.create(f"{self._path}/{name}", _pieces(content), when, self._path)

    def warnings(self) -> list[str]:
        return []


class _Maildir:
    """Files with LF at the ends of lines, as programs on Unix keep them; others show a CR at each."""

    def __init__(self, store: ExportStore, path: str, folder: HeldFolder) -> None:
        self._store = store
        self._below = f"{path}/" if path else ""
        self._folder = folder
        self._keywords: list[str] = []
        self._lost: set[str] = set()

    def __enter__(self) -> _Maildir:
        for name in ("cur", "new", "tmp"):
            self._store.make_folder(f"{self._below}{name}")
        if self._below.rpartition("/")[0].rpartition("/")[2].startswith("."):
            self._store.write_note(f"{self._below}maildirfolder", b"")
        self._delivered: Delivered = self._store.delivered(
            [f"{self._below}cur", f"{self._below}new"], maildir.DELIVERED
        )
        self._keywords = maildir.parse_keywords(self._store.read_note(self._note))
        return self

    def __exit__(self, *error: object) -> None:
        pass

    @property
    def _note(self) -> str:
        return f"{self._below}dovecot-keywords"

    def holds(self, message: HeldMessage) -> bool:
        return self._delivered.holds(message.digest, message.turn)

    def add(self, message: HeldMessage, content: Buffer) -> None:
        when = _delivered_at(message, content)
        size, feeds = len(content), count(content, b"\n")
        if can_have_line_feeds(content):
            sizes, pieces = (size - feeds, size), with_line_feeds(content, 0, size)
        else:
            sizes, pieces = (size, size + feeds - count(content, b"\r\n")), _pieces(content)
        name = maildir.message_name(
            int(when.timestamp()), message.digest, message.turn, sizes, self._letters(message)
        )
        self._store.create(f"{self._below}cur/{name}", pieces, when, f"{self._below}tmp")

    def _letters(self, message: HeldMessage) -> str:
        """Return the letters of a message's flags; a new keyword is noted before any file uses it."""
        letters, keywords = maildir.system_letters(message.flags)
        before = len(self._keywords)
        for keyword in keywords:
            if keyword in self._keywords:
                continue
            if len(self._keywords) < maildir.MAX_KEYWORDS:
                self._keywords.append(keyword)
            else:
                self._lost.add(keyword)
        if len(self._keywords) > before:
            self._store.write_note(self._note, maildir.format_keywords(self._keywords))
        own = (maildir.keyword_letter(self._keywords.index(k)) for k in keywords if k in self._keywords)
        return letters + "".join(sorted(own))

    def warnings(self) -> list[str]:
        if not self._lost:
            return []
        return [
            f"A Maildir folder takes {maildir.MAX_KEYWORDS} keywords; {len(self._lost)} more of "
            f"{self._folder.name!r} were left out."
        ]
