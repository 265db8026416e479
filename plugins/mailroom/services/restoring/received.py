"""The octets of a message that a server has just delivered, in memory or in a file."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager

from mailroom.model import Body

__all__ = ["opened"]


@contextmanager
def opened(body: Body) -> Iterator[bytes | mmap.mmap]:
    """Give the octets of a message that has just arrived."""
    if body.content is not None or body.path is None:
        yield body.content or b""
        return
    with open(body.path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content
