"""Messages found in files: one after the other, with what the file says of each.

Here: from a file to its messages. Not here: where files come from (``archive.imports``), which kind
one is (``policy.import_layout``), storing (``import_mail``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mailroom.archive.exchanging.imports import ImportSource, SourceFile
from mailroom.message import delivery_date
from mailroom.message.line_ends import has_crlf, with_crlf
from mailroom.message.mbox_reader import delivered_at, split_mbox, unquoted
from mailroom.message.octets import Buffer, release, windows
from mailroom.message.status import flags_of_status
from mailroom.model import Body
from mailroom.policy.export_paths import DELIVERED
from mailroom.policy.import_layout import FileKind, maildir_of
from mailroom.policy.maildir import flags_of_name, keyword_letter, parse_keywords

__all__ = ["FoundMessage", "MessageReader"]

IN_MEMORY_OCTETS = 1024 * 1024
"""Larger messages go through a file of the archive's own. Octets."""

RELEASE_OCTETS = 16 * 1024 * 1024
"""How much of an mbox file is kept mapped behind the message at hand. Octets."""

MAX_SKEW = timedelta(days=1)
"""A delivery that seems to be further ahead than this has no time that could be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMessage:
    """One message.

    :param name: where it was found, below the source.
    :param body: its octets as the archive takes them, digest included; a spooled file is the taker's.
    """

    name: str
    body: Body
    digest: str
    flags: tuple[str, ...]
    internal_date: datetime | None


@dataclass(slots=True, kw_only=True)
class MessageReader:
    """Reads the files of one source.

    :param new_spool: returns the path of a new file for a large message.
    :param now: the clock; no mail was delivered later.
    """

    source: ImportSource
    new_spool: Callable[[], str]
    now: Callable[[], datetime]
    _keywords: dict[str, dict[str, str]] = field(default_factory=dict)

    def messages(self, file: SourceFile, content: Buffer, kind: FileKind) -> Iterator[FoundMessage]:
        """Yield the messages of one file.

        :raises StoreUnavailable: where the archive's disk refuses a large one.
        """
        if kind is FileKind.MBOX:
            released = 0
            for message in split_mbox(content):
                if message.start - released > RELEASE_OCTETS:
                    release(content, message.at)
                    released = message.at
                yield self._found(
                    f"{file.path}:{message.at}",
                    has_crlf(content, message.start, message.end),
                    lambda message=message: unquoted(content, message),  # type: ignore[misc]  # bound now
                    flags=flags_of_status(content, message.start, message.end),
                    when=delivered_at(message.from_line),
                )
            return
        end = len(content)
        yield self._found(
            file.path,
            has_crlf(content, 0, end),
            lambda: windows(content, 0, end),
            flags=self._flags(file.path) if kind is FileKind.MAILDIR else (),
            when=self._when(file, content, kind),
        )

    def _found(
        self,
        name: str,
        keeps_ends: bool,
        pieces: Callable[[], Iterator[bytes]],
        *,
        flags: tuple[str, ...],
        when: datetime | None,
    ) -> FoundMessage:
        body = _taken(pieces() if keeps_ends else with_crlf(pieces()), self.new_spool)
        is_possible = when is not None and when <= self.now() + MAX_SKEW
        return FoundMessage(
            name=name,
            body=body,
            digest=body.sha256 or "",
            flags=flags,
            internal_date=when if is_possible else None,
        )

    def _flags(self, path: str) -> tuple[str, ...]:
        maildir = maildir_of(path)
        if maildir not in self._keywords:
            note = self.source.note(f"{maildir}/dovecot-keywords".lstrip("/"))
            names = parse_keywords(note)
            self._keywords = {maildir: {keyword_letter(n): name for n, name in enumerate(names) if name}}
        return flags_of_name(path.rpartition("/")[2], self._keywords[maildir])

    def _when(self, file: SourceFile, content: Buffer, kind: FileKind) -> datetime | None:
        """Return when a message was delivered.

        A Maildir keeps that as the time of the file, and so does an export of ours; any other single
        file may have been copied since, so its own header is asked first.
        """
        is_kept = kind is FileKind.MAILDIR or DELIVERED.fullmatch(file.path.rpartition("/")[2]) is not None
        if is_kept and file.modified is not None:
            return file.modified.astimezone(UTC).replace(microsecond=0)
        return delivery_date(content) or file.modified


def _taken(pieces: Iterator[bytes], new_spool: Callable[[], str]) -> Body:
    """Return a message's octets in memory, or in a file of the archive's where there are many."""
    found = hashlib.sha256()
    held: list[bytes] = []
    octets = 0
    for piece in pieces:
        found.update(piece)
        held.append(piece)
        octets += len(piece)
        if octets > IN_MEMORY_OCTETS:
            path = new_spool()
            with open(path, "wb") as file:
                for one in held:
                    file.write(one)
                held.clear()
                for one in pieces:
                    found.update(one)
                    octets += file.write(one)
            return Body(octets=octets, path=path, sha256=found.hexdigest())
    return Body(octets=octets, content=b"".join(held), sha256=found.hexdigest())
