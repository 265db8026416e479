"""A prefix of an object store that attachments are delivered to: it creates whole or not at all.

Belongs here: creating one object that was not there, and reading what is. Does not belong here: local
disks (``delivery_store``), what a delivery means (``deliveries``), single requests (``storage``).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import tempfile
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any  # fsspec's file systems have no types

from mailroom.archive.delivering.customer_key import CustomerKey, needs_a_key, with_customer_key
from mailroom.archive.delivering.delivery_content import Content, check_content, copy_content, inside
from mailroom.archive.failures import translated
from mailroom.archive.storage.durability import Durability, NoSync
from mailroom.archive.storage.explicit_s3 import ExplicitS3
from mailroom.archive.storage.object_requests import ObjectRequests
from mailroom.archive.storage.s3_settings import bucket_region, s3_options
from mailroom.exceptions import StoreUnavailable

__all__ = ["ObjectDeliveryStore"]

IN_MEMORY_OCTETS = 8 * 1024 * 1024
"""Larger attachments go to an object store through a temporary file. Octets."""


class ObjectDeliveryStore:
    """A prefix of an object store that can create exclusively (S3 and its kin, GCS, Azure)."""

    at_once = 16
    """A store answers one by one in tens of milliseconds."""

    def __init__(
        self,
        filesystem: Callable[[], Any],
        path: str,
        scheme: str,
        asked: Mapping[str, Any],
        customer_key: CustomerKey | None = None,
        explicit: ExplicitS3 | None = None,
    ) -> None:
        """Make a store; nothing is asked of it yet.

        :param filesystem: returns fsspec's file system, always the same.
        :param explicit: settings that make a file system needless while all goes well.
        """
        self._prefix = path.strip("/")
        self._plain, self._key_given = filesystem, customer_key
        self._trial = threading.Lock()
        self._may_read: bool | None = None
        if customer_key is not None:
            filesystem = _always(with_customer_key(filesystem(), customer_key))
        self.url = f"{scheme}://{self._prefix}"

        def options() -> dict[str, str]:
            opened = filesystem()
            return s3_options(opened, bucket_region(opened, self._prefix.partition("/")[0]))

        self._requests = ObjectRequests(filesystem, scheme, self._prefix, options, asked, explicit)

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
                    check_content(hashlib.sha256(data).hexdigest(), digest)
                    self._requests.put(key, data, content_type=content_type, facts=facts, exclusive=True)
                else:
                    with tempfile.NamedTemporaryFile(prefix="mailroom-") as file:
                        copy_content(content, file, digest)
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
        """Return the SHA-256 of an object, or None where none of this size is there.

        :raises StoreUnavailable: where it cannot be read, as without the key that it was encrypted with.
        """
        with translated(self.url):
            try:
                there, pieces = self._requests.fetch(self._key(path))
            except FileNotFoundError:
                return None
            except OSError as error:
                if self._is_of_another_key(path, error):
                    return None
                if (reason := self._why_unread(error)) is not None:
                    raise StoreUnavailable(f"{self.url}/{path} cannot be read: {reason}") from error
                raise
            if there != size:
                return None
            found = hashlib.sha256()
            for piece in pieces:
                found.update(piece)
        return found.hexdigest()

    def _why_unread(self, error: OSError) -> str | None:
        """Return what people need to know that the store does not say, or None."""
        if self._key_given is None and error.errno == errno.EINVAL:
            return (
                "S3 asks for the customer's key that it was encrypted with. Give that key, or have whoever "
                "has it look."
            )
        if isinstance(error, PermissionError) and self._may_read is False:
            return (
                "nothing may be read there, so that it cannot be told from what is to be delivered. Permit "
                "it (s3:GetObject), or deliver to another place."
            )
        return None

    def _is_of_another_key(self, path: str, error: OSError) -> bool:
        """Return whether an object could not be read because it is not encrypted with the key given.

        S3 answers 400 where one is encrypted otherwise, and 403 where the key is another one, as where
        nothing may be read at all; asked without a key it says 400 to the former alone. Other stores say
        400 to both, and then a trial shows whether anything may be read: what cannot be told from the
        attachment itself would be delivered once more under the next number.
        """
        if self._key_given is None:
            return False
        if error.errno == errno.EINVAL:
            return True
        is_keyed = isinstance(error, PermissionError) and needs_a_key(self._plain(), self._key(path))
        return is_keyed and self._may_read_own()

    def _may_read_own(self) -> bool:
        """Return whether an object of the key given can be read, which one is created for and removed."""
        with self._trial:
            if self._may_read is None:
                key = f"{self._prefix}/.mailroom-{uuid.uuid4().hex}"
                self._requests.put(key, b"trial", content_type="text/plain")
                try:
                    self._requests.fetch(key)
                    self._may_read = True
                except PermissionError:
                    self._may_read = False
                finally:
                    with contextlib.suppress(OSError):
                        self._requests.remove(key)
            return self._may_read

    def remove(self, path: str) -> None:
        """Delete an object; no error where it is gone."""
        with translated(self.url), contextlib.suppress(FileNotFoundError):
            self._requests.remove(self._key(path))

    def durability(self) -> Durability:
        """Return a sync that does nothing: an object store answers when it is safe."""
        return NoSync()

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{inside(path)}"


def _always(filesystem: Any) -> Callable[[], Any]:
    return lambda: filesystem
