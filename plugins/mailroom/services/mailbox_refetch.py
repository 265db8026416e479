"""Messages of an IMAP mailbox fetched once more, whole, before they are deleted.

Here: the digest of what the server has now. Not here: the comparison (``policy.proof``). Nothing is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mailroom.archive import Archive
from mailroom.client.imap import ImapClient
from mailroom.policy.proof import ServerAnswer
from mailroom.services.maildrop_deletion import digest_of, discard

__all__ = ["refetch"]


def refetch(
    client: ImapClient, archive: Archive, answers: Mapping[int, ServerAnswer]
) -> dict[int, ServerAnswer]:
    """Return the answers of these UIDs, each with the digest of its message as the server has it.

    What the server does not deliver has no answer any more, so it stays.

    :raises ConnectionLost: if the server goes away.
    """
    found: dict[int, ServerAnswer] = {}
    for message in client.fetch_messages(sorted(answers), archive.new_spool):
        if message.body is not None and message.uid in answers:
            found[message.uid] = replace(answers[message.uid], sha256=digest_of(message.body))
            discard(message.body)
    return found
