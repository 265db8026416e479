"""What retention tells whoever asked for it: a line a folder, reasons for what stayed, failures."""

from __future__ import annotations

import logging
import shlex
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mailroom.policy.deletion import Candidate, DeletionPlan, Keep
from mailroom.protocol.imap_quota import Quota
from mailroom.services.deleting.plan_table import plan_table
from mailroom.services.deleting.retention_plan import PartTally, PlannedPart

__all__ = ["FolderRetention", "RetentionReport", "RetentionTally"]

MAX_FOLDERS_SHOWN = 50
"""How many folders a summary lists; it has to stay small enough for an XCom."""

MAX_MESSAGES_SHOWN = 20
"""How many messages of a folder a dry run's summary and log list; the plan names all of them."""

NEVER_DUE = (Keep.TOO_YOUNG, Keep.NO_RULE)
"""Reasons of messages that no rule would delete now; of a plan that was shown alone they are told."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRetention:
    """What became of one folder.

    :param basis: what the days counted from, None where the folder was passed over.
    :param live: messages the archive knows to be there.
    :param due: how many of them were old enough.
    :param deleted: how many were deleted; in a dry run, how many would be.
    :param octets: their size as the server stated it.
    :param oldest: the earliest instant that the days of a deleted one counted from.
    :param kept: how many of the due ones stayed, by reason.
    :param note: why the folder was passed over.
    :param parts: what each rule took, or would take.
    :param messages: in a dry run, the first ones that would go: number, size, and since when it counts.
    """

    folder: str
    basis: str | None = None
    live: int = 0
    due: int = 0
    deleted: int = 0
    octets: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    kept: dict[str, int] = field(default_factory=dict)
    note: str | None = None
    parts: tuple[PlannedPart, ...] = ()
    messages: tuple[dict[str, Any], ...] = ()

    def summary(self) -> dict[str, Any]:
        """Return what is worth telling as a small JSON object."""
        found: dict[str, Any] = {"folder": self.folder, "due": self.due, "deleted": self.deleted}
        if self.deleted:
            found["octets"] = self.octets
            found["oldest"] = self.oldest.isoformat() if self.oldest else None
            found["newest"] = self.newest.isoformat() if self.newest else None
        if self.kept:
            found["kept"] = dict(self.kept)
        if self.basis:
            found["basis"] = self.basis
        if self.note:
            found["note"] = self.note
        if self.messages:
            found["messages"] = list(self.messages)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionReport:
    """What retention did, or in a dry run would do.

    :param age: how old mail had to be, in words, such as ``more than 30 days``.
    :param plan_id: the plan that was made, or carried out; None where it means nothing, or could not
        be written.
    :param planned: how many messages the plan means that was shown before, and ``planned_octets`` what they
        take; None where none was.
    :param consent: of a plan that was made, why somebody has to agree to it first; None where nobody has.
    :param run_id: the run that deleted; None in a dry run.
    :param archive: the archive's root.
    :param before: the account's quota when the run began, ``after`` when it ended, where the server tells.
    """

    account: str
    dry_run: bool
    age: str = ""
    plan_id: str | None = None
    planned: int | None = None
    planned_octets: int | None = None
    consent: str | None = None
    run_id: str | None = None
    archive: str = ""
    before: Quota | None = None
    after: Quota | None = None
    folders: tuple[FolderRetention, ...] = ()
    failures: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def deleted(self) -> int:
        """How many messages were deleted, or would be."""
        return sum(folder.deleted for folder in self.folders)

    @property
    def undo(self) -> str | None:
        """The command that brings back what was deleted, URL for the account; None where nothing was."""
        if not self.deleted or self.run_id is None:
            return None
        words = ["mailroom", "restore", "URL", "--archive", self.archive]
        return shlex.join([*words, "--account", self.account, "--run", self.run_id])

    def log(self) -> None:
        """Log the counts as a table, what was gained by the server's own, and how to bring back what went."""
        parts = self.parts()
        if parts:
            _log.info("To be deleted on the server:" if self.dry_run else "Deleted on the server:")
            for line in plan_table(parts):
                _log.info("  %s", line)
        if self.before is not None and self.after is not None:
            _log.info(
                "Planned to free %s octets; by the server's quota %s are freed",
                f"{self._octets_planned:,}",
                f"{self.before.used - self.after.used:,}",
            )
        if self.undo is not None:
            _log.info("To bring back what was deleted: %s", self.undo)

    @property
    def _octets_planned(self) -> int:
        """What the plan was to free: that which was shown before, else what the run planned as it went."""
        if self.planned_octets is not None:
            return self.planned_octets
        return sum(folder.octets for folder in self.folders)

    def _quota(self) -> dict[str, int] | None:
        """Return the room of the account, and how much of it was to be gained and was, in octets."""
        if self.before is None:
            return None
        if self.after is None:
            return {"used": self.before.used, "limit": self.before.limit}
        gained = self.before.used - self.after.used
        return {
            "used": self.after.used,
            "limit": self.after.limit,
            "planned": self._octets_planned,
            "gained": gained,
        }

    def parts(self) -> tuple[PlannedPart, ...]:
        """Return what each rule took from each folder, or would take."""
        return tuple(part for folder in self.folders for part in folder.parts)

    def summary(self) -> dict[str, Any]:
        """Return counts and the folders where anything was due or passed over, as a small JSON object."""
        kept: Counter[str] = Counter()
        for folder in self.folders:
            kept.update(folder.kept)
        told = [folder for folder in self.folders if folder.due or folder.note]
        parts = self.parts()
        shown = {} if self.planned is None else {"planned": self.planned, "left": self.planned - self.deleted}
        return {
            "account": self.account,
            "dry_run": self.dry_run,
            "age": self.age,
            "plan_id": self.plan_id,
            "consent": self.consent,
            **shown,
            "rules": [part.summary() for part in parts[:MAX_FOLDERS_SHOWN]],
            "would_delete" if self.dry_run else "deleted": self.deleted,
            "octets": sum(folder.octets for folder in self.folders),
            "due": sum(folder.due for folder in self.folders),
            "kept": dict(kept),
            "folders": [folder.summary() for folder in told[:MAX_FOLDERS_SHOWN]],
            "folders_not_shown": max(0, len(told) - MAX_FOLDERS_SHOWN),
            "failed": len(self.failures),
            "interrupted": self.interrupted,
            "quota": self._quota(),
            "run_id": self.run_id,
            "undo": self.undo,
        }


@dataclass(slots=True, kw_only=True)
class RetentionTally:
    """The counts of one folder while it is worked off.

    :param is_dry: whether to list what would go.
    :param is_shown: whether a plan that was shown is carried out, of which all that stays is told.
    """

    folder: str
    basis: str
    live: int
    is_dry: bool = False
    is_shown: bool = False
    due: int = 0
    deleted: int = 0
    octets: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    kept: Counter[Keep] = field(default_factory=Counter)
    parts: dict[str, PartTally] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)

    def keep(self, plan: DeletionPlan) -> None:
        """Count what a plan keeps; what is too young was never due."""
        kept = plan.kept()
        self.due += len(plan.decisions) - sum(kept[reason] for reason in NEVER_DUE)
        self.kept += kept

    def lose(self, count: int) -> None:
        """Count messages of the plan that was shown which are not there any more."""
        if count:
            self.due += count
            self.kept[Keep.GONE] += count

    def delete(self, candidate: Candidate) -> None:
        """Count one message as deleted."""
        self.deleted += 1
        self.parts.setdefault(candidate.rule, PartTally()).add(candidate)
        self.octets += candidate.row.size or 0
        if candidate.since is not None:
            self.oldest = min(self.oldest or candidate.since, candidate.since)
            self.newest = max(self.newest or candidate.since, candidate.since)
        if self.is_dry:
            self._list(candidate)

    def _list(self, candidate: Candidate) -> None:
        """Say of one message that it would go: its number, size, and since when its days count."""
        row, since = candidate.row, candidate.since
        number = {"uid": row.uid} if row.uid is not None else {"uidl": row.uidl}
        told = {**number, "octets": row.size, "since": since.isoformat() if since else None}
        if len(self.messages) < MAX_MESSAGES_SHOWN:
            _log.info("%r: would delete %s", self.folder, told)
            self.messages.append(told)

    def result(self) -> FolderRetention:
        """Return the counts as they are now."""
        return FolderRetention(
            folder=self.folder,
            basis=self.basis,
            live=self.live,
            due=self.due,
            deleted=self.deleted,
            octets=self.octets,
            oldest=self.oldest,
            newest=self.newest,
            kept={
                keep.value: n
                for keep, n in self.kept.items()
                if n and (self.is_shown or keep not in NEVER_DUE)
            },
            parts=tuple(tally.result(self.folder, rule) for rule, tally in sorted(self.parts.items())),
            messages=tuple(self.messages),
        )
