"""Places that mail or parts of it are copied to, as far as they must be apart from the archive.

Here: one question. Not here: writing (``archive``).
"""

from __future__ import annotations

import os

__all__ = ["is_of_the_archive"]


def is_of_the_archive(destination: str, archive: str) -> bool:
    """Return whether a place is the archive's root, or one that only the archive may write to.

    >>> is_of_the_archive("s3://b/mail/raw/x", "s3://b/mail"), is_of_the_archive("s3://b/out", "s3://b/mail")
    (True, False)
    """
    place, root = (
        url.rstrip("/") if "://" in url else os.path.realpath(url) for url in (destination, archive)
    )
    return place == root or f"{place}/".startswith((f"{root}/raw/", f"{root}/tables/"))
