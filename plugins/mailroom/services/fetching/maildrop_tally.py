"""What POP3 sessions did, counted.

Here: the numbers and notes that one session hands to its run. Not here: the session
(``maildrop_session``), the report (``fetch_report``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mailroom.model import LocationRow
from mailroom.policy.fetch import Retrieval

__all__ = ["SessionTally"]


@dataclass(slots=True)
class SessionTally:
    """What one session did.

    :param left: known messages that stay on the server as they are.
    :param listed_again: messages that were missing from an earlier listing.
    :param differing: messages under a known UIDL that turned out to be others.
    :param damaged: messages that stay because their archived copy is missing or damaged.
    :param held: messages that are due and stay, under legal hold.
    :param errors: size and the server's words for each message not delivered, by its name.
    :param nameless_errors: the same for messages that have no name.
    :param in_flight: the message that the server was to send when the connection broke.
    :param tried: names of messages that need no second look in this run.
    :param contents: digests, as names, of messages that only content can name.
    :param superseded: live rows whose UIDL now stands for other bytes.
    """

    retrieved: int = 0
    octets: int = 0
    added: int = 0
    left: int = 0
    listed_again: int = 0
    differing: int = 0
    damaged: int = 0
    held: int = 0
    errors: dict[str, tuple[int, str]] = field(default_factory=dict)
    nameless_errors: list[str] = field(default_factory=list)
    in_flight: Retrieval | None = None
    tried: set[str] = field(default_factory=set)
    contents: set[str] = field(default_factory=set)
    superseded: list[LocationRow] = field(default_factory=list)
