"""Searching a message in place, whether it is in memory or mapped."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailroom.message.octets import WINDOW_OCTETS, Buffer, find, in_memory, occurrences, windows

NEEDLE = b"--boundary"
CONTENT = b"x" * (WINDOW_OCTETS - 4) + NEEDLE + b"y" * WINDOW_OCTETS + NEEDLE + NEEDLE


@pytest.fixture(params=["bytes", "mapped"])
def buffer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Buffer]:
    if request.param == "bytes":
        yield CONTENT
        return
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        yield mapped


def test_occurrences_across_windows_are_found(buffer: Buffer) -> None:
    """A needle that lies over the edge of a window is found once, in both kinds of buffer."""
    first = WINDOW_OCTETS - 4
    second = first + len(NEEDLE) + WINDOW_OCTETS
    assert list(occurrences(buffer, NEEDLE, 0, len(CONTENT))) == [first, second, second + len(NEEDLE)]


def test_occurrences_keep_to_their_range(buffer: Buffer) -> None:
    """What starts before the range or ends after it is not found."""
    first = WINDOW_OCTETS - 4
    second = first + len(NEEDLE) + WINDOW_OCTETS
    assert list(occurrences(buffer, NEEDLE, first + 1, second + len(NEEDLE))) == [second]
    assert find(buffer, NEEDLE, 0, first + len(NEEDLE) - 1) == -1
    assert find(buffer, NEEDLE, 0, first + len(NEEDLE)) == first


def test_occurrences_do_not_overlap(tmp_path: Path) -> None:
    """A needle that could start within itself is counted as ``bytes.find`` steps, mapped or not."""
    content = b"-" * (WINDOW_OCTETS + 5)
    path = tmp_path / "content"
    path.write_bytes(content)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert list(occurrences(mapped, b"---", 0, len(content))) == list(
            occurrences(content, b"---", 0, len(content))
        )


def test_windows_are_bounded_and_complete(buffer: Buffer) -> None:
    """Windows are at most one window long, and together they are the content."""
    pieces = list(windows(buffer, 0, len(CONTENT)))
    assert max(map(len, pieces)) <= WINDOW_OCTETS
    assert b"".join(pieces) == CONTENT
    assert list(windows(buffer, 5, 5)) == []


def test_only_small_mapped_files_are_read_into_memory(tmp_path: Path) -> None:
    """A small file is cheaper in memory; a large one stays mapped."""
    for size, kind in ((100, bytes), (WINDOW_OCTETS + 1, mmap.mmap)):
        path = tmp_path / str(size)
        path.write_bytes(b"x" * size)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert isinstance(in_memory(mapped), kind)
    assert in_memory(CONTENT) is CONTENT
