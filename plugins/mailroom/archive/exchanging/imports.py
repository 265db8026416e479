"""What imports ask of the archive: where they read from, and which messages a folder holds already.

Belongs here: the two questions. Does not belong here: reading mail (``services.import_mail``),
writing it (``writer``).
"""

from __future__ import annotations

import os

import numpy as np

from mailroom.archive.archive import Archive
from mailroom.archive.digests import DigestSet, halves_of
from mailroom.archive.exchanging.import_source import (
    BucketFiles,
    ImportSource,
    SourceFile,
    open_bucket_or_path,
)
from mailroom.archive.exchanging.import_zip import ZipFiles, is_zip
from mailroom.archive.reading.contents import AccountContents
from mailroom.archive.storage.store import Root
from mailroom.archive.writing.locations import transaction_name

__all__ = ["HeldDigests", "ImportSource", "SourceFile", "open_source"]

MERGE_ROWS = 20_000
"""New digests are kept one by one until there are this many, then sorted in."""


def open_source(place: Root) -> ImportSource:
    """Return where to import from: a folder, a file, a zip file, a prefix of a bucket or one object.

    :raises ConfigurationError: where nothing is there, or it cannot be read.
    :raises LimitExceeded: where a zip file unpacks to more than mail does.
    :raises StoreUnavailable: where the store refuses.
    """
    source = open_bucket_or_path(place)
    if not source.is_file:
        return source
    if isinstance(source, BucketFiles):
        if not source.url.lower().endswith(".zip"):
            return source
        copy = source.download()
        try:
            return ZipFiles(copy, source.url, is_own=True)
        except BaseException:
            if os.path.exists(copy):
                os.unlink(copy)
            raise
    with open(source.url, "rb") as file:
        head = file.read(4)
    return ZipFiles(source.url, source.url) if is_zip(head) else source


class HeldDigests:
    """The messages that folders of one account hold, whichever way they came; 16 octets each.

    :raises StoreUnavailable: where the archive cannot be read.
    """

    def __init__(self, archive: Archive, account: str) -> None:
        self._archive = archive
        self._account = account
        self._contents = AccountContents(archive, account)
        self._sets: dict[str, DigestSet] = {}
        self._fresh: dict[str, set[str]] = {}

    @property
    def delimiter(self) -> str:
        """What separates levels in this account's folder names."""
        return self._contents.delimiter

    def add(self, folder: str, digest: str) -> bool:
        """Note a message; False where the folder holds it already."""
        if folder not in self._sets:
            self._load(folder)
        fresh = self._fresh[folder]
        if digest in fresh or self._sets[folder].holds(digest):
            return False
        fresh.add(digest)
        if len(fresh) >= MERGE_ROWS:
            pairs = np.array([halves_of(one) for one in fresh], dtype=np.uint64)
            before = self._sets[folder]
            self._sets[folder] = DigestSet(
                np.concatenate([before.first, pairs[:, 0]]), np.concatenate([before.second, pairs[:, 1]])
            )
            fresh.clear()
        return True

    def _load(self, folder: str) -> None:
        # What others have committed to this folder since is looked at before rows are written.
        name = transaction_name(self._account, folder)
        self._archive.planned_on[name] = self._contents.seq_of(folder)
        first, second = self._contents.digests(folder)
        self._sets[folder] = DigestSet(first, second)
        self._fresh[folder] = set()
