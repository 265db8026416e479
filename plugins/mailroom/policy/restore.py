"""What of an archive goes back onto an account, and what a server made of it.

Here: the choice a user makes, which flags can be sent, and the comparison of what was sent with
what the server says of it. Not here: where folders go (``restore_folders``), the conversation
(``services``).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from mailroom.exceptions import ConfigurationError
from mailroom.model import FetchedMessage
from mailroom.policy.mailbox_plan import normal_flags

__all__ = ["ReadBack", "RestoreSelection", "find_alterations", "sendable_flags"]

DIGEST = re.compile(r"[0-9a-f]{64}")

_ATOM = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
"""A keyword that can be sent (RFC 3501 section 9, ``flag-keyword``)."""

_SYSTEM = frozenset({"\\seen", "\\answered", "\\flagged", "\\deleted", "\\draft"})

LINE_END_OCTETS = 2


class ReadBack(enum.Enum):
    """How closely restored messages are looked at afterwards; a closed list."""

    NONE = "none"
    """Not at all."""

    FACTS = "facts"
    """Size, date and flags of every message."""

    SAMPLE = "sample"
    """The same, and the octets of some messages of each folder."""

    ALL = "all"
    """The same, and the octets of every message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreSelection:
    """Which folders and messages of an archived account to bring back, and where.

    :param folders: patterns, see ``policy.folders``.
    :param exclude: patterns of folders to leave out.
    :param as_of: the account as it was at this moment; None for the newest state.
    :param query: only messages that it means, see ``policy.query``.
    :param messages: only these messages, by their SHA-256, wherever they are or were last.
    :param run: only what this run deleted on the server, by its run_id, where it was then.
    :param into: the folder below which everything goes.
    :param folder_names: pairs of an archived folder and the one that it goes to, its subfolders with it.
    :param with_deleted: whether messages that retention deleted on the server count too.
    :param with_flags: whether messages that are there already get the flags they are to have.
    :param read_back: how closely to look at what was restored.
    :raises ConfigurationError: where a value makes no sense.
    """

    folders: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    as_of: datetime | None = None
    query: str | None = None
    messages: tuple[str, ...] = ()
    run: str | None = None
    into: str | None = None
    folder_names: tuple[tuple[str, str], ...] = ()
    with_deleted: bool = False
    with_flags: bool = False
    read_back: ReadBack = ReadBack.FACTS

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        wrong = next((digest for digest in self.messages if not DIGEST.fullmatch(digest)), None)
        if wrong is not None:
            raise ConfigurationError(
                f"{wrong!r} names no message: give the 64 hex digits of its SHA-256, as in its file's name."
            )
        if sum((bool(self.messages), self.query is not None, self.run is not None)) > 1:
            raise ConfigurationError(
                "Choose messages by one of these: a query, their SHA-256, the run that deleted them."
            )
        if self.into is not None and not self.into.strip():
            raise ConfigurationError("into is empty: name the folder below which everything shall go.")
        if self.into is not None and self.folder_names:
            raise ConfigurationError("Say where folders go one by one, or that all go below one, not both.")
        if self.as_of is not None and self.as_of.tzinfo is None:
            raise ConfigurationError("as_of needs a time zone.")

    @property
    def is_partial(self) -> bool:
        """Whether folders of which nothing is chosen are left out."""
        return self.query is not None or bool(self.messages) or self.run is not None

    @property
    def is_plain(self) -> bool:
        """Whether whole folders are meant, as they are now, without what was deleted."""
        return not self.is_partial and self.as_of is None and not self.with_deleted


def sendable_flags(
    flags: Iterable[str], permanent: Collection[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the flags that a folder can store, and those it cannot; ``\\Recent`` is neither.

    :param permanent: what the folder says it stores, in small letters; None where it does not say.

    >>> sendable_flags(["\\\\Seen", "\\\\Recent", "$Work", "a b"], {"\\\\seen", "\\\\*"})
    (('$Work', '\\\\Seen'), ('a b',))
    """
    kept: list[str] = []
    dropped: list[str] = []
    for flag in normal_flags(flags):
        name = flag.lower()
        can_send = name in _SYSTEM or _ATOM.fullmatch(flag) is not None
        can_keep = permanent is None or name in permanent or (name not in _SYSTEM and "\\*" in permanent)
        (kept if can_send and can_keep else dropped).append(flag)
    return tuple(kept), tuple(dropped)


def find_alterations(
    octets: int, internal_date: datetime | None, flags: Iterable[str], found: FetchedMessage
) -> tuple[str, ...]:
    """Return in which ways the server's message is not what was sent.

    :param octets: the size that was sent.
    :param flags: all flags of the archived message, those included that could not be sent.
    """
    altered = []
    if found.octets is not None and found.octets != octets:
        is_line_end = abs(found.octets - octets) == LINE_END_OCTETS
        altered.append("line end" if is_line_end else "size")
    if internal_date is not None and (
        found.internal_date is None or int(found.internal_date.timestamp()) != int(internal_date.timestamp())
    ):
        altered.append("internal date")
    now = {flag.lower() for flag in normal_flags(found.flags)}
    if {flag.lower() for flag in normal_flags(flags)} != now:
        altered.append("flags")
    return tuple(altered)
