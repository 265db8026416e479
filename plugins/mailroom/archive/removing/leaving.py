"""Which messages a removal means: of an account, about a person, or older than a moment.

Belongs here: finding them in the tables. Does not belong here: removing them (``removal``), legal holds
(``services.forget``). Found digests are held as texts: a removal of a million takes some 150 MB.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.archive import Archive
from mailroom.archive.reading.places import CHANGES, Places
from mailroom.archive.removing.tombstones import Tombstones
from mailroom.model import SERVER_PROTOCOLS, Change

__all__ = [
    "about_person",
    "extent_of",
    "live_messages",
    "of_account",
    "older_than",
    "places_of",
    "unfinished",
]

_LIVE = np.array([Change(word).is_live for word in CHANGES] + [False])


def of_account(archive: Archive, account: str) -> tuple[set[str], set[str]]:
    """Return the messages that only this account has, and those of its messages that others have as well.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    mine: set[str] = set()
    for rows in archive.scan_table("locations", ["sha256"], equal={"account": account}):
        mine.update(rows["sha256"].drop_null().to_pylist())
    others: set[str] = set()
    wanted = pa.array(sorted(mine), pa.string())
    for rows in archive.scan_table("locations", ["account", "sha256"]):
        is_other = pc.and_(
            pc.invert(pc.fill_null(pc.equal(rows["account"], account), False)),
            pc.is_in(rows["sha256"], value_set=wanted),
        )
        others.update(rows.filter(is_other)["sha256"].to_pylist())
    return mine - others, others


def about_person(archive: Archive, address: str) -> set[str]:
    """Return the messages that an address wrote, or that were sent to it.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    wanted = address.strip().lower()
    # As a whole address: not a part of a longer one.
    pattern = rf"(^|[^0-9a-z.!#$%&'*+/=?^_`{{|}}~-]){re.escape(wanted)}($|[^0-9a-z._-])"
    found: set[str] = set()
    for rows in archive.scan_table("messages", ["sha256", "from_address", "from", "to", "cc"]):
        texts = pc.binary_join_element_wise(
            *(pc.fill_null(rows[name], "") for name in ("from_address", "from")),
            *(pc.binary_join(rows[name], ", ") for name in ("to", "cc")),
            ", ",
        )
        found.update(
            rows.filter(pc.match_substring_regex(pc.utf8_lower(texts), pattern))["sha256"].to_pylist()
        )
    return found


def older_than(archive: Archive, moment: datetime, *, by_date: bool) -> set[str]:
    """Return the messages that were archived before a moment, or by their own date sent before it.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    limit = pa.scalar(moment, pa.timestamp("us", tz="UTC"))
    found: set[str] = set()
    for rows in archive.scan_table("messages", ["sha256", "date", "archived_at"]):
        since = pc.coalesce(rows["date"], rows["archived_at"]) if by_date else rows["archived_at"]
        found.update(rows.filter(pc.fill_null(pc.less_equal(since, limit), False))["sha256"].to_pylist())
    return found


def unfinished(archive: Archive) -> tuple[set[str], set[str]]:
    """Return what removals that were cut off have left: messages that still have rows, and others.

    Of the others a few rows beside ``messages`` may be there.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    pending = {digest for digest, stone in Tombstones(archive).read().items() if stone.state.is_pending}
    held: set[str] = set()
    if pending:
        for rows in archive.scan_table("messages", ["sha256"]):
            held.update(pending.intersection(rows["sha256"].to_pylist()))
    return held, pending - held


def live_messages(archive: Archive, digests: Collection[str]) -> set[str]:
    """Return those of these messages that are on a server, as far as is known.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    wanted = pa.array(sorted(digests), pa.string())
    table = archive.reader("locations")
    accounts = {
        account
        for rows in archive.scan_table("locations", ["account"])
        for account in rows["account"].unique().to_pylist()
    }
    found: set[str] = set()
    for account in sorted(accounts):
        for protocol in SERVER_PROTOCOLS:
            places = Places(table, account, protocol)
            places.update()
            for folder in places.folder_names():
                rows = places.of_folder(folder)
                for _, part in places.reader.read(rows.take(_LIVE[rows.change]), ["sha256"]):
                    hits = part["sha256"].filter(pc.is_in(part["sha256"], value_set=wanted))
                    found.update(hits.to_pylist())
    return found


def places_of(archive: Archive, digests: Collection[str]) -> dict[tuple[str, str], set[str]]:
    """Return these messages by account and folder, of now or of earlier.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    wanted = pa.array(sorted(digests), pa.string())
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for rows in archive.scan_table("locations", ["account", "folder", "sha256"]):
        for account, folder, digest in _tuples(rows.filter(pc.is_in(rows["sha256"], value_set=wanted))):
            found[account, folder].add(digest)
    return dict(found)


def extent_of(archive: Archive, digests: Collection[str]) -> tuple[int, datetime | None, datetime | None]:
    """Return the size of these messages, in octets, and when the oldest and the newest were sent.

    Where nobody knows when one was sent, it is when it was archived.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    octets, ends = 0, list[datetime]()
    if not digests:
        return octets, None, None
    wanted = pa.array(sorted(digests), pa.string())
    for rows in archive.scan_table("messages", ["sha256", "size", "date", "archived_at"]):
        mine = rows.filter(pc.is_in(rows["sha256"], value_set=wanted))
        octets += pc.sum(mine["size"]).as_py() or 0
        found = pc.min_max(pc.coalesce(mine["date"], mine["archived_at"])).as_py()
        ends += [moment for moment in found.values() if moment is not None]
    return octets, min(ends, default=None), max(ends, default=None)


def _tuples(rows: pa.Table) -> Iterator[tuple[str, str, str]]:
    return zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True)
