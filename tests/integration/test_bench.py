"""The measurement itself still runs, with every program and every part."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
RIVALS = ("mbsync", "mpop", "fdm", "getmail")
PARTS = {"first", "nothing-new", "indexing", "million", "s3", "memory", "commits", "retention"}


@pytest.fixture(scope="module")
def rivals() -> None:
    """All programs that are compared with; installed where that is permitted."""
    if all(map(shutil.which, RIVALS)):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.skip("mbsync, mpop, fdm and getmail are not installed, and only root may: make bench")
    script = ["bash", str(REPOSITORY / "scripts" / "set_up.sh"), "rivals"]
    ran = subprocess.run(script, check=False, capture_output=True, text=True)
    if ran.returncode != 0:
        pytest.skip(f"mbsync, mpop, fdm and getmail cannot be installed: {ran.stderr.strip()[-300:]}")


@pytest.mark.usefixtures("dovecot", "rivals")
def test_a_small_measurement_gives_every_figure(tmp_path: Path) -> None:
    """Each part runs to its end, leaves no file behind, and compares with everyone."""
    results = tmp_path / "results.json"
    words = [sys.executable, "-m", "benchmarks.run", "--small", "--output", str(results)]
    # Not below pytest's own folder, which only its owner may enter: some programs give up root's rights.
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        words += ["--place", place]
        ran = subprocess.run(words, cwd=REPOSITORY, check=False, capture_output=True, text=True, timeout=900)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert not os.listdir(place)
    figures = json.loads(results.read_text())["figures"]
    assert {figure["part"] for figure in figures} == PARTS
    against = {figure["against"] for figure in figures}
    assert {*RIVALS, "imaplib loop", "poplib loop", "IMAPClient loop", "the wire", "bare PUTs"} <= against
    assert {(f["account"], f["link"]) for f in figures if f["part"] == "first"} == {
        (account, link) for account in ("mixed", "small") for link in ("loopback", "40 ms")
    }
