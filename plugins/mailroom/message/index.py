"""One message read into what tables hold: who, when, what, and which files.

Belongs here: putting together what the other modules of this package find, and reading
one attachment again. Does not belong here: any parsing of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from mailroom.exceptions import MailroomError
from mailroom.message.addresses import (
    MAX_ADDRESSES,
    Address,
    local_mailbox,
    parse_addresses,
    parse_sender,
)
from mailroom.message.attachments import File, describe
from mailroom.message.charsets import is_known
from mailroom.message.contents import Content, charset_of, read_content
from mailroom.message.defects import Defect, Defects
from mailroom.message.detection import is_binary
from mailroom.message.embedded import embedded_parts, is_embedded
from mailroom.message.encoded_words import decode_words
from mailroom.message.headers import Header, first, unfolded
from mailroom.message.identity import date_of, identity_of, printable, traits_of
from mailroom.message.index_values import (
    IDENTIFIER,
    MAX_REFERENCES,
    PGP_MESSAGE,
    AttachmentIndex,
    MessageIndex,
    attachment_of,
)
from mailroom.message.octets import Buffer, in_memory
from mailroom.message.parts import Part
from mailroom.message.quotes import reply_of
from mailroom.message.structure import parse_structure
from mailroom.message.text import MAX_TEXT_CHARACTERS, body_parts, joined, readable_html
from mailroom.message.transfer import Encoding

__all__ = ["index_carefully", "index_message", "iter_attachment"]


def _compiled_reader() -> Callable[[bytes], MessageIndex | None] | None:
    """Return the reader of everyday messages, unless it was not compiled or is switched off."""
    try:
        from mailroom.message.compiled.plain import index_plain
    except Exception:  # noqa: BLE001 (not there, switched off, or of modules that do not fit each other)
        return None
    return index_plain


_index_plain = _compiled_reader()


def index_message(content: Buffer) -> MessageIndex:
    """Read one message; whatever is wrong with it becomes a defect, never an error.

    Limits are named in the modules that keep them. A mapped file can be closed afterwards.
    """
    buffer = in_memory(content)
    found = None
    if _index_plain is not None and isinstance(buffer, bytes):
        with suppress(Exception):  # no error of compiled code keeps a message from being read with care
            found = _index_plain(buffer)
    return index_carefully(buffer) if found is None else found


def index_carefully(buffer: Buffer) -> MessageIndex:
    """Read one message of any kind; what the compiled reader answers is the same."""
    defects: Defects = set()
    root = parse_structure(buffer, defects)
    leaves = root.leaves()
    hint = _first_charset(leaves)
    reader = _Reader(defects, hint)
    reader.read(root, leaves)
    header = root.header
    senders = parse_sender(first(header, "from"), hint)
    subject = decode_words(first(header, "subject"), hint)
    date = date_of(header)
    if date is None and first(header, "date"):
        defects.add(Defect.DATE_UNREADABLE)
    traits = traits_of(header, date=date, senders=senders, subject=subject)
    text = printable(reader.text)
    if not senders and "sender" in header:
        senders = parse_sender(first(header, "sender"), hint)
    return MessageIndex(
        message_id=traits.message_id,
        date=date,
        date_source="header" if date is not None else None,
        sender=printable(", ".join([str(one) for one in senders])),
        sender_address=_first_address(senders) or local_mailbox(first(header, "from")),
        to=_recipients(header, "to", hint, defects),
        cc=_recipients(header, "cc", hint, defects),
        subject=printable(subject),
        in_reply_to=_in_reply_to(header),
        references=_references(header),
        text=text,
        reply=reply_of(text),
        attachments=tuple(reader.attachments),
        defects=tuple(sorted([defect.value for defect in defects])) if defects else (),
        identity=identity_of(traits, reader.digests),
    )


def iter_attachment(content: Buffer, part: str) -> Iterator[bytes]:
    """Yield the decoded content of one attachment in chunks of less than 1 MiB.

    :param content: the whole message, which must stay open while chunks are read.
    :param part: as an ``AttachmentIndex`` of this message says.
    :raises MailroomError: where the message has no such part.
    """
    root = parse_structure(in_memory(content), set())
    for leaf in root.leaves():
        if leaf.path == part:
            return leaf.chunks()
        if is_embedded(part, leaf):
            for file, _ in embedded_parts(leaf):
                if file.path == part:
                    return file.chunks()
    raise MailroomError(
        f"The message has no part {part!r}: read its attachments anew, and ask for one of those."
    )


def _first_charset(leaves: list[Part]) -> str | None:
    for leaf in leaves:
        if (label := charset_of(leaf)) is not None:
            return label
    return None


def _first_address(senders: tuple[Address, ...]) -> str:
    for one in senders:
        if one.address:
            return printable(one.address)
    return ""


def _in_reply_to(header: Header) -> str | None:
    if "in-reply-to" not in header:
        return None
    value = first(header, "in-reply-to")
    found = IDENTIFIER.search(value)
    return printable(found[0] if found is not None else value) or None


def _references(header: Header) -> tuple[str, ...]:
    if "references" not in header:
        return ()
    found = IDENTIFIER.findall(first(header, "references"))
    return tuple([printable(one) for one in found[:MAX_REFERENCES]])


def _recipients(header: Header, field: str, hint: str | None, defects: Defects) -> tuple[str, ...]:
    if field not in header:
        return ()
    found: list[Address] = []
    for value in unfolded(header, field):
        found.extend(parse_addresses(value, hint))
        if len(found) >= MAX_ADDRESSES:
            defects.add(Defect.ADDRESSES_TOO_MANY)
            break
    return tuple([printable(str(one)) for one in found[:MAX_ADDRESSES]])


class _Reader:
    """Reads every leaf once, in order, and gathers what comes of it."""

    def __init__(self, defects: Defects, hint: str | None) -> None:
        self.defects = defects
        self.hint = hint
        self.attachments: list[AttachmentIndex] = []
        self.digests: list[bytes] = []
        self.text = ""

    def read(self, root: Part, leaves: list[Part]) -> None:
        files = [(leaf, describe(leaf, self.hint)) for leaf in leaves]
        is_body = {id(leaf): file.is_body and not leaf.is_blank for leaf, file in files}
        shown = {id(part) for part in body_parts(root, is_body)}
        texts: list[str] = []
        for leaf, file in files:
            content = self._content(leaf, file, is_shown=id(leaf) in shown)
            if file.is_attachment:
                self._add(leaf, file, content)
            if file.is_body and not (file.is_attachment and is_binary(content.detected)):
                text = self._text_beside_files(leaf, content)
                if text.startswith(PGP_MESSAGE):
                    self.defects.add(Defect.ENCRYPTED)
                texts.append(
                    text.strip() if not text or leaf.media_type == "text/plain" else readable_html(text)
                )
        self.text = joined(texts)
        if len(self.text) > MAX_TEXT_CHARACTERS:
            self.text = self.text[:MAX_TEXT_CHARACTERS]
            self.defects.add(Defect.TEXT_TOO_LONG)

    def _content(self, leaf: Part, file: File, *, is_shown: bool) -> Content:
        label = charset_of(leaf)
        if label is not None and label != "utf-8" and not is_known(label):
            self.defects.add(Defect.CHARSET_UNKNOWN)
        content = read_content(
            leaf, self.defects, with_checksum=file.is_attachment, with_text=is_shown, hint=self.hint
        )
        if content.digest and not leaf.is_packed and (not leaf.children or leaf.is_bundle):
            self.digests.append(content.digest)
        return content

    def _text_beside_files(self, leaf: Part, content: Content) -> str:
        """Return a leaf's text without the files that stand in it, which become attachments."""
        parts = embedded_parts(leaf)
        if not parts:
            return content.text
        texts: list[str] = []
        rest = leaf._replace(buffer=parts[0][0].buffer, encoding=Encoding.IDENTITY)
        if rest.buffer is leaf.buffer:
            at, end = leaf.start, leaf.end
        else:  # the text was decoded to find them
            at, end = 0, len(rest.buffer)
        for part, name in parts:
            found = read_content(part, self.defects, with_checksum=True, with_text=False, hint=None)
            self._add(part, File(True, False, None, name), found)
            if content.text:
                texts.append(self._text_of(rest._replace(start=at, end=part.start)))
            at = part.end
        if not texts:
            return content.text
        return "\n".join([*texts, self._text_of(rest._replace(start=at, end=end))])

    def _text_of(self, part: Part) -> str:
        return read_content(
            part, self.defects, with_checksum=False, with_text=True, hint=self.hint
        ).text.strip()

    def _add(self, part: Part, file: File, content: Content) -> None:
        number = len(self.attachments) + 1
        self.attachments.append(attachment_of(part, file, content, number, self.hint))
