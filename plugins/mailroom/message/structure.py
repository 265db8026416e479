"""The tree of a message's parts, as offsets into its octets.

Belongs here: nested messages, files that hold others, signed content, the numbers of
parts, and the limits that keep a hostile message from costing more than it weighs. Does
not belong here: finding ``boundaries``, decoding leaves, and what a part means to a reader.
RFC 2046 section 5; part numbers as IMAP counts them (RFC 9051 section 6.4.5).

No body is copied, with one exception: a nested message that is itself encoded (which
RFC 2046 forbids and programs do) is decoded to look into it, up to
``MAX_NESTED_OCTETS``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mailroom.message.applesingle import data_fork
from mailroom.message.boundaries import HEAD_OCTETS, boundary_within, split_parts
from mailroom.message.defects import Defect, Defects
from mailroom.message.detection import detect_type
from mailroom.message.embedded import binhex_file
from mailroom.message.headers import Header, first, read_header, skip_envelope, unfolded
from mailroom.message.media_types import (
    APPLE_FILE,
    MESSAGE_TYPES,
    SIGNED_FILE,
    SIGNED_TYPES,
    TNEF_TYPES,
    is_encrypted,
    is_media_type,
    is_signed_file,
    is_tnef,
    may_hold_parts,
    read_media_type,
    stated_name,
)
from mailroom.message.message_files import is_message_file
from mailroom.message.octets import Buffer
from mailroom.message.parts import Part
from mailroom.message.signed import MAX_SIGNED_OCTETS, signed_content
from mailroom.message.tnef import MAX_TNEF_OCTETS, Packed, unpack_tnef
from mailroom.message.transfer import Encoding, decode, decoded_chunks, encoding_of

__all__ = ["MAX_DEPTH", "MAX_NESTED_OCTETS", "MAX_PARTS", "parse_structure"]

MAX_DEPTH = 100
"""How deep parts may be nested; real mail stays below 10."""

MAX_PACKED_DEPTH = 4
"""How deep winmail.dat may be packed in winmail.dat, for each is held in memory."""

MAX_PARTS = 10_000
"""How many parts of one message are looked at; digests of lists reach a few hundred."""

MAX_NESTED_OCTETS = 16 * 1024 * 1024
"""Nested messages that are encoded are decoded in memory up to this size. Octets."""

_PEM = re.compile(rb"\s*+-----BEGIN (?:PKCS7|PKCS #7 SIGNED DATA|CMS)-----[^\n]*+\n")


def parse_structure(buffer: Buffer, defects: Defects) -> Part:
    """Return the tree of a whole message; never raises, and notes what was wrong in ``defects``."""
    builder = _Builder(defects)
    root = builder.message(_Span(buffer, 0, len(buffer)), prefix="", depth=0)
    if builder.within_files is not None:
        defects |= builder.within_files.defects
    return root


class _Span(NamedTuple):
    """Octets from start to end of a buffer."""

    buffer: Buffer
    start: int
    end: int


class _Builder:
    """Builds the parts of one message, which share its defects and its limits.

    :param within_files: builds messages in files, with defects and limits of its own: what is in
        a file changes nothing about what is around it, and so not who the message is.
    """

    def __init__(self, defects: Defects) -> None:
        self.defects = defects
        self.parts_left = MAX_PARTS
        self.within_files: _Builder | None = None

    def message(self, span: _Span, *, prefix: str, depth: int) -> Part:
        """Build a message, whose parts are numbered below ``prefix``."""
        buffer, start, end = span
        after = skip_envelope(buffer, start, end)
        return self.part(span if after == start else _Span(buffer, after, end), prefix=prefix, depth=depth)

    def part(
        self,
        span: _Span,
        *,
        path: str = "",
        prefix: str,
        default: str = "text/plain",
        container: str = "",
        depth: int,
    ) -> Part:
        """Build one part with all below it.

        :param path: its number, or empty for a message, which has one only if it is no multipart.
        """
        self.parts_left -= 1
        header, body = read_header(*span, self.defects)
        media_type, parameters = read_media_type(header, default)
        encoding = self._encoding(header)
        if media_type.startswith("multipart/") and Defect.HEADER_LINE_MALFORMED in self.defects:
            header, body = self._above_boundary(span, header, body, parameters)
        content = _Span(span.buffer, body, span.end)
        children: tuple[Part, ...] = ()
        if media_type.startswith("multipart/"):
            children = self._multipart(content, media_type, parameters, encoding, prefix=prefix, depth=depth)
            if not children:
                media_type = "text/plain"  # shown as text, as clients do
        if not children:
            path = path or (f"{prefix}.1" if prefix else "1")
            if media_type in MESSAGE_TYPES:
                children = self._nested(content, encoding, path=path, depth=depth)
            elif media_type.startswith("application/"):
                name = stated_name(parameters, header)
                children = self._opened(content, encoding, media_type, name, path=path, depth=depth)
                if not children and media_type in SIGNED_TYPES and is_encrypted(parameters):
                    self.defects.add(Defect.ENCRYPTED)
        return Part(
            path, span.buffer, header, body, span.end, media_type, parameters, encoding, children, container
        )

    def _above_boundary(
        self, span: _Span, header: Header, body: int, parameters: dict[str, str]
    ) -> tuple[Header, int]:
        """Return a header without the part it ran into, where the blank line between the two is missing."""
        head = span.buffer[span.start : min(body, span.start + HEAD_OCTETS)]
        at = boundary_within(head, parameters.get("boundary", ""))
        if not at:
            return header, body
        self.defects.add(Defect.BLANK_LINE_MISSING)
        return read_header(span.buffer, span.start, span.start + at, self.defects)

    def _encoding(self, header: Header) -> Encoding:
        """Return what a part says first, or base64 below a word that means nothing, for that shows."""
        if "content-transfer-encoding" not in header:
            return Encoding.IDENTITY
        found = encoding_of(first(header, "content-transfer-encoding"))
        if found is None:
            self.defects.add(Defect.ENCODING_UNKNOWN)
            found = Encoding.IDENTITY
        if found is Encoding.IDENTITY and len(header["content-transfer-encoding"]) > 1:
            others = map(encoding_of, unfolded(header, "content-transfer-encoding"))
            return Encoding.BASE64 if Encoding.BASE64 in others else found
        return found

    def _multipart(
        self,
        span: _Span,
        media_type: str,
        parameters: dict[str, str],
        encoding: Encoding,
        *,
        prefix: str,
        depth: int,
    ) -> tuple[Part, ...]:
        """Build the parts of a multipart; none where no boundary can be found."""
        if media_type == "multipart/encrypted":
            self.defects.add(Defect.ENCRYPTED)
        if self._is_at_limit(depth):
            return ()
        boundary = parameters.get("boundary", "")
        ranges = self._split(span, boundary)
        if not ranges and encoding is not Encoding.IDENTITY:
            decoded = self._decoded(span, encoding, MAX_NESTED_OCTETS)
            if decoded is not None:
                span = _Span(decoded, 0, len(decoded))
                ranges = self._split(span, boundary)
        default = "message/rfc822" if media_type == "multipart/digest" else "text/plain"
        children: list[Part] = []
        for number, (start, end) in enumerate(ranges, 1):
            if children and self._is_at_limit(depth):
                break
            path = f"{prefix}.{number}" if prefix else str(number)
            child = _Span(span.buffer, start, end)
            children.append(
                self.part(
                    child, path=path, prefix=path, default=default, container=media_type, depth=depth + 1
                )
            )
        return tuple(children)

    def _nested(self, span: _Span, encoding: Encoding, *, path: str, depth: int) -> tuple[Part, ...]:
        """Build the message within a part."""
        if span.start >= span.end or self._is_at_limit(depth):
            return ()
        if encoding is not Encoding.IDENTITY:
            decoded = self._decoded(span, encoding, MAX_NESTED_OCTETS)
            if not decoded:
                return ()
            span = _Span(decoded, 0, len(decoded))
        return (self.message(span, prefix=path, depth=depth + 1),)

    def _opened(
        self, span: _Span, encoding: Encoding, media_type: str, name: str, *, path: str, depth: int
    ) -> tuple[Part, ...]:
        """Build what is within a file that holds others: what was signed, or what was packed."""
        if is_message_file(*span, encoding, media_type=media_type, name=name):
            return self._message_file(span, encoding, path=path, depth=depth)
        if not may_hold_parts(media_type, name):
            return ()
        if is_signed_file(media_type, name):
            return self._signed(span, encoding, name, path=path, depth=depth)
        if is_tnef(media_type, name):
            return self._packed(span, encoding, path=path, depth=depth)
        if media_type == APPLE_FILE:
            return self._apple_single(span, encoding, name, path=path, depth=depth)
        return self._binhex(span, encoding, path=path, depth=depth)

    def _message_file(self, span: _Span, encoding: Encoding, *, path: str, depth: int) -> tuple[Part, ...]:
        """Build the message in a file."""
        if self.within_files is None:
            self.within_files = _Builder(set())
            self.within_files.within_files = self.within_files
        found = self.within_files._nested(span, encoding, path=path, depth=depth)
        return tuple([part.kept_in_file() for part in found])

    def _binhex(self, span: _Span, encoding: Encoding, *, path: str, depth: int) -> tuple[Part, ...]:
        """Build the file of an old Macintosh."""
        if self._is_at_limit(depth):
            return ()
        if encoding is not Encoding.IDENTITY:
            decoded = self._decoded(span, encoding, MAX_NESTED_OCTETS) or b""
            span = _Span(decoded, 0, len(decoded))
        whole = Part(path, span.buffer, {}, span.start, span.end, "", {}, Encoding.IDENTITY)
        found = binhex_file(whole)
        if found is None:
            return ()
        self.parts_left -= 1
        file, name = found
        return (file._replace(parameters={"name": name}, container="application/mac-binhex40"),)

    def _apple_single(
        self, span: _Span, encoding: Encoding, name: str, *, path: str, depth: int
    ) -> tuple[Part, ...]:
        """Build the data fork of a Macintosh's file; of AppleDouble, it is another part."""
        octets = None if self._is_at_limit(depth) else self._decoded(span, encoding, MAX_NESTED_OCTETS)
        fork = data_fork(octets) if octets else None
        if octets is None or fork is None:
            return ()
        self.parts_left -= 1
        named = {"name": fork.name or name}
        return (
            Part(
                f"{path}.as1",
                octets,
                {},
                fork.start,
                fork.end,
                "application/octet-stream",
                named,
                Encoding.IDENTITY,
                container=APPLE_FILE,
            ),
        )

    def _signed(
        self, span: _Span, encoding: Encoding, name: str, *, path: str, depth: int
    ) -> tuple[Part, ...]:
        """Build what is within a signature; nothing where it is encrypted, or only certificates."""
        if self._is_at_limit(depth):
            return ()
        octets = self._decoded(span, encoding, MAX_SIGNED_OCTETS)
        pem = _PEM.match(octets) if octets else None
        if octets and pem:
            octets = decode(octets[pem.end() : octets.find(b"-----END", pem.end())], Encoding.BASE64)
        elif octets and octets.startswith(b"M"):  # a SEQUENCE in base64; in DER it starts with "0"
            octets = decode(octets, Encoding.BASE64)
        content = signed_content(octets) if octets else None
        if not content:
            return ()
        whole = _Span(content, 0, len(content))
        stem, extension = name[:-4], name[-4:].lower()
        if extension != ".p7m" or stem.lower() == "smime" or _is_entity(content):
            return (self.message(whole, prefix=path, depth=depth + 1),)
        self.parts_left -= 1
        header = {"content-disposition": ["attachment"]}
        media_type = detect_type(content)
        return (
            Part(
                f"{path}.1",
                content,
                header,
                0,
                len(content),
                media_type,
                {"name": stem},
                Encoding.IDENTITY,
                container=SIGNED_FILE,
            ),
        )

    def _packed(self, span: _Span, encoding: Encoding, *, path: str, depth: int) -> tuple[Part, ...]:
        """Build the files in a winmail.dat, and its text where it is the whole message."""
        if path.count(".tnef") >= MAX_PACKED_DEPTH:
            self.defects.add(Defect.NESTED_TOO_DEEP)
            return ()
        if self._is_at_limit(depth):
            return ()
        data = self._decoded(span, encoding, MAX_TNEF_OCTETS)
        files, texts = unpack_tnef(data) if data else ([], [])
        if depth == 0:
            files = [*texts, *files]
        return tuple(
            self._unpacked(data or b"", packed, path=f"{path}.tnef{number}", depth=depth + 1)
            for number, packed in enumerate(files[: self.parts_left], 1)
        )

    def _unpacked(self, data: bytes, packed: Packed, *, path: str, depth: int) -> Part:
        self.parts_left -= 1
        media_type = packed.media_type if is_media_type(packed.media_type) else "application/octet-stream"
        parameters = {"name": packed.name} if packed.name else {}
        if packed.charset:
            parameters["charset"] = packed.charset
        children: tuple[Part, ...] = ()
        if media_type in TNEF_TYPES:
            span = _Span(data, packed.start, packed.end)
            children = self._packed(span, Encoding.IDENTITY, path=path, depth=depth)
        return Part(
            path,
            data if packed.content is None else packed.content,
            {},
            packed.start,
            packed.end,
            media_type,
            parameters,
            Encoding.IDENTITY,
            children,
            "application/ms-tnef",
        )

    def _split(self, span: _Span, boundary: str) -> list[tuple[int, int]]:
        return split_parts(*span, boundary, most=self.parts_left, defects=self.defects)

    def _is_at_limit(self, depth: int) -> bool:
        if depth >= MAX_DEPTH:
            self.defects.add(Defect.NESTED_TOO_DEEP)
        elif self.parts_left <= 0:
            self.defects.add(Defect.PARTS_TOO_MANY)
        else:
            return False
        return True

    def _decoded(self, span: _Span, encoding: Encoding, limit: int) -> bytes | None:
        if span.end - span.start > limit:
            self.defects.add(Defect.NESTED_TOO_LARGE)
            return None
        return b"".join(decoded_chunks(*span, encoding))


def _is_entity(content: bytes) -> bool:
    """Whether signed content is a message or a part of one, and no file of another kind."""
    head = content[:HEAD_OCTETS]
    fields, _ = read_header(head, 0, len(head), set())
    return "content-type" in fields or "mime-version" in fields
