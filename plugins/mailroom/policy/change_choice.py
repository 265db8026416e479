"""Which archived messages a change is asked for.

Here: the choice a user makes, and whether it can be meant. Not here: finding them (``services``).
"""

from __future__ import annotations

from dataclasses import dataclass

from mailroom.exceptions import ConfigurationError
from mailroom.policy.query import parse_query
from mailroom.policy.restore import DIGEST

__all__ = ["MessageChoice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageChoice:
    """Messages of one account: in some folders, by UID, by SHA-256 or by what a query means.

    :param folders: patterns, see ``policy.folders``.
    :param exclude: patterns of folders to leave out.
    :param uids: a sequence set such as ``1:7,9``, in one folder; None takes any.
    :param messages: SHA-256 digests; none takes any.
    :param query: see ``policy.query``; None takes any.
    :param everything: whether every message of the folders is meant, where nothing else chooses.
    :raises ConfigurationError: where nothing is chosen, or the choice makes no sense.
    """

    folders: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    uids: str | None = None
    messages: tuple[str, ...] = ()
    query: str | None = None
    everything: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        ways = [self.uids is not None, bool(self.messages), self.query is not None, self.everything]
        if sum(ways) != 1:
            raise ConfigurationError(
                "Say which messages are meant in one way: by UID in a folder, by SHA-256, by a query, or all."
            )
        if self.uids is not None and (len(self.folders) != 1 or set("*?") & set(self.folders[0])):
            raise ConfigurationError("A UID is a number in one folder: name that folder.")
        wrong = next((digest for digest in self.messages if not DIGEST.fullmatch(digest)), None)
        if wrong is not None:
            raise ConfigurationError(
                f"{wrong!r} names no message: give the 64 hex digits of its SHA-256, as in its file's name."
            )
        if self.query is not None:
            parse_query(self.query)
