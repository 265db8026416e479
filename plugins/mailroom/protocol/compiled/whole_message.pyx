# cython: language_level=3, boundscheck=True, wraparound=False, binding=False
"""A FETCH response with a body that lies whole in the buffer, read by compiled code.

Belongs here: the one shape that ``fetch_at_once`` reads, which says what it is and reads it where
this was not compiled. What is not of this shape is answered with None. Does not belong here: what
flags and odd dates mean, which is asked of the modules that know.

Every access to octets is checked against their bounds.
"""

from cpython.datetime cimport datetime_new, import_datetime, timedelta_new
from libc.string cimport memchr, memcmp

import datetime
import os

from mailroom.model import Body, FetchedMessage
from mailroom.protocol.imap_dates import parse_internal_date
from mailroom.protocol.imap_items import parse_flags

if os.environ.get("MAILROOM_PURE_PYTHON"):
    raise ImportError("MAILROOM_PURE_PYTHON is set")

import_datetime()

cdef object _UTC = datetime.timezone.utc
cdef object _Body = Body
cdef object _FetchedMessage = FetchedMessage
cdef object _parse_flags = parse_flags
cdef object _parse_internal_date = parse_internal_date

cdef enum:
    MAX_FLAGS_OCTETS = 4000
    MAX_DATE_OCTETS = 60
    MAX_ID_OCTETS = 255
    MAX_SEQUENCE_DIGITS = 10
    MAX_BODY_DIGITS = 6
    DATE_OCTETS = 26
    FIRST_YEAR = 1900

cdef const char* _MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


cdef class _Said:
    """What is said of a message around its body; what is said twice counts as it was said last."""

    cdef object uid, flags, date, octets, modseq, gmail_id, email_id

    def __cinit__(self):
        self.uid = 0

    cdef object message(self, object body):
        """Return the message, or None where two kinds of id leave open which came last."""
        if self.gmail_id is not None and self.email_id is not None:
            return None
        identifier = self.email_id if self.gmail_id is None else self.gmail_id
        return _FetchedMessage(self.uid, self.flags, self.date, self.octets, self.modseq, body, identifier)


def read_whole(bytes data not None, Py_ssize_t at):
    """Return the message that begins at a place and where it ends, or None as ``read_at_once`` does."""
    cdef const unsigned char[::1] view = data
    cdef Py_ssize_t end = view.shape[0], start, octets = 0
    cdef _Said said
    if at < 0 or not _stands(view, at, b"* "):
        return None
    start = _digits(view, at + 2, MAX_SEQUENCE_DIGITS)
    if start < 0 or not _stands(view, start, b" FETCH ("):
        return None
    at = start + 8
    said = _Said.__new__(_Said)
    while not _stands(view, at, b"BODY[] {"):
        at = _item(view, at, said)
        if at < 0 or not _stands(view, at, b" "):
            return None
        at += 1
    at += 8
    start = _digits(view, at, MAX_BODY_DIGITS)
    if start < 0 or not _stands(view, start, b"}\r\n"):
        return None
    while at < start:
        octets = 10 * octets + view[at] - c"0"
        at += 1
    start += 3
    at = start + octets
    if at > end:
        return None
    while not _stands(view, at, b")\r\n"):
        if not _stands(view, at, b" "):
            return None
        at = _item(view, at + 1, said)
        if at < 0:
            return None
    message = said.message(_Body(octets, data[start : start + octets]))
    return None if message is None else (message, at + 3)


cdef Py_ssize_t _item(const unsigned char[::1] view, Py_ssize_t at, _Said said) except -2:
    """Read one item; return where it ends, or -1 where it is none of the usual."""
    cdef Py_ssize_t end
    if _stands(view, at, b"UID "):
        end = _digits(view, at + 4, 10)
        if end >= 0:
            said.uid = _number(view, at + 4, end)
        return end
    if _stands(view, at, b"FLAGS ("):
        at += 7
        end = _up_to(view, at, c")", MAX_FLAGS_OCTETS)
        if end < 0 or _has_any(view, at, end, b"(\"{\r\n"):
            return -1
        said.flags = _parse_flags(_slice(view, at, end))
        return end + 1
    if _stands(view, at, b"INTERNALDATE \""):
        at += 14
        end = _up_to(view, at, c"\"", MAX_DATE_OCTETS)
        if end < 0 or _has_any(view, at, end, b"\\\r\n"):
            return -1
        said.date = _date(view, at, end)
        return end + 1
    if _stands(view, at, b"RFC822.SIZE "):
        end = _digits(view, at + 12, 19)
        if end >= 0:
            said.octets = _number(view, at + 12, end)
        return end
    if _stands(view, at, b"MODSEQ ("):
        end = _digits(view, at + 8, 19)
        if end < 0 or not _stands(view, end, b")"):
            return -1
        said.modseq = _number(view, at + 8, end)
        return end + 1
    if _stands(view, at, b"X-GM-MSGID "):
        end = _digits(view, at + 11, 20)
        if end >= 0:
            said.gmail_id = _slice(view, at + 11, end).decode("ascii")
        return end
    if _stands(view, at, b"EMAILID ("):
        at += 9
        end = _up_to(view, at, c")", MAX_ID_OCTETS)
        if end <= at or not _is_identifier(view, at, end):
            return -1
        identifier = _slice(view, at, end).decode("ascii")
        if identifier.lower() == "nil":
            return -1
        said.email_id = identifier
        return end + 1
    return -1


cdef object _date(const unsigned char[::1] view, Py_ssize_t at, Py_ssize_t end):
    """Return a date in UTC; the usual form is read here, and whatever is odd where all forms are."""
    cdef int month, day, year, hour, minute, second, ahead
    if end - at == DATE_OCTETS and _is_usual_date(view, at):
        day = _two(view, at) if view[at] != c" " else view[at + 1] - c"0"
        month = _month(view, at + 3)
        year = 100 * _two(view, at + 7) + _two(view, at + 9)
        hour, minute, second = _two(view, at + 12), _two(view, at + 15), _two(view, at + 18)
        ahead = 3600 * _two(view, at + 22) + 60 * _two(view, at + 24)
        # The last days of a month, leap seconds and the like are for whoever knows calendars.
        if month and 0 < day <= 28 and FIRST_YEAR < year and hour < 24 and minute < 60 and second < 60:
            moment = datetime_new(year, month, day, hour, minute, second, 0, _UTC)
            if not ahead:
                return moment
            if year < 9999:
                return moment + timedelta_new(0, ahead if view[at + 21] == c"-" else -ahead, 0)
    return _parse_internal_date(_slice(view, at, end))


cdef bint _is_usual_date(const unsigned char[::1] view, Py_ssize_t at):
    """Whether 26 octets are written as ``dd-Mmm-yyyy hh:mm:ss +zzzz``, a digit where one belongs."""
    cdef const char* form = b"#0-???-0000 00:00:00 +0000"
    cdef Py_ssize_t number
    cdef unsigned char octet, meant
    for number in range(DATE_OCTETS):
        octet, meant = view[at + number], form[number]
        if meant == c"0":
            if not c"0" <= octet <= c"9":
                return False
        elif meant == c"#":
            if not (c"0" <= octet <= c"9" or octet == c" "):
                return False
        elif meant == c"+":
            if octet != c"+" and octet != c"-":
                return False
        elif meant != c"?" and octet != meant:
            return False
    return True


cdef int _month(const unsigned char[::1] view, Py_ssize_t at):
    """Return the number of a month in its usual spelling, or 0."""
    cdef int number
    for number in range(12):
        if memcmp(&view[at], _MONTHS + 3 * number, 3) == 0:
            return number + 1
    return 0


cdef int _two(const unsigned char[::1] view, Py_ssize_t at):
    return 10 * (view[at] - c"0") + view[at + 1] - c"0"


cdef bint _stands(const unsigned char[::1] view, Py_ssize_t at, bytes text):
    """Whether a text stands at a place."""
    cdef Py_ssize_t length = len(text)
    return length <= view.shape[0] - at and memcmp(&view[at], <const char*> text, length) == 0


cdef Py_ssize_t _digits(const unsigned char[::1] view, Py_ssize_t at, Py_ssize_t most):
    """Return where a run of digits ends, or -1 where there is none or it is too long."""
    cdef Py_ssize_t start = at
    while at < view.shape[0] and c"0" <= view[at] <= c"9":
        at += 1
        if at - start > most:
            return -1
    return at if at > start else -1


cdef object _number(const unsigned char[::1] view, Py_ssize_t at, Py_ssize_t end):
    """Return what digits say; of up to 19, which 64 bits hold."""
    cdef unsigned long long number = 0
    while at < end:
        number = 10 * number + view[at] - c"0"
        at += 1
    return number


cdef Py_ssize_t _up_to(const unsigned char[::1] view, Py_ssize_t at, unsigned char octet, Py_ssize_t most):
    """Return where an octet stands next, after ``most`` others at most, or -1."""
    cdef Py_ssize_t room = min(most + 1, view.shape[0] - at)
    cdef const unsigned char* found
    if room <= 0:
        return -1
    found = <const unsigned char*> memchr(&view[at], octet, room)
    return -1 if found is NULL else at + (found - &view[at])


cdef bint _has_any(const unsigned char[::1] view, Py_ssize_t at, Py_ssize_t end, bytes octets):
    """Whether any of some octets stands between two places."""
    cdef const char* each = octets
    cdef Py_ssize_t number
    if at >= end:
        return False
    for number in range(len(octets)):
        if memchr(&view[at], each[number], end - at) is not NULL:
            return True
    return False


cdef bint _is_identifier(const unsigned char[::1] view, Py_ssize_t at, Py_ssize_t end):
    """Whether octets are all letters, digits, ``-`` and ``_`` (RFC 8474 section 7)."""
    cdef unsigned char octet
    while at < end:
        octet = view[at]
        if not (
            c"a" <= octet <= c"z" or c"A" <= octet <= c"Z" or c"0" <= octet <= c"9" or octet in (c"-", c"_")
        ):
            return False
        at += 1
    return True


cdef bytes _slice(const unsigned char[::1] view, Py_ssize_t at, Py_ssize_t end):
    """Return octets, none where there are none between two places."""
    return (<const char*> &view[at])[: end - at] if at < end else b""
