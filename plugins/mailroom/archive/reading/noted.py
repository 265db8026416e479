"""What runs note for the next one, which may find that nothing is new and open no table.

Belongs here: when a note is made, and when it answers instead of the tables. Does not belong
here: how notes are kept, and what makes one void (``bookmarks``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from mailroom.archive.reading.bookmarks import HOLDS, AccountOverview, Bookmarks, HeldMail, MaildropOverview
from mailroom.archive.reading.shortcuts import state_of_tables
from mailroom.archive.storage.store import LocalStore

if TYPE_CHECKING:
    from mailroom.archive.archive import Archive
    from mailroom.model import MailProtocol

__all__ = ["Noted", "Standing"]


class Standing(NamedTuple):
    """What shows later that an archive says of an account what it says now.

    :param tables: what changes with every commit.
    :param since: when the account's tables were last read for a bookmark.
    """

    tables: bytes
    since: datetime


class Noted:
    """The notes of one archive.

    :raises StoreUnavailable: from every method, where the archive cannot be read.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._bookmarks = Bookmarks(archive.store)

    def overview(self, account: str) -> AccountOverview:
        """Return what is known of the folders of an IMAP account, as of now.

        A bookmark answers where one holds, so that the tables need not be opened.
        """
        self._set_aside_torn("folders", "locations")
        return self._bookmarks.read_account(account, _now()) or self._account_as_of_now(account)

    def edition(self, account: str) -> str | None:
        """Return what is the same while nothing is recorded of an account; None where no bookmark says so."""
        self._set_aside_torn("folders", "locations")
        return self._bookmarks.edition(account, _now())

    def maildrop_overview(self, account: str) -> MaildropOverview | None:
        """Return what is known of a POP3 maildrop, as of now, where a bookmark holds that says it."""
        self._set_aside_torn("folders", "locations")
        return self._bookmarks.read_maildrop(account, _now())

    def bookmark_account(self, account: str) -> None:
        """Note what the tables say of an IMAP account, for runs that find nothing new.

        To be called when all that was committed is synced. Nothing is done where a bookmark
        holds already, or has answered all that was asked.
        """
        now = _now()
        if self._archive.opened("locations") and self._bookmarks.read_account(account, now) is None:
            found = self._account_as_of_now(account)
            self._bookmarks.write_account(account, self._versions("folders", "locations"), found, now)

    def bookmark_maildrop(
        self, account: str, *, listing: str | None, answer: str, held: HeldMail | None = None
    ) -> None:
        """Note what the tables say of a POP3 maildrop, as ``bookmark_account`` does.

        :param listing: what ``digest_of_listing`` says of the last listing.
        :param answer: a digest of that listing exactly as the server gave it.
        :param held: what a run found to be due and under legal hold; a bookmark that holds is made anew.
        """
        now = _now()
        is_said = held is None and self._bookmarks.read_maildrop(account, now) is not None
        if is_said or not self._archive.opened("locations"):
            return
        found = self._archive.maildrop_state(account).overview(held)
        if found is not None:
            seen = found._replace(answer=answer if listing == found.listing else None)
            versions = self._versions("locations")
            if seen.held is not None and held is not None:
                versions[HOLDS] = held.version
            self._bookmarks.write_maildrop(account, versions, seen, now)

    def says_settled(self, account: str) -> bool:
        """Say whether it is known without opening any table that no change of an account waits."""
        if not self._archive.store.exists("tables/changes"):
            return True
        self._set_aside_torn("changes")
        return self._bookmarks.says_settled(account, _now())

    def note_settled(self, account: str, version: int) -> None:
        """Note that no change of an account waits as of this version of the table."""
        self._bookmarks.write_settled(account, {"changes": version}, _now())

    def standing(self, account: str, protocol: MailProtocol) -> Standing | None:
        """Return how the archive stands, where it lies on a disk here and a bookmark of the account holds."""
        store = self._archive.store
        if not isinstance(store, LocalStore):
            return None
        tables, since = state_of_tables(store.root), self._bookmarks.made_at(account, protocol, _now())
        return None if tables is None or since is None else Standing(tables, since)

    def _account_as_of_now(self, account: str) -> AccountOverview:
        archive = self._archive
        if archive.is_blank:  # the table libraries need not be there yet to say so
            return AccountOverview(folders={}, live={})
        return AccountOverview(folders=archive.last_folders(account), live=archive.live_counts(account))

    def _set_aside_torn(self, *names: str) -> None:
        """Have what a power cut tore of tables set aside first: a note about it would be void."""
        for name in names:
            self._archive.set_aside_torn(name)

    def _versions(self, *names: str) -> dict[str, int]:
        """Return which versions were read; not the newest, which may say something else by now."""
        return {name: table.version for name in names if (table := self._archive.opened(name)) is not None}


def _now() -> datetime:
    return datetime.now(UTC)
