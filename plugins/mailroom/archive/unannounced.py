"""Runs whose changes nobody was told of yet, so that the next one that ends well tells of them too.

Belongs here: one small file a run below ``unannounced/``, from before its first row until its changes are
announced, and what such runs changed. Does not belong here: announcing (``operators``). Airflow drops the
events of a task that fails, and one that is killed has none; the rows that it committed stay.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailroom.archive.storage.store import LocalStore
from mailroom.model import Announced, Change

if TYPE_CHECKING:
    import pyarrow as pa

    from mailroom.archive.archive import Archive
    from mailroom.archive.storage.store import Store
    from mailroom.model import RunContext

__all__ = ["HeldNote", "Unannounced", "UnannouncedRun", "delivered_by", "mailbox_changes_by"]

FOLDER = "unannounced"
"""Where the files lie, below an archive's root."""

RENEW_SECONDS = 300.0
"""How often a run that works for long says that it is at work still."""

COUNTS = {
    Change.ADDED: "added",
    Change.FLAGS: "flags",
    Change.MOVED: "moved",
    Change.EXPUNGED: "expunged",
    Change.NOT_LISTED: "not_listed",
    Change.DELETED_BY_FETCH: "deleted",
    Change.DELETED_BY_RETENTION: "deleted",
    Change.DELETED_BY_REQUEST: "deleted",
}
"""What each change counts as, by the names of a run's summary; what was not delivered is no change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnannouncedRun:
    """One run that somebody is still to be told of.

    :param path: the file that says so.
    :param what: ``mirror``, ``fetch`` and so on.
    :param are_folders_told: whether only the account is still to hear of it.
    """

    path: str
    run_id: str
    what: str
    are_folders_told: bool = False


class HeldNote:
    """The note of a run at work.

    :raises StoreUnavailable: from every method, where the store refuses.
    """

    def __init__(self, store: Store, path: str, content: bytes) -> None:
        self._store, self._path, self._content = store, path, content
        self.let_go = store.hold_file(path, content)
        self._renewed_at = time.monotonic()

    def renew(self) -> None:
        """Show that the run is still at work, where a store knows no locks and goes by the note's age."""
        now = time.monotonic()
        if now - self._renewed_at >= RENEW_SECONDS and not isinstance(self._store, LocalStore):
            self._store.replace_file(self._path, self._content)
            self._renewed_at = now


class Unannounced:
    """The runs about one account, or those that deliver attachments.

    :param run: the run that asks; its ``announces`` says which of the two.
    :raises StoreUnavailable: from every method, where the store refuses.
    """

    def __init__(self, archive: Archive, run: RunContext) -> None:
        about = "" if run.announces is Announced.DELIVERIES else run.account
        self._store = archive.store
        self._run = run
        self._folder = f"{FOLDER}/{_short(f'{run.announces.value} {about}')}"

    def begin(self) -> HeldNote:
        """Write down, before the first row, that this run is at work; to be let go of, however it ends."""
        return HeldNote(self._store, self._path, self._content())

    def note_folders_told(self) -> None:
        """Leave this run, if it changed anything, to one that announces the account.

        What an earlier try of the same task had told of its folders was never published, and what it
        returned is not known to whoever comes after: it is told as a whole again.
        """
        for run in self._read_others():
            if run.are_folders_told and self._is_earlier_try(run):
                self._store.replace_file(run.path, _content(run) + b"\n")
        if self._store.exists(self._path):
            self._store.replace_file(self._path, self._content(are_folders_told=True) + b"\n")

    def missed(self) -> list[UnannouncedRun]:
        """Return the runs that are over, one way or the other, and not announced; not this one itself.

        One that was killed counts as at work for some minutes where the store knows no locks, unless it
        was an earlier try of the same task.
        """
        return [
            run
            for run in self._read_others()
            if self._is_earlier_try(run) or not self._store.is_held(run.path)
        ]

    def clear(self, runs: Iterable[UnannouncedRun]) -> None:
        """Forget these runs, and this one: they are announced."""
        for path in (self._path, *(run.path for run in runs)):
            if self._store.exists(path):
                self._store.remove(path)

    def _read_others(self) -> Iterator[UnannouncedRun]:
        """Yield the notes of all runs but this one."""
        paths = [path for path in self._store.list_files(self._folder) if path != self._path]
        contents = self._store.read_files(paths) if paths else []
        for path, content in zip(paths, contents, strict=True):
            if content:
                yield _read(path, content)

    @property
    def _path(self) -> str:
        return f"{self._folder}/{_short(self._run.run_id)}.json"

    def _content(self, *, are_folders_told: bool = False) -> bytes:
        return _content(self._run, are_folders_told=are_folders_told)

    def _is_earlier_try(self, run: UnannouncedRun) -> bool:
        task, numbered, _ = self._run.run_id.rpartition("#")
        return bool(numbered) and run.run_id.rpartition("#")[0] == task


def mailbox_changes_by(
    archive: Archive, account: str, run_ids: Collection[str]
) -> dict[tuple[str, str], Counter[str]]:
    """Return what some runs changed in each folder of an account, by run and folder.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    names = {change.value: name for change, name in COUNTS.items()}
    counts: dict[tuple[str, str], Counter[str]] = {}
    columns = ("run_id", "folder", "change")
    for rows in archive.scan_table("locations", columns, equal={"account": account}):
        for (run_id, folder, change), count in _of_runs(rows, run_ids, columns):
            if change in names:
                counts.setdefault((run_id, folder), Counter())[names[change]] += count
    return counts


def delivered_by(archive: Archive, run_ids: Collection[str]) -> dict[str, Counter[str]]:
    """Return how many attachments some runs delivered to each destination.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    counts: dict[str, Counter[str]] = {}
    columns = ("run_id", "destination")
    for rows in archive.scan_table("deliveries", columns):
        for (_, destination), count in _of_runs(rows, run_ids, columns):
            counts.setdefault(destination, Counter())["delivered"] += count
    return counts


def _of_runs(
    rows: pa.Table, run_ids: Collection[str], columns: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield what the rows of some runs say in these columns, and how often each comes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    mine = rows.filter(pc.is_in(rows["run_id"], value_set=pa.array(sorted(run_ids), pa.string())))
    counted = Counter(zip(*(mine[name].to_pylist() for name in columns), strict=True))
    yield from counted.items()


def _content(run: RunContext | UnannouncedRun, *, are_folders_told: bool = False) -> bytes:
    said = {"run_id": run.run_id, "what": run.what, "are_folders_told": are_folders_told}
    return json.dumps(said, sort_keys=True).encode("ascii")


def _read(path: str, content: bytes) -> UnannouncedRun:
    """Return what a file says; of one that is damaged, a run that changed nothing."""
    try:
        said = json.loads(content)
        return UnannouncedRun(
            path=path,
            run_id=str(said["run_id"]),
            what=str(said["what"]),
            are_folders_told=said["are_folders_told"] is True,
        )
    except (ValueError, KeyError, TypeError):
        return UnannouncedRun(path=path, run_id="", what="")


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
