"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mailroom.archive.storage.raw_file import write_file_whole


@pytest.fixture(params=["nameless", "renamed"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on a system that knows files without a name, or on one that does not."""
    if request.param == "renamed":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    """Return what lies in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("content", [b"", b"a message", b"x" * 3_000_000], ids=["empty", "short", "long"])
def test_a_file_is_whole_under_its_name_alone(folder: Path, content: bytes) -> None:
    """Nothing is left under the other name; others may read it as the umask lets them."""
    write_file_whole(content, str(folder / "incoming"), str(folder / "final"))
    assert files(folder) == {"final": content}
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((folder / "final").stat().st_mode) == 0o666 & ~umask


def test_a_file_that_is_there_is_replaced(folder: Path) -> None:
    """What a kill or a damaged disk left under the name gives way to the whole file."""
    (folder / "final").write_bytes(b"cut")
    write_file_whole(b"whole", str(folder / "incoming"), str(folder / "final"))
    assert files(folder) == {"final": b"whole"}


def test_a_leftover_of_a_kill_is_written_over(folder: Path) -> None:
    """A longer one too, of which nothing may stay in what is renamed."""
    (folder / "final").write_bytes(b"cut")
    (folder / "incoming").write_bytes(b"left behind, and longer")
    write_file_whole(b"whole", str(folder / "incoming"), str(folder / "final"))
    assert files(folder) == {"final": b"whole"}


def test_a_folder_that_is_gone_is_the_disks_own_error(folder: Path) -> None:
    """Whichever way was tried."""
    with pytest.raises(FileNotFoundError):
        write_file_whole(b"x", str(folder / "no" / "incoming"), str(folder / "no" / "final"))
    assert files(folder) == {}


def test_a_file_is_written_where_links_to_it_are_refused(tmp_path: Path) -> None:
    """A file system of processes knows neither files without a name nor new ones: its own error is raised."""
    if not os.path.isdir("/proc/self"):
        pytest.skip("this system shows no processes as files")
    with pytest.raises(OSError, match="/proc"):
        write_file_whole(b"x", "/proc/self/incoming", "/proc/self/final")
