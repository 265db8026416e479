# cython: language_level=3, boundscheck=True, wraparound=False, binding=False
"""Values of header fields as programs that follow the rules write them: parameters, dates, encoded words.

Belongs here: the common forms of what ``parameters``, ``dates`` and ``encoded_words`` read, with the same
answers; whatever is odd is answered with None and left to them. Does not belong here: finding the fields
(``fields``).
"""

from cpython.datetime cimport datetime_new, import_datetime, timedelta_new

import binascii
import datetime

from mailroom.message.encoded_words import MAX_VALUE_CHARACTERS as _MAX_VALUE_CHARACTERS

import_datetime()

cdef object _UTC = datetime.timezone.utc
cdef object _a2b_base64 = binascii.a2b_base64
cdef object _a2b_qp = binascii.a2b_qp
cdef dict _MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}

cdef enum:
    MAX_PARAMETER_CHARACTERS = 2000


cdef bint _is_token(Py_UCS4 letter):
    """Whether a character may stand in a value without quotes."""
    return letter > 32 and letter not in ";\"\\()<>@,:?=[]*'"


cdef bint _is_attribute(Py_UCS4 letter):
    """Whether a character may stand in the name of a parameter."""
    return u"a" <= letter <= u"z" or u"A" <= letter <= u"Z" or letter == u"-"


def simple_parameters(str value):
    """Return a value and its parameters as ``parse_parameters`` does, or None where that is to be asked.

    :param value: printable ASCII, unfolded.
    """
    cdef Py_ssize_t at = 0, start, end = len(value)
    cdef dict parameters = {}
    cdef Py_UCS4 letter
    cdef str main, name, one
    if end > MAX_PARAMETER_CHARACTERS or "''" in value:
        return None
    while at < end and _is_token(value[at]):
        at += 1
    main = value[:at].lower()
    while True:
        while at < end and value[at] == " ":
            at += 1
        if at == end:
            return main, parameters
        if value[at] != ";":
            return None
        at += 1
        while at < end and value[at] == " ":
            at += 1
        if at == end:
            return main, parameters
        start = at
        while at < end and _is_attribute(value[at]):
            at += 1
        if at == start or at == end or value[at] != "=":
            return None
        name = value[start:at].lower()
        at += 1
        start = at
        if at < end and value[at] == '"':
            start = at + 1
            at = value.find('"', start)
            if at < 0:
                return None
            one = value[start:at]
            if "\\" in one:
                return None
            at += 1
        else:
            while at < end and _is_token(value[at]):
                at += 1
            one = value[start:at]
        if not one or name in parameters:
            return None
        parameters[name] = one


def usual_date(str text):
    """Read ``Mon, 2 Jan 2006 15:04:05 -0700``, or return None."""
    cdef Py_ssize_t at = 5, length = len(text)
    cdef int day, month, year, hour, minute, second, offset, zone
    if length < 30 or text[3] != "," or text[4] != " " or not text[:3].isalpha():
        return None
    if text[6] == " ":
        day = _number(text, 5, 1)
        at = 7
    else:
        day = _number(text, 5, 2)
        at = 8
    if length < at + 23 or text[at - 1] != " " or text[at + 3] != " " or text[at + 8] != " ":
        return None
    if text[at + 11] != ":" or text[at + 14] != ":" or text[at + 17] != " ":
        return None
    found = _MONTHS.get(text[at : at + 3])
    if found is None or (length > at + 23 and text[at + 23 : at + 25] != " ("):
        return None
    month = found
    year = _number(text, at + 4, 4)
    hour, minute = _number(text, at + 9, 2), _number(text, at + 12, 2)
    second = _number(text, at + 15, 2)
    offset, zone = _number(text, at + 19, 2), _number(text, at + 21, 2)
    sign = text[at + 18]
    if not (1 <= day <= 28 and year >= 1900 and 0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 59):
        return None
    if not (0 <= offset <= 23 and 0 <= zone <= 59 and (sign == "+" or sign == "-")):
        return None
    moment = datetime_new(year, month, day, hour, minute, second, 0, _UTC)
    offset = (offset * 60 + zone) * 60
    if not offset:
        return moment
    return moment - timedelta_new(0, -offset if sign == "-" else offset, 0)


cdef int _number(str text, Py_ssize_t at, Py_ssize_t length):
    """Return a decimal number of so many digits, or -1."""
    cdef int found = 0
    cdef Py_ssize_t stop = at + length
    cdef Py_UCS4 digit
    while at < stop:
        digit = text[at]
        if digit < 48 or digit > 57:
            return -1
        found = found * 10 + <int> digit - 48
        at += 1
    return found


def simple_words(str value):
    """Return header text with encoded words, all in UTF-8 and well-formed, as people read it; else None.

    :param value: printable ASCII, unfolded.
    """
    cdef Py_ssize_t start = value.find("=?"), at = start, body, end, length = len(value)
    cdef list pieces = []
    cdef str encoding = "", word
    if length > _MAX_VALUE_CHARACTERS:
        return None
    while True:
        body = at + 10
        if body >= length or value[at : at + 8].lower() != "=?utf-8?" or value[at + 9] != "?":
            return None
        encoding = encoding or value[at + 8].lower()
        end = value.find("?=", body)
        if end < 0 or value[at + 8].lower() != encoding:
            return None
        word = value[body:end]
        if "?" in word or " " in word:
            return None
        if encoding == "q":
            if "=" in word[max(0, end - body - 2) :]:
                return None
            pieces.append(_a2b_qp(word.encode("ascii"), header=True))
        elif encoding == "b" and (end - body) % 4 == 0:
            try:
                pieces.append(_a2b_base64(word, strict_mode=True))
            except ValueError:
                return None
        else:
            return None
        at = end + 2
        if at == length:
            break
        if value[at] != " ":
            return None
        while at < length and value[at] == " ":
            at += 1
    try:
        decoded = b"".join(pieces).decode("utf-8")
    except UnicodeDecodeError:
        return None
    if not decoded.isprintable() or "=?" in decoded:
        return None
    return (value[:start] + decoded).strip()
