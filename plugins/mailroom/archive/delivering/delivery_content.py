"""Contents on their way to a delivery, and the paths they may have there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import IO

from mailroom.exceptions import ConfigurationError, IntegrityError

__all__ = ["Content", "check_content", "copy_content", "inside"]

Content = Callable[[], Iterable[bytes]]
"""Returns the content anew, in pieces."""


def inside(path: str) -> str:
    """Return a path that stays below the root.

    :raises ConfigurationError: where it would not; names from mail are made safe before this.
    """
    segments = path.split("/")
    if not path or "\0" in path or any(segment in ("", ".", "..") for segment in segments):
        raise ConfigurationError(f"'{path}' is no path below a destination; check the name template.")
    return path


def copy_content(content: Content, file: IO[bytes], digest: str) -> None:
    """Write content to a file.

    :raises IntegrityError: where it is not what was announced.
    """
    found = hashlib.sha256()
    for chunk in content():
        found.update(chunk)
        file.write(chunk)
    check_content(found.hexdigest(), digest)


def check_content(found: str, expected: str) -> None:
    """Compare the digest of a content with the one that was announced.

    :raises IntegrityError: where they differ.
    """
    if found != expected:
        raise IntegrityError(
            "An attachment's content is not what the archive's table says; run mailroom verify.",
            digest_expected=expected,
            digest_found=found,
        )
