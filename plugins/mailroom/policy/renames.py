"""Which folders are known ones under other names.

Here: the match by what a listing says: MAILBOXID (RFC 8474), which a folder keeps for life, else
UIDVALIDITY, which a renamed folder keeps (RFC 3501 section 6.3.5). Not here: whether its messages
are the same (``services.renaming``): some servers give all their folders one UIDVALIDITY.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TypeVar

from mailroom.model import Folder, FolderRow

__all__ = ["find_renames"]

T = TypeVar("T", Folder, FolderRow)


def find_renames(known: Mapping[str, FolderRow], listed: Mapping[str, Folder]) -> dict[str, str]:
    """Return for each folder that seems to be a known one under another name what that name was.

    Both names may exist before and after: folders can be swapped.

    :param known: the newest row of each folder.
    :param listed: the selectable folders that the server lists, with STATUS items as far as known.
    """
    there = {name: row for name, row in known.items() if not row.deleted}
    new = [folder for name, folder in listed.items() if not _is_still(folder, there.get(name))]
    old = [row for name, row in there.items() if name not in listed or not _is_still(listed[name], row)]
    found = _pairs(old, new, lambda row: row.mailbox_id, lambda folder: folder.mailbox_id)
    rest = [folder for folder in new if folder.name not in found]
    left = [row for row in old if row.folder not in found.values()]
    for name, before in _pairs(left, rest, lambda row: row.uid_validity, _uid_validity).items():
        if _may_follow(listed[name], there[before]):
            found[name] = before
    return {name: before for name, before in found.items() if name != before}


def _pairs(
    old: Iterable[FolderRow],
    new: Iterable[Folder],
    key_of_old: Callable[[FolderRow], Hashable],
    key_of_new: Callable[[Folder], Hashable],
) -> dict[str, str]:
    """Return new names with old ones that share a key which nobody else has."""
    before = _by_unique_key(old, key_of_old)
    after = _by_unique_key(new, key_of_new)
    return {after[key].name: before[key].folder for key in after if key in before}


def _by_unique_key(folders: Iterable[T], key_of: Callable[[T], Hashable]) -> dict[Hashable, T]:
    keyed = [(key, folder) for folder in folders if (key := key_of(folder)) is not None]
    counts = Counter(key for key, _ in keyed)
    return {key: folder for key, folder in keyed if counts[key] == 1}


def _is_still(folder: Folder, row: FolderRow | None) -> bool:
    """Return whether a folder is the one that its name meant, as far as is known."""
    if row is None:
        return False
    if folder.mailbox_id and row.mailbox_id:
        return folder.mailbox_id == row.mailbox_id
    stated = _uid_validity(folder)
    return stated is None or not row.uid_validity or stated == row.uid_validity


def _may_follow(folder: Folder, row: FolderRow) -> bool:
    """Return whether a folder's numbers can have grown from what they were."""
    if folder.mailbox_id and row.mailbox_id:
        return False  # both are known, and were no pair
    stated = (folder.status or {}).get("UIDNEXT")
    return stated is None or row.uid_next is None or stated >= row.uid_next


def _uid_validity(folder: Folder) -> int | None:
    return (folder.status or {}).get("UIDVALIDITY") or None
