"""Messages of an IMAP mailbox fetched once more, whole, before they are deleted.

Here: the digest of what the server has now. Not here: the comparison (``policy.proof``). Nothing is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from mailroom.archive import Archive
from mailroom.client.imap import ImapClient
from mailroom.policy.proof import ServerAnswer
from mailroom.services.deleting.maildrop_deletion import digest_of, discard

__all__ = ["refetch"]


def refetch(
    client: ImapClient, archive: Archive, answers: Mapping[int, ServerAnswer], uids: Collection[int]
) -> dict[int, ServerAnswer]:
    """Return the answers, those of these UIDs with the digest of the message as the server has it.

    What the server does not deliver has no answer any more, so it stays.

    :param uids: which to fetch; what is proved whole already is not fetched again.
    :raises ConnectionLost: if the server goes away.
    """
    wanted = {uid for uid in uids if uid in answers and answers[uid].sha256 is None}
    found = {uid: answer for uid, answer in answers.items() if uid not in wanted}
    if not wanted:
        return found
    for message in client.fetch_messages(sorted(wanted), archive.new_spool):
        if message.body is not None and message.uid in wanted:
            found[message.uid] = replace(answers[message.uid], sha256=digest_of(message.body))
            discard(message.body)
    return found
