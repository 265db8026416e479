"""What is stated of a table: its columns with their meaning, and how its files are written.

Belongs here: the form of it. Does not belong here: which tables there are (``schemas``).
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

__all__ = ["TEXTS", "TIME", "TableSpec", "table_spec"]

TIME = pa.timestamp("us", tz="UTC")
TEXTS = pa.list_(pa.string())


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """One table.

    :param bounds: text columns whose smallest and largest value is stated per file.
    :param repeating: Parquet columns whose values recur, which are stored as a dictionary.
    """

    name: str
    description: str
    schema: pa.Schema
    bounds: tuple[str, ...] = ()
    repeating: list[str]


def table_spec(
    name: str,
    description: str,
    columns: list[tuple[str, pa.DataType, str]],
    *,
    bounds: tuple[str, ...] = (),
    unique: tuple[str, ...] = (),
) -> TableSpec:
    """Return a table from its columns: name, type and meaning of each.

    :param unique: columns whose values hardly recur, which are stored without a dictionary.
    """
    fields = [pa.field(column, kind, metadata={"comment": text}) for column, kind, text in columns]
    leaves = [f"{f.name}.list.element" if pa.types.is_list(f.type) else f.name for f in fields]
    return TableSpec(
        name=name,
        description=description,
        schema=pa.schema(fields),
        bounds=bounds,
        repeating=[leaf for leaf in leaves if leaf.partition(".")[0] not in unique],
    )
