"""Everyday messages read by compiled code: the same answers as everywhere else, several times as soon.

Belongs here: what the readers of this package's parent do for messages that follow the rules, in Cython.
Optional: where it was not compiled, nothing but time is lost. Whatever is odd is left to the careful
reader, so that no rule is only here.

``plain`` reads a message with ``fields``, ``values`` and ``texts``; ``octets`` searches.
"""
