"""Folders of which a server shows a part only, recognised by their habits.

Here: whether what a listing lacks may be hidden rather than gone. Not here: a server that counts
more messages than it lists, which is plain to see (``services.mailbox_mirror``).

Gmail shows at most 1,000, 2,000, 5,000 or 10,000 messages of a folder by IMAP where its user
says so, Yahoo (and AOL) 10,000 in any case: EXISTS, SEARCH and STATUS all count these alone. New
mail comes in at one end, and at the other the oldest slide out of sight, one for one. Nothing
tells them from messages that somebody deleted, but that they are the oldest and that the count
stays. Taking deleted ones for hidden costs nothing; the reverse would call mail gone that is there.
Of a folder once known for it, what is younger than the oldest message shown cannot have slid away:
that was deleted or moved, and says nothing against the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailroom.policy.uid_sets import Uids

__all__ = ["Listing", "is_at_limit", "window_of"]

CAPS = (1_000, 2_000, 5_000, 10_000)
"""How many messages a folder may show: Gmail's choices, and Yahoo's limit."""

CAPPED_HOSTS = ("yahoo.com", "yahoo.co.jp", "aol.com", "gmail.com", "googlemail.com")
"""Hosts (and those below them) that are known for it; a few messages fewer than the limit count there too."""

NEARLY = 0.99
"""What share of the limit is taken for the limit on such a host: deletions are not made up for at once."""

SMALLEST_CAP = 1_000
"""A smaller folder that keeps its count is more likely one in which somebody tidies up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What one run sees of a folder.

    :param listed: the UIDs that the server lists, ascending.
    :param gone: UIDs that the archive holds as live there and the server no longer lists, ascending.
    :param known: how many messages the archive held as live there.
    :param before: how many messages the folder had in the last run; None for the first.
    :param was_window: whether it was one then.
    :param is_renumbered: whether the archive's UIDs are void, so that nobody can say which are the oldest.
    """

    host: str
    listed: Uids
    gone: Uids
    known: int
    before: int | None = None
    was_window: bool = False
    is_renumbered: bool = False


def window_of(listing: Listing) -> str | None:
    """Return why a folder seems to show a part only, in words, or None where nothing says so."""
    count = len(listing.listed)
    cap = _cap_of(listing.host, count)
    if listing.is_renumbered:
        return _limit(count) if cap is not None and listing.known > count else None
    if not len(listing.gone):
        return _limit(count) if cap is not None and listing.was_window else None
    if not count:
        return None
    if listing.gone[-1] > listing.listed[0]:  # not the oldest alone
        return _limit(count) if cap is not None and listing.was_window else None
    if cap is not None:
        return _limit(count)
    if count >= SMALLEST_CAP and listing.before == count:
        return f"it keeps at {count:,} messages, and only the oldest are missing"
    return None


def is_at_limit(host: str, count: int) -> bool:
    """Return whether a folder shows as many messages as servers do that show no more of one.

    >>> is_at_limit("imap.example.org", 1000), is_at_limit("imap.example.org", 999)
    (True, False)
    """
    return _cap_of(host, count) is not None


def _limit(count: int) -> str:
    return f"it shows {count:,} messages, as servers do that show no more of a folder"


def _cap_of(host: str, count: int) -> int | None:
    """Return the limit that a folder of so many messages has reached, if any."""
    name = host.lower().rstrip(".")
    is_known = any(name == known or name.endswith(f".{known}") for known in CAPPED_HOSTS)
    least = NEARLY if is_known else 1.0
    return next((cap for cap in CAPS if cap * least <= count <= cap), None)
