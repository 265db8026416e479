"""Everyday messages read by compiled code: the same answers as everywhere else, several times as soon.

Belongs here: what the readers of this package's parent do for messages that follow the rules, in Cython.
Optional: where it was not compiled, or ``MAILROOM_PURE_PYTHON=1`` keeps it from loading, nothing but time
is lost. Whatever is odd is left to the careful reader (``index``), so that no rule is only here.

``plain`` reads a message, with ``fields``, ``boundaries``, ``values`` and ``texts``; ``octets`` searches.
"""
