"""N-day deletion: what the days count from, and how much may go at once.

Here: the rule a user states and the snapshot questions it answers. Not here: the proof
and the plan itself (``deletion``), the conversation (``services``).

The basis matters: a message keeps its INTERNALDATE when it is moved (RFC 3501 section
2.3.3), so by that basis an old message that was thrown away a minute ago would be gone
at once. In trash and junk folders the days count from when it came there (SAVEDATE, RFC
8514, where offered, else our first row there).
"""

from __future__ import annotations

import enum
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta

from mailroom.exceptions import ConfigurationError
from mailroom.model import Folder, FolderRow, MailProtocol

__all__ = [
    "Basis",
    "RetentionRule",
    "allowance_of",
    "basis_of",
    "discarding_folders",
    "find_gap",
    "find_trash",
    "uses_of",
]

TRASH_NAMES = (
    *("trash", "deleted items", "deleted messages", "bin", "papelera", "papelera de reciclaje"),
    *("elementos eliminados", "corbeille", "éléments supprimés", "papierkorb", "gelöschte elemente"),
    *("gelöschte objekte", "cestino", "lixeira"),
)
"""Names of trash folders on servers that mark none with \\Trash, in small letters, the likeliest first."""

ROOTS = ("INBOX", "[GMAIL]")
"""Folders that hold all others on some servers, in capitals."""

JUNK_NAMES = frozenset(
    {
        *("junk", "spam", "junk e-mail", "junk email", "bulk mail", "correo no deseado"),
        *("courrier indésirable", "junk-e-mail", "posta indesiderata", "lixo eletrônico"),
    }
)
"""Names of junk folders on servers that mark none with \\Junk, in small letters."""


class Basis(enum.Enum):
    """What the days of a message count from; a closed list."""

    INTERNAL = "internal"
    """INTERNALDATE: when it was delivered to the account."""

    ARCHIVED = "archived"
    """When this archive first stored it, wherever it was then."""

    SAVED = "saved"
    """When it came into the folder it is in now."""

    DATE = "date"
    """When it was sent: its Date header, else a Received header; the sender may say what it likes."""

    SEEN = "seen"
    """Since when the archive has known it to be \\Seen without a break."""

    @property
    def event(self) -> str:
        """What the days count from, as people who approve of a deletion read it."""
        return _EVENTS[self]


_EVENTS = {
    Basis.INTERNAL: "it reached the mailbox",
    Basis.ARCHIVED: "it was first archived",
    Basis.SAVED: "it came into its folder",
    Basis.DATE: "it was sent",
    Basis.SEEN: "it was known to be read",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRule:
    """What to delete: older than so many days, in these folders.

    :param basis: what the days count from; None takes INTERNALDATE, and in trash and junk
        folders the time a message came there. POP3 knows ``archived`` only.
    :param include_flagged: whether messages marked \\Flagged may go as well.
    :param max_fraction: how much of a folder may go in one run, oldest first; above 0, at most 1.
    :param allow_incomplete: whether to delete in a folder of which the archive does not hold everything.
    :raises ConfigurationError: if a value makes no sense.
    """

    older_than: timedelta
    basis: Basis | None = None
    folders: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    include_flagged: bool = False
    max_fraction: float = 1.0
    allow_incomplete: bool = False

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if not isinstance(self.older_than, timedelta) or self.older_than < timedelta(0):
            raise ConfigurationError(
                f"older_than must be a timedelta of zero or more, such as timedelta(days=30), not "
                f"{self.older_than!r}."
            )
        if not 0 < self.max_fraction <= 1:
            raise ConfigurationError(
                f"max_fraction must be above 0 and at most 1 (the whole folder), not {self.max_fraction!r}."
            )
        if self.basis not in (None, *Basis):
            allowed = ", ".join(b.value for b in Basis)
            raise ConfigurationError(f"basis must be one of {allowed}, not {self.basis!r}.")


def basis_of(rule: RetentionRule, protocol: MailProtocol, *, is_discarding: bool) -> Basis:
    """Return what the days count from in one folder.

    :param is_discarding: whether it is a trash or junk folder, see `discarding_folders`.
    :raises ConfigurationError: if a POP3 account is given a basis or folder it does not know.
    """
    if protocol is MailProtocol.IMAP:
        return rule.basis or (Basis.SAVED if is_discarding else Basis.INTERNAL)
    basis = rule.basis or Basis.ARCHIVED
    if basis not in (Basis.ARCHIVED, Basis.DATE):
        raise ConfigurationError(
            f"POP3 servers state no dates, so basis={basis.value!r} cannot be had there: use "
            "basis='archived', or an imap connection to the same account."
        )
    if rule.exclude or any(folder.upper() not in ("*", "INBOX") for folder in rule.folders):
        raise ConfigurationError(
            "POP3 knows one folder only, INBOX: leave folders and exclude as they are, or use an imap "
            "connection to the same account."
        )
    return basis


def discarding_folders(folders: Iterable[Folder]) -> frozenset[str]:
    """Return the names of trash and junk folders and of all folders below them.

    A folder is one by its special-use attribute (RFC 6154), or by a usual name.

    >>> sorted(discarding_folders([Folder(name=n, delimiter="/") for n in ("INBOX", "Spam", "Trash/2019")]))
    ['Spam', 'Trash/2019']
    """
    known = list(folders)
    marked = {f.name for f in known if (f.special_use or "").lower() in ("\\trash", "\\junk")}
    usual = JUNK_NAMES.union(TRASH_NAMES)
    return frozenset(f.name for f in known if _is_below(f, marked, usual))


def uses_of(folders: Iterable[Folder]) -> dict[str, str | None]:
    """Return the special use of each folder (RFC 6154): its own, else trash or junk if it is below such.

    Where the server marks no folder with \\Trash, those with a usual name count; \\Junk likewise.

    >>> uses_of([Folder(name=n, delimiter="/") for n in ("INBOX", "Spam", "Trash/2019")])
    {'INBOX': None, 'Spam': '\\\\Junk', 'Trash/2019': '\\\\Trash'}
    """
    known = list(folders)
    uses = {f.name: f.special_use for f in known}
    for use, usual in (("\\Trash", frozenset(TRASH_NAMES)), ("\\Junk", JUNK_NAMES)):
        marked = {f.name for f in known if (f.special_use or "").lower() == use.lower()}
        for folder in known:
            if uses[folder.name] is None and _is_below(folder, marked, frozenset() if marked else usual):
                uses[folder.name] = use
    return uses


def _is_below(folder: Folder, marked: Collection[str], usual: frozenset[str]) -> bool:
    """Return whether a folder is one of those marked or usually named, or below one.

    A name says something at the top only: a ``Bin`` among somebody's projects is no trash.
    """
    levels = _levels(folder)
    above = {(folder.delimiter or "").join(levels[: n + 1]) for n in range(len(levels))}
    return bool(above & set(marked)) or _levels_below_root(folder)[0].casefold() in usual


def find_trash(folders: Iterable[Folder]) -> str | None:
    """Return the account's trash: the folder marked as one (RFC 6154), else one at the top that is called so.

    >>> find_trash([Folder(name="INBOX.Trash", delimiter="."), Folder(name="Old", attributes=("\\\\Trash",))])
    'Old'
    """
    known = [folder for folder in folders if folder.is_selectable]
    marked = next((f.name for f in known if (f.special_use or "").lower() == "\\trash"), None)
    if marked is not None:
        return marked
    at_the_top = [f for f in reversed(known) if len(_levels_below_root(f)) == 1]
    by_name = {_levels(folder)[-1].casefold(): folder.name for folder in at_the_top}
    return next((by_name[name] for name in TRASH_NAMES if name in by_name), None)


def _levels(folder: Folder) -> list[str]:
    return folder.name.split(folder.delimiter) if folder.delimiter else [folder.name]


def _levels_below_root(folder: Folder) -> list[str]:
    """Return the levels of a name, without the one that holds all folders on some servers."""
    levels = _levels(folder)
    return levels[1:] if len(levels) > 1 and levels[0].upper() in ROOTS else levels


def find_gap(
    last: FolderRow | None, undelivered: int, *, allow_incomplete: bool, is_part: bool = False
) -> str | None:
    """Return why a folder is left alone because the archive does not hold all of it, or None.

    What is archived is proved message by message, so nothing that is missing could be deleted; but a
    folder that was never read to its end is nothing to tidy up.

    :param last: the folder's newest row in the archive, of which a finished run says whether it is complete.
    :param undelivered: how many messages the server listed and never delivered.
    :param is_part: whether the last run asked for a part of the folder only, or was shown no more.
    """
    if allow_incomplete or (last is not None and last.complete and not is_part):
        return None
    if is_part and last is not None and last.complete:
        why = "the last mirror took or was shown a part only"
    elif undelivered:
        what = "1 message was" if undelivered == 1 else f"{undelivered:,} messages were"
        why = f"{what} listed and never delivered"
    else:
        why = "no run has read it to its end"
    return (
        f"the archive does not hold all of it ({why}): fetch or mirror it again, "
        "or set allow_incomplete to true"
    )


def allowance_of(live: int, max_fraction: float) -> int:
    """Return how many of ``live`` messages may go in one run; rounded down, but one where there is any.

    A small folder would else keep for ever what is due.

    >>> allowance_of(20, 0.1), allowance_of(9, 0.1), allowance_of(7, 1.0), allowance_of(0, 0.1)
    (2, 1, 7, 0)
    """
    return max(math.floor(live * max_fraction + 1e-9), min(live, 1))
