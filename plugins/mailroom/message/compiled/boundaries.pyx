# cython: language_level=3, boundscheck=True, wraparound=False, binding=False
"""Where the parts of a multipart start and end, with every boundary line beyond doubt.

Belongs here: what ``boundaries`` of this package's parent does for such multiparts. Does not belong here:
what is in the parts.
"""

from mailroom.message.compiled.octets cimport find_text

cdef enum:
    MAX_BOUNDARY_OCTETS = 200


def split_parts(bytes content, Py_ssize_t start, Py_ssize_t end, str boundary, Py_ssize_t most):
    """Return where the parts start and end, or None where that is to be asked (RFC 2046 section 5.1).

    :param most: how many parts there may be.
    """
    cdef bytes needle = b"--" + boundary.encode("utf-8", "surrogateescape").rstrip()
    cdef Py_ssize_t length = len(needle)
    if length == 2 or length > MAX_BOUNDARY_OCTETS:
        return None
    cdef const unsigned char[::1] view = content
    cdef Py_ssize_t at = start, opened = -1, after, stop
    cdef bint is_final, is_over = False
    cdef list found = []
    while True:
        at = find_text(view, needle, at, end)
        if at < 0:
            break
        after = at + length
        if at > start and view[at - 1] != c"\n":
            if view[at - 1] == c"\r":
                return None
            at = after
            continue
        is_final = after + 2 <= end and view[after] == c"-" and view[after + 1] == c"-"
        stop = after + 2 if is_final else after
        if stop == end and is_final:
            pass
        elif stop >= end or view[stop] == c" " or view[stop] == c"\t":
            return None
        elif view[stop] == c"\n":
            stop += 1
        elif view[stop] == c"\r":
            if stop + 1 >= end or view[stop + 1] != c"\n":
                return None
            stop += 2
        else:  # the boundary of another multipart begins with this one
            at = after
            continue
        if is_over or len(found) == most:
            return None
        if opened >= 0:
            found.append((opened, max(opened, _before_line_end(view, at, start))))
        is_over = is_final
        opened = -1 if is_final else stop
        at = after
    return found if is_over and found else None


cdef Py_ssize_t _before_line_end(const unsigned char[::1] view, Py_ssize_t at, Py_ssize_t start):
    """Return where the line before a boundary ends: its line end belongs to the boundary."""
    if at - start >= 2 and view[at - 2] == c"\r" and view[at - 1] == c"\n":
        return at - 2
    return at - 1 if at > start else at
