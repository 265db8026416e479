"""What a restore tells whoever asked for it: what was added, what was there, what was not taken."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

__all__ = ["FolderRestore", "RestoreReport", "RestoreTally"]

MAX_FOLDERS_SHOWN = 50
"""How many folders a summary lists; it has to stay small enough for an XCom."""

MAX_EXAMPLES = 10
"""How many messages of a folder are named that were not taken or came back altered."""


@dataclass(slots=True, kw_only=True)
class RestoreTally:
    """The counts of one folder while it is worked off.

    :param is_planned: whether it was asked before in this run what is there.
    :param chosen: messages of the archive that belong here.
    :param already: how many of them were there before the run.
    :param altered_before: how many of those are there with other bytes than the archive's.
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
    chosen: int = 0
    already: int = 0
    altered_before: int = 0
    added: int = 0
    octets: int = 0
    checked: int = 0
    updated: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    alterations: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    note: str | None = None

    def plan(self, chosen: int, found: int, altered: int) -> None:
        """Take in what a look at the folder found; what was not there at the first look was added since."""
        self.chosen = chosen
        if self.is_planned:
            self.added = max(0, found - self.already)
        else:
            self.already, self.altered_before, self.is_planned = found, altered, True
        self.refused.clear()
        self.examples.clear()

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
            chosen=self.chosen,
            already=self.already,
            altered_before=self.altered_before,
            added=self.added,
            octets=self.octets,
            checked=self.checked,
            updated=self.updated,
            refused=dict(self.refused),
            alterations=dict(self.alterations),
            examples=tuple(self.examples),
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
    added: int = 0
    octets: int = 0
    checked: int = 0
    updated: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    alterations: dict[str, int] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    note: str | None = None

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
        for name in ("created", "altered_before", "updated", "refused", "alterations", "note"):
            if value := getattr(self, name):
                found[name] = value
        return found | ({"examples": list(self.examples)} if self.examples else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """What a restore did, or in a dry run would do.

    :param account: the archived account.
    :param target: the account it went to, as user and host.
    """

    account: str
    target: str
    dry_run: bool = False
    folders: tuple[FolderRestore, ...] = ()
    problems: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def failures(self) -> tuple[str, ...]:
        """Return one sentence for each folder that failed, and for the messages that were not taken."""
        return (*self.problems, *(sentence for folder in self.folders for sentence in _refusals(folder)))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return one sentence for each folder in which the server shows messages otherwise."""
        return tuple(sentence for folder in self.folders for sentence in _alterations(folder))

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object, with the folders in which anything was done."""
        told = [
            f
            for f in self.folders
            if f.added or f.refused or f.created or f.note or f.alterations or f.updated
        ]
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
            f"Folder {folder.target!r}: {folder.altered_before:,} messages were there already, "
            "with other bytes than the archive's."
        )
    return found
