"""The closed list of what can be wrong with a message and was read anyway.

A defect is recorded, never raised: mail that no parser likes is still mail. Does not
belong here: finding them (each parser does that for its own part).
"""

from __future__ import annotations

import enum

__all__ = ["Defect", "Defects"]


class Defect(enum.StrEnum):
    """One kind of damage, a limit that was reached, or why content is kept unread; tables hold the value."""

    HEADER_MISSING = "no header"
    HEADER_LINE_MALFORMED = "malformed header line"
    HEADER_TOO_LONG = "header too long"
    BLANK_LINE_MISSING = "no blank line after the header"
    DATE_UNREADABLE = "unreadable date"
    ADDRESSES_TOO_MANY = "too many addresses"
    CHARSET_UNKNOWN = "unknown charset"
    ENCODING_UNKNOWN = "unknown transfer encoding"
    ENCODING_WRONG = "wrong transfer encoding"
    BOUNDARY_PARAMETER_MISSING = "no boundary parameter"
    BOUNDARY_NOT_FOUND = "boundary not found"
    FINAL_BOUNDARY_MISSING = "no final boundary"
    NESTED_TOO_DEEP = "nested too deep"
    NESTED_TOO_LARGE = "nested message too large to look into"
    PARTS_TOO_MANY = "too many parts"
    TEXT_TOO_LONG = "text too long"
    ENCRYPTED = "encrypted"


Defects = set[Defect]
"""What was found so far; the parsers of one message share it."""
