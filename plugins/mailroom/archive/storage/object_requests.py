"""Whole objects put and fetched: the two requests that everything large goes through.

Belongs here: which client sends a request, and what is done where the fast one fails. Does not
belong here: what an object means (``raw_objects``, ``delivery_store``). Methods raise what the
file system raises; callers translate.

The file system decides what happens in the end: where the fast client fails, the request is
sent again through the file system, and where that succeeds, the fast one is not asked any more.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any  # fsspec's file systems have no types

if TYPE_CHECKING:
    from mailroom.archive.storage.explicit_s3 import ExplicitS3
    from mailroom.archive.storage.native_s3 import NativeS3

__all__ = ["ObjectRequests"]

CHUNK_OCTETS = 1024 * 1024
"""Larger objects are read piece by piece. Octets."""

PART_OCTETS = 8 * 1024 * 1024
"""Size of the parts of a large upload: S3 takes at least 5 MiB. Octets."""

PARTS_AT_ONCE = 3
"""How many parts of one upload are sent side by side, each held in memory."""

MAX_FACT_OCTETS = 600
"""Longest value of an object's metadata as it is sent: S3 takes 2 KB in all. Octets."""

_UNQUOTED = " @.<>+-_/:,"
_PLAIN_TEXT = re.compile(r"[A-Za-z0-9 @.<>+\-_/:,~]*")
"""Metadata that goes as it is, as most does."""

MAX_PARTS = 9000
"""Larger files are sent in larger parts: S3 takes 10,000."""

_S3 = ("s3", "s3a", "s3n")
_GCS = ("gs", "gcs")

log = logging.getLogger(__name__)


class ObjectRequests:
    """Requests to one bucket; any number of threads may send them.

    :param filesystem: returns a file system of fsspec; called when one is needed first.
    :param prefix: bucket and prefix of all keys.
    :param native_options: returns options as ``deltalake`` takes them, for the fast client.
    :param asked: what S3 is asked of every object, by the names of its API, such as ``StorageClass``.
    :param explicit: settings for the fast client that need no file system, as long as they do.
    """

    def __init__(
        self,
        filesystem: Callable[[], Any],
        scheme: str,
        prefix: str,
        native_options: Callable[[], Mapping[str, str]] | None = None,
        asked: Mapping[str, Any] | None = None,
        explicit: ExplicitS3 | None = None,
    ) -> None:
        self._open_fs = filesystem
        self._scheme = scheme
        self._bucket = prefix.partition("/")[0]
        self._native_options = native_options
        self._asked = dict(asked or {})
        self._explicit = explicit
        self._lock = threading.Lock()
        self._large = threading.Lock()
        self._parts = threading.Semaphore(PARTS_AT_ONCE)
        self._native: NativeS3 | None = None
        self._is_native_open = native_options is None or scheme not in _S3

    @cached_property
    def _fs(self) -> Any:
        return self._open_fs()

    def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str,
        facts: Mapping[str, str] | None = None,
        exclusive: bool = False,
    ) -> None:
        """Put an object that is in memory, with its media type where the store has any.

        :param key: bucket first.
        :param facts: the object's own metadata.
        :raises FileExistsError: where it is to be exclusive and something is there.
        """
        about = self._described(content_type, facts or {})
        mode = {"mode": "create"} if exclusive else {}
        failed: Exception | None = None
        if (native := self._fast()) is not None:
            attributes = {"Content-Type": content_type, **about.get("Metadata", {})}
            try:
                native.put(key.partition("/")[2], data, exclusive=exclusive, attributes=attributes)
                return
            except native.errors as error:
                failed = error
        self._fs.pipe_file(key, data, **mode, **about)
        self._give_up_fast(native, failed)

    def put_file(
        self,
        path: str,
        key: str,
        *,
        content_type: str,
        facts: Mapping[str, str] | None = None,
        exclusive: bool = False,
    ) -> None:
        """Put a file of any size, in parts where it is large; so many parts are in memory, whoever calls.

        What fits in there goes in one request of the fast client, which knows no exclusive upload in parts:
        to load the other for one attachment would take as long as to deliver some two hundred.

        :raises FileExistsError: where it is to be exclusive and something is there.
        """
        about = self._described(content_type, facts or {})
        mode = {"mode": "create"} if exclusive else {}
        if self._scheme not in _S3:
            self._fs.put_file(path, key, **mode, **about)
            return
        octets = os.path.getsize(path)
        if octets <= PART_OCTETS:
            with self._parts, open(path, "rb") as file:
                self.put(key, file.read(), content_type=content_type, facts=facts, exclusive=exclusive)
            return
        with self._large, contextlib.ExitStack() as slots:
            for _ in range(PARTS_AT_ONCE):
                slots.enter_context(self._parts)
            if octets <= PARTS_AT_ONCE * PART_OCTETS and self._fast() is not None:
                file = slots.enter_context(open(path, "rb"))
                self.put(key, file.read(), content_type=content_type, facts=facts, exclusive=exclusive)
                return
            part = max(PART_OCTETS, octets // MAX_PARTS + 1)
            self._fs.put_file(path, key, chunksize=part, max_concurrency=PARTS_AT_ONCE, **mode, **about)

    def remove(self, key: str) -> None:
        """Delete an object.

        :raises FileNotFoundError: where there is none, and the store says so.
        """
        self._fs.rm_file(key)

    def fetch(self, key: str) -> tuple[int, Iterator[bytes]]:
        """Return an object's size, and its bytes in pieces of about ``CHUNK_OCTETS``.

        :raises FileNotFoundError: where there is none.
        """
        failed: Exception | None = None
        if (native := self._fast()) is not None:
            try:
                return native.get(key.partition("/")[2], CHUNK_OCTETS)
            except native.errors as error:
                failed = error
        found = self._fetch_slowly(key)
        self._give_up_fast(native, failed)
        return found

    def _described(self, content_type: str, facts: Mapping[str, str]) -> dict[str, Any]:
        """Return media type and metadata as the file system takes them; nothing where it takes none."""
        if self._scheme in _S3:
            about: dict[str, Any] = {"ContentType": content_type, **self._asked}
            return {**about, "Metadata": _quoted(facts)} if facts else about
        if self._scheme in _GCS:
            return {"content_type": content_type, **({"metadata": dict(facts)} if facts else {})}
        return {}

    def _fetch_slowly(self, key: str) -> tuple[int, Iterator[bytes]]:
        size = int(self._fs.info(key, refresh=True)["size"])
        if size <= CHUNK_OCTETS:
            return size, iter((bytes(self._fs.cat_file(key)),))
        return size, self._read_on(key)

    def _read_on(self, key: str) -> Iterator[bytes]:
        with self._fs.open(key, "rb", block_size=CHUNK_OCTETS) as file:
            while chunk := file.read(CHUNK_OCTETS):
                yield chunk

    def _fast(self) -> NativeS3 | None:
        if not self._is_native_open:
            with self._lock:
                if not self._is_native_open and self._native_options is not None:
                    self._native = self._open_native(self._native_options)
                    self._is_native_open = True
        return self._native

    def _open_native(self, options: Callable[[], Mapping[str, str]]) -> NativeS3 | None:
        from mailroom.archive.storage.native_s3 import open_explicit_s3, open_native_s3

        if self._explicit is not None:
            native = open_explicit_s3(self._explicit, self._bucket, self._asked)
            if native is not None:
                return native
            self._explicit = None
        return open_native_s3(self._fs, self._bucket, options, self._asked)

    def _give_up_fast(self, native: NativeS3 | None, error: Exception | None) -> None:
        """Do without this fast client from now on, if it failed where the file system did not.

        In place of one that was set by what is told alone another is made that is set as the file system
        is, which has asked. A key that it cannot spell says nothing about the next one.
        """
        if error is None or isinstance(error, ValueError):
            return
        with self._lock:
            if self._native is not native:
                return  # another thread was first
            self._native = None
            if self._explicit is not None:
                self._explicit, self._is_native_open = None, False
                return
        log.info("Objects of %s go through its file system: %s", self._bucket, type(error).__name__)


def _quoted(facts: Mapping[str, str]) -> dict[str, str]:
    """Return metadata as S3 takes it, in headers: percent-encoded, where it is not ASCII, and short."""
    return {name: _quoted_text(value) for name, value in facts.items()}


def _quoted_text(text: str) -> str:
    if len(text) <= MAX_FACT_OCTETS and _PLAIN_TEXT.fullmatch(text):
        return text.strip()
    quoted = urllib.parse.quote(text, safe=_UNQUOTED, errors="replace")
    while len(quoted) > MAX_FACT_OCTETS:
        text = text[: len(text) * MAX_FACT_OCTETS // len(quoted)]
        quoted = urllib.parse.quote(text, safe=_UNQUOTED, errors="replace")
    return quoted.strip()
