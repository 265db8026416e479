"""What a restore tells whoever asked for it: what was added, what was there, what was not taken."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailroom.services.restoring.looks import Presence

__all__ = ["FolderRestore", "RestoreReport", "RestoreTally"]

MAX_FOLDERS_SHOWN = 50
"""How many folders a summary lists; it has to stay small enough for an XCom."""

MAX_EXAMPLES = 10
"""How many messages of a folder are named that were not taken or came back altered."""


@dataclass(slots=True, kw_only=True)
class RestoreTally:
    """The counts of one folder while it is worked off.

    :param is_planned: whether it was asked before in this run what is there.
    :param in_step: messages that an earlier run left in step, and that are on both sides still; they are
        among ``chosen`` and ``already`` of the result.
    :param chosen: messages that belong here.
    :param already: how many of them were there before the run.
    :param altered_before: how many of those are there with other bytes than the archive's.
    :param alike_before: how many of those are there with other contents, and count for their header and
        date; ``alike`` names some of them.
    :param added: how many the run added; in a dry run, how many it would add.
    :param updated: how many of those there before got other flags.
    :param refused: how many were not taken, by reason.
    :param alterations: how many restored messages the server shows otherwise, by what differs.
    """

    folder: str
    target: str
    created: bool = False
    special_use: str | None = None
    is_planned: bool = False
    in_step: int = 0
    chosen: int = 0
    already: int = 0
    altered_before: int = 0
    alike_before: int = 0
    added: int = 0
    octets: int = 0
    checked: int = 0
    updated: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    alterations: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    alike: list[str] = field(default_factory=list)
    note: str | None = None

    def plan(self, presence: Presence, in_step: int = 0) -> None:
        """Take in what a look at the folder found; what was not there at the first look was added since."""
        self.chosen = len(presence.uids)
        found = self.chosen - presence.missing
        self.refused.clear()
        self.examples.clear()
        self.in_step, before = in_step, self.in_step
        if self.is_planned:
            self.already += before - in_step  # what was known at the first look and is looked at now
            self.added = max(0, found - self.already)
            return
        self.already, self.is_planned = found, True
        self.note_altered(presence)

    def note_altered(self, presence: Presence) -> None:
        """Remember what counts as being there though its bytes are others."""
        self.altered_before, self.alike_before = presence.altered, len(presence.alike)
        few = islice(presence.alike.items(), MAX_EXAMPLES)
        self.alike = [f"{name} as UID {presence.uids[place]}" for place, name in few]

    def name(self, digest: str, what: str) -> None:
        """Remember one message as an example."""
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(f"{digest}: {what}")

    def result(self) -> FolderRestore:
        """Return the counts as they are now."""
        return FolderRestore(
            folder=self.folder,
            target=self.target,
            created=self.created,
            chosen=self.in_step + self.chosen,
            already=self.in_step + self.already,
            altered_before=self.altered_before,
            alike_before=self.alike_before,
            added=self.added,
            octets=self.octets,
            checked=self.checked,
            updated=self.updated,
            refused=dict(self.refused),
            alterations=dict(self.alterations),
            examples=tuple(self.examples),
            alike=tuple(self.alike),
            note=self.note,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRestore:
    """What became of one folder; the fields are those of `RestoreTally`."""

    folder: str
    target: str
    created: bool = False
    chosen: int = 0
    already: int = 0
    altered_before: int = 0
    alike_before: int = 0
    added: int = 0
    octets: int = 0
    checked: int = 0
    updated: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    alterations: dict[str, int] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    note: str | None = None

    @property
    def is_worth_telling(self) -> bool:
        """Whether anything was done or found here beside messages that are there as they should be."""
        done = (self.added, self.refused, self.created, self.note, self.alterations, self.updated)
        return any((*done, self.altered_before, self.alike_before))

    def summary(self) -> dict[str, Any]:
        """Return what is worth telling as a small JSON object."""
        found: dict[str, Any] = {
            "folder": self.folder,
            "target": self.target,
            "messages": self.chosen,
            "already": self.already,
            "added": self.added,
            "octets": self.octets,
        }
        for name in (
            "created",
            "altered_before",
            "alike_before",
            "updated",
            "refused",
            "alterations",
            "note",
        ):
            if value := getattr(self, name):
                found[name] = value
        for name in ("examples", "alike"):
            if value := getattr(self, name):
                found[name] = list(value)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """What a restore did, or in a dry run would do.

    :param account: the archived account.
    :param target: the account it went to, as user and host.
    :param hints: one sentence for each thing that was asked for in vain and does no harm.
    """

    account: str
    target: str
    dry_run: bool = False
    folders: tuple[FolderRestore, ...] = ()
    problems: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def failures(self) -> tuple[str, ...]:
        """Return one sentence for each folder that failed, and for the messages that were not taken."""
        return (*self.problems, *(sentence for folder in self.folders for sentence in _refusals(folder)))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return one sentence for each folder in which the server shows messages otherwise, and all hints."""
        return (*self.hints, *(sentence for folder in self.folders for sentence in _alterations(folder)))

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object, with the folders in which anything was done."""
        told = [folder for folder in self.folders if folder.is_worth_telling]
        refused: Counter[str] = Counter()
        alterations: Counter[str] = Counter()
        for folder in self.folders:
            refused.update(folder.refused)
            alterations.update(folder.alterations)
        return {
            "account": self.account,
            "target": self.target,
            "dry_run": self.dry_run,
            "messages": sum(folder.chosen for folder in self.folders),
            "would_add" if self.dry_run else "added": sum(folder.added for folder in self.folders),
            "already": sum(folder.already for folder in self.folders),
            "altered_before": sum(folder.altered_before for folder in self.folders),
            "alike_before": sum(folder.alike_before for folder in self.folders),
            "octets": sum(folder.octets for folder in self.folders),
            "created_folders": sum(folder.created for folder in self.folders),
            "updated": sum(folder.updated for folder in self.folders),
            "refused": sum(refused.values()),
            "refusals": dict(refused),
            "checked": sum(folder.checked for folder in self.folders),
            "altered": sum(alterations.values()),
            "alterations": dict(alterations),
            "folders": [folder.summary() for folder in told[:MAX_FOLDERS_SHOWN]],
            "folders_not_shown": max(0, len(told) - MAX_FOLDERS_SHOWN),
            "failed": len(self.failures),
            "interrupted": self.interrupted,
        }


def _refusals(folder: FolderRestore) -> list[str]:
    if not folder.refused:
        return []
    number = sum(folder.refused.values())
    what = "1 message was" if number == 1 else f"{number:,} messages were"
    reasons = "; ".join(f"{reason}: {count:,}" for reason, count in folder.refused.items())
    return [f"{what} not taken into folder {folder.target!r}: {reasons}."]


def _alterations(folder: FolderRestore) -> list[str]:
    found = []
    if folder.alterations:
        kinds = ", ".join(f"{kind} of {count:,}" for kind, count in folder.alterations.items())
        found.append(f"Folder {folder.target!r}: the server shows restored messages otherwise: {kinds}.")
    if folder.altered_before:
        found.append(
            f"Folder {folder.target!r}: {folder.altered_before:,} messages were there already, stored by "
            "the server in its own way."
        )
    if folder.alike_before:
        found.append(
            f"Folder {folder.target!r}: {folder.alike_before:,} messages count as there already, for their "
            f"header and date are, with other contents; compare: {', '.join(folder.alike)}."
        )
    return found
