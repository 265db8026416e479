"""What a mirror tells whoever asked for it: counts, warnings, failures, whether it was interrupted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

__all__ = ["MirrorReport", "MirrorTally"]

MAX_WARNINGS_SUMMED_UP = 10
"""How many warnings a summary carries; all of them are in the log."""


@dataclass(slots=True, kw_only=True)
class MirrorTally:
    """Counts that grow while a mirror runs, sessions that broke included.

    :param not_there: folders that were listed and did not exist any more when their turn came.
    :param steps: everything that brought the run forward; by it a broken session is judged.
    :param by_folder: what changed in each folder, by the names of the counts.
    """

    folders: int = 0
    unchanged: int = 0
    added: int = 0
    recognised: int = 0
    octets: int = 0
    flags: int = 0
    expunged: int = 0
    not_listed: int = 0
    unfetchable: int = 0
    vanished: int = 0
    deleted_folders: int = 0
    renamed_folders: int = 0
    moved: int = 0
    superseded: int = 0
    not_there: int = 0
    steps: int = 0
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    by_folder: dict[str, Counter[str]] = field(default_factory=dict)

    def of_another_look(self) -> MirrorTally:
        """Return what to count on from where the whole account is looked at once more."""
        return replace(self, folders=0, unchanged=0, not_there=0, failures=[])

    def changed(self, folder: str, **counts: int) -> None:
        """Count a change of one folder, beside the account's own counts."""
        self.by_folder.setdefault(folder, Counter()).update(counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorReport:
    """What a mirror did.

    :param folders: folders that were looked at, and how many of them ``unchanged`` since the last run.
    :param added: messages recorded at a place for the first time; ``recognised`` ones among them were
        known by another number or folder and not downloaded again.
    :param octets: octets of messages downloaded.
    :param flags: messages whose flags changed.
    :param expunged: messages the server has no longer; their bytes stay in the archive.
    :param not_listed: known messages missing from a listing that is known to be incomplete.
    :param unfetchable: messages that the server lists and does not deliver; tried again in each run.
    :param vanished: messages that went away between listing and download.
    :param deleted_folders: folders the server has no longer.
    :param superseded: drafts that were left out, for the server shows a newer state of each.
    :param renamed_folders: folders that have another name now, and ``moved`` the messages in them.
    :param warnings: what a person should know and no run can change, such as ``unfetchable`` messages; the
        log had each when it was found.
    :param by_folder: what changed in each folder in which anything did; too much for a summary.
    """

    are_warnings_logged: ClassVar[bool] = True

    account: str
    folders: int = 0
    unchanged: int = 0
    added: int = 0
    recognised: int = 0
    octets: int = 0
    flags: int = 0
    expunged: int = 0
    not_listed: int = 0
    unfetchable: int = 0
    vanished: int = 0
    deleted_folders: int = 0
    renamed_folders: int = 0
    moved: int = 0
    superseded: int = 0
    warnings: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    interrupted: bool = False
    by_folder: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, account: str, tally: MirrorTally, *, interrupted: bool) -> MirrorReport:
        """Return the report of a finished run."""
        return cls(
            account=account,
            folders=tally.folders,
            unchanged=tally.unchanged,
            added=tally.added,
            recognised=tally.recognised,
            octets=tally.octets,
            flags=tally.flags,
            expunged=tally.expunged,
            not_listed=tally.not_listed,
            unfetchable=tally.unfetchable,
            vanished=tally.vanished,
            deleted_folders=tally.deleted_folders,
            renamed_folders=tally.renamed_folders,
            moved=tally.moved,
            superseded=tally.superseded,
            warnings=tuple(dict.fromkeys(tally.warnings)),
            failures=tuple(tally.failures),
            interrupted=interrupted,
            by_folder={name: dict(+counts) for name, counts in tally.by_folder.items() if +counts},
        )

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object."""
        return {
            "account": self.account,
            "folders": self.folders,
            "unchanged": self.unchanged,
            "added": self.added,
            "recognised": self.recognised,
            "octets": self.octets,
            "flags": self.flags,
            "expunged": self.expunged,
            "not_listed": self.not_listed,
            "unfetchable": self.unfetchable,
            "vanished": self.vanished,
            "deleted_folders": self.deleted_folders,
            "renamed_folders": self.renamed_folders,
            "moved": self.moved,
            "superseded": self.superseded,
            "failed": len(self.failures),
            "interrupted": self.interrupted,
            "warnings": list(self.warnings[:MAX_WARNINGS_SUMMED_UP]),
        }
