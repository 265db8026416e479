"""Mail from files into the archive: mbox, Maildir, ``.eml``, zips of these, buckets of raw messages.

Here: the service a user calls, and the way through all files. Not here: reading one file
(``import_messages``), sources (``archive.imports``). A message that its folder in the account holds
already is left out, whichever way it came, so a run that was killed goes on, and a second one adds
nothing. Nothing changes at the source.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from mailroom.archive import Archive, ArchiveWriter
from mailroom.archive.exchanging.imports import HeldDigests, ImportSource, SourceFile, open_source
from mailroom.archive.storage.store import Root
from mailroom.exceptions import ConfigurationError, MailroomError, StoreUnavailable
from mailroom.message.mbox_reader import is_mbox
from mailroom.message.octets import Buffer
from mailroom.model import Change, LocationRow, MailProtocol, RunContext
from mailroom.policy.import_layout import FileKind, folder_of, is_beside_mail, is_in_maildir, may_be_mail
from mailroom.services.destinations import is_of_the_archive
from mailroom.services.ending import counts_of, outcome_of
from mailroom.services.exchanging.import_messages import FoundMessage, MessageReader
from mailroom.services.exchanging.import_report import ImportReport, ImportTally
from mailroom.services.progress import Progress

__all__ = ["FileKind", "ImportReport", "import_mail"]

MAX_REFUSALS = 5
"""After so many refusals in a row a bucket is taken to be away, and the run ends."""

HEAD_OCTETS = 4096
"""How much of a file is looked at to tell what it is."""


def import_mail(
    source: Root,
    archive: Archive,
    context: RunContext,
    *,
    form: FileKind | None = None,
    folder: str | None = None,
    now: Callable[[], datetime],
    progress: Progress,
    stop: threading.Event,
) -> ImportReport:
    """Archive the mail of a folder, a file, a zip file or a prefix of a bucket, as mail of one account.

    A message without CRLF gets it, as an IMAP server would give it; all others keep their bytes. One
    file that cannot be read stops no other.

    :param context: its account is the one that the mail becomes part of.
    :param form: what the files are; None tells each by itself.
    :param folder: put all of it into this folder; by default folders are those of the source.
    :param stop: when set, what was read is committed, and the run ends.
    :raises ConfigurationError: if there is nothing at the source, or nothing in it is mail.
    :raises LimitExceeded: if a zip file unpacks to more than mail does.
    :raises ArchiveError: if the source cannot be listed, or the archive not be read or written.
    """
    place = open_source(source)
    if is_of_the_archive(place.url, archive.url):
        place.close()
        raise ConfigurationError(
            f"{place.url} is the archive itself; what lies there is archived. Give the place of other mail."
        )
    tally = ImportTally()
    with contextlib.closing(place), archive.writer(context) as writer:
        run = _ImportRun(
            archive=archive,
            writer=writer,
            source=place,
            context=context,
            form=form,
            folder=folder,
            tally=tally,
            now=now,
            progress=progress,
            stop=stop,
        )
        run.run()
        report = _report(context.account, place.url, tally, interrupted=stop.is_set())
        writer.finish(outcome_of(report), counts_of(report), report.octets)
    if not (report.files or report.failures or report.interrupted):
        raise ConfigurationError(
            f"There is no mail at {place.url}: no mbox, no Maildir and no single messages were found in "
            f"{tally.skipped:,} files."
        )
    return report


@dataclass(slots=True, kw_only=True)
class _ImportRun:
    """One run over all files of a source."""

    archive: Archive
    writer: ArchiveWriter
    source: ImportSource
    context: RunContext
    form: FileKind | None
    folder: str | None
    tally: ImportTally
    now: Callable[[], datetime]
    progress: Progress
    stop: threading.Event
    _held: HeldDigests = field(init=False)
    _reader: MessageReader = field(init=False)
    _refusals: int = field(default=0, init=False)

    def run(self) -> None:
        """Import file after file."""
        self._held = HeldDigests(self.archive, self.context.account)
        self._reader = MessageReader(source=self.source, new_spool=self.archive.new_spool, now=self.now)
        self.progress.start("import", None, None)
        try:
            for file in self.source.files():
                if self.stop.is_set():
                    break
                self._import_file(file)
        finally:
            self.progress.finish()

    def _import_file(self, file: SourceFile) -> None:
        """Import one file, or note why it could not be read.

        :raises StoreUnavailable: where a bucket has refused many times in a row.
        """
        with contextlib.ExitStack() as held:
            try:
                content = held.enter_context(file.reading())
            except (OSError, StoreUnavailable) as error:
                self._refusals += isinstance(error, StoreUnavailable)
                if self._refusals >= MAX_REFUSALS:
                    raise
                self.tally.failures.append(f"{file.path} was not imported: {_reason(error)}")
                return
            self._refusals = 0
            self._import_content(file, content)

    def _import_content(self, file: SourceFile, content: Buffer) -> None:
        kind = self._kind(file, content)
        if kind is None:
            self.tally.skip(file.path)
            return
        self.tally.files += 1
        folder = self.folder or self._held.delimiter.join(folder_of(file.path, kind))
        for message in self._reader.messages(file, content, kind):
            self._take_in(message, folder)
            if self.stop.is_set():
                return

    def _kind(self, file: SourceFile, content: Buffer) -> FileKind | None:
        """Return what a file is, or None where it is no mail."""
        if self.form in (None, FileKind.MAILDIR) and is_in_maildir(file.path):
            return FileKind.MAILDIR
        head = content[:HEAD_OCTETS]
        if self.form in (None, FileKind.MBOX) and is_mbox(head):
            return FileKind.MBOX
        if self.form is FileKind.EML:
            return None if is_beside_mail(file.path) else FileKind.EML
        return FileKind.EML if self.form is None and may_be_mail(file.path, head) else None

    def _take_in(self, message: FoundMessage, folder: str) -> None:
        """Hand a message to the archive, unless its folder holds it."""
        self.tally.folders.add(folder)
        if not self._held.add(folder, message.digest):
            self.tally.already += 1
            self.progress.advance(1, 0)
            if message.body.path is not None:
                os.unlink(message.body.path)
            return
        row = LocationRow(
            account=self.context.account,
            protocol=MailProtocol.IMPORT,
            folder=folder,
            change=Change.ADDED,
            at=self.now(),
            run_id=self.context.run_id,
            uidl=message.name,
            size=message.body.octets,
            flags=message.flags,
            internal_date=message.internal_date,
        )
        self.writer.add(message.body, row)
        self.tally.added += 1
        self.tally.octets += message.body.octets
        self.progress.advance(1, message.body.octets)


def _reason(error: Exception) -> str:
    if isinstance(error, MailroomError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "it went away while the folder was read; run again."
    return f"{getattr(error, 'strerror', None) or error}."


def _report(account: str, source: str, tally: ImportTally, *, interrupted: bool) -> ImportReport:
    return ImportReport(
        account=account,
        source=source,
        files=tally.files,
        folders=len(tally.folders),
        added=tally.added,
        already=tally.already,
        octets=tally.octets,
        skipped=tally.skipped,
        skipped_files=tuple(tally.named),
        failures=tuple(tally.failures),
        interrupted=interrupted,
    )
