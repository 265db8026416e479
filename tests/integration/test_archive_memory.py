"""Memory stays flat whatever the size of mailbox or message."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MOST_MEGABYTES = 250
"""What the engine may use at its peak, whatever comes in."""

RUN = """
import os, sys
from mailroom.archive import Archive
from mailroom.model import Body
from tests.support.archives import body, context, place
from tests.support.command import peak_kib_of

root, count, octets = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
archive = Archive(root)
with archive.writer(context()) as writer:
    for number in range(1, count + 1):
        if octets <= 1024 * 1024:
            writer.add(body(number, size=octets), place(number))
            continue
        spool = archive.new_spool()
        with open(spool, "wb") as file:
            file.write(b"Message-ID: <%d@example.org>\\r\\n\\r\\n" % number)
            for _ in range(octets // 65536):
                file.write(b"%064d\\r\\n" % number * 993)
            size = file.tell()
        writer.add(Body(octets=size, path=spool), place(number))
    writer.finish("succeeded", {}, 0)
state = archive.folder_state("post", "INBOX")
assert len(state.live) == count
assert sum(1 for _ in state.live_rows()) == count
print(peak_kib_of(os.getpid()) // 1024)
"""


@pytest.mark.parametrize(
    ("count", "octets"),
    [(6000, 2_000), (2500, 25_000), (60, 900_000), (3, 60_000_000)],
    ids=["many small", "text of some pages", "long texts", "sixty megabytes each"],
)
def test_memory_stays_flat(archive_root: Path, count: int, octets: int) -> None:
    """Mail that is nothing but text, the worst case for what waits for a commit, fits all the same."""
    words = [sys.executable, "-c", RUN, str(archive_root), str(count), str(octets)]
    found = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) < MOST_MEGABYTES
