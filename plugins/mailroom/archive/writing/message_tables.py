"""The three tables a message has rows in: messages, texts, attachments, in this order.

Belongs here: adding each message once, whoever else writes, and finding what a kill left
half done. Does not belong here: where messages are on servers (``committer``).

``messages`` comes first and decides: its row says that the bytes are stored, and only
the writer whose row it is adds to the other two. A kill in between leaves a message
without a text; ``lacking`` finds such ones by counting, which costs nothing while all
is well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.delta.data_files import aligned
from mailroom.archive.delta.tables import Append, Table
from mailroom.archive.digests import halves
from mailroom.archive.writing.known import Known
from mailroom.archive.writing.message_rows import MessageRows

__all__ = ["MessageTables"]


class MessageTables:
    """``messages``, ``texts`` and ``attachments`` of one archive, for one writer.

    :param open_table: returns a table by name, for this writer alone.
    """

    def __init__(self, open_table: Callable[[str], Table]) -> None:
        self.messages = open_table("messages")
        self.texts = open_table("texts")
        self.attachments = open_table("attachments")
        self.known = Known(self.messages)
        self._loading = threading.Lock()
        self._is_loaded = False

    def load(self) -> None:
        """Read which messages are held, unless that was done.

        :raises StoreUnavailable: where a table cannot be read.
        """
        with self._loading:
            if not self._is_loaded:
                self.texts.mark_seen()
                self.attachments.mark_seen()
                self.known.update()
                self._is_loaded = True

    def archived_at(self, digest: str) -> datetime | None:
        """Return when a message was archived, or None; may be called from any thread.

        :raises StoreUnavailable: where the table cannot be read.
        """
        return self.find((digest,))[0]

    def find(self, digests: Sequence[str]) -> list[datetime | None]:
        """Return for each message when it was archived, or None; may be called from any thread.

        :raises StoreUnavailable: where the table cannot be read.
        """
        self.load()
        return self.known.find(digests)

    def append(self, rows: MessageRows) -> None:
        """Add messages that are not there yet, with their texts and attachments.

        :raises StoreUnavailable: where the store refuses.
        """
        mine = self.append_messages(rows)
        self.append_texts(mine)
        self.append_attachments(mine)

    def append_messages(self, rows: MessageRows) -> MessageRows:
        """Add messages that are not there yet, without what belongs to them; return which were added.

        :raises StoreUnavailable: where the store refuses.
        """
        mine = rows

        def plan() -> Append | None:
            nonlocal mine
            self.known.update()
            mine = mine.without(self.known.among(mine.digests))
            if not mine:
                return None
            return Append(rows=[mine.as_messages()], transactions=_next(self.messages))

        self.messages.append(plan)
        self.known.add(mine.digests, mine.archived_at)
        return mine

    def append_texts(self, rows: MessageRows) -> None:
        """Add the texts of messages that have none yet."""
        self._append_once(self.texts, "sha256", rows, MessageRows.as_texts)

    def append_attachments(self, rows: MessageRows) -> None:
        """Add the attachments of messages that have none yet."""
        self._append_once(
            self.attachments, "message_sha256", rows.with_attachments(), lambda some: [some.as_attachments()]
        )

    def lacking(self) -> tuple[set[str], set[str]]:
        """Return the messages that lack their text, and those that lack their attachments.

        Two empty sets, without reading more than a count, unless a writer was killed
        between two commits or is between them now.

        :raises StoreUnavailable: where a table cannot be read.
        """
        for table in (self.messages, self.texts, self.attachments):
            table.refresh()
        counted = sum(
            pc.sum(p.table["attachment_count"]).as_py() or 0 for p in self.messages.scan(["attachment_count"])
        )
        texts: set[str] = set()
        attachments: set[str] = set()
        if self.texts.row_count() != self.messages.row_count():
            texts = self._without_row(self.texts, "sha256", at_least=0)
        if self.attachments.row_count() != counted:
            attachments = self._without_row(self.attachments, "message_sha256", at_least=1)
        return texts, attachments

    def drop_unowned(self) -> int:
        """Remove texts and attachments of messages that are not there; return how many rows.

        A power cut can take a message's row and leave the others, which were committed
        later; were they kept, the message would get a second text when it comes again.

        :raises StoreUnavailable: where the store refuses.
        """
        count = 0
        for table, key in ((self.texts, "sha256"), (self.attachments, "message_sha256")):
            table.refresh()
            for file in table.files():
                parts = [piece.table for piece in table.scan(table.spec.schema.names, files=[file])]
                held = [
                    part.filter(pa.array([self.archived_at(d) is not None for d in part[key].to_pylist()]))
                    for part in parts
                ]
                gone = file.rows - sum(part.num_rows for part in held)
                if gone and table.replace([file], [aligned(p, table.spec.schema) for p in held], drops=True):
                    count += gone
            table.mark_seen()
        return count

    def _append_once(
        self,
        table: Table,
        key: str,
        rows: MessageRows,
        build: Callable[[MessageRows], Iterable[pa.Table]],
    ) -> None:
        mine = rows

        def plan() -> Append | None:
            nonlocal mine
            theirs = {d for p in table.scan([key], files=table.unseen()) for d in p.table[key].to_pylist()}
            mine = mine.without(theirs)
            return Append(rows=build(mine), transactions=_next(table)) if mine else None

        if not mine:
            return
        table.append(plan)
        table.mark_seen()

    def _without_row(self, table: Table, key: str, *, at_least: int) -> set[str]:
        """Return the messages with ``at_least`` this many attachments that have no row in a table."""
        there = [halves(piece.table[key])[0] for piece in table.scan([key])]
        held = np.concatenate(there) if there else np.empty(0, np.uint64)
        found: set[str] = set()
        for piece in self.messages.scan(["sha256", "attachment_count"]):
            rows = piece.table.filter(pc.greater_equal(piece.table["attachment_count"], at_least))
            missing = ~np.isin(halves(rows["sha256"])[0], held)
            found.update(rows["sha256"].filter(pa.array(missing)).to_pylist())
        return found


def _next(table: Table) -> dict[str, int]:
    return {table.name: table.transaction_version(table.name) + 1}
