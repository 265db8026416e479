"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any  # os.open and os.link, whose arguments differ

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


def refuse(monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    """Have files without a name refused, when they are made or when they are linked."""
    real = os.open

    def refused(path: str, flags: int = 0, *more: Any, **named: Any) -> int:
        if call == "link" or flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(number, os.strerror(number))
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, call, refused)


@pytest.mark.parametrize("call", ["open", "link"])
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.EXDEV])
def test_a_system_without_nameless_files_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    """However file systems and sandboxes say that they have none, or cannot link them."""
    refuse(monkeypatch, call, number)
    write_file_whole(b"whole", str(tmp_path / "incoming"), str(tmp_path / "final"))
    assert files(tmp_path) == {"final": b"whole"}


@pytest.mark.parametrize("call", ["open", "link"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_what_no_other_way_would_mend_is_raised_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    """A full or broken disk is not written to again, and nothing is left."""
    refuse(monkeypatch, call, number)
    with pytest.raises(OSError, match=os.strerror(number)):
        write_file_whole(b"whole", str(tmp_path / "incoming"), str(tmp_path / "final"))
    assert files(tmp_path) == {}


def test_a_file_is_written_where_links_to_it_are_refused(tmp_path: Path) -> None:
    """A file system of processes knows neither files without a name nor new ones: its own error is raised."""
    if not os.path.isdir("/proc/self"):
        pytest.skip("this system shows no processes as files")
    with pytest.raises(OSError, match="/proc"):
        write_file_whole(b"x", "/proc/self/incoming", "/proc/self/final")
