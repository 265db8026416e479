# cython: language_level=3, boundscheck=True, wraparound=False, binding=False
"""Everyday messages read by compiled code: the same answer as the careful reader's, several times as soon.

Belongs here: messages as programs that follow the rules write them, and nothing else. Whatever is
odd (a malformed line, octets above ASCII in a header, a field twice, a boundary in doubt, messages
within messages, packed or encrypted files) is left to the careful reader, in ``index``. What a value
means is asked of the modules that know; here is only the way through a message. Does not belong here:
a rule of its own that no other module has, because without a compiler this module is missing.

Every access to octets is checked against their bounds.
"""

from mailroom.message.compiled.fields cimport (
    CC,
    CONTENT_ID,
    CONTENT_LOCATION,
    CONTENT_TYPE,
    DATE,
    DESCRIPTION,
    DISPOSITION,
    FIELDS,
    FROM,
    IN_REPLY_TO,
    MESSAGE_ID,
    REFERENCES,
    SENDER,
    SUBJECT,
    TO,
    TRANSFER_ENCODING,
    read_fields,
)

import hashlib
import os

from mailroom.message.addresses import MAX_ADDRESSES, local_mailbox, parse_addresses, parse_sender
from mailroom.message.attachments import describe
from mailroom.message.binhex import INTRODUCTION as _BINHEX
from mailroom.message.charsets import STATEFUL_CODECS, codec_of, decode_text, is_known
from mailroom.message.compiled.boundaries import split_parts
from mailroom.message.compiled.fields import NotPlain
from mailroom.message.compiled.texts import readable_page, text_lines
from mailroom.message.compiled.values import simple_parameters, simple_words, usual_date
from mailroom.message.contents import read_content
from mailroom.message.dates import parse_date
from mailroom.message.defects import Defect
from mailroom.message.encoded_words import decode_words
from mailroom.message.identity import VERSION as _VERSION
from mailroom.message.identity import printable
from mailroom.message.index_values import IDENTIFIER, MAX_REFERENCES, PGP_MESSAGE, MessageIndex, attachment_of
from mailroom.message.media_types import is_media_type, may_hold_parts, stated_name
from mailroom.message.message_files import is_message_file
from mailroom.message.octets import WINDOW_OCTETS
from mailroom.message.parameters import parse_parameters
from mailroom.message.parts import Part
from mailroom.message.quotes import reply_of
from mailroom.message.text import BODY_TYPES, MAX_TEXT_CHARACTERS, charset_of_html, readable_html
from mailroom.message.transfer import Encoding, decode, encoding_of, is_base64

if os.environ.get("MAILROOM_PURE_PYTHON"):
    raise ImportError("MAILROOM_PURE_PYTHON is set")

cdef object _sha256 = hashlib.sha256
cdef object _IDENTITY = Encoding.IDENTITY
cdef object _QUOTED = Encoding.QUOTED_PRINTABLE
cdef object _BASE64 = Encoding.BASE64
cdef frozenset _BODY = frozenset(BODY_TYPES) - {"text/rfc822-headers"}

cdef enum:
    MAX_DEPTH = 20
    MAX_PARTS = 200

cdef tuple _DESCRIBING = (
    (CONTENT_ID, "content-id"),
    (CONTENT_LOCATION, "content-location"),
    (DISPOSITION, "content-disposition"),
    (DESCRIPTION, "content-description"),
)


cdef class _Entity:
    """A part: a leaf, or a multipart with its children."""

    cdef str path, media_type, container, charset
    cdef Py_ssize_t start, end
    cdef dict parameters
    cdef object encoding
    cdef list values, children
    cdef bint is_body, is_blank, is_shown
    cdef object file

    cdef object part(self, bytes content):
        """Return it as the other modules know it."""
        header = {name: [self.values[field]] for field, name in _DESCRIBING if self.values[field] is not None}
        return Part(
            self.path, content, header, self.start, self.end, self.media_type, self.parameters, self.encoding,
            (), self.container,
        )


def index_plain(bytes content):
    """Return what ``index_message`` does, or None for a message that is not plain.

    :param content: a whole message.
    """
    try:
        return _Reader(content).read()
    except NotPlain:
        return None


cdef class _Reader:
    """Reads one message."""

    cdef bytes content
    cdef const unsigned char[::1] view
    cdef int parts  # how many were met
    cdef bint is_writable  # whether all text is of valid UTF-8

    def __cinit__(self, bytes content):
        self.content = content
        self.view = content
        self.parts = 0
        self.is_writable = True

    cdef object read(self):
        cdef Py_ssize_t end = len(self.content)
        if not end or self.view[0] <= c" " or self.view[0] >= 127 or self.view[0] == c">":
            raise NotPlain
        if self.content.startswith(b"From "):
            raise NotPlain
        cdef _Entity root = self.entity(0, end, "", "", "", 0)
        cdef list leaves = []
        _gather(root, leaves)
        cdef _Entity leaf
        hint = None
        for leaf in leaves:
            if leaf.charset is not None:
                hint = leaf.charset
                break
        for leaf in leaves:
            self.describe(leaf, hint)
        for leaf in _shown(root):
            leaf.is_shown = True
        cdef list texts = [], digests = [], attachments = []
        cdef set defects = set()
        for leaf in leaves:
            self.note_charset(leaf, defects)
            if leaf.is_body:
                text, digest = self.body(leaf, hint, defects)
                if text:
                    texts.append(text)
            else:
                part = leaf.part(self.content)
                found = read_content(part, defects, with_checksum=True, with_text=False, hint=hint)
                attachments.append(attachment_of(part, leaf.file, found, len(attachments) + 1, hint))
                digest = found.digest
            if digest:
                digests.append(digest)
        shown = "\n\n".join(texts)
        if not self.is_writable:
            shown = printable(shown)
        return _index(root.values, shown, digests, attachments, defects, hint)

    cdef _Entity entity(
        self, Py_ssize_t start, Py_ssize_t end, str path, str prefix, str container, int depth
    ):
        """Return the part between two places, with what is in it."""
        self.parts += 1
        if depth > MAX_DEPTH or self.parts > MAX_PARTS:
            raise NotPlain
        cdef _Entity entity = _Entity.__new__(_Entity)
        entity.values = [None] * FIELDS
        entity.start = read_fields(self.content, start, end, entity.values)
        entity.end = end
        entity.container = container
        self.read_type(entity)
        entity.charset = entity.parameters.get("charset") or None
        said = entity.values[TRANSFER_ENCODING]
        entity.encoding = _IDENTITY if said is None else encoding_of(said)
        if entity.encoding is None:
            raise NotPlain
        if entity.media_type.startswith("multipart/"):
            entity.children = self.children(entity, prefix, depth)
            return entity
        entity.path = path or (f"{prefix}.1" if prefix else "1")
        if entity.media_type.startswith("message/"):
            raise NotPlain
        if entity.media_type.startswith("application/"):
            self.refuse_container(entity)
        return entity

    cdef int refuse_container(self, _Entity entity) except -1:
        """Leave a file that is looked into to the careful reader."""
        named = {"content-disposition": [entity.values[DISPOSITION] or ""]}
        name = stated_name(entity.parameters, named)
        if may_hold_parts(entity.media_type, name) or is_message_file(
            self.content, entity.start, entity.end, entity.encoding, media_type=entity.media_type, name=name
        ):
            raise NotPlain
        return 0

    cdef int read_type(self, _Entity entity) except -1:
        """Read the Content-Type (RFC 2045 section 5.1)."""
        value = entity.values[CONTENT_TYPE]
        if value is None:
            entity.media_type, entity.parameters = "text/plain", {}
            return 0
        found = simple_parameters(value)
        entity.media_type, entity.parameters = found if found is not None else parse_parameters(value)
        if not is_media_type(entity.media_type):
            raise NotPlain
        return 0

    cdef list children(self, _Entity entity, str prefix, int depth):
        """Return the parts of a multipart (RFC 2046 section 5.1)."""
        if entity.media_type == "multipart/encrypted" or entity.media_type == "multipart/digest":
            raise NotPlain
        cdef list found = split_parts(
            self.content, entity.start, entity.end, entity.parameters.get("boundary", ""), MAX_PARTS
        )
        if found is None:
            raise NotPlain
        cdef list children = []
        for number, (part_start, part_end) in enumerate(found, 1):
            path = f"{prefix}.{number}" if prefix else str(number)
            children.append(self.entity(part_start, part_end, path, path, entity.media_type, depth + 1))
        return children

    cdef int note_charset(self, _Entity leaf, set defects) except -1:
        """Note a charset that nobody knows."""
        if leaf.charset is not None and leaf.charset != "utf-8" and not is_known(leaf.charset):
            defects.add(Defect.CHARSET_UNKNOWN)
        return 0

    cdef int describe(self, _Entity leaf, object hint) except -1:
        """Say whether a leaf is a text or a file."""
        leaf.is_blank = leaf.end - leaf.start < 256 and not self.content[leaf.start:leaf.end].strip()
        if leaf.values[DISPOSITION] is None and leaf.media_type in _BODY and "name" not in leaf.parameters:
            leaf.is_body = True
            return 0
        leaf.file = describe(leaf.part(self.content), hint)
        leaf.is_body = leaf.file.is_body
        if leaf.is_body and leaf.file.is_attachment:
            raise NotPlain
        if not leaf.is_body and not leaf.file.is_attachment:
            raise NotPlain
        return 0

    cdef tuple body(self, _Entity leaf, object hint, set defects):
        """Return a text to be shown, which may be empty, and what identifies it."""
        if leaf.end - leaf.start > WINDOW_OCTETS:
            raise NotPlain
        cdef str text = None
        octets = self.octets(leaf)
        if octets is not None:
            try:
                text = (<bytes>octets).decode("utf-8")
            except UnicodeDecodeError:
                octets = None
        if octets is None:
            text = self.decoded(leaf, hint, defects)
            self.is_writable = False
        cdef str stripped = text.rstrip()
        if not stripped:
            return "", b""
        if octets is None:
            octets = stripped.encode("utf-8", "replace")
        elif len(stripped) < len(text):
            octets = (<bytes>octets)[: len(<bytes>octets) - len(text[len(stripped):].encode("utf-8"))]
        digest = _sha256(octets).digest()
        if not leaf.is_shown:
            return "", digest
        if text.startswith(PGP_MESSAGE):
            raise NotPlain
        if leaf.media_type == "text/plain":
            return text.strip(), digest
        page = readable_page(octets) if octets is not None else None
        return (readable_html(text) if page is None else page), digest

    cdef bytes octets(self, _Entity leaf):
        """Return a text in UTF-8 with LF for line ends, or None where it is another charset's or odd."""
        codec = codec_of(leaf.charset) if leaf.charset is not None else None
        if codec in STATEFUL_CODECS or (leaf.charset is None and leaf.media_type == "text/html"):
            return None
        if leaf.encoding is not _IDENTITY and leaf.encoding is not _QUOTED:
            return None
        cdef bytes found = text_lines(self.content, leaf.start, leaf.end, leaf.encoding is _QUOTED)
        if found is None or (codec != "utf-8" and not found.isascii()):
            return None
        return found.removeprefix(b"\xef\xbb\xbf")

    cdef str decoded(self, _Entity leaf, object hint, set defects):
        """Return a text in any charset and encoding, with LF for line ends."""
        cdef bytes data = decode(self.content[leaf.start:leaf.end], leaf.encoding)
        if leaf.encoding is _BASE64:
            if not is_base64(self.content, leaf.start, leaf.end):
                defects.add(Defect.ENCODING_WRONG)
        elif leaf.media_type == "text/plain" and (b"begin " in data or _BINHEX in data):
            raise NotPlain
        label = leaf.charset
        if label is None and leaf.media_type == "text/html":
            label = charset_of_html(data)
        cdef str text = decode_text(data, label, hint)
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text.removeprefix("\ufeff")


cdef object _index(list values, str text, list digests, list attachments, set defects, object hint):
    """Put together what a message's header says and what was read of its body."""
    if len(text) > MAX_TEXT_CHARACTERS:
        raise NotPlain
    cdef str message_id = values[MESSAGE_ID] or ""
    cdef tuple senders = parse_sender(values[FROM] or "", hint)
    if not senders and values[SENDER] is not None:
        raise NotPlain
    cdef str subject = values[SUBJECT] or ""
    if "=?" in subject:
        words = simple_words(subject)
        subject = decode_words(subject, hint) if words is None else words
    cdef object date = None
    cdef str said = values[DATE] or "", when = ""
    if said:
        date = _date(said)
        if date is None:
            raise NotPlain
        when = date.isoformat()
    cdef str address = ""
    cdef list shown = [], known = []
    for name, one in senders:
        shown.append(_mailbox(name, one))
        known.append(one or name)
        address = address or one
    cdef str spaceless = printable("".join(subject.split()))
    cdef str who = printable(" ".join(", ".join(known).split()))
    traits = f"{message_id}\0{when}\0{who}\0{spaceless}".encode("utf-8", "replace")
    return MessageIndex(
        message_id or None,
        date,
        None if date is None else "header",
        printable(", ".join(shown)),
        printable(address) or local_mailbox(values[FROM] or ""),
        _recipients(values[TO], hint),
        _recipients(values[CC], hint),
        printable(subject),
        _in_reply_to(values[IN_REPLY_TO]),
        _references(values[REFERENCES]),
        text,
        reply_of(text),
        tuple(attachments),
        tuple(sorted([defect.value for defect in defects])) if defects else (),
        _sha256(b"".join([_VERSION, traits, *digests])).hexdigest(),
    )


cdef str _mailbox(str name, str address):
    """Return a mailbox as people write it."""
    return f"{name} <{address}>" if name and address else name or address


cdef tuple _recipients(str value, object hint):
    if not value:
        return ()
    cdef tuple found = parse_addresses(value, hint)
    if len(found) >= MAX_ADDRESSES:
        raise NotPlain
    return tuple([printable(_mailbox(name, address)) for name, address in found])


cdef str _in_reply_to(str value):
    if not value:
        return None
    found = IDENTIFIER.search(value)
    return found[0] if found is not None else value


cdef tuple _references(str value):
    return () if not value else tuple(IDENTIFIER.findall(value)[:MAX_REFERENCES])


cdef int _gather(_Entity entity, list leaves) except -1:
    """Add the leaves below a part, in their order."""
    if entity.children is None:
        leaves.append(entity)
        return 0
    for child in entity.children:
        _gather(child, leaves)
    return 0


cdef list _shown(_Entity entity):
    """Return the leaves whose text is the message; of alternatives, plain text is preferred."""
    cdef _Entity leaf
    cdef list choices
    if entity.children is None:
        return [entity] if entity.is_body and not entity.is_blank else []
    if entity.media_type != "multipart/alternative":
        return [leaf for child in entity.children for leaf in _shown(child)]
    choices = [found for child in entity.children if (found := _shown(child))]
    for choice in choices:
        for leaf in choice:
            if leaf.media_type == "text/plain":
                return choice
    return choices[len(choices) - 1] if choices else []


cdef object _date(str text):
    """Return the moment that a Date field names, in UTC, or None where it cannot be read."""
    found = usual_date(text)
    if found is None and "24" in text:  # maybe an hour, which an identity reads in a way of its own
        raise NotPlain
    return found if found is not None else parse_date(text)
