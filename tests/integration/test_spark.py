"""PySpark reads the tables where they lie: by Delta where it can be had, else the files that the log names.

Opt-in: it needs Java and ``pip install pyspark``, several hundred megabytes that nothing else here needs.
With ``pip install delta-spark`` and Maven's repository in reach (or its jars in ``SPARK_JARS``, with commas
between them) the tables are read as Delta tables too.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from mailroom.archive.delta.derived import bring_up_to_date
from mailroom.tables import messages
from tests.support.archives import NOW, archive_messages

pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="PySpark needs Java, and there is none"),
    pytest.mark.skipif(
        importlib.util.find_spec("pyspark") is None, reason="PySpark is not installed (pip install pyspark)"
    ),
]

TABLES = ("messages", "texts", "locations", "runs", "threads")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """An archive of two runs, so that each table has more than one file."""
    found = Archive(tmp_path_factory.mktemp("spark") / "mail")
    archive_messages(found, range(1, 6), run_id="run-1")
    bring_up_to_date(found, "threads", NOW)
    archive_messages(found, range(6, 9), run_id="run-2")
    bring_up_to_date(found, "threads", NOW)
    return found


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """A session on one core; with Delta where its jars are at hand."""
    from pyspark.sql import SparkSession

    builder = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "512m")
        .config("spark.sql.session.timeZone", "UTC")
    )
    if os.environ.get("SPARK_JARS"):
        builder = (
            builder.config("spark.jars", os.environ["SPARK_JARS"])
            .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
            .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        )
    session = builder.getOrCreate()
    yield session
    session.stop()


@pytest.mark.parametrize("table", TABLES)
def test_the_files_that_the_log_names_are_read(archive: Archive, spark: Any, table: str) -> None:
    """Every column and value is what Arrow reads, lists and times included."""
    from deltalake import DeltaTable

    files = DeltaTable(str(Path(archive.url) / "tables" / table)).file_uris()
    assert len(files) == 2
    expected = archive.read_table(table)
    frame = spark.read.option("mergeSchema", "true").parquet(*files)
    assert set(frame.columns) <= set(expected.column_names)
    assert frame.count() == expected.num_rows
    for name in ("sha256", "size", "flags", "text", "run_id", "who"):
        if name in frame.columns:
            found = sorted(str(row[name]) for row in frame.select(name).collect())
            assert found == sorted(map(str, expected[name].to_pylist()))


def test_sql_over_times_and_lists(archive: Archive, spark: Any) -> None:
    """As a data engineer would ask it."""
    from deltalake import DeltaTable

    files = DeltaTable(str(Path(archive.url) / "tables" / "messages")).file_uris()
    spark.read.parquet(*files).createOrReplaceTempView("messages")
    (row,) = spark.sql(
        "SELECT count(*) AS n, min(date) AS first, max(size(`to`)) AS most FROM messages "
        "WHERE date < TIMESTAMP '2027-01-01' AND array_contains(`to`, 'bob@example.com')"
    ).collect()
    assert (row["n"], row["most"]) == (messages(archive).count(), 1)
    assert row["first"].date() == NOW.date()


@pytest.mark.skipif(not os.environ.get("SPARK_JARS"), reason="the jars of Delta are not named in SPARK_JARS")
@pytest.mark.parametrize("table", TABLES)
def test_the_tables_are_delta_tables_to_spark(archive: Archive, spark: Any, table: str) -> None:
    """No file of ours needs to be named."""
    frame = spark.read.format("delta").load(str(Path(archive.url) / "tables" / table))
    assert frame.count() == archive.read_table(table).num_rows
