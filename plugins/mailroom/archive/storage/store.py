"""Where an archive lies: a local folder, or a prefix of an object store.

Belongs here: from a root (path, URL, ``UPath``, ``ObjectStoragePath``) to the few file
operations the archive needs, and to the URI and options under which ``deltalake``
finds the same place. Does not belong here: the layout below the root (``raw``,
``tables``). Paths given to a store are relative to the root, with ``/``.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from typing import IO, Any, Protocol

from mailroom.archive.failures import translated
from mailroom.archive.storage.durability import DiskSync, Durability, Sync, Unsynced, find_syncfs
from mailroom.exceptions import ConfigurationError

__all__ = ["LocalStore", "Root", "Store", "open_file_system", "open_store"]

Root = str | os.PathLike[str] | Any
"""A path, a URL, or an object with ``fs``, ``path`` and ``protocol`` (UPath, ObjectStoragePath).

``Any``, because Airflow's ``ObjectStoragePath`` shares no base class with ``UPath``.
"""


class Store(Protocol):
    """The file operations under the tables of an archive."""

    @property
    def url(self) -> str:
        """The root for people: never with credentials."""

    @property
    def has_credentials(self) -> bool:
        """Whether it is signed in to with credentials, which may expire."""

    def table_uri(self, name: str) -> str:
        """Return the URI under which ``deltalake`` finds a table."""

    def delta_options(self) -> dict[str, str] | None:
        """Return ``deltalake``'s storage options, with credentials as they are now."""

    def exists(self, path: str) -> bool:
        """Say whether a file or folder is there."""

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, sorted; none where it is not there."""

    def source(self, path: str, size: int) -> Any:
        """Return what ``pyarrow.parquet`` reads a file of this size from."""

    def create(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """Open a new file for writing; it is removed again where the block raises."""

    def remove(self, path: str) -> None:
        """Delete a file; no error where it is gone."""

    def read_files(self, paths: Sequence[str]) -> list[bytes | None]:
        """Return the contents of small files, None for each that is not there."""

    def replace_file(self, path: str, content: bytes) -> None:
        """Put a small file in place of what was there, whole or not at all."""

    def hold_file(self, path: str, content: bytes) -> Callable[[], None]:
        """Put a small file in place as ``replace_file`` does, held until what is returned is called."""

    def is_held(self, path: str) -> bool:
        """Say whether a process at work holds a file."""

    def list_files(self, folder: str) -> list[str]:
        """Return the paths of the files in a folder, sorted; none where it is not there."""

    def modified_at(self, path: str) -> datetime:
        """Return when a file was written, by the store's own clock."""

    def durability(self) -> Durability:
        """Return the sync of this store."""


class LocalStore:
    """An archive in a folder of this machine."""

    has_credentials = False

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.path.abspath(os.fspath(root))
        self.url = self.root
        self._unsynced = Unsynced()
        if re.search("%[0-9A-Fa-f]{2}", self.root):
            raise ConfigurationError(
                f"The archive root {self.root} has a percent sign before two hex digits, "
                "which table libraries take for an escape; choose another folder name."
            )

    @cached_property
    def syncfs(self) -> Sync | None:
        """The system's ``syncfs``, or None, which makes every written file be noted."""
        return find_syncfs()

    def absolute(self, path: str) -> str:
        """Return the path in the file system."""
        return f"{self.root}/{path}" if path else self.root

    def table_uri(self, name: str) -> str:
        """Return a ``file`` URI: as a bare path, blanks and umlauts would be mangled."""
        from pathlib import Path

        return Path(self.absolute(f"tables/{name}")).as_uri()

    def delta_options(self) -> dict[str, str] | None:
        """Return None: a disk needs no options."""
        return None

    def exists(self, path: str) -> bool:
        """Say whether a file or folder is there.

        :raises StoreUnavailable: where the disk cannot tell.
        """
        try:
            os.stat(self.absolute(path))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            with translated(self.url):
                raise
        return True

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, sorted; none where it is not there.

        :raises StoreUnavailable: where the disk refuses.
        """
        with translated(self.url):
            try:
                return sorted(os.listdir(self.absolute(path)))
            except FileNotFoundError:
                return []

    def source(self, path: str, size: int) -> str:
        """Return the path in the file system."""
        return self.absolute(path)

    @contextmanager
    def create(self, path: str) -> Iterator[IO[bytes]]:
        """Open a new file for writing; it is removed again where the block raises."""
        name = self.absolute(path)
        os.makedirs(os.path.dirname(name), exist_ok=True)
        try:
            with open(name, "xb", buffering=0) as file:
                yield file
        except BaseException:
            self.remove(path)
            raise
        self.wrote(name)

    def remove(self, path: str) -> None:
        """Delete a file; no error where it is gone."""
        try:
            os.unlink(self.absolute(path))
        except FileNotFoundError:
            return

    def read_files(self, paths: Sequence[str]) -> list[bytes | None]:
        """Return the contents of small files, None for each that is not there.

        :raises StoreUnavailable: where the disk refuses.
        """
        with translated(self.url):
            return [_content(self.absolute(path)) for path in paths]

    def replace_file(self, path: str, content: bytes) -> None:
        """Put a small file in place of what was there; a kill leaves the old one or the new one.

        :raises StoreUnavailable: where the disk refuses.
        """
        self.hold_file(path, content)()

    def hold_file(self, path: str, content: bytes) -> Callable[[], None]:
        """Put a small file in place as ``replace_file`` does, locked; the lock ends with the process.

        :return: what lets go of it.
        :raises StoreUnavailable: where the disk refuses.
        """
        name = self.absolute(path)
        with translated(self.url):
            os.makedirs(os.path.dirname(name), exist_ok=True)
            part = f"{name}.{os.urandom(16).hex()}.new"
            file = open(part, "xb", buffering=0)  # noqa: SIM115 - it stays open
            try:
                with suppress(OSError):  # some network disks know no locks
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.write(content)
                os.replace(part, name)
            except BaseException:
                file.close()
                raise
        self.wrote(name)
        return file.close

    def is_held(self, path: str) -> bool:
        """Say whether a process at work, this one or another, holds a file."""
        try:
            with open(self.absolute(path), "rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # it is gone, or this disk knows no locks
            return False
        return False

    def list_files(self, folder: str) -> list[str]:
        """Return the paths of the files in a folder, sorted; none where it is not there.

        :raises StoreUnavailable: where the disk refuses.
        """
        with translated(self.url):
            try:
                names = os.listdir(self.absolute(folder))
            except FileNotFoundError:
                return []
        return [f"{folder}/{name}" for name in sorted(names) if not name.endswith(".new")]

    def modified_at(self, path: str) -> datetime:
        """Return when a file was written, by the clock of whoever keeps the disk.

        :raises StoreUnavailable: where the disk refuses.
        """
        with translated(self.url):
            return datetime.fromtimestamp(os.stat(self.absolute(path)).st_mtime, UTC)

    def wrote(self, name: str) -> None:
        """Note a file for the next sync, where one call cannot cover them all."""
        if self.syncfs is None:
            self._unsynced.add(name)

    def claim_room(self, octets: int) -> None:
        """Fail unless so much can be written here now; nothing of it stays.

        :raises StoreUnavailable: where the disk is full or read-only.
        """
        name = self.absolute(f".room-{os.urandom(16).hex()}")
        with translated(self.url), open(name, "xb", buffering=0) as file:
            os.unlink(name)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, octets)

    def durability(self) -> Durability:
        """Return a sync that stays open for the writer's life."""
        return DiskSync(self.root, syncfs=self.syncfs, unsynced=self._unsynced)


def open_store(root: Root, storage_options: Mapping[str, Any] | None = None) -> Store:
    """Return the store for a root; nothing is created and no network is used yet.

    :param storage_options: for ``fsspec``, where the root is a URL of an object store; for
        ``deltalake``, where the root brings a file system of its own that is signed in already.
    :raises ConfigurationError: where the root names no place that can hold an archive.
    """
    found = open_file_system(root, storage_options)
    if isinstance(found, LocalStore):
        return found
    from mailroom.archive.storage.object_store import ObjectStore

    filesystem, path, scheme = found
    brings_its_own = hasattr(root, "fs")
    return ObjectStore(filesystem, path, scheme, storage_options if brings_its_own else None)


def open_file_system(
    root: Root, storage_options: Mapping[str, Any] | None = None
) -> LocalStore | tuple[Any, str, str]:
    """Return a local folder, or an fsspec file system with the path on it and its scheme.

    :raises ConfigurationError: where the root names no place.
    :raises StoreUnavailable: where the file system cannot be signed in.
    """
    if hasattr(root, "fs") and hasattr(root, "path") and hasattr(root, "protocol"):
        if root.protocol in ("", "file", "local"):
            return LocalStore(root.path)
        with translated(f"{root.protocol}://{root.path}"):
            return root.fs, root.path, root.protocol
    text = os.fspath(root)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return LocalStore(os.path.expanduser(text))
    if scheme in ("file", "local"):
        return LocalStore(_local_path(rest))
    return _open_url(scheme, rest, dict(storage_options or {})), rest, scheme


def _content(name: str) -> bytes | None:
    try:
        with open(name, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _local_path(rest: str) -> str:
    from urllib.parse import unquote

    path = unquote(rest)
    if path.startswith("localhost/"):
        path = path.removeprefix("localhost")
    if not path.startswith("/"):
        raise ConfigurationError(
            f"file://{rest} is no absolute path; write file:///folder with three slashes."
        )
    return path


def _open_url(scheme: str, rest: str, options: dict[str, Any]) -> Any:
    bucket = rest.partition("/")[0]
    if "@" in bucket and scheme not in ("abfs", "abfss", "az"):
        raise ConfigurationError(
            f"{scheme}://{bucket.rpartition('@')[2]}/… names a connection before the @, which only "
            "Airflow can look up; pass an ObjectStoragePath, or give storage_options."
        )
    if not bucket:
        raise ConfigurationError(f"{scheme}:// names no bucket; write {scheme}://bucket/prefix.")
    try:
        import fsspec

        with translated(f"{scheme}://{bucket}"):
            filesystem = fsspec.filesystem(scheme, **options)
            if hasattr(filesystem, "connect"):
                filesystem.connect()  # asks nothing of the network, but reads the options
            return filesystem
    except TypeError as error:
        if not options:
            raise ConfigurationError(
                f"{scheme}://{bucket} cannot be opened without storage options."
            ) from error
        raise ConfigurationError(
            f"The file system for {scheme}:// does not take one of these storage options: "
            f"{', '.join(sorted(options))}."
        ) from error
    except (ImportError, ValueError) as error:
        if isinstance(error, ValueError) and "protocol not known" not in str(error).lower():
            raise ConfigurationError(
                f"The settings for {scheme}://{bucket} make no sense; check its options and environment, "
                "such as AWS_ENDPOINT_URL, which must be a URL."
            ) from error
        raise ConfigurationError(
            f"No file system for {scheme}:// is installed; install airflow-mailroom with the extra for it "
            "(s3, gcs or azure)."
        ) from error
