"""An archive under a prefix of an object store, reached through ``fsspec``.

Belongs here: file operations over fsspec, and the same store's options for
``deltalake``, which brings its own client: it gets endpoint, region and credentials
from the file system the root came with, so that one Airflow connection serves both.
Does not belong here: raw objects (``raw_objects``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import IO, Any

from mailroom.archive.failures import translated
from mailroom.archive.storage.durability import Durability, NoSync
from mailroom.archive.storage.object_requests import ObjectRequests
from mailroom.archive.storage.s3_settings import (
    ENDPOINT,
    S3Credentials,
    bucket_region,
    s3_credentials,
    s3_options,
)
from mailroom.exceptions import ConfigurationError

__all__ = ["WHOLE_READ_OCTETS", "ObjectStore"]

WHOLE_READ_OCTETS = 4 * 1024 * 1024
"""Files up to this size are read in one request; larger ones by ranges. Octets."""

UPLOAD_BLOCK_OCTETS = 8 * 1024 * 1024
"""Part size of streamed uploads: S3 takes at least 5 MiB a part. Octets."""

READERS = 32
"""How many small objects are asked for side by side."""

HELD_FOR = timedelta(minutes=15)
"""How long an object counts as held by a run that has not let go of it; longer than a batch takes."""

_SCHEMES = {
    "s3": "s3",
    "s3a": "s3",
    "s3n": "s3",
    "gs": "gs",
    "gcs": "gs",
    "abfs": "abfss",
    "abfss": "abfss",
    "az": "az",
}


class ObjectStore:
    """An archive in a bucket.

    :param filesystem: any fsspec file system whose kind ``deltalake`` knows as well.
    :param path: bucket and prefix.
    :param delta_options: ``deltalake``'s options, where the caller knows them; else they are derived.
    :raises ConfigurationError: where ``deltalake`` has no client for this kind of store.
    """

    has_credentials = True

    def __init__(
        self, filesystem: Any, path: str, scheme: str, delta_options: Mapping[str, str] | None = None
    ) -> None:
        if scheme not in _SCHEMES:
            raise ConfigurationError(
                f"An archive cannot lie on {scheme}://; use a local folder, s3://, gs:// or abfs://."
            )
        self.fs = filesystem
        self.scheme = _SCHEMES[scheme]
        self.prefix = path.strip("/")
        self.url = f"{scheme}://{self.prefix}"
        self._delta_options = dict(delta_options or {})
        self._region: str | None = None

    def absolute(self, path: str) -> str:
        """Return the key as fsspec wants it, bucket first."""
        return f"{self.prefix}/{path}" if path else self.prefix

    def table_uri(self, name: str) -> str:
        """Return the URI under which ``deltalake`` finds a table."""
        return f"{self.scheme}://{self.absolute(f'tables/{name}')}"

    def delta_options(self) -> dict[str, str] | None:
        """Return ``deltalake``'s options, with credentials as they are now.

        :raises StoreUnavailable: where the store's own session has none.
        """
        if self._delta_options:
            conditional = {"aws_conditional_put": "etag"} if self.scheme == "s3" else {}
            return conditional | self._delta_options
        with translated(self.url):
            if self.scheme == "s3":
                return _for_deltalake(self.native_options(), s3_credentials(self.fs))
            if self.scheme == "gs":
                return _gs_options(self.fs)
            return _azure_options(self.fs)

    def requests(self) -> ObjectRequests:
        """Return the way to put and fetch objects of this store."""
        fast = self.native_options if self.scheme == "s3" else None
        return ObjectRequests(lambda: self.fs, self.scheme, self.prefix, fast)

    def native_options(self) -> dict[str, str]:
        """Return S3 options other than credentials, as ``deltalake`` and ``obstore`` take them.

        They are those of the file system, whatever ``deltalake`` was told.
        """
        if self._region is None:
            self._region = bucket_region(self.fs, self.prefix.partition("/")[0])
        return s3_options(self.fs, self._region)

    def exists(self, path: str) -> bool:
        """Say whether an object, or anything under this prefix, is there.

        :raises StoreUnavailable: where the store cannot tell: no bucket, no credentials, no network.
        """
        with translated(self.url):
            self.fs.invalidate_cache(self.absolute(path))
            try:
                return bool(self.fs.ls(self.absolute(path), detail=False, refresh=True))
            except FileNotFoundError:
                self.fs.ls(
                    self.prefix.partition("/")[0], detail=False
                )  # a missing bucket is no empty archive
                return False

    def names(self, path: str) -> list[str]:
        """Return the names under a prefix up to the next slash, sorted; none where nothing is there.

        :raises StoreUnavailable: where the store cannot tell.
        """
        with translated(self.url):
            try:
                found = self.fs.ls(self.absolute(path), detail=False, refresh=True)
            except FileNotFoundError:
                return []
            return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

    def source(self, path: str, size: int) -> Any:
        """Return a buffer for a small object, a seekable reader by ranges for a large one."""
        with translated(self.url):
            if size <= WHOLE_READ_OCTETS:
                import pyarrow as pa

                return pa.BufferReader(self.fs.cat_file(self.absolute(path)))
            return self.fs.open(
                self.absolute(path), "rb", block_size=1024 * 1024, cache_type="readahead", size=size
            )

    @contextmanager
    def create(self, path: str) -> Iterator[IO[bytes]]:
        """Open a new object for writing; an upload whose block raises is abandoned."""
        file = self.fs.open(self.absolute(path), "wb", block_size=UPLOAD_BLOCK_OCTETS)
        try:
            yield file
        except BaseException:
            file.discard()
            file.closed = True  # fsspec's close() would complete the upload
            raise
        file.close()

    def remove(self, path: str) -> None:
        """Delete an object; no error where it is gone."""
        try:
            self.fs.rm_file(self.absolute(path))
        except FileNotFoundError:
            return

    def read_files(self, paths: Sequence[str]) -> list[bytes | None]:
        """Return the contents of small objects, asked for side by side; None for each that is not there.

        :raises StoreUnavailable: where the store refuses.
        """
        with translated(self.url), ThreadPoolExecutor(min(READERS, len(paths)) or 1) as pool:
            return list(pool.map(self._content, paths))

    def replace_file(self, path: str, content: bytes) -> None:
        """Put a small object in place of what was there.

        :raises StoreUnavailable: where the store refuses.
        """
        with translated(self.url):
            self.fs.pipe_file(self.absolute(path), content)

    def hold_file(self, path: str, content: bytes) -> Callable[[], None]:
        """Put a small object in place, for text only: one that ends with a line break is let go of.

        :return: what lets go of it, and leaves what was put in its place since alone.
        :raises StoreUnavailable: where the store refuses.
        """
        self.replace_file(path, content.rstrip())

        def let_go() -> None:
            if (
                self.read_files([path])[0] == content.rstrip()
            ):  # else it is gone, or somebody's who came after
                self.replace_file(path, content.rstrip() + b"\n")

        return let_go

    def is_held(self, path: str) -> bool:
        """Say whether a run may be at work on an object; one that was killed counts for a while.

        :raises StoreUnavailable: where the store refuses.
        """
        content = self.read_files([path])[0]
        if content is None or content.endswith(b"\n"):
            return False
        return datetime.now(UTC) - self.modified_at(path) < HELD_FOR

    def list_files(self, folder: str) -> list[str]:
        """Return the paths of the objects in a folder, sorted.

        :raises StoreUnavailable: where the store refuses.
        """
        with translated(self.url):
            self.fs.invalidate_cache(self.absolute(folder))
            try:
                found = self.fs.ls(self.absolute(folder), detail=False, refresh=True)
            except FileNotFoundError:
                return []
        return sorted(f"{folder}/{key.rpartition('/')[2]}" for key in found)

    def modified_at(self, path: str) -> datetime:
        """Return when an object was written, by the store's clock.

        :raises StoreUnavailable: where the store refuses.
        """
        with translated(self.url):
            found: datetime = self.fs.modified(self.absolute(path))
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)

    def _content(self, path: str) -> bytes | None:
        try:
            return bytes(self.fs.cat_file(self.absolute(path)))
        except FileNotFoundError:
            return None

    def durability(self) -> Durability:
        """Return a sync that does nothing: an object store answers when it is safe."""
        return NoSync()


def _for_deltalake(options: dict[str, str], credentials: S3Credentials | None) -> dict[str, str]:
    """Return S3 options with the endpoint under both of its names.

    Where the plainer one is missing, ``deltalake`` takes the store for AWS, and for each table asks the
    machine it runs on for a region, at an address that nobody answers at elsewhere.
    """
    if ENDPOINT in options:
        options = {**options, "aws_endpoint_url": options[ENDPOINT]}
    if credentials is None:
        return options
    found = {**options, "aws_access_key_id": credentials.key, "aws_secret_access_key": credentials.secret}
    if credentials.token:
        return {**found, "aws_session_token": credentials.token}
    if os.environ.get("AWS_SESSION_TOKEN"):
        # deltalake takes from the environment what it is not told, and there is no way to tell it none.
        raise ConfigurationError(
            "The environment variable AWS_SESSION_TOKEN belongs to another key than the one the archive's "
            "store is opened with, and would be sent along with it: unset it where this runs."
        )
    return found


def _gs_options(filesystem: Any) -> dict[str, str]:
    """Point at a service account file where one was given; else the environment's default holds."""
    token = getattr(filesystem, "token", None)
    return {"google_service_account": token} if isinstance(token, str) and "/" in token else {}


def _azure_options(filesystem: Any) -> dict[str, str]:
    names = {
        "account_name": "azure_storage_account_name",
        "account_key": "azure_storage_account_key",
        "sas_token": "azure_storage_sas_token",
        "client_id": "azure_storage_client_id",
        "client_secret": "azure_storage_client_secret",
        "tenant_id": "azure_storage_tenant_id",
    }
    return {
        theirs: str(value) for ours, theirs in names.items() if (value := getattr(filesystem, ours, None))
    }
