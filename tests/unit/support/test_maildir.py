"""Messages written straight into a Maildir."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.support.maildir import Stored, write_maildir


def test_names_carry_sizes_and_flags(tmp_path: Path) -> None:
    """The server finds both sizes and the flags without reading the message."""
    write_maildir(tmp_path, [Stored(content=b"a\r\nb\n", flags=("\\Seen", "\\Flagged"))])
    (name,) = (path.name for path in (tmp_path / "cur").iterdir())
    assert ",S=5,W=6:2,FS" in name


def test_internal_date_is_the_time_of_the_file(tmp_path: Path) -> None:
    """Maildir has no other place for INTERNALDATE."""
    date = datetime(2019, 5, 6, 7, 8, 9, tzinfo=UTC)
    write_maildir(tmp_path, [Stored(content=b"x", internal_date=date)])
    (path,) = (tmp_path / "cur").iterdir()
    assert path.stat().st_mtime == date.timestamp()


def test_a_second_filling_adds_to_the_first(tmp_path: Path) -> None:
    """Names go on counting, so that nothing is overwritten and the order stays."""
    assert write_maildir(tmp_path, [Stored(content=b"a")]) == 1
    assert write_maildir(tmp_path, [Stored(content=b"b"), Stored(content=b"c")]) == 2
    names = sorted((tmp_path / "cur").iterdir())
    assert [path.read_bytes() for path in names] == [b"a", b"b", b"c"]
