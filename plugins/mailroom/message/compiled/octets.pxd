"""Octets searched within their bounds."""

from libc.string cimport memchr, memcmp


cdef inline Py_ssize_t find(
    const unsigned char[::1] view, unsigned char octet, Py_ssize_t start, Py_ssize_t end
) noexcept:
    """Return where an octet first stands between two places, or -1."""
    if start < 0 or start >= end or end > view.shape[0]:
        return -1
    cdef const unsigned char* base = &view[0]
    cdef const unsigned char* found = <const unsigned char*> memchr(base + start, octet, end - start)
    return found - base if found is not NULL else -1


cdef inline Py_ssize_t find_text(
    const unsigned char[::1] view, bytes needle, Py_ssize_t start, Py_ssize_t end
) noexcept:
    """Return where a text first starts between two places, or -1; its first octet should be a rare one."""
    cdef Py_ssize_t length = len(needle)
    cdef const unsigned char* octets = <const unsigned char*> <const char*> needle
    while True:
        start = find(view, octets[0], start, end - length + 1)
        if start < 0 or memcmp(&view[start], octets, length) == 0:
            return start
        start += 1
