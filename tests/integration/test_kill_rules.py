"""SIGKILL while rules deliver out of archives, and while messages are inspected: each thing is there once."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.model import Body
from tests.integration.killing import CHANCE
from tests.support.archives import context, place
from tests.support.command import kill_after, run_command, start_command
from tests.support.mail import make_message

pytestmark = pytest.mark.kill

MESSAGES = 120
ROUNDS = 6


def zipped(number: int) -> bytes:
    """Return an archive of two texts and an archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", b"a of %d" % number)
        archive.writestr("b.txt", b"the same in each")
        archive.writestr("c.bin", b"\0\1%d" % number)
        if number > 0:
            archive.writestr("in.zip", zipped(-number))
    return out.getvalue()


def fill(root: Path) -> None:
    """Archive messages with an archive, a text and links."""
    with Archive(root).writer(context()) as writer:
        for number in range(1, MESSAGES + 1):
            content = make_message(
                subject=f"{number}",
                text="\n".join(f"http://{number}.example/{link}" for link in range(number % 4)) + "\n",
                attachments=[("all.zip", "application/zip", zipped(number)), ("t.txt", "text/plain", b"t")],
            )
            writer.add(Body(octets=len(content), content=content), place(number))
        writer.finish("succeeded", {}, 0)


def kill_until_done(*arguments: str) -> int:
    """Run a command, killed again and again, then twice at once to the end; return how often it was."""
    killed, moment = 0, 1.0
    for _ in range(ROUNDS):
        was_killed = kill_after(moment * CHANCE.uniform(0.6, 1.0), *arguments).was_killed
        killed += was_killed
        moment *= 1.3 if was_killed else 0.7  # the moment when it is at work is found on the way
    with start_command(*arguments) as beside:
        last = run_command(*arguments)
        other = beside.wait()
    assert (last.status, other.status) == (0, 0), last.err + other.err
    assert run_command(*arguments).status == 0
    return killed


def test_killed_while_rules_deliver_out_of_archives(archive_root: Path, tmp_path: Path) -> None:
    """Members and files lie at their rule's destination once, each whole and with its row."""
    fill(archive_root)
    texts, rest = tmp_path / "texts", tmp_path / "rest"
    rules = [
        {"rule": "texts", "name": "*.txt", "unzip": True, "destination": str(texts)},
        {"rule": "rest", "destination": str(rest)},
    ]
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    killed = kill_until_done(
        *("attachments", "--archive", str(archive_root), "--rules", str(tmp_path / "rules.json")),
        *("--template", "{filename}", "--quiet"),
    )
    assert killed, "the command always finished before it was killed"
    rows = Archive(archive_root).read_table("deliveries").to_pylist()
    found = Counter((row["rule"], row["part"]) for row in rows)
    assert found == {
        ("texts", "2.zip1"): MESSAGES,
        ("texts", "2.zip2"): MESSAGES,
        ("texts", "2.zip4.zip1"): MESSAGES,
        ("texts", "2.zip4.zip2"): MESSAGES,
        ("texts", "3"): MESSAGES,
        ("rest", "2"): MESSAGES,
    }
    there = {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in (texts, rest)
        for path in folder.rglob("*")
        if path.is_file() and ".mailroom-incoming" not in path.parts
    }
    assert {f"{row['destination']}/{row['path']}": row["sha256"] for row in rows} == there


def test_killed_while_inspecting(archive_root: Path) -> None:
    """Each message has its rows in each table once."""
    fill(archive_root)
    what = ("authentication", "envelopes", "links")
    assert kill_until_done(
        "inspect", "--archive", str(archive_root), *(f"--{one}" for one in what), "--quiet"
    )
    archive = Archive(archive_root)
    for name in what[:2]:
        assert Counter(Counter(archive.read_table(name)["sha256"].to_pylist()).values()) == {1: MESSAGES}
    rows = archive.read_table("links").to_pylist()
    assert len({row["sha256"] for row in rows}) == MESSAGES
    assert len({(row["sha256"], row["number"]) for row in rows}) == len(rows)
    assert sum(row["href"] is not None for row in rows) == sum(number % 4 for number in range(MESSAGES + 1))
