"""SIGKILL while delivering attachments: each is there once, whole, and in the table once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.model import Body
from tests.integration.killing import CHANCE
from tests.support.archives import context, place
from tests.support.command import kill_after, run_command, start_command
from tests.support.mail import make_message
from tests.support.s3 import S3Server

pytestmark = pytest.mark.kill

MESSAGES = 300
ROUNDS = 5

Objects = Mapping[str, str]
"""The SHA-256 of what lies under each path of a destination."""


def fill(root: Path) -> None:
    """Archive messages with one to three attachments, many of which are named alike."""
    with Archive(root).writer(context()) as writer:
        for number in range(MESSAGES):
            parts = [
                (f"{number % 50}-{part}.txt", "text/plain", b"%d of %d\n" % (part, number) * (1 + number))
                for part in range(1 + number % 3)
            ]
            parts.append(("same.txt", "text/plain", b"the same in each"))
            content = make_message(subject=f"{number}", attachments=parts)
            writer.add(Body(octets=len(content), content=content), place(number + 1))
        writer.finish("succeeded", {}, 0)


def assert_each_once(root: Path, there: Objects) -> None:
    """Compare the table with the archive's attachments and with the destination."""
    archive = Archive(root)
    expected = Counter(
        (row["message_sha256"], row["part"]) for row in archive.read_table("attachments").to_pylist()
    )
    rows = archive.read_table("deliveries").to_pylist()
    assert Counter((row["message_sha256"], row["part"]) for row in rows) == expected
    assert {row["path"]: row["sha256"] for row in rows} == there
    assert len(rows) == len(there)


def kill_until_done(root: Path, to: str, environment: Mapping[str, str], look: Callable[[], None]) -> int:
    """Deliver, killed again and again, then once to the end; return how often it was killed."""
    arguments = ["attachments", "--archive", str(root), "--to", to, "--template", "{filename}", "--quiet"]
    killed = 0
    whole = run_command(*arguments, "--dry-run", environment=environment).seconds
    for _ in range(ROUNDS):
        moment = whole * CHANCE.uniform(0.6, 1.6)
        killed += kill_after(moment, *arguments, environment=environment).was_killed
        look()
    with start_command(*arguments, environment=environment) as beside:  # two at once, to the end
        last = run_command(*arguments, environment=environment)
        other = beside.wait()
    assert (last.status, other.status) == (0, 0), last.err + other.err
    last = run_command(*arguments, environment=environment)
    assert last.status == 0, last.err
    return killed


def test_killed_while_delivering_to_a_folder(archive_root: Path, tmp_path: Path) -> None:
    """After kills and two runs at once, every attachment is one file, and no half file is left."""
    fill(archive_root)
    out = tmp_path / "out"

    def there() -> dict[str, str]:
        return {
            path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in out.rglob("*")
            if path.is_file()
        }

    def look() -> None:
        known = set(Archive(archive_root).read_table("attachments")["sha256"].to_pylist())
        assert set(there().values()) <= known, "a part of a file is seen under its name"

    killed = kill_until_done(archive_root, str(out), {}, look)
    assert killed, "the command always finished before it was killed"
    assert_each_once(archive_root, there())


def test_killed_while_delivering_to_a_bucket(archive_root: Path, s3: S3Server) -> None:
    """The same in an object store, where what a kill left is found by asking."""
    fill(archive_root)
    bucket = s3.new_bucket()
    client = s3.client()

    def there() -> dict[str, str]:
        return {
            key.removeprefix("out/"): hashlib.sha256(
                client.get_object(Bucket=bucket, Key=key)["Body"].read()
            ).hexdigest()
            for key in s3.keys(bucket)
        }

    killed = kill_until_done(archive_root, f"s3://{bucket}/out", s3.environment, lambda: None)
    assert killed, "the command always finished before it was killed"
    assert_each_once(archive_root, there())
