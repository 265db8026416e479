"""What a mirror takes part in: the choice a user makes, and what follows from counts alone.

Here: which messages, whether a mailbox need be opened at all, and how much may go. Not
here: which mailboxes (``folders``), the plan for one that is opened (``mailbox_plan``), the
conversation (``services``). No arrays, so that a run with nothing new does without NumPy.
RFC 4549.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from mailroom.exceptions import ConfigurationError
from mailroom.model import FolderRow

__all__ = ["MirrorSelection", "check_loss", "is_unchanged", "search_criteria"]

SMALL_LOSS = 50
"""So many messages may go in one run without a question, whatever share of the account they are."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""As SEARCH wants them, whatever the locale (RFC 3501, date-month)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorSelection:
    """Which folders and messages of an account to mirror.

    The message filters narrow what is downloaded; what is archived already is kept in step
    whether they let it through or not.

    :param folders: patterns, see ``policy.folders``.
    :param exclude: patterns of folders to leave out.
    :param since: only messages that the server received on this day or later; servers take the
        day from INTERNALDATE and disregard time zones (RFC 3501 section 6.4.4).
    :param until: only messages received before this day.
    :param larger_than: only messages of more octets.
    :param order: ``oldest`` or ``newest`` first.
    :param other_namespaces: whether shared and other users' folders are looked at as well.
    :param max_gone: stop where more than this share of the account would be recorded as gone.
    :raises ConfigurationError: where the values contradict each other.
    """

    folders: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    larger_than: int | None = None
    order: str = "oldest"
    other_namespaces: bool = False
    max_gone: float = 0.25

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.order not in ("oldest", "newest"):
            raise ConfigurationError(f"order must be 'oldest' or 'newest', not {self.order!r}.")
        if not 0 <= self.max_gone <= 1:
            raise ConfigurationError(f"max_gone must be from 0 to 1, not {self.max_gone}.")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise ConfigurationError(
                f"No day is both since {self.since} and before {self.until}: until must be later than since."
            )
        if self.larger_than is not None and self.larger_than < 0:
            raise ConfigurationError(f"larger_than must not be negative, as {self.larger_than} is.")

    @property
    def is_partial(self) -> bool:
        """Whether some messages of a folder may be left out."""
        return self.since is not None or self.until is not None or self.larger_than is not None


def is_unchanged(status: Mapping[str, int] | None, last: FolderRow | None, live: int) -> bool:
    """Return whether a mailbox need not be opened, by what STATUS says of it alone.

    That takes a server that counts changes (HIGHESTMODSEQ, RFC 7162): elsewhere flags change
    unseen. The count of live rows must agree too, so that rows lost by the archive are noticed.

    :param live: how many live messages the archive holds for it.
    """
    if status is None or last is None or not last.complete or last.windowed or last.deleted:
        return False
    if not status.get("HIGHESTMODSEQ") or not status.get("UIDVALIDITY"):
        return False
    return (
        status.get("UIDVALIDITY") == last.uid_validity
        and status.get("UIDNEXT") == last.uid_next
        and status.get("HIGHESTMODSEQ") == last.highest_modseq
        and status.get("MESSAGES") == last.messages == live
    )


def search_criteria(selection: MirrorSelection) -> tuple[str, ...]:
    """Return the SEARCH keys of a selection (RFC 3501 section 6.4.4).

    >>> search_criteria(MirrorSelection(since=date(2024, 2, 1), larger_than=1000))
    ('SINCE', '1-Feb-2024', 'LARGER', '1000')
    """
    keys: list[str] = []
    if selection.since is not None:
        keys += ["SINCE", _search_date(selection.since)]
    if selection.until is not None:
        keys += ["BEFORE", _search_date(selection.until)]
    if selection.larger_than is not None:
        keys += ["LARGER", str(selection.larger_than)]
    return tuple(keys) or ("ALL",)


def _search_date(day: date) -> str:
    return f"{day.day}-{MONTHS[day.month - 1]}-{day.year:04d}"


def check_loss(account: str, before: int, after: int, max_gone: float) -> None:
    """Refuse to record that a large part of an account is gone.

    An account that was moved, a server restored from an old copy or a wrong host looks like
    one whose mail was deleted. What was moved between folders does not count as gone.

    :param before: messages that were live before the run.
    :param after: messages that would be live after it.
    :raises ConfigurationError: where more than ``SMALL_LOSS`` messages and more than ``max_gone`` of
        the account would be recorded as gone.
    """
    loss = before - after
    if loss <= SMALL_LOSS or loss <= before * max_gone:
        return
    raise ConfigurationError(
        f"{loss:,} of the {before:,} messages that {account} held are no longer on the server, which is more "
        f"than max_gone ({max_gone:.0%}) allows, so none was recorded as gone; new mail was archived, and "
        "nothing was removed. Check that this is the right server and that its mail is complete; if the "
        "messages were deleted on purpose, run once with max_gone=1 (--max-gone 1).",
        before=before,
        after=after,
    )
