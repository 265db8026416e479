"""What a mirror takes part in: the choice a user makes, and what follows from counts alone.

Here: which messages, whether a mailbox need be opened at all, and how much may go. Not
here: which mailboxes (``folders``), the plan for one that is opened (``mailbox_plan``), the
conversation (``services``). No arrays, so that a run with nothing new does without NumPy.
RFC 4549.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from mailroom.exceptions import ConfigurationError

if TYPE_CHECKING:
    from mailroom.model import FolderRow, RunLoss

__all__ = [
    "GUARDED_RUNS",
    "GUARDED_TIME",
    "LONGEST_MEMORY",
    "LOSS_ALLOWED",
    "MirrorSelection",
    "check_folders",
    "check_loss",
    "is_great_loss",
    "is_unchanged",
    "losses_remembered",
    "search_criteria",
]

SMALL_LOSS = 50
"""So many messages may go without a question, whatever share of the account they are."""

GUARDED_TIME = timedelta(days=7)
"""How long a loss is remembered: an account that loses a little in each run is noticed as well."""

GUARDED_RUNS = 4
"""So many runs in which mail went are remembered longer, for an account that is mirrored once a week."""

LONGEST_MEMORY = timedelta(days=92)
"""No loss is remembered longer than that."""

LOSS_ALLOWED = "loss_allowed"
"""What a run is marked with, among its counts, for which a person allowed any loss."""

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
    :param max_gone: stop where more than this share of the account would be recorded as gone, in this
        run and those remembered (``losses_remembered``) together; 1 allows it, and begins to count anew.
    :param windowed: patterns of folders that are known to show a part only; what they lack is never
        taken for gone.
    :param all_drafts: whether every state of a draft is archived that the server shows, and not the newest
        of each Message-ID alone.
    :param lane: of the chosen folders only those of exactly these names, for other mirrors work on the
        others at the same time; what is gone is left to a mirror of the whole account after them.
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
    windowed: tuple[str, ...] = ()
    all_drafts: bool = False
    lane: tuple[str, ...] | None = None

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


def is_great_loss(lost: int, held: int, max_gone: float) -> bool:
    """Return whether so many of the messages that an account held may not go without a question.

    >>> is_great_loss(60, 100, 0.25), is_great_loss(SMALL_LOSS, 100, 0.25), is_great_loss(60, 1000, 0.25)
    (True, False, False)
    """
    return lost > SMALL_LOSS and lost > held * max_gone


def losses_remembered(now: datetime, runs: Iterable[RunLoss]) -> tuple[int, datetime]:
    """Return how many messages runs have recorded as gone that count still, and since when they count.

    Losses of ``GUARDED_TIME`` count, and those of the last ``GUARDED_RUNS`` in which any mail went, up to
    ``LONGEST_MEMORY``; none from before a run for which a person allowed any.

    :param runs: mirrors of one account, in any order.
    """
    known = [run for run in runs if run.ended > now - LONGEST_MEMORY]
    allowed = max((run.ended for run in known if run.is_allowed), default=now - LONGEST_MEMORY)
    losing = sorted((run for run in known if run.lost and run.ended > allowed), key=lambda run: run.ended)
    since = max(allowed, min([now - GUARDED_TIME, *(run.started for run in losing[-GUARDED_RUNS:])]))
    return sum(run.lost for run in losing if run.ended > since), since


def check_loss(account: str, lost: int, held: int, max_gone: float, since: datetime) -> None:
    """Refuse to record that a large part of an account is gone.

    An account that was moved, a server restored from an old copy or a wrong host looks like
    one whose mail was deleted, and so does one that hides more with each run. What was moved
    between folders does not count as gone.

    :param lost: messages that would be nowhere in the account any more, with those that went lately.
    :param held: messages that were there when the first of them went.
    :param since: the moment from which on they count.
    :raises ConfigurationError: where ``is_great_loss`` says so.
    """
    if not is_great_loss(lost, held, max_gone):
        return
    raise ConfigurationError(
        f"{lost:,} of the {held:,} messages that {account} held since {since:%Y-%m-%d} are "
        f"no longer on the server, which is more than max_gone ({max_gone:.0%}) allows, so none more was "
        "recorded as gone; new mail was archived, and nothing was removed. Check that this is the right "
        "server, that its mail is complete, and that no folder shows its newest messages only (windowed, "
        "--windowed); if the messages were deleted on purpose, run once with max_gone=1 (--max-gone 1).",
        lost=lost,
        held=held,
    )


def check_folders(account: str, known: int, gone: int, max_gone: float) -> None:
    """Refuse to record that every folder of an account is gone, as far as the archive knows them.

    :param known: folders that were mirrored and there, and ``gone`` those of them that are not any more.
    :raises ConfigurationError: where that is all of them, and not everything is allowed to be gone.
    """
    if gone and gone == known and max_gone < 1:
        raise ConfigurationError(
            f"Every folder of {account} that was ever mirrored is no longer on the server, so none was "
            "recorded as gone; nothing was removed. Check that this is the right server; if they were "
            "deleted on purpose, run once with max_gone=1 (--max-gone 1).",
            known=known,
        )
