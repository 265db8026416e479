# cython: language_level=3, boundscheck=True, wraparound=False, binding=False
"""Texts of everyday messages read by compiled code: lines, quoted-printable, HTML.

Belongs here: the common forms of what ``transfer``, ``contents`` and ``text`` read, with the same
answers; whatever is odd is answered with None and left to them. Does not belong here: the way through a
message (``plain``).

Every access to octets is checked against their bounds.
"""

from libc.string cimport memcpy

from mailroom.message.compiled.octets cimport find, find_text

import html.entities

from mailroom.message.binhex import INTRODUCTION as _BINHEX
from mailroom.message.text import BREAKS, HIDDEN

cdef dict _BREAKS = {name.encode("ascii"): lines.encode("ascii") for name, lines in BREAKS.items()}
cdef frozenset _HIDDEN = frozenset(name.encode("ascii") for name in HIDDEN)
cdef dict _ENTITIES = {
    name.removesuffix(";").encode("ascii"): text.encode("utf-8")
    for name, text in html.entities.html5.items()
    if name.endswith(";") and not text.isspace() and "<" not in name
}
"""Characters by the names of their references, but for white space."""
_ENTITIES[b"nbsp"] = b"\xc2\xa0"

cdef enum:
    MAX_ENTITY_OCTETS = 24


cdef class _Output:
    """Octets that are put together; no more than were made room for."""

    cdef bytearray octets
    cdef unsigned char[::1] view
    cdef Py_ssize_t length
    cdef bint is_odd

    def __cinit__(self, Py_ssize_t room):
        self.octets = bytearray(room + 1)
        self.view = self.octets
        self.length = 0
        self.is_odd = False

    cdef int copy(self, const unsigned char[::1] source, Py_ssize_t start, Py_ssize_t end) except -1:
        """Add the octets of a source between two places."""
        cdef Py_ssize_t count = end - start
        if count <= 0:
            return 0
        if start < 0 or end > source.shape[0] or count > self.view.shape[0] - self.length:
            raise IndexError("octets beyond the end")
        memcpy(&self.view[self.length], &source[start], count)
        self.length += count
        return 0

    cdef int put(self, unsigned char octet) except -1:
        """Add one octet."""
        self.view[self.length] = octet
        self.length += 1
        return 0

    cdef int add(self, bytes text) except -1:
        """Add a text."""
        cdef const unsigned char[::1] source = text
        return self.copy(source, 0, len(text))

    cdef bytes taken(self):
        """Return what was put together."""
        return bytes(memoryview(self.octets)[: self.length])


def text_lines(bytes content, Py_ssize_t start, Py_ssize_t end, bint is_quoted):
    """Return the text between two places with LF for line ends; None where anything is odd.

    Odd are a CR within a line, an escape that is none or stands for a line end, ISO 2022, and what may
    introduce a file in a text.

    :param is_quoted: whether it is in quoted-printable (RFC 2045 section 6.7).
    """
    cdef const unsigned char[::1] view = content
    cdef _Output output
    cdef Py_ssize_t at = start, stop, last, line = 0
    cdef bint has_returns, is_ended
    if start >= end:
        return b""
    if end > view.shape[0] or find(view, 27, start, end) >= 0:
        return None
    is_quoted = is_quoted and find(view, c"=", start, end) >= 0
    has_returns = find(view, c"\r", start, end) >= 0
    output = _Output.__new__(_Output, end - start)
    while at < end:
        stop = find(view, c"\n", at, end)
        last = end if stop < 0 else stop
        if has_returns and last > at:
            if stop >= 0 and view[last - 1] == c"\r":
                last -= 1
            if find(view, c"\r", at, last) >= 0:
                return None
        is_ended = True
        if not is_quoted:
            output.copy(view, at, last)
        else:
            is_ended = _quoted_line(view, at, last, output)
            if output.is_odd:
                return None
        if (is_ended or stop < 0) and _begins_file(output, line):
            return None
        if stop < 0:
            break
        if is_ended:
            output.put(c"\n")
            line = output.length
        at = stop + 1
    return None if find_text(output.view, _BINHEX, 0, output.length) >= 0 else output.taken()


cdef bint _quoted_line(
    const unsigned char[::1] view, Py_ssize_t start, Py_ssize_t end, _Output output
) except -1:
    """Decode a line; False where it goes on in the next one."""
    cdef Py_ssize_t at
    cdef int octet
    while True:
        at = find(view, c"=", start, end)
        output.copy(view, start, end if at < 0 else at)
        if at < 0:
            return True
        if at + 1 == end:
            return False
        octet = _hex(view[at + 1]) * 16 + _hex(view[at + 2]) if at + 2 < end else -1
        if octet < 0 or octet == 10 or octet == 13 or octet == 27:
            output.is_odd = True
            return True
        output.put(octet)
        start = at + 3


cdef bint _begins_file(_Output output, Py_ssize_t line) except -1:
    """Whether the line at a place may introduce a file that is uuencoded or in yEnc."""
    if line == output.length or (output.view[line] != c"b" and output.view[line] != c"="):
        return False
    return output.octets.startswith((b"begin ", b"=ybegin "), line)


cdef int _hex(unsigned char digit):
    """Return the value of a hexadecimal digit, or less than -15 * 16."""
    if 48 <= digit <= 57:
        return digit - 48
    digit |= 32
    return digit - 87 if 97 <= digit <= 102 else -256


def readable_page(bytes page):
    """Return the words of an HTML page in lines as ``readable_html`` does, or None where that is to be asked.

    :param page: valid UTF-8 with LF for line ends, at most ``MAX_HTML_CHARACTERS`` octets.
    """
    cdef _Output spaced = _single_spaced(page)
    cdef _Output output = _Output.__new__(_Output, 2 * spaced.length + 64)
    cdef bytes octets = spaced.taken()
    cdef Py_ssize_t end = spaced.length, at, stop, after, close, space
    cdef bytes hidden = b"", name
    at = find(spaced.view, c"<", 0, end)
    if not _add_text(spaced.view, octets, 0, end if at < 0 else at, output):
        return None
    while at >= 0:
        at += 1
        stop = find(spaced.view, c"<", at, end)
        if stop < 0:
            stop = end
        close = find(spaced.view, c">", at, stop)
        lines = None
        if close >= 0 and not hidden and octets.count(b'"', at, close) % 2 == 0:
            space = find(spaced.view, c" ", at, close)
            lines = _BREAKS.get(octets[at : close if space < 0 else space])
        if lines is not None:
            output.add(<bytes> lines)
            after = close + 1
        else:
            after, name = _tag(spaced.view, octets, at, stop)
            if name is not None and not hidden:
                if name in _BREAKS:
                    output.add(<bytes> _BREAKS[name])
                elif name in _HIDDEN:
                    hidden = b"/" + name
                    after = stop
            elif hidden == b"-->" or (not hidden and octets.startswith(b"!--", at)):
                after = octets.find(b"-->", at, stop)
                hidden = b"-->" if after < 0 else b""
                after = stop if after < 0 else after + 3
            elif not hidden:
                if at == end or not (_is_letter(spaced.view[at]) or spaced.view[at] in b"!?/"):
                    return None
                after = close + 1 if close >= 0 else stop
            elif name is not None and name == hidden:
                hidden = b""
            else:
                after = stop
        if not _add_text(spaced.view, octets, after, stop, output):
            return None
        at = stop if stop < end else -1
    return _tidy(output.taken())


cdef _Output _single_spaced(bytes page):
    """Return a page with one space for each run of white space, and none around it."""
    cdef const unsigned char[::1] view = page
    cdef Py_ssize_t at = 0, end = len(page)
    cdef _Output output = _Output.__new__(_Output, end)
    cdef unsigned char octet
    cdef int width
    cdef bint is_apart = False
    while at < end:
        octet = view[at]
        if octet > 32 and octet < 194:
            width = 0
        else:
            width = _white_space(view, at, end)
        if width:
            is_apart = True
            at += width
            continue
        if is_apart and output.length:
            output.put(c" ")
        is_apart = False
        output.put(octet)
        at += 1
    return output


cdef int _white_space(const unsigned char[::1] view, Py_ssize_t at, Py_ssize_t end) except -1:
    """Return how many octets of UTF-8 a character of white space has, as Python knows it; 0 for any other."""
    cdef unsigned char octet = view[at], second, third
    if octet <= 32:
        return octet == 32 or 9 <= octet <= 13 or 28 <= octet <= 31
    if octet == 0xC2 and at + 1 < end:
        return 2 if view[at + 1] == 0x85 or view[at + 1] == 0xA0 else 0
    if not 0xE1 <= octet <= 0xE3 or at + 2 >= end:
        return 0
    second, third = view[at + 1], view[at + 2]
    if octet == 0xE1:
        return 3 if second == 0x9A and third == 0x80 else 0
    if octet == 0xE3:
        return 3 if second == 0x80 and third == 0x80 else 0
    if second == 0x80:
        return 3 if third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF else 0
    return 3 if second == 0x81 and third == 0x9F else 0


cdef bint _is_letter(unsigned char octet):
    """Whether an octet is a letter of ASCII."""
    return 97 <= (octet | 32) <= 122


cdef tuple _tag(const unsigned char[::1] view, bytes octets, Py_ssize_t start, Py_ssize_t stop):
    """Return where a tag ends and its name in small letters; the name is None where there is no tag."""
    cdef Py_ssize_t at = start, name_end
    if at < stop and view[at] == c"/":
        at += 1
    if at >= stop or not _is_letter(view[at]):
        return stop, None
    while at < stop and (_is_letter(view[at]) or 48 <= view[at] <= 57):
        at += 1
    name_end = at
    while at < stop and view[at] != c">":
        if view[at] == c'"':
            at = find(view, c'"', at + 1, stop)
            if at < 0:
                return stop, None
        at += 1
    return (at + 1, octets[start:name_end].lower()) if at < stop else (stop, None)


cdef bint _add_text(
    const unsigned char[::1] view, bytes octets, Py_ssize_t start, Py_ssize_t end, _Output output
) except -1:
    """Add text with its character references replaced (HTML section 13.5); False where one is unusual."""
    cdef Py_ssize_t at, close
    while start < end:
        at = find(view, c"&", start, end)
        output.copy(view, start, end if at < 0 else at)
        if at < 0:
            return True
        if at + 1 < end and view[at + 1] == c" ":
            output.put(c"&")
            start = at + 1
            continue
        close = find(view, c";", at, min(end, at + MAX_ENTITY_OCTETS))
        if close < 0:
            return False
        text = _ENTITIES.get(octets[at + 1 : close])
        if text is None:
            text = _numbered(octets[at + 1 : close])
            if text is None:
                return False
        output.add(<bytes> text)
        start = close + 1
    return True


cdef bytes _numbered(bytes name):
    """Return the character that a reference names by its number, or None for an unusual one."""
    if name[:1] != b"#":
        return None
    cdef bytes digits = name[1:]
    cdef int number
    if digits.isdigit() and len(digits) < 7:
        number = int(digits)
    elif digits[:1] in (b"x", b"X") and digits[1:].isalnum() and len(digits) < 7:
        try:
            number = int(digits[1:], 16)
        except ValueError:
            return None
    else:
        return None
    return chr(number).encode("utf-8") if 32 < number < 127 or 160 <= number < 0xD800 else None


cdef str _tidy(bytes text):
    """Strip lines, and leave one blank line where there are several."""
    cdef list kept = []
    cdef bytes line, above = b""
    if b"\t" in text:
        text = text.replace(b"\t ", b"\t")
    for line in text.replace(b"\xc2\xa0", b" ").split(b"\n"):
        line = line.strip(b" \t")
        if line or above:
            kept.append(line)
        above = line
    return b"\n".join(kept).decode("utf-8").strip()
