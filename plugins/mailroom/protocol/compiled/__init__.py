"""Responses of the usual shape read by compiled code: the same answers as elsewhere, several times as soon.

Belongs here: what ``fetch_at_once`` reads, in Cython. Optional: where it was not compiled, or
``MAILROOM_PURE_PYTHON=1`` keeps it from loading, nothing but time is lost.
"""
