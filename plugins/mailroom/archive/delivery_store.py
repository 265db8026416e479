"""A place that attachments are delivered to: exclusive creation, and nothing else that writes.

Belongs here: creating one object that was not there, on a local disk or through fsspec.
Does not belong here: what a delivery means (``deliveries``). A part of an object is never
seen under its final name: on a disk it is written under another and linked, which fails
where the name is taken; an object store creates whole or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import urllib.parse
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any, Protocol

from mailroom.archive.durability import DiskSync, Durability, NoSync, Unsynced, find_syncfs
from mailroom.archive.failures import translated
from mailroom.archive.store import LocalStore, Root, open_file_system
from mailroom.exceptions import ConfigurationError, IntegrityError

__all__ = ["Content", "DeliveryStore", "open_delivery_store"]

IN_MEMORY_OCTETS = 8 * 1024 * 1024
"""Larger attachments go to an object store through a temporary file. Octets."""

CHUNK_OCTETS = 1024 * 1024
"""How much is read at a time to compare. Octets."""

PART_FOLDER = ".mailroom-incoming"
"""Folder of a local destination in which files are written before they get their name."""

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)

Content = Callable[[], Iterable[bytes]]
"""Returns the content anew, in pieces."""


class DeliveryStore(Protocol):
    """Where attachments go; paths are below the root, with ``/``."""

    @property
    def url(self) -> str:
        """The root for people and for rows, without credentials."""

    def create(
        self,
        path: str,
        content: Content,
        *,
        digest: str,
        size: int,
        content_type: str,
        facts: Mapping[str, str],
    ) -> bool:
        """Create an object; False where something is there already, which stays as it is."""

    def digest_of(self, path: str, size: int) -> str | None:
        """Return the SHA-256 of what is at a path, or None where nothing of this size is."""

    def durability(self) -> Durability:
        """Return the sync of this store."""


class LocalDeliveryStore:
    """A folder of this machine."""

    def __init__(self, root: str) -> None:
        self.url = os.path.abspath(root)
        self._syncfs = find_syncfs()
        self._unsynced = Unsynced()

    def create(
        self,
        path: str,
        content: Content,
        *,
        digest: str,
        size: int,
        content_type: str,
        facts: Mapping[str, str],
    ) -> bool:
        """Create a file; type and facts have no place on a disk and are in the table.

        :raises IntegrityError: where the content is not what was announced.
        :raises StoreUnavailable: where the disk refuses.
        """
        final = self._absolute(path)
        with translated(self.url):
            if os.path.lexists(final):
                return False
            incoming = f"{self.url}/{PART_FOLDER}"
            os.makedirs(incoming, exist_ok=True)
            os.makedirs(os.path.dirname(final), exist_ok=True)
            part = f"{incoming}/{uuid.uuid4().hex}"
            try:
                with open(part, "xb") as file:
                    _copy(content, file, digest)
                created = _link(part, final)
            finally:
                if os.path.exists(part):
                    os.unlink(part)
            if created and self._syncfs is None:
                self._unsynced.add(final)
            return created

    def digest_of(self, path: str, size: int) -> str | None:
        """Return the SHA-256 of a file, or None where no file of this size is there."""
        with translated(self.url):
            try:
                with open(self._absolute(path), "rb") as file:
                    if os.fstat(file.fileno()).st_size != size:
                        return None
                    return hashlib.file_digest(file, "sha256").hexdigest()
            except (FileNotFoundError, IsADirectoryError):
                return None

    def durability(self) -> Durability:
        """Return a sync of the file system this folder is on."""
        with translated(self.url):
            os.makedirs(self.url, exist_ok=True)
        return DiskSync(self.url, syncfs=self._syncfs, unsynced=self._unsynced)

    def _absolute(self, path: str) -> str:
        return f"{self.url}/{_inside(path)}"


class ObjectDeliveryStore:
    """A prefix of an object store that can create exclusively (S3 and its kin, GCS, Azure)."""

    def __init__(self, filesystem: Any, path: str, scheme: str) -> None:
        self._fs = filesystem
        self._prefix = path.strip("/")
        self._scheme = scheme
        self.url = f"{scheme}://{self._prefix}"

    def create(
        self,
        path: str,
        content: Content,
        *,
        digest: str,
        size: int,
        content_type: str,
        facts: Mapping[str, str],
    ) -> bool:
        """Create an object with its media type, and facts as its metadata where the store has any.

        :raises IntegrityError: where the content is not what was announced.
        :raises StoreUnavailable: where the store refuses.
        """
        key, about = self._key(path), self._about(content_type, facts)
        with translated(self.url):
            try:
                if size <= IN_MEMORY_OCTETS:
                    data = b"".join(content())
                    _check(hashlib.sha256(data).hexdigest(), digest)
                    self._fs.pipe_file(key, data, mode="create", **about)
                else:
                    with tempfile.NamedTemporaryFile(prefix="mailroom-") as file:
                        _copy(content, file, digest)
                        file.flush()
                        self._fs.put_file(file.name, key, mode="create", **about)
            except FileExistsError:
                return False
        return True

    def digest_of(self, path: str, size: int) -> str | None:
        """Return the SHA-256 of an object, or None where none of this size is there."""
        key = self._key(path)
        with translated(self.url):
            try:
                if int(self._fs.info(key, refresh=True)["size"]) != size:
                    return None
                found = hashlib.sha256()
                with self._fs.open(key, "rb", block_size=CHUNK_OCTETS) as file:
                    while chunk := file.read(CHUNK_OCTETS):
                        found.update(chunk)
            except FileNotFoundError:
                return None
        return found.hexdigest()

    def durability(self) -> Durability:
        """Return a sync that does nothing: an object store answers when it is safe."""
        return NoSync()

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{_inside(path)}"

    def _about(self, content_type: str, facts: Mapping[str, str]) -> dict[str, Any]:
        if self._scheme.startswith("s3"):
            # S3 sends metadata as headers, so what is not ASCII is percent-encoded.
            quoted = {name: urllib.parse.quote(value, safe=" @.<>+-_/:,") for name, value in facts.items()}
            return {"ContentType": content_type, "Metadata": quoted}
        if self._scheme in ("gs", "gcs"):
            return {"content_type": content_type, "metadata": dict(facts)}
        return {}


def open_delivery_store(root: Root, storage_options: Mapping[str, Any] | None = None) -> DeliveryStore:
    """Return the place to deliver to; nothing is created yet.

    :raises ConfigurationError: where the root names no place.
    """
    found = open_file_system(root, storage_options)
    if isinstance(found, LocalStore):
        return LocalDeliveryStore(found.root)
    filesystem, path, scheme = found
    return ObjectDeliveryStore(filesystem, path, scheme)


def _inside(path: str) -> str:
    """Return a path that stays below the root.

    :raises ConfigurationError: where it would not; names from mail are made safe before this.
    """
    segments = path.split("/")
    if not path or "\0" in path or any(segment in ("", ".", "..") for segment in segments):
        raise ConfigurationError(f"'{path}' is no path below a destination; check the name template.")
    return path


def _copy(content: Content, file: IO[bytes], digest: str) -> None:
    found = hashlib.sha256()
    for chunk in content():
        found.update(chunk)
        file.write(chunk)
    _check(found.hexdigest(), digest)


def _check(found: str, expected: str) -> None:
    if found != expected:
        raise IntegrityError(
            "An attachment's content is not what the archive's table says; run mailroom verify.",
            digest_expected=expected,
            digest_found=found,
        )


def _link(part: str, final: str) -> bool:
    """Give a file its name unless that is taken."""
    try:
        os.link(part, final)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _create_copy(part, final)
    return True


def _create_copy(part: str, final: str) -> bool:
    """Do without hard links, which some network disks lack: create exclusively, remove on failure."""
    try:
        descriptor = os.open(final, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    try:
        with os.fdopen(descriptor, "wb") as target, open(part, "rb") as source:
            shutil.copyfileobj(source, target, CHUNK_OCTETS)
    except OSError:
        os.unlink(final)
        raise
    return True
