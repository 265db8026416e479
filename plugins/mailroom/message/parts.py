"""One part of a message: where it is, what it says it is, and the parts within it.

Belongs here: the value, and what follows from it alone. Does not belong here: finding parts
(``structure``), and what a part means to a reader (``attachments``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mailroom.message.headers import Header
from mailroom.message.media_types import (
    APPLE_FILE,
    BINHEX_TYPES,
    MESSAGE_TYPES,
    SIGNED_FILE,
    TNEF_TYPES,
    is_signed_file,
)
from mailroom.message.octets import Buffer
from mailroom.message.transfer import Encoding, decoded_chunks

__all__ = ["Part"]

_BLANK_OCTETS = 256
_PACKING = TNEF_TYPES | BINHEX_TYPES | {SIGNED_FILE, APPLE_FILE}


class Part(NamedTuple):
    """One part: where it is, what it says it is, and the parts within it.

    :param path: its number as IMAP counts, such as ``2.1``; empty for a multipart that is a whole message.
    :param start: where its content starts in ``buffer``. :param end: where it ends.
    :param children: parts of a multipart, the one part inside a nested or signed message, or the
        files packed in a winmail.dat or a signature.
    :param container: the media type of what it is in, where that is no message, or an empty string.
    :param is_in_file: whether it is of a message that came as a file of another type.
    """

    path: str
    buffer: Buffer
    header: Header
    start: int
    end: int
    media_type: str
    parameters: dict[str, str]
    encoding: Encoding
    children: tuple[Part, ...] = ()
    container: str = ""
    is_in_file: bool = False

    @property
    def is_multipart(self) -> bool:
        """Whether it holds other parts and nothing else."""
        return bool(self.children) and self.media_type.startswith("multipart/")

    @property
    def is_message(self) -> bool:
        """Whether it is a message within the message, which can be looked into."""
        return bool(self.children) and self.media_type in MESSAGE_TYPES

    @property
    def is_signed(self) -> bool:
        """Whether it is an S/MIME signature around a message that was signed."""
        return bool(self.children) and not self.is_bundle and is_signed_file(self.media_type, ".p7m")

    @property
    def is_bundle(self) -> bool:
        """Whether it is a winmail.dat, a signed file, BinHex and so on, with the files in it."""
        return bool(self.children) and self.children[0].is_packed and not self.is_in_file

    @property
    def is_packed(self) -> bool:
        """Whether it was packed in a winmail.dat, a signature and so on, whose octets hold it."""
        return self.is_in_file or self.container in _PACKING

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing in it but a little white space."""
        return self.end - self.start < _BLANK_OCTETS and not self.buffer[self.start : self.end].strip()

    def kept_in_file(self) -> Part:
        """Return it, and all below it, as what came in a file."""
        if self.is_in_file:
            return self
        return self._replace(
            is_in_file=True, children=tuple([child.kept_in_file() for child in self.children])
        )

    def chunks(self) -> Iterator[bytes]:
        """Yield its decoded content in bounded chunks."""
        return decoded_chunks(self.buffer, self.start, self.end, self.encoding)

    def leaves(self) -> list[Part]:
        """Return all parts below it that are files: leaves, and nested messages before their own parts."""
        found: list[Part] = []
        self._gather(found)
        return found

    def _gather(self, found: list[Part]) -> None:
        if not self.children:
            found.append(self)
            return
        if not self.is_multipart:
            found.append(self)
        for child in self.children:
            child._gather(found)
