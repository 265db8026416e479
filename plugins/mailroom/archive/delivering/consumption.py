"""What a pipeline has taken of an archive so far, so that the next run gets what is new.

Belongs here: the rows of ``consumed`` for one consumer. Does not belong here: what is handed out, and
when it counts as taken (``services.new_mail``). Messages and attachments are noted one by one, because
nothing else survives everything: rows are committed out of order by runs side by side, a repair
brings some back, and files are joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mailroom.archive.archive import Archive
from mailroom.archive.delivering.delivery_keys import Column, PairSet
from mailroom.archive.delta.rows import build_table
from mailroom.archive.delta.tables import Append
from mailroom.archive.delta.upkeep import keep_up
from mailroom.exceptions import ConfigurationError, StoreUnavailable

__all__ = ["Consumption", "consumption_of"]


def consumption_of(archive: Archive, consumer: str) -> Consumption:
    """Return what a consumer that somebody named has taken.

    :raises ConfigurationError: where it has no name, or there is no archive.
    :raises StoreUnavailable: where the archive cannot be read.
    """
    if not consumer.strip():
        raise ConfigurationError("The consumer has no name; give one, such as the id of the DAG.")
    archive.require()
    return Consumption(archive, consumer)


class Consumption:
    """What one consumer has taken, as of when this was made.

    :raises StoreUnavailable: where the archive cannot be read.
    """

    def __init__(self, archive: Archive, consumer: str) -> None:
        self._archive = archive
        self._consumer = consumer
        self._table = archive.table("consumed")
        self._number = self._table.transaction_version(consumer)
        self._taken = PairSet()
        for piece in self._table.scan(["message_sha256", "part"], equal={"consumer": consumer}):
            self._taken.add(piece.table["message_sha256"], piece.table["part"])

    def are_taken(self, digests: Column, parts: Column) -> npt.NDArray[np.bool_]:
        """Say for each of many messages and parts whether it was taken."""
        return self._taken.holds(digests, parts)

    def are_messages_taken(self, digests: Column) -> npt.NDArray[np.bool_]:
        """Say for each of many messages whether it was taken as a whole."""
        return self.are_taken(digests, pa.array([""] * len(digests), pa.string()))

    def untaken_messages(self, messages: pa.Table) -> pa.Table:
        """Return those rows of ``messages`` that were not taken."""
        return messages.filter(pa.array(~self.are_messages_taken(messages["sha256"])))

    def is_taken(self, message_sha256: str, part: str) -> bool:
        """Say whether one was taken."""
        return self._taken.holds_one(message_sha256, part)

    def commit(self, taken: Sequence[tuple[str, str]], at: datetime, run_id: str) -> None:
        """Note messages and parts as taken, durably; all of them or none.

        :raises StoreUnavailable: where the store refuses, or another run of this consumer was first.
        """
        if not taken:
            return
        digests, parts = [digest for digest, _ in taken], [part for _, part in taken]
        count = len(taken)
        rows = build_table(
            "consumed", [[self._consumer] * count, digests, parts, [at] * count, [run_id] * count]
        )

        def plan() -> Append:
            if self._table.transaction_version(self._consumer) != self._number:
                raise StoreUnavailable(
                    f"Another run of {self._consumer!r} took new mail of {self._archive.url} meanwhile, "
                    "so this one does not count what it took; let one run at a time.",
                    reason="busy",
                    where=self._archive.url,
                )
            return Append(rows=[rows], transactions={self._consumer: self._number + 1})

        durability = self._archive.prepare()
        try:
            self._table.append(plan)
            keep_up(self._table, durability.sync)
            durability.sync()
        finally:
            durability.close()
        self._number += 1
        self._taken.add(pa.array(digests, pa.string()), pa.array(parts, pa.string()))
