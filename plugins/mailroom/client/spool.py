"""One message on its way in: kept in memory while small, spooled to a file when large.

Shared by both clients. The digest of a spooled message is computed while it arrives, so
that nothing large is read a second time. Making a file durable is the archive's work.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import BinaryIO

from mailroom.exceptions import StoreUnavailable
from mailroom.model import Body, SpoolFactory

__all__ = ["SPOOL_OCTETS", "BodySink"]

SPOOL_OCTETS = 1024 * 1024
"""Largest message kept in memory; anything larger goes to a file, so that memory stays flat."""


class BodySink:
    """Takes the pieces of one message and makes a :class:`~mailroom.model.Body` of them."""

    __slots__ = ("_digest", "_file", "_held", "_octets", "_path", "_spool")

    def __init__(self, spool: SpoolFactory) -> None:
        self._spool = spool
        self._held: list[bytes] = []
        self._octets = 0
        self._file: BinaryIO | None = None
        self._path: str | None = None
        self._digest = hashlib.sha256()

    @property
    def octets(self) -> int:
        """How many came so far."""
        return self._octets

    def read_back(self, start: int, count: int) -> bytes:
        """Return octets of a spooled message that came before.

        :raises StoreUnavailable: if the spool file cannot be read.
        """
        try:
            with open(self._path or "", "rb", buffering=0) as file:
                return os.pread(file.fileno(), count, start)
        except OSError as error:
            raise self._unavailable(error) from error

    def write(self, piece: bytes) -> None:
        """Add the next octets.

        :raises StoreUnavailable: if the spool file cannot be written.
        """
        self._octets += len(piece)
        if self._file is not None:
            self._store(piece)
            return
        self._held.append(piece)
        if self._octets > SPOOL_OCTETS:
            held, self._held = self._held, []
            self._store(b"".join(held) if len(held) > 1 else held[0])

    def finish(self) -> Body:
        """Return the whole message.

        :raises StoreUnavailable: if the spool file cannot be written.
        """
        if self._file is None:
            content = self._held[0] if len(self._held) == 1 else b"".join(self._held)
            return Body(octets=self._octets, content=content)
        try:
            self._file.close()
        except OSError as error:
            raise self._unavailable(error) from error
        return Body(octets=self._octets, path=self._path, sha256=self._digest.hexdigest())

    def discard(self) -> None:
        """Forget the message and remove its file; for a message that did not arrive whole."""
        self._held = []
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            if self._path is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._path)

    def _store(self, piece: bytes) -> None:
        try:
            if self._file is None:
                self._path = self._spool()
                self._file = open(self._path, "wb", buffering=0)  # noqa: SIM115 - closed by finish or discard
            self._digest.update(piece)
            view = memoryview(piece)
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> StoreUnavailable:
        folder = os.path.dirname(self._path or "") or "the folder for large messages"
        reason = StoreUnavailable.reason_of(error) or "other"
        return StoreUnavailable.because(reason, folder, f"{type(error).__name__}: {error.strerror}")
