"""A place that attachments are delivered to: exclusive creation, and nothing else that writes.

Belongs here: creating one object that was not there, on a local disk or in an object store.
Does not belong here: what a delivery means (``deliveries``). A part of an object is never
seen under its final name: on a disk it is written without a name, or under another, and
linked, which fails where the name is taken; an object store creates whole or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any, Protocol

from mailroom.archive.failures import translated
from mailroom.archive.storage.durability import DiskSync, Durability, NoSync, Unsynced, find_syncfs
from mailroom.archive.storage.object_requests import ObjectRequests
from mailroom.archive.storage.s3_settings import bucket_region, s3_options
from mailroom.archive.storage.store import LocalStore, Root, open_file_system
from mailroom.exceptions import ConfigurationError, IntegrityError

__all__ = ["OBJECT_OPTIONS", "Content", "DeliveryStore", "open_delivery_store"]

IN_MEMORY_OCTETS = 8 * 1024 * 1024
"""Larger attachments go to an object store through a temporary file. Octets."""

CHUNK_OCTETS = 1024 * 1024
"""How much is read at a time to compare. Octets."""

OBJECT_OPTIONS = (
    "ServerSideEncryption",
    "SSEKMSKeyId",
    "BucketKeyEnabled",
    "StorageClass",
    "ACL",
    "CacheControl",
    "Tagging",
)
"""What S3 may be asked of every object that is created, by the names of its API."""

PART_FOLDER = ".mailroom-incoming"
"""Folder of a local destination in which files are written before they get their name."""

_NOT_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL, errno.ENOSYS)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)

Content = Callable[[], Iterable[bytes]]
"""Returns the content anew, in pieces."""


class DeliveryStore(Protocol):
    """Where attachments go; paths are below the root, with ``/``."""

    @property
    def at_once(self) -> int:
        """How many objects are best created side by side."""

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

    def blocked_level(self, path: str) -> int | None:
        """Return which folder of a path cannot be one because a file has its name; None where all can."""

    def digest_of(self, path: str, size: int) -> str | None:
        """Return the SHA-256 of what is at a path, or None where nothing of this size is."""

    def remove(self, path: str) -> None:
        """Delete what is there."""

    def durability(self) -> Durability:
        """Return the sync of this store."""


class LocalDeliveryStore:
    """A folder of this machine."""

    at_once = 2
    """One decodes while the other waits for the disk; more wait for each other."""

    def __init__(self, root: str) -> None:
        self.url = os.path.abspath(root)
        self._syncfs = find_syncfs()
        self._unsynced = Unsynced()
        self._has_nameless = hasattr(os, "O_TMPFILE")

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
            folder = os.path.dirname(final)
            try:
                _make_folder(folder)
                created = self._create_nameless(folder, final, content, digest)
            except (NotADirectoryError, FileExistsError):
                return False
            if created is None:
                created = self._create_named(final, content, digest)
            if created and self._syncfs is None:
                self._unsynced.add(final)
            return created

    def blocked_level(self, path: str) -> int | None:
        """Return which folder of a path is a file."""
        levels = _inside(path).split("/")[:-1]
        with translated(self.url):
            for level in range(len(levels)):
                place = f"{self.url}/{'/'.join(levels[: level + 1])}"
                if os.path.lexists(place) and not os.path.isdir(place):
                    return level
        return None

    def _create_nameless(self, folder: str, final: str, content: Content, digest: str) -> bool | None:
        """Write a file that has no name before it is whole; None where this disk knows no such thing.

        Of all ways it is the cheapest on ext4, and a kill leaves nothing behind.
        """
        if not self._has_nameless:
            return None
        try:
            descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o666)
        except OSError as error:
            if error.errno not in _NOT_NAMELESS:
                raise
            self._has_nameless = False
            return None
        with os.fdopen(descriptor, "wb") as file:
            _copy(content, file, digest)
            file.flush()
            try:
                # Only where a descriptor is given does Python follow the link, as this needs.
                os.link(f"/proc/self/fd/{descriptor}", final, src_dir_fd=descriptor)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in (*_NO_LINKS, errno.ENOENT):
                    raise
                self._has_nameless = False
                return None
        return True

    def _create_named(self, final: str, content: Content, digest: str) -> bool:
        incoming = f"{self.url}/{PART_FOLDER}"
        os.makedirs(incoming, exist_ok=True)
        part = f"{incoming}/{uuid.uuid4().hex}"
        try:
            with open(part, "xb") as file:
                _copy(content, file, digest)
            return _link(part, final)
        finally:
            if os.path.exists(part):
                os.unlink(part)

    def digest_of(self, path: str, size: int) -> str | None:
        """Return the SHA-256 of a file, or None where no file of this size is there."""
        with translated(self.url):
            try:
                with open(self._absolute(path), "rb") as file:
                    if os.fstat(file.fileno()).st_size != size:
                        return None
                    return hashlib.file_digest(file, "sha256").hexdigest()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                return None

    def remove(self, path: str) -> None:
        """Delete a file; no error where it is gone."""
        with translated(self.url), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(self._absolute(path))

    def durability(self) -> Durability:
        """Return a sync of the file system this folder is on."""
        with translated(self.url):
            os.makedirs(self.url, exist_ok=True)
        return DiskSync(self.url, syncfs=self._syncfs, unsynced=self._unsynced)

    def _absolute(self, path: str) -> str:
        return f"{self.url}/{_inside(path)}"


class ObjectDeliveryStore:
    """A prefix of an object store that can create exclusively (S3 and its kin, GCS, Azure)."""

    at_once = 16
    """A store answers one by one in tens of milliseconds."""

    def __init__(self, filesystem: Any, path: str, scheme: str, asked: Mapping[str, Any]) -> None:
        self._prefix = path.strip("/")
        self.url = f"{scheme}://{self._prefix}"

        def options() -> dict[str, str]:
            return s3_options(filesystem, bucket_region(filesystem, self._prefix.partition("/")[0]))

        self._requests = ObjectRequests(filesystem, scheme, self._prefix, options, asked)

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
        key = self._key(path)
        with translated(self.url):
            try:
                if size <= IN_MEMORY_OCTETS:
                    data = b"".join(content())
                    _check(hashlib.sha256(data).hexdigest(), digest)
                    self._requests.put(key, data, content_type=content_type, facts=facts, exclusive=True)
                else:
                    with tempfile.NamedTemporaryFile(prefix="mailroom-") as file:
                        _copy(content, file, digest)
                        file.flush()
                        self._requests.put_file(
                            file.name, key, content_type=content_type, facts=facts, exclusive=True
                        )
            except FileExistsError:
                return False
        return True

    def blocked_level(self, path: str) -> int | None:
        """Return None: an object and a prefix may have one name."""
        return None

    def digest_of(self, path: str, size: int) -> str | None:
        """Return the SHA-256 of an object, or None where none of this size is there."""
        with translated(self.url):
            try:
                there, pieces = self._requests.fetch(self._key(path))
            except FileNotFoundError:
                return None
            if there != size:
                return None
            found = hashlib.sha256()
            for piece in pieces:
                found.update(piece)
        return found.hexdigest()

    def remove(self, path: str) -> None:
        """Delete an object; no error where it is gone."""
        with translated(self.url), contextlib.suppress(FileNotFoundError):
            self._requests.remove(self._key(path))

    def durability(self) -> Durability:
        """Return a sync that does nothing: an object store answers when it is safe."""
        return NoSync()

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{_inside(path)}"


def open_delivery_store(
    root: Root,
    storage_options: Mapping[str, Any] | None = None,
    object_options: Mapping[str, str] | None = None,
) -> DeliveryStore:
    """Return the place to deliver to; nothing is created yet.

    :param object_options: what is asked of every object, see ``OBJECT_OPTIONS``; S3 only.
    :raises ConfigurationError: where the root names no place, or cannot do what is asked.
    """
    asked = {name: _object_option(name, value) for name, value in (object_options or {}).items()}
    found = open_file_system(root, storage_options)
    scheme = "file" if isinstance(found, LocalStore) else found[2]
    if asked and not scheme.startswith("s3"):
        raise ConfigurationError(
            f"{', '.join(asked)} can be asked of objects in S3 only, not of {scheme}://."
        )
    if isinstance(found, LocalStore):
        return LocalDeliveryStore(found.root)
    filesystem, path, scheme = found
    return ObjectDeliveryStore(filesystem, path, scheme, asked)


def _object_option(name: str, value: str) -> str | bool:
    """Return an option as the S3 API takes it.

    :raises ConfigurationError: where there is none of this name, or its value makes no sense.
    """
    if name not in OBJECT_OPTIONS:
        raise ConfigurationError(
            f"{name} cannot be asked of an object; there are {', '.join(OBJECT_OPTIONS)}."
        )
    text = str(value).strip()
    if name != "BucketKeyEnabled":
        if not text:
            raise ConfigurationError(f"{name} is empty; give a value or leave it out.")
        return text
    if text.lower() not in ("true", "false"):
        raise ConfigurationError(f"{name} is true or false, not {text!r}.")
    return text.lower() == "true"


def _inside(path: str) -> str:
    """Return a path that stays below the root.

    :raises ConfigurationError: where it would not; names from mail are made safe before this.
    """
    segments = path.split("/")
    if not path or "\0" in path or any(segment in ("", ".", "..") for segment in segments):
        raise ConfigurationError(f"'{path}' is no path below a destination; check the name template.")
    return path


def _make_folder(folder: str) -> None:
    """Make a folder; mostly its parent is there."""
    try:
        os.mkdir(folder)
    except FileExistsError:
        return
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)


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
