# cython: language_level=3, boundscheck=True, wraparound=False, binding=False
"""Header blocks of everyday messages: ASCII, well-formed, and no field twice of those that are read.

Belongs here: what ``headers`` does for such blocks (RFC 5322 section 2.2). Does not belong here: what a
field's value means.
"""

from mailroom.message.compiled.octets cimport find

cdef enum:
    MAX_HEADER_OCTETS = 524288


class NotPlain(Exception):
    """The message is for the careful reader."""


cdef Py_ssize_t read_fields(bytes content, Py_ssize_t start, Py_ssize_t end, list values) except -1:
    """Read the fields of a header block, and return where the body begins."""
    cdef const unsigned char[::1] view = content
    cdef Py_ssize_t at = start, stop, last, after
    cdef unsigned char octet
    cdef int field = -1
    cdef bint has_field = False, has_tab
    cdef list lines = []
    while at < end and at - start <= MAX_HEADER_OCTETS:
        octet = view[at]
        if octet == c"\n" or octet == c"\r":
            stop = at if octet == c"\n" else at + 1
            if stop >= end or view[stop] != c"\n":
                raise NotPlain
            if field >= 0:
                values[field] = _text(lines)
            return stop + 1
        stop = find(view, c"\n", at, end)
        if stop < 0:
            raise NotPlain
        last = stop - 1 if view[stop - 1] == c"\r" else stop
        _refuse_odd_octets(view, at, last)
        after = at
        if octet == c" " or octet == c"\t":
            if not has_field:
                raise NotPlain
            if field >= 0:
                has_tab = False
                while after < last and (view[after] == c" " or view[after] == c"\t"):
                    has_tab = has_tab or view[after] == c"\t"
                    after += 1
                lines.append(b" " if has_tab else content[at:after])
                lines.append(content[after:last])
        else:
            if field >= 0:
                values[field] = _text(lines)
            while after < last and view[after] > 32 and view[after] != c":":
                after += 1
            if after == last or view[after] != c":" or not 0 < after - at <= 256:
                raise NotPlain
            has_field = True
            field = _field_of(view, at, after - at)
            if field >= 0:
                if values[field] is not None:
                    raise NotPlain
                after += 1
                while after < last and (view[after] == c" " or view[after] == c"\t"):
                    after += 1
                lines = [content[after:last]]
        at = stop + 1
    raise NotPlain


cdef int _refuse_odd_octets(const unsigned char[::1] view, Py_ssize_t start, Py_ssize_t end) except -1:
    """Leave a header line with controls, or octets above ASCII, to the careful reader."""
    cdef Py_ssize_t at
    cdef unsigned char octet
    for at in range(start, end):
        octet = view[at]
        if octet > 126 or (octet < 32 and octet != 9):
            raise NotPlain
    return 0


cdef bint _is(const unsigned char[::1] view, Py_ssize_t at, const char* name, Py_ssize_t length):
    """Whether a field has this name; capitals count as small letters."""
    cdef Py_ssize_t number
    for number in range(length):
        if (view[at + number] | 32) != name[number]:
            return False
    return True


cdef int _field_of(const unsigned char[::1] view, Py_ssize_t at, Py_ssize_t length):
    """Return the number of a field that is read, or -1."""
    if length == 2:
        return TO if _is(view, at, b"to", 2) else CC if _is(view, at, b"cc", 2) else -1
    if length == 4:
        return FROM if _is(view, at, b"from", 4) else DATE if _is(view, at, b"date", 4) else -1
    if length == 6:
        return SENDER if _is(view, at, b"sender", 6) else -1
    if length == 7:
        return SUBJECT if _is(view, at, b"subject", 7) else -1
    if length == 10:
        if _is(view, at, b"message-id", 10):
            return MESSAGE_ID
        if _is(view, at, b"references", 10):
            return REFERENCES
        return CONTENT_ID if _is(view, at, b"content-id", 10) else -1
    if length == 11:
        return IN_REPLY_TO if _is(view, at, b"in-reply-to", 11) else -1
    if length == 12:
        return CONTENT_TYPE if _is(view, at, b"content-type", 12) else -1
    if length == 16:
        return CONTENT_LOCATION if _is(view, at, b"content-location", 16) else -1
    if length == 19:
        if _is(view, at, b"content-disposition", 19):
            return DISPOSITION
        return DESCRIPTION if _is(view, at, b"content-description", 19) else -1
    if length == 25:
        return TRANSFER_ENCODING if _is(view, at, b"content-transfer-encoding", 25) else -1
    return -1


cdef str _text(list lines):
    """Return a field's value on one line."""
    cdef str text = (<bytes> lines[0] if len(lines) == 1 else b"".join(lines)).decode("ascii")
    if "\t" in text:
        text = text.replace("\t", " ")
    return text.strip(" ")
