"""Keep tables small inside ordinary runs: join small files, check-point, clean up.

Belongs here: what to join, and the order that a power cut cannot hurt. Does not belong
here: appending (``tables``). Nothing of an archive's history is lost: it lives in rows,
not in old table versions.

The order is the point. Old log entries are deleted only after the check-point that
replaces them is synced; ``deltalake``'s own hooks would delete first and leave syncing
to chance. Files are joined by ourselves, row group by row group, because the library's
compaction holds more in memory than this engine may use.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from mailroom.archive.delta.data_files import DataFile, aligned
from mailroom.archive.delta.tables import Table
from mailroom.archive.memory import MemoryRelease

__all__ = ["EVERY_COMMITS", "join_all", "keep_up"]

log = logging.getLogger(__name__)

EVERY_COMMITS = 50
"""How many small files, or commits without a check-point, a table may gather."""

JOINED_OCTETS = 64 * 1024 * 1024
"""Files are joined up to this size and then left alone. Octets."""

MAX_PASSES = 5
"""How often joining is tried again after another run committed meanwhile."""

GROUP_ROWS = 65536
"""Rows of a row group in a joined file."""

GROUP_OCTETS = 4 * 1024 * 1024
"""Uncompressed octets of a row group in a joined file, so that texts are joined in little memory."""

READ_OCTETS = 1024 * 1024
"""About how many uncompressed octets are read at a time while files are joined."""


def keep_up(table: Table, sync: Callable[[], None]) -> None:
    """Join files and tidy the log where enough has gathered; cheap where it has not.

    :param sync: makes what was written durable.
    :raises StoreUnavailable: where the store refuses.
    """
    small = [file for file in table.files() if file.size < JOINED_OCTETS // 2]
    if len(small) >= EVERY_COMMITS:
        for files in _bins(small):
            if len(files) > 1 and table.replace(files, _joined(table, files)):
                log.info("Joined %d files of table %s", len(files), table.name)
    if table.version // EVERY_COMMITS > table.tidied // EVERY_COMMITS:
        table.tidy(sync)


def join_all(table: Table, is_stopped: Callable[[], bool]) -> None:
    """Join whatever small files a table has, as far as other runs that write it allow.

    :param is_stopped: asked before each join; what is joined stays.
    :raises StoreUnavailable: where the store refuses.
    """
    for _ in range(MAX_PASSES):
        small = [file for file in table.files() if file.size < JOINED_OCTETS // 2]
        bins = [files for files in _bins(small) if len(files) > 1]
        if not bins:
            return
        done = [table.replace(files, _joined(table, files)) for files in bins if not is_stopped()]
        if is_stopped() or all(done):
            return


def _bins(files: Sequence[DataFile]) -> Iterator[list[DataFile]]:
    """Yield neighbours that together stay below ``JOINED_OCTETS``."""
    found: list[DataFile] = []
    total = 0
    for file in files:
        if found and total + file.size > JOINED_OCTETS:
            yield found
            found, total = [], 0
        found.append(file)
        total += file.size
    if found:
        yield found


def _joined(table: Table, files: Sequence[DataFile]) -> Iterator[pa.Table]:
    """Yield the rows of files as row groups of bounded size, a few of them in memory at a time."""
    gathered: list[pa.Table] = []
    rows = octets = 0
    memory = MemoryRelease()
    for file in files:
        with table.parquet(file) as parquet:
            for batch in parquet.iter_batches(batch_size=_rows_at_a_time(parquet), use_threads=False):
                gathered.append(aligned(pa.Table.from_batches([batch]), table.spec.schema))
                rows, octets = rows + batch.num_rows, octets + batch.nbytes
                if rows >= GROUP_ROWS or octets >= GROUP_OCTETS:
                    yield pa.concat_tables(gathered)
                    gathered, rows, octets = [], 0, 0
                    memory.release()
    if gathered:
        yield pa.concat_tables(gathered)


def _rows_at_a_time(parquet: pq.ParquetFile) -> int:
    """Return how many rows of a file are about ``READ_OCTETS``: those of ``texts`` are long."""
    groups = [parquet.metadata.row_group(number) for number in range(parquet.metadata.num_row_groups)]
    widest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1.0)
    return max(1, min(GROUP_ROWS // 8, int(READ_OCTETS / max(1.0, widest))))
