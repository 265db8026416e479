"""Whether a mirror would find nothing to do, were the server to say again what it said.

Here: judging a listing by what the archive says at the end of a run. Not here: the run that finds
nothing to do (``mirror_run``), how equal answers are recognised (``protocol.conversation``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mailroom.policy.mirror import is_unchanged
from mailroom.services.mirroring.mirror_report import MirrorReport

if TYPE_CHECKING:
    from mailroom.archive import AccountOverview
    from mailroom.model import Folder, FolderRow

__all__ = ["as_listed", "settled_report"]


def as_listed(row: FolderRow, folder: Folder) -> FolderRow:
    """Return what is known of a folder with what LIST says of it."""
    return replace(
        row,
        delimiter=folder.delimiter,
        special_use=folder.special_use,
        subscribed=folder.subscribed,
        mailbox_id=folder.mailbox_id or row.mailbox_id,
    )


def settled_report(
    account: str, known: AccountOverview, listed: Mapping[str, Folder], chosen: Sequence[str]
) -> MirrorReport | None:
    """Return what a mirror would report that found these folders so; None where it would have to look closer.

    :param known: what the archive says of the account.
    :param listed: all folders that can be opened, with their counts.
    :param chosen: the names of those that are mirrored.
    """
    begun = (name for name, live in known.live.items() if live)
    there = [name for name, row in known.folders.items() if not row.deleted]
    if not all(name in listed for name in (*begun, *there)) or not all(name in there for name in chosen):
        return None
    if all(_is_settled(listed[name], known.folders[name], known.live.get(name, 0)) for name in chosen):
        return MirrorReport(account=account, folders=len(chosen), unchanged=len(chosen))
    return None


def _is_settled(folder: Folder, row: FolderRow, live: int) -> bool:
    return is_unchanged(folder.status, row, live) and as_listed(row, folder) == row
