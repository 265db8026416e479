"""What a delivery promises of memory and of its manifests, on a folder and on a bucket."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mailroom.archive import Archive
from mailroom.model import Body
from tests.support.archives import context, place
from tests.support.command import run_command
from tests.support.mail import make_message
from tests.support.s3 import S3Server

MOST_MEGABYTES = 250
"""What a delivery may use at its peak, whatever it delivers."""

LARGE, SMALL = 60_000_000, 2_000_000


def fill(root: Path, *sizes: int) -> None:
    """Archive a message for each size, with one attachment of so many octets."""
    with Archive(root).writer(context()) as writer:
        for number, size in enumerate(sizes, 1):
            block = hashlib.sha256(b"%d" % number).digest() * 1024
            content = (block * (size // len(block) + 1))[:size]
            message = make_message(
                subject=f"{number}", attachments=[(f"{number}.bin", "application/octet-stream", content)]
            )
            writer.add(Body(octets=len(message), content=message), place(number))
        writer.finish("succeeded", {}, 0)


@contextmanager
def destination(kind: str, s3: S3Server, tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield a folder or a bucket, and the environment that reaches it."""
    if kind == "folder":
        yield str(tmp_path / "out"), {}
    else:
        yield f"s3://{s3.new_bucket()}/out", dict(s3.environment)


def read(location: str, s3: S3Server) -> bytes:
    """Return what lies at a location, by other means than ours."""
    if not location.startswith("s3://"):
        return Path(location).read_bytes()
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bytes(s3.client().get_object(Bucket=bucket, Key=key)["Body"].read())


@pytest.mark.parametrize("kind", ["folder", "bucket"])
@pytest.mark.parametrize("sizes", [(LARGE,) * 3, (SMALL,) * 60], ids=["large", "many"])
def test_memory_stays_flat(
    archive_root: Path, tmp_path: Path, s3: S3Server, kind: str, sizes: tuple[int, ...]
) -> None:
    """Three attachments of sixty megabytes, or sixty of two, side by side: the peak is the same."""
    fill(archive_root, *sizes)
    with destination(kind, s3, tmp_path) as (to, environment):
        done = run_command(
            "attachments", "--archive", str(archive_root), "--to", to, "--json", environment=environment
        )
    assert done.status == 0, done.err
    assert (done.summary["delivered"], done.summary["octets"]) == (len(sizes), sum(sizes))
    assert done.peak_kib < MOST_MEGABYTES * 1024


@pytest.mark.parametrize("kind", ["folder", "bucket"])
@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_manifest_names_message_part_place_checksum_time_and_rule(
    archive_root: Path, tmp_path: Path, s3: S3Server, kind: str, form: str
) -> None:
    """One row each, by which a task finds the object and knows it for what it is."""
    fill(archive_root, 10, 20, 30)
    rules = tmp_path / "rules.yaml"
    with destination(kind, s3, tmp_path) as (to, environment):
        rules.write_text(f"destination: {to}\nrules: [{{rule: first, name: '1.*'}}, {{rule: rest}}]\n")
        arguments = ("attachments", "--archive", str(archive_root), "--rules", str(rules), "--json")
        done = run_command(*arguments, "--manifest", form, environment=environment)
        again = run_command(*arguments, "--manifest", form, environment=environment)
    assert done.status == 0, done.err
    (told,) = done.summary["manifests"]
    content = read(told["location"], s3)
    rows: list[dict[str, Any]] = (
        [json.loads(line) for line in content.splitlines()]
        if form == "jsonl"
        else pq.read_table(io.BytesIO(content)).to_pylist()
    )
    attachments = {
        (row["message_sha256"], row["part"]): row
        for row in Archive(archive_root).read_table("attachments").to_pylist()
    }
    assert told["rows"] == len(rows) == len(attachments) == 3
    for row in rows:
        known = attachments[row["message_sha256"], row["part"]]
        assert row["sha256"] == known["sha256"]
        assert hashlib.sha256(read(f"{row['destination']}/{row['path']}", s3)).hexdigest() == row["sha256"]
        assert row["rule"] == ("first" if row["filename"] == "1.bin" else "rest")
        assert row["at"]
    assert {"first", "rest"} == set(done.summary["rules"])
    assert again.summary["manifests"] == []
