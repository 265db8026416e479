"""The folders of an account shared out among several mirrors at once, one connection each.

Here: how much work each folder is, by what LIST and STATUS say and what the archive holds. Not
here: the packing (``policy.lanes``), the mirrors (``mirror``).

Where folders are gone, they and those that are new are in no lane, for the ones may be the others
under new names: they, and all that is gone, are for a mirror of the whole account after the lanes.
An account with labels is one lane: all other folders wait for the one that holds all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mailroom.client.imap_statuses import states_with_list, with_statuses
from mailroom.model import Folder, FolderRow
from mailroom.policy.folders import match_folders
from mailroom.policy.lanes import pack_lanes
from mailroom.policy.mirror import MirrorSelection, is_unchanged
from mailroom.services.mirroring.begun_folders import with_begun

if TYPE_CHECKING:
    from mailroom.archive import Archive
    from mailroom.client.imap import ImapClient

__all__ = ["plan_lanes"]

OPENING = 50
"""How many messages opening a folder is worth: some round trips, and its flags."""


def plan_lanes(
    connect: Callable[[], ImapClient],
    archive: Archive,
    account: str,
    *,
    selection: MirrorSelection,
    lanes: int,
) -> list[list[str]]:
    """Return the names of the chosen folders in at most so many lanes; none where there is no such folder.

    :raises ConfigurationError: if a folder pattern means no folder.
    :raises ConnectionLost: if the server cannot be reached or goes away.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    known = archive.noted.overview(account)
    rows = with_begun(archive, account, known, datetime.now(UTC))
    last = {name: row for name, row in rows.items() if not row.deleted}
    with connect() as client:
        listed = client.list_folders(other_namespaces=selection.other_namespaces)
        folders = {folder.name: folder for folder in listed if folder.is_selectable}
        uses = {name: row.special_use for name, row in last.items()}
        uses |= {name: folder.special_use for name, folder in folders.items()}
        chosen = match_folders(selection.folders, selection.exclude, uses, special_use=uses, must_choose=True)
        here = [folders[name] for name in chosen if name in folders]
        if not states_with_list(client):
            here = with_statuses(client, here)
        has_labels = client.states_labels and any(folder.has_attribute("\\All") for folder in here)
    is_any_gone = any(name not in folders for name in chosen)
    work = {f.name: _work(f, last, known.live) for f in here if f.name in last or not is_any_gone}
    return pack_lanes(work, 1 if has_labels else lanes)


def _work(folder: Folder, last: Mapping[str, FolderRow], live: Mapping[str, int]) -> int:
    """Return how much a folder is to do, in messages."""
    held = live.get(folder.name, 0)
    if is_unchanged(folder.status, last.get(folder.name), held):
        return 0
    return OPENING + max(0, (folder.status or {}).get("MESSAGES", 0) - held)
