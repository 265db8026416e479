"""A raw DEFLATE stream in each direction (RFC 1951, as RFC 4978 asks for it): octets in, octets out.

Belongs here: deflating what is sent so that the server can read all of it at once, and
inflating what comes a bounded piece at a time: a few octets can stand for a thousand times as
many, and memory must stay flat whoever sent them. Does not belong here: the connection, and
when to compress.
"""

from __future__ import annotations

import zlib

from mailroom.exceptions import RemoteProtocolError

__all__ = ["Deflater", "Inflater"]

_RAW = -zlib.MAX_WBITS
"""Neither header nor checksum around the stream (RFC 4978 section 3)."""


class Deflater:
    """Deflates what is sent."""

    __slots__ = ("_stream",)

    def __init__(self) -> None:
        self._stream = zlib.compressobj(wbits=_RAW)

    def deflate(self, data: bytes) -> bytes:
        """Return the octets to send, from which the server can read ``data`` to its end."""
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)


class Inflater:
    """Inflates what is received: feed it once :meth:`take` has nothing more to give.

    :param where: ``host:port``, for error messages.
    """

    __slots__ = ("_has_more", "_stream", "_waiting", "_where")

    def __init__(self, where: str) -> None:
        self._where = where
        self._stream = zlib.decompressobj(wbits=_RAW)
        self._waiting = b""
        self._has_more = False

    def feed(self, data: bytes) -> None:
        """Take octets as they arrived, cut anywhere."""
        self._waiting += data
        self._has_more = True

    def take(self, limit: int) -> bytes:
        """Return the next octets, at most ``limit``; none where more must be fed first.

        :raises RemoteProtocolError: if what was fed is not deflated, or goes on after its end.
        """
        if not self._has_more:
            return b""
        try:
            data = self._stream.decompress(self._waiting, limit)
        except zlib.error as error:
            raise self._garbled() from error
        if self._stream.unused_data and not data:
            raise self._garbled()
        self._waiting = self._stream.unconsumed_tail
        # A full measure may not be all: zlib itself holds octets that it had no room for.
        self._has_more = bool(self._waiting or self._stream.unused_data) or len(data) == limit
        return data

    def _garbled(self) -> RemoteProtocolError:
        # What was received may be somebody's mail, so none of it is kept.
        return RemoteProtocolError(
            f"{self._where} sent what is not compressed as it agreed to: set compress to never.", received=b""
        )
