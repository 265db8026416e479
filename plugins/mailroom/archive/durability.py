"""Make written files survive a power cut: one ``syncfs``, or ``fsync`` of what is new.

Belongs here: the system calls, and the list of what was written since the last sync.
Does not belong here: when a sync is due (``committer``). Object stores answer a write
only when it is durable, so they need none of this. ``syncfs(2)`` is preferred on Linux:
it costs one call for thousands of files, and covers what other libraries wrote beside
us (Delta's log entries are never synced by their writer).
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from mailroom.archive.failures import translated

__all__ = ["DiskSync", "Durability", "NoSync", "Sync", "find_syncfs"]

Sync = Callable[[int], int]
"""``syncfs``: takes a file descriptor, returns 0 or raises ``OSError``."""


def find_syncfs() -> Sync | None:
    """Return the C library's ``syncfs``, or None where the system has none."""
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

    def wrote(self, path: str) -> None:
        """Remember a file that the next sync has to cover."""

    def sync(self) -> None:
        """Block until everything written so far survives a power cut."""

    def close(self) -> None:
        """Release what is held open."""


class NoSync:
    """The sync of a store that is durable as soon as it answers."""

    def wrote(self, path: str) -> None:
        """Do nothing: the store answered, so the object is safe."""

    def sync(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class DiskSync:
    """Sync what was written below one local root.

    The descriptor stays open between syncs: Linux reports a failed write-back to
    ``syncfs`` only on descriptors that were open when it happened.

    :param syncfs: the system's ``syncfs``; None means to fsync file by file.
    :raises StoreUnavailable: where the root cannot be opened.
    """

    def __init__(self, root: str, *, syncfs: Sync | None) -> None:
        self._root = root
        self._syncfs = syncfs
        self._lock = threading.Lock()
        self._files: set[str] = set()
        with translated(root):
            self._descriptor = os.open(root, os.O_RDONLY)

    def wrote(self, path: str) -> None:
        """Remember a file that the next sync has to cover."""
        if self._syncfs is None:
            with self._lock:
                self._files.add(path)

    def sync(self) -> None:
        """Block until everything written below the root is on the disk.

        :raises StoreUnavailable: where the disk reports an error; nothing may then be
            deleted anywhere on the strength of what was written.
        """
        with translated(self._root):
            if self._syncfs is not None:
                self._syncfs(self._descriptor)
            else:
                self._sync_each()

    def close(self) -> None:
        """Release the descriptor; safe to call twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _sync_each(self) -> None:
        with self._lock:
            written = set(self._files)
        logs = [log for log in Path(self._root).glob("tables/*/_delta_log") if log.is_dir()]
        files = written.union(str(entry) for log in logs for entry in log.iterdir())
        folders = {self._root}
        for name in files:
            if _fsync(name):
                folders.update(_folders_between(self._root, name))
        for folder in sorted(folders, key=len, reverse=True):
            _fsync(folder)
        with self._lock:
            self._files -= written


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
