"""Make written files survive a power cut: one ``syncfs``, or ``fsync`` of what is new.

Belongs here: the system calls, and the list of what was written since the last sync.
Does not belong here: when a sync is due (``committer``). Object stores answer a write
only when it is durable, so they need none of this. ``syncfs(2)`` is preferred on Linux:
it costs one call for thousands of files, and covers what other libraries wrote beside
us (Delta's log entries are never synced by their writer).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Protocol

from mailroom.archive.failures import translated

__all__ = ["DiskSync", "Durability", "NoSync", "Sync", "Unsynced", "find_syncfs"]

PARTS = ("raw", "tables")
"""Folders of an archive that may be put on disks of their own, by a mount or a link."""

Sync = Callable[[int], int]
"""``syncfs``: takes a file descriptor, returns 0 or raises ``OSError``."""


def find_syncfs() -> Sync | None:
    """Return the C library's ``syncfs``, or None where the system has none."""
    import ctypes  # slow to load, and only for what writes

    try:
        function = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_int]
    function.restype = ctypes.c_int

    def syncfs(descriptor: int) -> int:
        if function(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return 0

    return syncfs


class Durability(Protocol):
    """What the archive asks of a store before anything is changed on a mail server."""

    def sync(self) -> None:
        """Block until everything written so far survives a power cut."""

    def close(self) -> None:
        """Release what is held open."""


class NoSync:
    """The sync of a store that is durable as soon as it answers."""

    def sync(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Unsynced:
    """The files written below one root since they were last synced; any thread may add."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: set[str] = set()

    def add(self, path: str) -> None:
        """Remember a file that is to be synced."""
        with self._lock:
            self._files.add(path)

    def waiting(self) -> set[str]:
        """Return the files to sync."""
        with self._lock:
            return set(self._files)

    def forget(self, files: set[str]) -> None:
        """Drop files that are synced."""
        with self._lock:
            self._files -= files


class DiskSync:
    """Sync what was written below one local root.

    The descriptors, one of each file system, stay open between syncs: Linux reports a failed
    write-back to ``syncfs`` only on descriptors that were open when it happened.

    :param syncfs: the system's ``syncfs``; None means to fsync file by file.
    :param unsynced: which files those are, where there is no ``syncfs``.
    :raises StoreUnavailable: where the root cannot be opened.
    """

    def __init__(self, root: str, *, syncfs: Sync | None, unsynced: Unsynced | None = None) -> None:
        self._root = root
        self._syncfs = syncfs
        self._unsynced = unsynced or Unsynced()
        self._descriptors: dict[int, int] = {}
        with translated(root):
            self._open(root)
            for part in PARTS:
                if os.path.isdir(f"{root}/{part}"):
                    self._open(f"{root}/{part}")

    def sync(self) -> None:
        """Block until everything written below the root is on the disk.

        :raises StoreUnavailable: where the disk reports an error; nothing may then be
            deleted anywhere on the strength of what was written.
        """
        with translated(self._root):
            if self._syncfs is not None:
                for descriptor in self._descriptors.values():
                    self._syncfs(descriptor)
            else:
                self._sync_each()

    def close(self) -> None:
        """Release the descriptors; safe to call twice."""
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])

    def _open(self, folder: str) -> None:
        """Hold a folder open, unless one of its file system is held already."""
        device = os.stat(folder).st_dev
        if device not in self._descriptors:
            self._descriptors[device] = os.open(folder, os.O_RDONLY)

    def _sync_each(self) -> None:
        from pathlib import Path

        written = self._unsynced.waiting()
        logs = [log for log in Path(self._root).glob("tables/*/_delta_log") if log.is_dir()]
        files = written.union(str(entry) for log in logs for entry in log.iterdir())
        folders = {self._root}
        for name in files:
            if _fsync(name):
                folders.update(_folders_between(self._root, name))
        for folder in sorted(folders, key=len, reverse=True):
            _fsync(folder)
        self._unsynced.forget(written)


def _folders_between(root: str, name: str) -> list[str]:
    folder = os.path.dirname(name)
    found = []
    while len(folder) > len(root):
        found.append(folder)
        folder = os.path.dirname(folder)
    return found


def _fsync(path: str) -> bool:
    """Sync one file or folder; False where it is gone (cleaned up or renamed since)."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return True
