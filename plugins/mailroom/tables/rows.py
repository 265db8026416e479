"""Some rows of a table: conditions gathered first, read when rows are asked for.

Belongs here: what a condition means, and the ways rows are handed over. Does not belong here:
which tables there are (the package), how a table is opened (``archive.datasets``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from mailroom.archive import Archive
from mailroom.exceptions import ConfigurationError

if TYPE_CHECKING:
    import duckdb
    import pandas
    import polars
    import pyarrow as pa

__all__ = ["Rows"]

TIME_OF = {
    "messages": "date",
    "locations": "at",
    "folders": "at",
    "runs": "started",
    "deliveries": "at",
}
"""The column that ``since`` and ``before`` ask, by table."""

PLACE = ("account", "protocol", "folder")
"""Columns that all rows of a place share, so that they narrow a log down before its newest rows are known."""

BATCH_ROWS = 16_384
"""Rows in memory at a time while somebody goes through them."""

Expression = Any  # pyarrow.compute.Expression, which has no type hints


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Some rows of one table of an archive; reading begins when they are asked for.

    :ivar table: name of the table.
    :ivar columns: the columns wanted, or None for all.
    """

    table: str
    columns: tuple[str, ...] | None = None
    _archive: Archive = field(repr=False)
    _conditions: tuple[Expression, ...] = ()
    _holding: tuple[tuple[str, Any], ...] = ()  # Any: as for ``filter``
    _newest: bool = False
    _of_newest: tuple[Expression, ...] = ()

    def filter(
        self,
        *expressions: Expression,
        since: date | str | None = None,
        before: date | str | None = None,
        **values: Any,  # Any: as the columns
    ) -> Rows:
        """Return those rows that meet all of these conditions too.

        :param expressions: of ``pyarrow.compute``, such as ``pc.field("size") > 1_000_000``.
        :param since: on this day or moment (UTC) or later, as the table's time: ``date`` of messages,
            ``started`` of runs, ``at`` of all others.
        :param before: before this day or moment.
        :param values: a column and its value: a text with ``*`` or ``?`` is a pattern, in which capital
            letters do not count; a list means any of its values, None means null; of a column that
            holds lists (``to``, ``flags``), one of them must be so, and None means that there is none.
        :raises ConfigurationError: where the table has no such column, or no time.
        """
        schema = self._schema(list(values))
        found: list[Expression] = list(expressions)
        found += self._moments(since, before)
        holding = []
        for name, value in values.items():
            if hasattr(schema.field(name).type, "value_type"):
                holding.append((name, value))
            else:
                found.append(_condition(name, value))
        narrowed = replace(self, _holding=(*self._holding, *holding))
        if self._newest:  # older rows of a place must not stand in for its newest
            return replace(
                narrowed,
                _of_newest=(*self._of_newest, *found),
                _conditions=(*self._conditions, *(_condition(n, v) for n, v in values.items() if n in PLACE)),
            )
        return replace(narrowed, _conditions=(*self._conditions, *found))

    def select(self, *columns: str) -> Rows:
        """Return the same rows with these columns only.

        :raises ConfigurationError: where the table has no such column.
        """
        self._schema(columns)
        return replace(self, columns=columns)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield each row as a dict, some thousands in memory.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        for batch in self.to_batches():
            yield from batch.to_pylist()

    def count(self) -> int:
        """Return how many rows there are.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        if not self._newest and not self._holding:
            from mailroom.archive.failures import translated

            with translated(self._archive.url):
                return int(self._dataset().count_rows())
        return sum(batch.num_rows for batch in self.to_batches())

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows as Arrow batches of bounded size.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        names = list(self.columns or self._schema().names)
        if self._newest:
            yield from self._newest_table().select(names).to_batches(max_chunksize=BATCH_ROWS)
            return
        needed = list(dict.fromkeys([*names, *(name for name, _ in self._holding)]))
        for batch in _scanned(self._dataset(), needed, self._archive.url):
            kept = _those_holding(batch, self._holding)
            if kept.num_rows:
                yield kept.select(names)

    def to_arrow(self) -> pa.Table:
        """Return the rows as an Arrow table.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        import pyarrow as pa

        return pa.Table.from_batches(self.to_batches(), schema=self._schema(self.columns))

    def to_pandas(self) -> pandas.DataFrame:
        """Return the rows as a pandas DataFrame; times are UTC.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        return self.to_arrow().to_pandas()

    def to_polars(self) -> polars.LazyFrame:
        """Return the rows as a Polars LazyFrame, which reads what its query needs.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        import polars

        if self._newest or self._holding:
            frame = polars.from_arrow(self.to_arrow())
            if not isinstance(frame, polars.DataFrame):
                raise TypeError(f"Polars made a {type(frame).__name__} of a table.")
            return frame.lazy()
        lazy = polars.scan_pyarrow_dataset(self._dataset())
        return lazy if self.columns is None else lazy.select(self.columns)

    def to_duckdb(self, connection: duckdb.DuckDBPyConnection | None = None) -> duckdb.DuckDBPyRelation:
        """Return the rows as a DuckDB relation, which reads what its query needs.

        :param connection: the one to query with; by default DuckDB's own of this process.
        :raises StoreUnavailable: where the archive cannot be read.
        """
        import duckdb

        made = duckdb.from_arrow if connection is None else connection.from_arrow
        if self._newest or self._holding:
            return made(self.to_arrow())
        relation = made(self._dataset())
        return relation if self.columns is None else relation.project(", ".join(map(_quoted, self.columns)))

    def _dataset(self) -> Any:  # Any: a pyarrow dataset
        from mailroom.archive.delta.datasets import open_dataset

        found = open_dataset(self._archive, self.table)
        for condition in self._conditions:
            found = found.filter(condition)
        return found

    def _schema(self, columns: Sequence[str] | None = None) -> pa.Schema:
        """Return the schema of the table, or of some of its columns.

        :raises ConfigurationError: where it has no such column.
        """
        return self._archive.schema(self.table, columns)

    def _moments(self, since: date | str | None, before: date | str | None) -> list[Expression]:
        if since is None and before is None:
            return []
        if self.table not in TIME_OF:
            raise ConfigurationError(f"Rows of {self.table} have no time of their own to filter by.")
        import pyarrow.compute as pc

        column = pc.field(TIME_OF[self.table])
        found = [] if since is None else [column >= _moment(since)]
        return found if before is None else [*found, column < _moment(before)]

    def _newest_table(self) -> pa.Table:
        import pyarrow as pa

        from mailroom.archive.delta.datasets import STATE_KEYS, newest_rows

        rows = pa.Table.from_batches(
            _scanned(self._dataset(), None, self._archive.url), schema=self._schema()
        )
        found = newest_rows(rows, STATE_KEYS[self.table])
        for condition in self._of_newest:
            found = found.filter(condition)
        return _those_holding(found, self._holding)


def _condition(name: str, value: Any) -> Expression:
    import pyarrow.compute as pc

    column = pc.field(name)
    if value is None:
        return column.is_null()
    if isinstance(value, (list, tuple, set, frozenset)):
        found = [_condition(name, one) for one in value]
        return found[0] if len(found) == 1 else _any(found)
    if isinstance(value, str) and ("*" in value or "?" in value):
        escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        pattern = escaped.replace("*", "%").replace("?", "_")
        return pc.match_like(column, pattern, ignore_case=True)
    return column == value


def _any(conditions: list[Expression]) -> Expression:
    import pyarrow.compute as pc

    found = pc.scalar(False)
    for condition in conditions:
        found = found | condition
    return found


def _moment(value: date | str) -> datetime:
    found = value
    if isinstance(found, str):
        try:
            found = datetime.fromisoformat(found.strip())
        except ValueError as error:
            raise ConfigurationError(f"{value!r} is no day or time: write 2026-01-31.") from error
    if not isinstance(found, datetime):
        found = datetime(found.year, found.month, found.day)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _scanned(dataset: Any, columns: list[str] | None, url: str) -> Iterator[Any]:
    """Yield batches of a dataset, with few of them read ahead."""
    from mailroom.archive.failures import translated

    with translated(url):
        yield from dataset.scanner(
            columns=columns, batch_size=BATCH_ROWS, batch_readahead=2, fragment_readahead=1
        ).to_batches()


def _those_holding(rows: Any, conditions: tuple[tuple[str, Any], ...]) -> Any:
    """Return the rows of which the lists hold something that meets the conditions."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    for name, value in conditions:
        column = rows[name]
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        held = pa.table({"value": pc.list_flatten(column), "row": pc.list_parent_indices(column)})
        if value is not None:
            held = held.filter(_condition("value", value))
        mask = np.zeros(rows.num_rows, dtype=bool)
        mask[held["row"].to_numpy()] = True
        rows = rows.filter(pa.array(mask if value is not None else ~mask))
    return rows


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
