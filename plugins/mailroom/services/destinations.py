"""Places that mail or parts of it are copied to, as far as they must be apart from the archive.

Here: two questions. Not here: writing (``archive``).
"""

from __future__ import annotations

import os

__all__ = ["OWN_FOLDERS", "is_of_the_archive", "lies_within"]

OWN_FOLDERS = (
    "raw",
    "tables",
    "bookmarks",
    "certificates",
    "intents",
    "lifted",
    "search",
    "trashed",
    "unannounced",
    "uncut",
    "unsealed",
)
"""Folders of an archive that only the archive may write to."""


def is_of_the_archive(destination: str, archive: str) -> bool:
    """Return whether a place is the archive's root, or one that only the archive may write to.

    >>> is_of_the_archive("s3://b/mail/raw/x", "s3://b/mail"), is_of_the_archive("s3://b/out", "s3://b/mail")
    (True, False)
    """
    place, root = _comparable(destination), _comparable(archive)
    return place == root or any(_is_within(place, f"{root}/{name}") for name in OWN_FOLDERS)


def lies_within(place: str, root: str) -> bool:
    """Return whether a place is a root or lies anywhere within it: what befalls one befalls both.

    >>> lies_within("s3://b/mail/copy", "s3://b/mail"), lies_within("s3://b/mail2", "s3://b/mail")
    (True, False)
    """
    return _is_within(_comparable(place), _comparable(root))


def _comparable(url: str) -> str:
    return url.rstrip("/") if "://" in url else os.path.realpath(url)


def _is_within(place: str, root: str) -> bool:
    return f"{place}/".startswith(f"{root}/")
