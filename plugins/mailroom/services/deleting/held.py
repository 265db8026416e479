"""Which messages about to be deleted are under legal hold.

Here: the question for whoever deletes without rules of its own, as a POP3 fetch does. Not here:
retention, whose rules ask it among other things (``message_facts``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from mailroom.archive import Archive
from mailroom.archive.ledgers import read_holds
from mailroom.ledger import HoldRow
from mailroom.model import Folder, FolderRow, LocationRow
from mailroom.policy.holds import EVERY_ACCOUNT, FolderHolds, holds_on
from mailroom.policy.retention import uses_of

__all__ = ["archived_folders", "archived_uses", "count_held", "find_held"]


def find_held(
    archive: Archive,
    account: str,
    folder: str,
    rows: Sequence[LocationRow],
    now: datetime,
    *,
    use: str | None = None,
    holds: Sequence[HoldRow] | None = None,
) -> dict[str | None, str]:
    """Return why each of these messages is under hold, by SHA-256; those that are not are left out.

    :param use: the folder's special-use attribute.
    :param holds: those that there are, where they have just been read.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    if not rows:
        return {}
    here = holds_on(read_holds(archive) if holds is None else holds, account, folder, now, use=use)
    if not here:
        return {}
    digests = {row.sha256 for row in rows if row.sha256 is not None}
    fields = archive.message_fields(digests, here.columns) if here.columns else {}
    found = {row.sha256: here.reason(fields.get(row.sha256 or "") if here.columns else {}) for row in rows}
    return {digest: reason for digest, reason in found.items() if reason is not None}


def archived_uses(archive: Archive, account: str) -> dict[str, str | None]:
    """Return the special use of each folder that an account has or had, as it was last seen.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    return uses_of(_as_listed(row) for row in archive.last_folders(account).values())


def archived_folders(archive: Archive, account: str) -> list[Folder]:
    """Return the folders that an account has, as the server listed them when they were last seen.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    return [_as_listed(row) for row in archive.last_folders(account).values() if not row.deleted]


def _as_listed(row: FolderRow) -> Folder:
    attributes = (row.special_use,) if row.special_use else ()
    return Folder(name=row.folder, delimiter=row.delimiter, attributes=attributes)


def count_held(archive: Archive, hold: HoldRow, now: datetime) -> int:
    """Return how many archived messages one hold means now; some 150 octets of memory for each of a folder.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    meant: set[str] = set()
    known: dict[tuple[str, str], FolderHolds] = {}
    uses: dict[str, dict[str, str | None]] = {}
    equal = None if hold.account == EVERY_ACCOUNT else {"account": hold.account}
    for rows in archive.scan_table("locations", ("account", "folder", "sha256"), equal=equal):
        names = (rows[name].to_pylist() for name in ("account", "folder", "sha256"))
        for account, folder, digest in zip(*names, strict=True):
            if (account, folder) not in known:
                if account not in uses:
                    uses[account] = archived_uses(archive, account)
                known[account, folder] = holds_on([hold], account, folder, now, use=uses[account].get(folder))
            if digest is not None and known[account, folder]:
                meant.add(digest)
    obeyed = holds_on([replace(hold, folder=None)], hold.account, "", now)
    if not obeyed.columns:
        return len(meant)
    columns = tuple(dict.fromkeys(("sha256", *obeyed.columns)))
    return sum(
        row["sha256"] in meant and obeyed.reason(row) is not None
        for rows in archive.scan_table("messages", columns)
        for row in rows.to_pylist()
    )
