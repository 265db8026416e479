"""Whether this machine's clock can be trusted with a deletion.

Belongs here: the comparison with the store's own time, and with the run before. Does not belong here: what
days count from (``policy``). A clock that is a year ahead breaks the promise of N days for all mail
at once.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mailroom.exceptions import ConfigurationError

if TYPE_CHECKING:
    from mailroom.archive.archive import Archive
    from mailroom.archive.delta.tables import Table

__all__ = ["MAX_SKEW", "check_against_runs", "check_against_store", "check_beside_store", "check_clock"]

MAX_SKEW = timedelta(minutes=5)
"""How far clocks may differ: what Kerberos and S3's signatures allow, roughly."""


def check_clock(archive: Archive) -> None:
    """Refuse a clock that cannot be trusted, where nothing else is written whose time would tell.

    :raises ConfigurationError: where it is not the store's, or ran backwards since the last run.
    :raises StoreUnavailable: where the store refuses.
    """
    check_beside_store(archive)
    check_against_runs(archive.clock(), archive.table("runs"))


def check_beside_store(archive: Archive) -> None:
    """Refuse a clock that is not the store's; a small file is written to see.

    :raises ConfigurationError: where they differ by more than ``MAX_SKEW``.
    :raises StoreUnavailable: where the store refuses.
    """
    path = f"intents/clock-{uuid.uuid4().hex}"
    archive.store.replace_file(path, b"")
    try:
        now, stored = archive.clock(), archive.store.modified_at(path)
    finally:
        archive.store.remove(path)
    check_against_store(now, stored, archive.url)


def check_against_store(now: datetime, store: datetime, where: str) -> None:
    """Refuse a clock that is not the store's, which has just written a file.

    :raises ConfigurationError: where they differ by more than ``MAX_SKEW``.
    """
    if abs(now - store) > MAX_SKEW:
        raise ConfigurationError(
            f"Nothing was deleted: this machine's clock says {_shown(now)}, and the store at {where} says "
            f"{_shown(store)}; set the wrong one right, for ages are counted by it."
        )


def check_against_runs(now: datetime, runs: Table) -> None:
    """Refuse a clock that ran backwards since the last run that ended well.

    :raises ConfigurationError: where that run ended later than now, by more than ``MAX_SKEW``.
    :raises StoreUnavailable: where the table cannot be read.
    """
    last: datetime | None = None
    for file in reversed(runs.files()):
        for piece in runs.scan(["ended", "outcome"], files=[file]):
            for row in piece.table.to_pylist():
                if row["outcome"] != "failed" and row["ended"] is not None:
                    last = row["ended"]
        if last is not None:
            break
    if last is not None and last - now > MAX_SKEW:
        raise ConfigurationError(
            f"Nothing was deleted: this machine's clock says {_shown(now)}, but the last run on this archive "
            f"ended at {_shown(last)}, so it ran backwards; set it right, or where it was wrong then, let a "
            "run that deletes nothing archive some mail first."
        )


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
