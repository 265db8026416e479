"""Deleting from an IMAP mailbox so that nothing else goes with it.

Here: STORE, the check of what it did, and EXPUNGE. Not here: which messages
(``policy.deletion``). EXPUNGE removes every message marked \\Deleted, other people's
as well (RFC 3501 section 6.4.3); UID EXPUNGE only those named (RFC 4315 section 2.1).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from mailroom.client.imap import ImapClient
from mailroom.exceptions import CommandRejected
from mailroom.protocol.sequence_set import encode_sequence_set

__all__ = [
    "DELETED",
    "Expunged",
    "delete_messages",
    "find_flagged",
    "find_foreign",
    "find_marked",
    "find_present",
    "refused",
]

DELETED = "\\Deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expunged:
    """What became of the messages that were to go.

    :param gone: UIDs that we deleted; what others deleted meanwhile is not among them.
    :param in_trash: those of them that lie in the trash, where they were not to stay.
    :param spared: UIDs that were flagged after it was decided that they may go.
    :param refusal: why some or all of the others are still there, as the end of a sentence.
    :param is_lost: whether the folder could not be opened again, or is another one by now.
    :param is_broken: whether the server did what nobody asked for, so that nothing more may be asked of it.
    """

    gone: frozenset[int]
    in_trash: frozenset[int] = frozenset()
    spared: frozenset[int] = frozenset()
    refusal: str | None = None
    is_lost: bool = False
    is_broken: bool = False


def delete_messages(
    client: ImapClient,
    uids: Collection[int],
    *,
    spare_flagged: bool,
    carry_out: Callable[[Collection[int]], None] | None = None,
) -> Expunged:
    """Delete these messages of the selected mailbox, and only these.

    :param spare_flagged: whether what is marked \\Flagged by now stays.
    :param carry_out: is told which messages are marked, right before they are expunged.

    Where the server has no UIDPLUS, it is done only while nothing else is marked
    \\Deleted; otherwise our marks are taken back and nothing is deleted.

    A server that refuses to mark or to expunge has its refusal in the outcome, and our marks are taken back.

    :raises ConnectionLost: if the server goes away; some messages may stay marked \\Deleted.
    :raises CommandRejected: if it refuses another command, such as to take our marks back.
    """
    plan = frozenset(uids)
    by_uid = client.supports("UIDPLUS")
    before = find_marked(client)
    if not by_uid and before - plan:
        return Expunged(gone=frozenset(), refusal=_foreign(len(before - plan)))
    try:
        answered = client.mark_deleted(sorted(plan))
    except CommandRejected as error:
        _take_back(client, find_marked(client) & plan - before)
        return Expunged(gone=frozenset(), refusal=refused("mark messages \\Deleted", error))
    strangers = answered - plan - before
    if strangers:
        # A server that marks another message than the one named must not be asked to expunge.
        _take_back(client, (answered | plan) - before)
        return Expunged(
            gone=frozenset(),
            refusal=f"the server marked {len(strangers)} messages that nobody named; all marks were undone, "
            "and the run ended",
            is_broken=True,
        )
    after = find_marked(client)
    spared = find_flagged(client) & plan if spare_flagged else frozenset()
    _take_back(client, spared - before)
    plan -= spared
    after -= spared - before
    if not by_uid and after - plan:
        _take_back(client, plan - before)
        return Expunged(gone=frozenset(), spared=spared, refusal=_foreign(len(after - plan)))
    marked = after & plan
    if marked and carry_out is not None:
        carry_out(marked)
    refusal = _expunge(client, marked, before, by_uid=by_uid)
    remaining = find_present(client, plan)
    if remaining and refusal is None:
        refusal = f"the server kept {len(remaining)} of {len(plan)} messages that were to go"
    return Expunged(gone=marked - remaining, spared=spared, refusal=refusal)


def _expunge(
    client: ImapClient, marked: frozenset[int], before: frozenset[int], *, by_uid: bool
) -> str | None:
    """Expunge what is marked; where the server refuses, take our marks back and return why."""
    try:
        if marked:
            client.expunge(sorted(marked)) if by_uid else client.expunge_all()
    except CommandRejected as error:
        _take_back(client, find_present(client, marked) - before)
        return refused("expunge", error)
    return None


def find_foreign(client: ImapClient, uids: Collection[int]) -> str | None:
    """Return why EXPUNGE would take other messages along, as the end of a sentence, or None."""
    strangers = frozenset() if client.supports("UIDPLUS") else find_marked(client) - frozenset(uids)
    return _foreign(len(strangers)) if strangers else None


def refused(what: str, error: CommandRejected) -> str:
    """Return a refusal as the end of a sentence.

    :param what: what the server was to do.
    """
    return f"the server refuses to {what}: {error.text or 'no reason given'}"


def find_marked(client: ImapClient) -> frozenset[int]:
    """Return what is marked \\Deleted now, by whomever."""
    client.noop()
    return frozenset(int(uid) for uid in client.search("DELETED"))


def find_flagged(client: ImapClient) -> frozenset[int]:
    """Return what is marked \\Flagged, as far as the last NOOP showed it."""
    return frozenset(int(uid) for uid in client.search("FLAGGED"))


def find_present(client: ImapClient, uids: Collection[int]) -> frozenset[int]:
    """Return which of these the folder has."""
    return frozenset(int(uid) for uid in client.search("UID", encode_sequence_set(sorted(uids)))) & frozenset(
        uids
    )


def _take_back(client: ImapClient, uids: Collection[int]) -> None:
    if uids:
        client.store_flags(sorted(uids), remove=(DELETED,))


def _foreign(count: int) -> str:
    return (
        f"{count} other messages in it are marked \\Deleted and the server has no UIDPLUS, so EXPUNGE would "
        "take them along: expunge or unmark them first"
    )
