"""A place that attachments are delivered to: exclusive creation, and nothing else that writes.

Belongs here: which stores there are, and creating one file that was not there on a local disk. Does not
belong here: object stores (``object_delivery``), what a delivery means (``deliveries``). A part of a file is
never seen under its final name: it is written without a name, or under another, and linked, which fails
where the name is taken.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

from mailroom.archive.delivering.customer_key import CustomerKey
from mailroom.archive.delivering.delivery_content import Content, copy_content, inside
from mailroom.archive.delivering.object_delivery import ObjectDeliveryStore
from mailroom.archive.failures import translated
from mailroom.archive.storage.durability import DiskSync, Durability, Unsynced, find_syncfs
from mailroom.archive.storage.explicit_s3 import explicit_s3
from mailroom.archive.storage.raw_file import FAILS_EITHER_WAY, link_nameless, open_nameless
from mailroom.archive.storage.store import LocalStore, Root, open_file_system
from mailroom.exceptions import ConfigurationError

__all__ = ["OBJECT_OPTIONS", "Content", "DeliveryStore", "open_delivery_store"]

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
        self._has_nameless = True

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
        levels = inside(path).split("/")[:-1]
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
        descriptor = open_nameless(folder)
        if descriptor is None:
            self._has_nameless = False
            return None
        with os.fdopen(descriptor, "wb") as file:
            copy_content(content, file, digest)
            file.flush()
            try:
                is_linked = link_nameless(descriptor, final)
            except FileExistsError:
                return False
        if not is_linked:
            self._has_nameless = False
            return None
        return True

    def _create_named(self, final: str, content: Content, digest: str) -> bool:
        incoming = f"{self.url}/{PART_FOLDER}"
        os.makedirs(incoming, exist_ok=True)
        part = f"{incoming}/{uuid.uuid4().hex}"
        try:
            with open(part, "xb") as file:
                copy_content(content, file, digest)
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
        return f"{self.url}/{inside(path)}"


def open_delivery_store(
    root: Root,
    storage_options: Mapping[str, Any] | None = None,
    object_options: Mapping[str, str] | None = None,
    customer_key: CustomerKey | None = None,
) -> DeliveryStore:
    """Return the place to deliver to; nothing is created yet.

    :param object_options: what is asked of every object, see ``OBJECT_OPTIONS``; S3 only.
    :param customer_key: what every object is encrypted with, and the existing ones are read with; S3 only.
    :raises ConfigurationError: where the root names no place, or cannot do what is asked.
    """
    asked = {name: _object_option(name, value) for name, value in (object_options or {}).items()}
    if isinstance(root, str) and customer_key is None:
        explicit = explicit_s3(root, storage_options or {}, os.environ)
        if explicit is not None:
            scheme, _, path = root.partition("://")
            opened = functools.cache(functools.partial(_open_bucket, root, storage_options))
            return ObjectDeliveryStore(opened, path, scheme, asked, explicit=explicit)
    found = open_file_system(root, storage_options)
    scheme = "file" if isinstance(found, LocalStore) else found[2]
    wanted = [*asked, *(("a customer's key",) if customer_key is not None else ())]
    if wanted and not scheme.startswith("s3"):
        raise ConfigurationError(
            f"{', '.join(wanted)} can be asked of objects in S3 only, not of {scheme}://."
        )
    if customer_key is not None and "ServerSideEncryption" in asked:
        raise ConfigurationError(
            "S3 encrypts with a customer's key or as ServerSideEncryption says, not both: leave one out."
        )
    if isinstance(found, LocalStore):
        return LocalDeliveryStore(found.root)
    filesystem, path, scheme = found
    return ObjectDeliveryStore(lambda: filesystem, path, scheme, asked, customer_key)


def _open_bucket(root: str, storage_options: Mapping[str, Any] | None) -> Any:
    found = open_file_system(root, storage_options)
    return None if isinstance(found, LocalStore) else found[0]


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


def _make_folder(folder: str) -> None:
    """Make a folder; mostly its parent is there."""
    try:
        os.mkdir(folder)
    except FileExistsError:
        return
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)


def _link(part: str, final: str) -> bool:
    """Give a file its name unless that is taken."""
    try:
        os.link(part, final)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in FAILS_EITHER_WAY:
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
