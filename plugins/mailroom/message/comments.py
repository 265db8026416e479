"""Comments of structured header fields (RFC 5322 section 3.2.2), taken out.

Belongs here: telling comments and quoted strings from the rest. Does not belong here: what any field means.
"""

from __future__ import annotations

import re

__all__ = ["QUOTED_TEXT", "without_comments"]

QUOTED_TEXT = r'"(?:[^"\\]|\\.)*+"'
"""A quoted string as a regular expression, for ``re.S``."""

_LEXEME = re.compile(rf'{QUOTED_TEXT}|\\["();]|["()]', re.S)
_IN_COMMENT = re.compile(r"\\.|[()]", re.S)


def without_comments(value: str) -> tuple[str, bool]:
    """Return a value without its comments, and whether each of them and each quoted string ends.

    Comments nest, and hold what looks like results; up to where something does not end.
    """
    kept: list[str] = []
    at = 0
    while (mark := _LEXEME.search(value, at)) is not None:
        kept.append(value[at : mark.start()])
        if mark[0] == "(":
            at = _end_of_comment(value, mark.end())
            if at < 0:
                return "".join(kept), False
            kept.append(" ")
        elif len(mark[0]) > 1 and mark[0][0] == '"':
            kept.append(mark[0])
            at = mark.end()
        else:
            return "".join(kept), False
    return "".join([*kept, value[at:]]), True


def _end_of_comment(value: str, at: int) -> int:
    """Return where a comment that opened before ``at`` ends, or -1."""
    depth = 1
    for mark in _IN_COMMENT.finditer(value, at):
        depth += {"(": 1, ")": -1}.get(mark[0], 0)
        if depth == 0:
            return mark.end()
    return -1
