"""A second copy of an archive, brought up to date: on another disk, in another bucket, at another provider.

Here: the service a user calls, and what it tells. Not here: the copying (``archive.replication``).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from mailroom.archive import Archive
from mailroom.exceptions import ConfigurationError
from mailroom.services.destinations import lies_within
from mailroom.services.progress import Progress

__all__ = ["ReplicationReport", "replicate_archive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationReport:
    """What a replication did.

    :param messages: messages that the copy did not have before.
    :param objects: raw objects written; fewer than messages where a run before had been killed.
    :param rows: rows written, by table.
    """

    source: str
    copy: str
    messages: int = 0
    objects: int = 0
    octets: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    failures: tuple[str, ...] = ()
    interrupted: bool = False

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object."""
        return {
            "source": self.source,
            "copy": self.copy,
            "messages": self.messages,
            "objects": self.objects,
            "octets": self.octets,
            "rows": dict(self.rows),
            "failed": self.failed,
            "interrupted": self.interrupted,
        }


def replicate_archive(
    source: Archive, copy: Archive, *, progress: Progress, stop: threading.Event
) -> ReplicationReport:
    """Bring the copy of an archive up to date; nothing is changed in the archive.

    What is damaged or missing in the archive is not copied and is named; it stops nothing else. The copy
    only grows: what the archive was told to forget is forgotten in a copy by telling it so as well.

    :param stop: when set, the objects under way are finished and their rows committed, and the run ends.
    :raises ConfigurationError: if there is no archive, or the place of the copy holds something else.
    :raises StoreUnavailable: if a store refuses; the next run goes on from there.
    """
    source.require()
    if lies_within(copy.url, source.url) or lies_within(source.url, copy.url):
        raise ConfigurationError(
            f"{copy.url} and the archive {source.url} lie within each other; give the copy another place."
        )
    from mailroom.archive.replicating.replication import Replication

    replication = Replication(source, copy, progress, stop)
    replication.run()
    tally = replication.tally
    return ReplicationReport(
        source=source.url,
        copy=copy.url,
        messages=tally.rows.get("messages", 0),
        objects=tally.objects,
        octets=tally.octets,
        rows={name: count for name, count in tally.rows.items() if count},
        failed=len(tally.failed),
        failures=tuple(tally.sentences),
        interrupted=stop.is_set(),
    )
