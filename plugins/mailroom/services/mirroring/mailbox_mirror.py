"""One mailbox brought in step: listed, compared, downloaded, compared again.

Here: the order of questions in one session, and what is held after it. Not here: the run
over all mailboxes (``mirror_run``), plans (``policy.mirror``).

What a server lost is not recorded here: rows that say so are handed back (``Standing.gone``)
until the whole account has been seen, for only then is it known whether mail was moved,
deleted, or the server itself is not the one it was.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from mailroom.archive import Archive, ArchiveWriter
from mailroom.client.imap import ImapClient
from mailroom.client.imap_selected import SelectedFolder
from mailroom.message import fingerprint_of_header
from mailroom.model import Folder, FolderRow, RunContext
from mailroom.policy.drafts import superseded_drafts
from mailroom.policy.folders import matches_pattern
from mailroom.policy.mailbox_plan import FolderPlan, plan_folder
from mailroom.policy.mirror import MirrorSelection, search_criteria
from mailroom.policy.uid_sets import Uids, ascending, common, is_among, joined, without
from mailroom.policy.windows import Listing, window_of
from mailroom.services.mirroring.crew import Crew
from mailroom.services.mirroring.mailbox_download import MailboxDownload
from mailroom.services.mirroring.mailbox_flags import record_changed_flags
from mailroom.services.mirroring.mailbox_holdings import Holdings, Rows
from mailroom.services.mirroring.mirror_report import MirrorTally
from mailroom.services.mirroring.moved_mail import Leavers
from mailroom.services.mirroring.recognition import Recognition
from mailroom.services.mirroring.renaming import is_another
from mailroom.services.mirroring.suspects import Suspects
from mailroom.services.progress import Progress

__all__ = ["MailboxMirror", "Standing"]

_NONE: Uids = np.empty(0, dtype=np.int64)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How archive and server stand to each other after a mailbox was worked off.

    :param live: messages that are on the server and archived; None where the work was broken off.
    :param gone: rows that record what the server has no longer; None where there are none.
    :param row: the state of the folder, to be recorded after ``gone``.
    :param expunged: how many messages ``gone`` calls expunged, at most.
    """

    folder: str
    live: int | None = None
    gone: Rows | None = None
    row: FolderRow | None = None
    expunged: int = 0


@dataclass(slots=True, kw_only=True)
class MailboxMirror:
    """The mirror of one mailbox in one session.

    :param selected: the mailbox, opened for reading.
    :param last: the folder's row of the last run, or None.
    :param leavers: what left other folders since.
    """

    client: ImapClient
    archive: Archive
    writer: ArchiveWriter
    context: RunContext
    selection: MirrorSelection
    now: Callable[[], datetime]
    progress: Progress
    stop: threading.Event
    tally: MirrorTally
    suspects: Suspects
    crew: Crew
    folder: Folder
    selected: SelectedFolder
    last: FolderRow | None
    holdings: Holdings
    leavers: Leavers
    recognised: Uids = field(default_factory=lambda: _NONE)
    superseded: Uids = field(default_factory=lambda: _NONE)
    is_windowed: bool = False
    shown_from: int | None = None

    def mirror(self) -> Standing:
        """Bring the mailbox in step, and return how it stands.

        :raises ConnectionLost: if the server goes away; what came is with the writer.
        """
        listed = self._list()
        self._check_numbers(listed)
        plan = self._plan(listed, self.holdings.live, self.holdings.unfetchable)
        fetch = self._recognise(self._without_old_drafts(plan.fetch, listed))
        download = self._download()
        self.progress.start(self.folder.name, len(fetch), None)
        try:
            download.fetch(fetch, retry=plan.retry, order=self._order)
            if len(fetch) and not self.stop.is_set():
                listed = self._look_again(download, listed)
        finally:
            self.progress.finish()
            self.writer.expect({}, folder=self.folder.name)
        if self.stop.is_set():
            return Standing(folder=self.folder.name)
        self._compare_flags()
        return self._conclude(listed, download)

    def _list(self) -> Uids:
        """Return the UIDs the server lists; note where it is known to list a part only."""
        self.is_windowed = self._is_stated_window
        listed = self.client.search("ALL")
        if len(listed) >= self.selected.exists:
            return listed
        counted = self.client.folder_status(self.folder.name).get("MESSAGES", 0)
        if len(listed) >= counted:
            return listed  # some went away since the mailbox was opened
        told = [message.uid for message in self.client.fetch_flags("1:*")]
        listed = joined(listed, ascending(told))
        if len(listed) < min(counted, self.selected.exists):
            self.is_windowed = True
            self._warn(
                f"the server counts {counted} messages and lists {len(listed)}; "
                "what it does not list is not taken for gone"
            )
        return listed

    @property
    def _is_stated_window(self) -> bool:
        folder = self.folder
        return any(matches_pattern(p, folder.name, folder.special_use) for p in self.selection.windowed)

    def _look_for_window(self, listed: Uids, gone: Uids) -> None:
        """Note where the folder has the habits of one that shows its newest messages only."""
        holdings, last = self.holdings, self.last
        seen = Listing(
            host=self.client.host,
            listed=listed,
            gone=gone,
            known=len(holdings.state.live),
            before=None if last is None or last.deleted else last.messages,
            was_window=last is not None and last.windowed and not last.deleted,
            is_renumbered=not holdings.is_numbered,
        )
        reason = window_of(seen) and window_of(self._but_for_moves(seen))
        if reason is None:
            return
        self.is_windowed = True
        if not holdings.is_numbered:
            self._warn(f"{reason}; what it does not list is not taken for gone")
            return
        self.shown_from = int(listed[0])  # the oldest slide away: what is younger and missing is gone
        if len(gone) and gone[0] < self.shown_from:
            self._warn(f"{reason}; what is older than those is not taken for gone")

    def _but_for_moves(self, seen: Listing) -> Listing:
        """Return a listing without what is missing because a push took it away, or that moved elsewhere."""
        state = self.holdings.state
        changes = self.archive.changes(self.context.account)
        pushed = changes.pushed_away(self.folder.name, state.uid_validity or 0)
        moved = self.leavers.found_elsewhere(self.folder.name)
        away = common(state.live, ascending([*pushed, *moved]))
        return replace(seen, gone=without(seen.gone, away), known=seen.known - len(away))

    def _check_numbers(self, listed: Uids) -> None:
        """Ask who the newest known message is: if another one, no number can be trusted.

        A folder that was restored from a copy, or made anew under its name, may have the
        UIDVALIDITY it had and give UIDs a second time; mail that came since would be taken for
        known. UIDs ascend, so where any was given twice, the highest that is still there was.
        """
        highest = common(self.holdings.live, listed)[-1:]
        rows = {row.uid: row for row in self.holdings.state.rows(highest)} if len(highest) else {}
        for message in self.client.fetch_fingerprints(highest) if rows else ():
            if message.uid in rows and is_another(self.archive, rows[message.uid], message):
                self.holdings = replace(self.holdings, is_restored=True)
                self._warn(
                    "the server has given numbers a second time, as after a restore from a copy; "
                    "every message in it is compared"
                )

    def _plan(self, listed: Uids, live: Uids, unfetchable: Uids) -> FolderPlan:
        wanted = None
        if self.selection.is_partial and len(listed):
            wanted = self.client.search(*search_criteria(self.selection))
            if self.holdings.is_restored:
                wanted = joined(wanted, self.holdings.recorded)  # none may stay unknown behind a known number
        return plan_folder(listed, live=live, unfetchable=unfetchable, wanted=wanted, order=self._order)

    @property
    def _order(self) -> str:
        """The order to fetch in; ascending while `_check_numbers` must still find out after a kill."""
        return "oldest" if self.holdings.is_restored else self.selection.order

    def _without_old_drafts(self, uids: Uids, listed: Uids) -> Uids:
        """Leave out drafts of which the server shows a newer state; they are about to be deleted there."""
        is_drafts = (self.folder.special_use or "").lower() == "\\drafts"
        if not is_drafts or self.selection.all_drafts or not len(uids):
            return uids
        told = [
            (message.uid, fingerprint_of_header(message.header or b"").message_id)
            for message in self.client.fetch_fingerprints(ascending(uids))
        ]
        rows = self.holdings.state.rows(common(self.holdings.live, listed))
        held = self.archive.describe({row.sha256 for row in rows if row.sha256 is not None})
        known = [
            (row.uid, held[row.sha256].message_id)
            for row in rows
            if row.uid is not None and row.sha256 is not None and row.sha256 in held
        ]
        self.superseded = common(ascending(superseded_drafts([*told, *known])), ascending(uids))
        self.tally.superseded += len(self.superseded)
        return uids[~is_among(uids, self.superseded)]

    def _recognise(self, uids: Uids) -> Uids:
        """Record new messages that the archive holds already; return the others."""
        known = Recognition(
            client=self.client,
            archive=self.archive,
            writer=self.writer,
            context=self.context,
            folder=self.folder.name,
            holdings=self.holdings,
            leavers=self.leavers,
            now=self.now,
            tally=self.tally,
        )
        rest = known.without_known(uids)
        self.recognised = known.found
        return rest

    def _look_again(self, download: MailboxDownload, before: Uids) -> Uids:
        """List once more and fetch what came meanwhile or was missed; return the listing."""
        listed = self.client.search("ALL")
        if self.is_windowed:
            listed = joined(listed, before)
        plan = self._plan(
            listed,
            joined(self.holdings.live, self.recognised, download.added),
            joined(self.holdings.unfetchable, ascending(download.failed), self.superseded),
        )
        late = plan.fetch[plan.fetch <= before.max(initial=0)]
        if len(late):
            self._warn(
                f"the server listed {len(late)} messages only at second sight; they are archived as well"
            )
        download.fetch(plan.fetch, retry=_NONE)
        return listed

    def _compare_flags(self) -> None:
        """Record flags that changed since the last run."""
        if not len(self.holdings.live) or not self.selected.exists:
            return
        last, highest = self.last, self.selected.highest_modseq
        since = None
        if last is not None and highest and last.uid_validity == self.holdings.uid_validity:
            since = last.highest_modseq if not last.deleted else None
        if since is not None and since == highest:
            return
        if since is not None and highest is not None and since > highest:
            since = None  # a server restored from a copy counts anew
        changed = record_changed_flags(
            self.client, self.writer, self.holdings.state, self.context, changed_since=since, now=self.now
        )
        self.tally.flags += changed
        self.tally.changed(self.folder.name, flags=changed)
        self.tally.steps += changed

    def _conclude(self, listed: Uids, download: MailboxDownload) -> Standing:
        """Return what stands now, and what is to be recorded as gone."""
        holdings = self.holdings
        gone = without(holdings.recorded, listed)
        given_up = without(holdings.unfetchable, listed)
        kept = without(common(holdings.recorded, listed), ascending(download.failed))
        there = joined(kept, self.recognised, download.added)
        if not self.is_windowed:
            self._look_for_window(listed, gone)
        return Standing(
            folder=self.folder.name,
            live=len(there),
            expunged=holdings.expunged(gone, is_proof=not self.is_windowed, shown_from=self.shown_from),
            gone=self._gone_rows(gone, given_up) if holdings.has_gone(gone, given_up) else None,
            row=FolderRow(
                account=self.context.account,
                folder=self.folder.name,
                at=self.now(),
                run_id=self.context.run_id,
                delimiter=self.folder.delimiter,
                special_use=self.folder.special_use,
                uid_validity=holdings.uid_validity,
                uid_next=self.selected.uid_next,
                # Flags were not compared then, so the next run is to compare them all.
                highest_modseq=None if holdings.is_restored else self.selected.highest_modseq,
                messages=self.selected.exists,
                complete=not download.failed and not len(self.superseded),
                windowed=self.is_windowed or self.selection.is_partial,
                subscribed=self.folder.subscribed,
                mailbox_id=self.selected.mailbox_id or self.folder.mailbox_id,
                renamed_from=self._former_name,
            ),
        )

    @property
    def _former_name(self) -> str | None:
        last = self.last
        is_it = last is not None and not last.deleted and last.uid_validity == self.holdings.uid_validity
        return last.renamed_from if last is not None and is_it else None

    def _gone_rows(self, gone: Uids, given_up: Uids) -> Rows:
        holdings, at, run_id = self.holdings, self.now(), self.context.run_id
        is_proof, shown_from = not self.is_windowed, self.shown_from
        return lambda: (
            row._replace(at=at, run_id=run_id)
            for row in holdings.closing_rows(gone, given_up, is_proof=is_proof, shown_from=shown_from)
        )

    def _download(self) -> MailboxDownload:
        return MailboxDownload(
            client=self.client,
            archive=self.archive,
            writer=self.writer,
            context=self.context,
            folder=self.folder.name,
            uid_validity=self.holdings.uid_validity,
            now=self.now,
            progress=self.progress,
            stop=self.stop,
            tally=self.tally,
            suspects=self.suspects,
            crew=self.crew,
            is_divisible=self.holdings.is_divisible,
            tried_before=frozenset(self.holdings.unfetchable.tolist()),
        )

    def _warn(self, reason: str) -> None:
        text = f"Folder {self.folder.name!r} of {self.context.account}: {reason}."
        self.tally.warnings.append(text)
        _log.warning("%s", text)
