"""Folders for what is measured: each fresh, none deleted before the end.

Deleting is left to the end because of ext4 without a journal: for minutes after many files were
deleted, the kernel looks through the freed inodes for each file it creates, which takes ten times as
long as usual and would punish whoever comes later.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.measure import ProgramFailed

__all__ = ["Places"]

PROBE_FILES = 500
"""Files created to see how fast this disk does it at the moment."""


class Places:
    """All folders of one measurement; a context manager that removes them when all is over.

    :param base: where there is room; the system's folder for temporary files unless told otherwise.
    :raises ProgramFailed: if there is less room than ``octets``, or not everyone can reach it.
    """

    def __init__(self, base: Path | None, octets: int) -> None:
        where = base or Path(tempfile.gettempdir())
        free = shutil.disk_usage(where).free
        if free < octets:
            raise ProgramFailed(
                f"{where} has {free / 1e9:.0f} GB free and this takes {octets / 1e9:.0f} GB, for nothing is "
                "deleted before the end; choose another folder with --place."
            )
        closed = [
            path for path in (where, *where.absolute().parents) if not path.stat().st_mode & stat.S_IXOTH
        ]
        if closed and os.geteuid() == 0:
            raise ProgramFailed(
                f"{closed[0]} is closed to other users, whose rights fdm and getmail take instead of root's; "
                "choose another folder with --place."
            )
        self._root = Path(tempfile.mkdtemp(prefix="mailroom-bench-", dir=where))
        self._root.chmod(0o755)
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Hundreds of thousands of files: the system's own program takes half as long as Python.
        subprocess.run(["rm", "-rf", "--", str(self._root)], check=False)

    def new(self, name: str) -> Path:
        """Return a fresh empty folder, which programs that give up root's rights can reach too."""
        self._count += 1
        place = self._root / f"{self._count:04}-{name.replace(' ', '-')}"
        place.mkdir(mode=0o755)
        return place

    def creation_microseconds(self) -> float:
        """Return how long this disk takes at the moment to create one small file."""
        place = self.new("probe")
        started = time.perf_counter()
        for number in range(PROBE_FILES):
            (place / str(number)).write_bytes(b"x")
        return (time.perf_counter() - started) / PROBE_FILES * 1e6
