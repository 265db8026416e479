"""Which of several things are meant: the first, the first three, all from the second on.

Here: reading such a text. Not here: what is counted (``attachments``).
"""

from __future__ import annotations

import re
import sys

from mailroom.exceptions import ConfigurationError

__all__ = ["read_positions"]

_POSITIONS = re.compile(r"([0-9]{1,6})(?:\s*(-)\s*([0-9]{1,6})?)?")


def read_positions(text: str) -> tuple[int, int]:
    """Return the first and the last position a text names, counted from 1.

    >>> read_positions("1"), read_positions("2 - 4"), read_positions("2-")[0]
    ((1, 1), (2, 4), 2)

    :raises ConfigurationError: it names none.
    """
    found = _POSITIONS.fullmatch(text.strip())
    if found is not None:
        first = int(found[1])
        last = int(found[3]) if found[3] else sys.maxsize if found[2] else first
        if 1 <= first <= last:
            return first, last
    raise ConfigurationError(f"position must be a number such as 1, 1-3 or 2-, counted from 1, not {text!r}.")
