"""One account copied to another: straight, or by way of an archive.

Here: the service a user calls. Not here: the runs (``account_fill``, ``mirror_run``). Only
ever adds: nothing is deleted or overwritten on either side, so that a folder of which a server shows
only a part costs nothing. Flags of messages that are there already change only where asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mailroom.archive.reading.copy_marks import CopyMarks
from mailroom.model import Endpoint, RunContext
from mailroom.policy.mirror import MirrorSelection
from mailroom.policy.restore import RestoreSelection
from mailroom.services.progress import Progress
from mailroom.services.restoring.account_fill import AccountFill
from mailroom.services.restoring.live_source import LiveSource
from mailroom.services.restoring.restore_report import RestoreReport

if TYPE_CHECKING:
    from mailroom.archive import Archive
    from mailroom.client.imap import ImapClient
    from mailroom.services.mirroring.mirror_report import MirrorReport

__all__ = ["CopyReport", "copy_account", "copy_by_archive", "is_one_account"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyReport:
    """What a copy did.

    :param restore: what became of the target.
    :param mirror: what was mirrored before, where it went by way of an archive.
    """

    restore: RestoreReport
    mirror: MirrorReport | None = None

    @property
    def failures(self) -> tuple[str, ...]:
        """One sentence for each thing that did not work."""
        return (*(self.mirror.failures if self.mirror else ()), *self.restore.failures)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each thing that is otherwise than one might think."""
        return (*(self.mirror.warnings if self.mirror else ()), *self.restore.warnings)

    @property
    def interrupted(self) -> bool:
        """Whether the run was asked to stop before it was done."""
        return self.restore.interrupted or (self.mirror is not None and self.mirror.interrupted)

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object."""
        found = {**self.restore.summary(), "failed": len(self.failures), "interrupted": self.interrupted}
        if self.mirror is not None:
            found["mirrored"] = self.mirror.added
        return found


def is_one_account(source: Endpoint, target: Endpoint) -> bool:
    """Return whether both are one account; ports apart, for a server may offer it at several.

    Copied onto itself, all of it would lie one level deeper after each run.
    """
    return (source.host.lower(), source.user) == (target.host.lower(), target.user)


def copy_account(
    connect_source: Callable[[], ImapClient],
    connect_target: Callable[[], ImapClient],
    account: str,
    target: str,
    *,
    selection: RestoreSelection,
    dry_run: bool,
    progress: Progress,
    stop: threading.Event,
    marks: CopyMarks | None = None,
) -> CopyReport:
    """Add to one account what another one holds and it does not; nothing lies in between.

    Safe to repeat: after a kill, the next run asks both sides what is there and goes on.

    :param account: the source, for people; ``target`` likewise.
    :param dry_run: say what would be added, add nothing.
    :param marks: what earlier runs left in step; None where all is to be compared.
    :raises ConfigurationError: if a pattern means no folder.
    :raises ConnectionLost: if a server cannot be reached, or keeps going away.
    """
    source = LiveSource(connect=connect_source, selection=selection, with_marks=marks is not None)
    run = AccountFill(
        connect=connect_target,
        source=source,
        account=account,
        target=target,
        selection=selection,
        dry_run=dry_run,
        progress=progress,
        stop=stop,
        marks=marks,
    )
    return CopyReport(restore=run.run())


def copy_by_archive(
    connect_source: Callable[[], ImapClient],
    connect_target: Callable[[], ImapClient],
    archive: Archive,
    context: RunContext,
    target: str,
    *,
    selection: RestoreSelection,
    dry_run: bool,
    now: Callable[[], datetime],
    progress: Progress,
    stop: threading.Event,
) -> CopyReport:
    """Mirror one account into an archive, and add to another one what it lacks of that.

    What is in step is remembered in the archive.

    :param context: the run, whose account is the source's name in the archive.
    :raises ConfigurationError: if a pattern means no folder, or too much of the source seems to be gone.
    :raises ConnectionLost: if a server cannot be reached, or keeps going away.
    :raises ArchiveError: if the archive cannot be read or written.
    """
    from mailroom.services.mirror import mirror_account
    from mailroom.services.restore import restore_account

    mirror = mirror_account(
        connect_source,
        archive,
        replace(context, what="mirror"),
        selection=MirrorSelection(folders=selection.folders, exclude=selection.exclude),
        now=now,
        progress=progress,
        stop=stop,
    )
    restore = restore_account(
        connect_target,
        archive,
        context.account,
        target,
        selection=selection,
        dry_run=dry_run,
        progress=progress,
        stop=stop,
        marks=CopyMarks(archive.store, context.account, target),
    )
    return CopyReport(restore=restore, mirror=mirror)
