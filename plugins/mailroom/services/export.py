"""Archived mail as files that any mail program reads, with no connection to a server.

Here: the service a user calls, and the way through accounts and folders. Not here: the forms
(``export_formats``), what an account holds (``archive.contents``). The archive is only read, so
it may lie on a medium that takes no writes. Each message's bytes are compared with their digest
before they are handed out.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from mailroom.archive import Archive
from mailroom.archive.exchanging.export_store import ExportStore
from mailroom.archive.exchanging.exports import open_export
from mailroom.archive.reading.contents import AccountContents, HeldFolder, HeldMessage
from mailroom.archive.reading.snapshot import accounts_of
from mailroom.archive.storage.read_ahead import Reading, read_ahead
from mailroom.exceptions import ConfigurationError, IntegrityError
from mailroom.message.octets import Buffer, windows
from mailroom.policy.export_paths import segments_of
from mailroom.policy.folders import match_folders
from mailroom.services.destinations import is_of_the_archive
from mailroom.services.exchanging.export_formats import ExportFormat, FolderWriter, folder_writer
from mailroom.services.exchanging.export_report import ExportReport, ExportTally
from mailroom.services.known_accounts import unknown_account
from mailroom.services.progress import Progress

__all__ = ["ExportFormat", "ExportReport", "ExportSelection", "export_archive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSelection:
    """Which mail is exported.

    :param account: only this account, which then lies at the destination itself; else each has a
        folder of its own there, also where there is only one.
    :param folders: patterns of folder names.
    :param exclude: patterns of folder names to leave out.
    :param deleted: also what was deleted on the server and lies in no other folder.
    :param as_of: as the account was at this moment, as far as runs had seen by then.
    """

    account: str | None = None
    folders: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    deleted: bool = False
    as_of: datetime | None = None


def export_archive(
    archive: Archive,
    destination: str,
    *,
    form: ExportFormat,
    selection: ExportSelection,
    zipped: bool = False,
    with_status: bool = False,
    progress: Progress,
    stop: threading.Event,
) -> ExportReport:
    """Write archived mail to a folder of this machine, in a form that mail programs read.

    Messages keep their bytes; in an mbox lines are quoted and end with LF, see ``message.mbox``. A
    Maildir or tree that is there gets what it lacks, and nothing in it is changed or removed; an
    mbox or zip file is written anew and replaced when it is whole.

    :param zipped: into one zip file.
    :param with_status: write flags into an mbox as ``Status`` headers, which changes its messages.
    :param stop: when set, the message in hand is finished, and the run ends.
    :raises ConfigurationError: if there is no archive, or no such account or folder in it, if the
        destination is the archive, is being written to, or has files in the way that no export wrote.
    :raises StoreUnavailable: if the archive cannot be read or the destination not written.
    """
    archive.require()
    if is_of_the_archive(destination, archive.url):
        raise ConfigurationError(
            f"The destination {destination} is the archive itself or one of its own folders; "
            "choose a folder of its own."
        )
    if with_status and form is not ExportFormat.MBOX:
        raise ConfigurationError("Only an mbox keeps flags in headers; with_status goes with format mbox.")
    accounts = _accounts(archive, selection)
    store = open_export(destination, zipped=zipped)
    tally = ExportTally()
    run = _ExportRun(
        archive=archive,
        store=store,
        form=form,
        selection=selection,
        with_status=with_status,
        tally=tally,
        progress=progress,
        stop=stop,
    )
    interrupted = run.run(accounts)
    return ExportReport(
        destination=store.url,
        format=form.value,
        accounts=tally.accounts,
        folders=tally.folders,
        exported=tally.exported,
        already=tally.already,
        octets=tally.octets,
        warnings=tuple(tally.warnings),
        failures=tuple(tally.failures),
        interrupted=interrupted,
    )


def _accounts(archive: Archive, selection: ExportSelection) -> dict[str, str]:
    """Return the accounts to export, and the path of each below the destination."""
    known = accounts_of(archive)
    if selection.account is not None:
        if selection.account not in known:
            raise unknown_account(selection.account, known)
        return {selection.account: ""}
    return {levels[0]: path[0] for levels, path in segments_of([name] for name in known).items()}


class _Stopped(Exception):
    """The run was asked to stop; a folder that is written as one file is dropped on the way out."""


@dataclass(slots=True, kw_only=True)
class _ExportRun:
    """One run over all accounts."""

    archive: Archive
    store: ExportStore
    form: ExportFormat
    selection: ExportSelection
    with_status: bool
    tally: ExportTally
    progress: Progress
    stop: threading.Event

    def run(self, accounts: dict[str, str]) -> bool:
        """Export all accounts; return whether the run was stopped before its end."""
        try:
            with self.store:
                for account, contents, folders in self._chosen(list(accounts)):
                    self._export_account(accounts[account], contents, folders)
                    self.tally.accounts += 1
        except _Stopped:
            return True
        return False

    def _chosen(self, accounts: Sequence[str]) -> Iterator[tuple[str, AccountContents, list[HeldFolder]]]:
        """Yield accounts with their chosen folders; a pattern must mean a folder of some account."""
        selection = self.selection
        names: set[str] = set()
        chosen = []
        for account in accounts:
            contents = AccountContents(
                self.archive, account, until=selection.as_of, with_deleted=selection.deleted
            )
            folders = contents.folders()
            names |= {folder.name for folder in folders}
            chosen.append((account, contents, folders))
        uses = {f.name: f.special_use for _, _, folders in chosen for f in folders}
        wanted = set(match_folders(selection.folders, selection.exclude, sorted(names), special_use=uses))
        for account, contents, folders in chosen:
            yield account, contents, [folder for folder in folders if folder.name in wanted]

    def _export_account(self, path: str, contents: AccountContents, folders: list[HeldFolder]) -> None:
        segments = segments_of(folder.levels for folder in contents.folders())
        for folder in folders:
            writer = folder_writer(
                self.form,
                self.store,
                path,
                folder,
                segments[tuple(folder.levels)],
                with_status=self.with_status,
            )
            self.progress.start(folder.name, folder.messages, None)
            try:
                with writer:
                    self._export_folder(writer, contents, folder)
            finally:
                self.progress.finish()
            self.tally.folders += 1
            self.tally.warnings += writer.warnings()

    def _export_folder(self, writer: FolderWriter, contents: AccountContents, folder: HeldFolder) -> None:
        missing = self._missing(writer, contents, folder)
        for message, reading in read_ahead(self.archive, missing, lambda message: message.digest):
            self._check_stop()
            try:
                size = self._export_message(writer, message, reading)
            except IntegrityError as error:
                self.tally.failures.append(f"A message of {folder.name!r} was not exported: {error}")
                continue
            self.tally.exported += 1
            self.tally.octets += size
            self.progress.advance(1, size)

    def _missing(
        self, writer: FolderWriter, contents: AccountContents, folder: HeldFolder
    ) -> Iterator[HeldMessage]:
        for message in contents.messages(folder.name):
            if writer.holds(message):
                self._check_stop()
                self.tally.already += 1
                self.progress.advance(1, 0)
            else:
                yield message

    def _export_message(self, writer: FolderWriter, message: HeldMessage, reading: Reading) -> int:
        with reading() as content:
            _check(content, message.digest)
            writer.add(message, content)
            return len(content)

    def _check_stop(self) -> None:
        if self.stop.is_set():
            raise _Stopped


def _check(content: Buffer, digest: str) -> None:
    found = hashlib.sha256()
    for window in windows(content, 0, len(content)):
        found.update(window)
    if found.hexdigest() != digest:
        raise IntegrityError(
            f"The archived message {digest} is damaged: its bytes have another SHA-256 than its name says; "
            "where its mail is still on the server, mailroom check --read --repair fetches it again; else "
            "restore the file from a backup.",
            digest_expected=digest,
            digest_found=found.hexdigest(),
        )
