"""What earlier runs changed that had no asset event, for they failed or were stopped before their end.

Airflow drops the events of a task that fails. The archive keeps a note of each run until its changes are
announced (``archive.unannounced``), so the next one that ends well announces both. Beside it nothing is
read where nothing was missed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailroom.model import Announced

if TYPE_CHECKING:
    from mailroom.archive import Archive
    from mailroom.model import RunContext

__all__ = ["Missed", "leave_to_whole", "missed_before"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Counts of what is to be announced besides a run's own changes.

    :param account: of the account as a whole; ``folders`` by folder, of mirrors only.
    :param destinations: attachments delivered, by destination.
    """

    account: Mapping[str, int] = field(default_factory=dict)
    folders: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    destinations: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def with_folders(self, changed: Mapping[str, Mapping[str, int]]) -> dict[str, Mapping[str, int]]:
        """Return what a mirror changed in each folder, and what is to be announced besides."""
        together = {name: Counter(counts) for name, counts in changed.items()}
        for name, counts in self.folders.items():
            together.setdefault(name, Counter()).update(counts)
        return dict(together)


@contextmanager
def missed_before(archive: Archive, run: RunContext, *, has_lanes: bool = False) -> Iterator[Missed]:
    """Give what earlier runs left to be announced; forgotten when the block was left without an error.

    :param run: the run that ended well; what it changed itself is forgotten as well.
    :param has_lanes: whether the counts of lanes of the same DAG run are known already.
    :raises StoreUnavailable: where the archive cannot be read or written.
    """
    if run.announces is Announced.NOTHING:
        yield Missed()
        return
    from mailroom.archive.unannounced import Unannounced, delivered_by, mailbox_changes_by

    notes = Unannounced(archive, run)
    runs = notes.missed()
    untold = [one for one in runs if not (has_lanes and one.are_folders_told and _is_beside(run, one.run_id))]
    ids = {one.run_id for one in untold}
    if not ids:
        yield Missed()
    elif run.announces is Announced.DELIVERIES:
        yield Missed(destinations=delivered_by(archive, ids))
    else:
        account: Counter[str] = Counter()
        folders: dict[str, Counter[str]] = {}
        of_folders = {one.run_id for one in untold if one.what == "mirror" and not one.are_folders_told}
        for (run_id, folder), counts in mailbox_changes_by(archive, run.account, ids).items():
            account.update(counts)
            if run_id in of_folders:
                folders.setdefault(folder, Counter()).update(counts)
        yield Missed(account=account, folders=folders)
    notes.clear(runs)


def leave_to_whole(archive: Archive, run: RunContext) -> None:
    """Have a lane's changes, whose folders have their events, announced by the mirror of the whole account.

    :raises StoreUnavailable: where the archive cannot be written.
    """
    from mailroom.archive.unannounced import Unannounced

    Unannounced(archive, run).note_folders_told()


def _is_beside(run: RunContext, run_id: str) -> bool:
    """Say whether a run is of the same DAG run."""
    return run.run_id.rpartition("/")[0] == run_id.rpartition("/")[0]
