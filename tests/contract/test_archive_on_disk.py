"""The archive's contract on a local disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mailroom.archive import Archive
from tests.contract.archive_cases import StateCases, StoreCases


class TestArchiveOnDisk(StoreCases, StateCases):
    """A root given as a path."""

    @pytest.fixture
    def open_archive(self, archive_root: Path) -> Callable[[], Archive]:
        return lambda: Archive(archive_root)


class TestArchiveAtFileUrl(StoreCases):
    """A root given as a URL, with what people put into folder names."""

    @pytest.fixture
    def open_archive(self, tmp_path: Path) -> Callable[[], Archive]:
        root = (tmp_path / 'mail of "José" & co. 📬 #1 [x] 5%').as_uri()
        return lambda: Archive(root)
