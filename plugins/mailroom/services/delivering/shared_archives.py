"""Zip archives whose members are on their way: each is decoded once, however many threads read from it.

Here: when one is opened and closed, and that threads take turns in it. Not here: what is in it
(``zip_contents``), loads of members (``delivery_run``). The library reads from one place at a
time; storing takes longer than reading, so that turns cost little.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack

from mailroom.archive.storage.raw import RawStore
from mailroom.message import iter_attachment
from mailroom.policy.attachments import Attachment
from mailroom.services.delivering.zip_contents import ZipContents, split_part

__all__ = ["SharedArchive", "SharedArchives"]

_Key = tuple[str, str, tuple[int, ...]]


class SharedArchive:
    """One archive; opened by the first thread that reads from it, closed when the last holder lets go.

    :param key: message, part, and the numbers of members that lead to it where it lies in others.
    :param parent: the archive it lies in, which it holds.
    """

    def __init__(
        self, raw: RawStore, key: _Key, unzip_password: str | None, parent: SharedArchive | None
    ) -> None:
        self.key = key
        self._raw = raw
        self._unzip_password = unzip_password
        self._parent = None if parent is None else parent.hold()
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._contents: ZipContents | None = None
        self._holders = 0

    def hold(self) -> SharedArchive:
        """Keep it open, once it is, until this holder lets go; return it."""
        with self._lock:
            self._holders += 1
        return self

    def let_go(self) -> None:
        """Close it where nobody else holds it."""
        with self._lock:
            self._holders -= 1
            if self._holders:
                return
            self._contents = None
            self._open.close()
        if self._parent is not None:
            self._parent.let_go()

    def read(self, number: int) -> Iterator[bytes]:
        """Yield the content of a member in chunks.

        :raises MailroomError: where the archive cannot be opened, or is damaged there.
        """
        with self._lock:
            chunks = self._opened().read(number)
        try:
            while True:
                with self._lock:
                    chunk = next(chunks, None)
                if chunk is None:
                    return
                yield chunk
        finally:
            with self._lock:
                chunks.close()

    def _nested(self, number: int) -> ZipContents:
        with self._lock:
            return self._opened().nested(number)

    def _opened(self) -> ZipContents:
        if self._contents is None:
            digest, part, numbers = self.key
            if self._parent is not None:
                opened = self._parent._nested(numbers[-1])
            else:
                with self._raw.mapped(digest) as content:
                    opened = ZipContents(iter_attachment(content, part), part, self._unzip_password)
            self._contents = self._open.enter_context(opened)
        return self._contents


class SharedArchives:
    """The archives of members in the order chosen, in which those of one archive follow one another."""

    def __init__(self, raw: RawStore, unzip_password: str | None) -> None:
        self._raw = raw
        self._unzip_password = unzip_password
        self._path: list[SharedArchive] = []

    def of(self, attachment: Attachment) -> SharedArchive | None:
        """Return the archive that an attachment is a member of, held for whoever reads it, or None."""
        part, numbers = split_part(attachment.part)
        keys = [(attachment.message_sha256, part, tuple(numbers[:depth])) for depth in range(len(numbers))]
        while self._path and self._path[-1].key not in keys:
            self._path.pop().let_go()
        for key in keys[len(self._path) :]:
            parent = self._path[-1] if self._path else None
            self._path.append(SharedArchive(self._raw, key, self._unzip_password, parent).hold())
        return self._path[-1].hold() if keys else None

    def close(self) -> None:
        """Let go of the last ones; what is on its way still holds its own."""
        while self._path:
            self._path.pop().let_go()
