"""The counts of many folders where LIST does not bring them along: STATUS, pipelined.

Here: asking before the first answer is there. Not here: what follows from the counts
(``policy``). RFC 3501 section 6.3.10, RFC 5819.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mailroom.client.imap import ImapClient
from mailroom.exceptions import CommandRejected

if TYPE_CHECKING:
    from mailroom.model import Folder

__all__ = ["states_with_list", "with_statuses"]

STATUSES_AT_ONCE = 50
"""Commands sent before the first is answered: few enough to fit any buffer on the way."""


def states_with_list(client: ImapClient) -> bool:
    """Return whether `ImapClient.list_folders` brings the counts of all folders along (RFC 5819)."""
    return client.supports("LIST-EXTENDED") and client.supports("LIST-STATUS")


def with_statuses(client: ImapClient, folders: Sequence[Folder]) -> list[Folder]:
    """Return folders with their counts, asked for many at once; as they were where that is refused.

    :raises ConnectionLost: if the server goes away.
    """
    wire, items = client.wire, client.status_items
    wire.untagged_responses.pop("STATUS", None)
    for start in range(0, len(folders), STATUSES_AT_ONCE):
        some = folders[start : start + STATUSES_AT_ONCE]
        tags = []
        for folder in some:
            with contextlib.suppress(CommandRejected):  # some names cannot be sent
                tags.append(wire.begin("STATUS", wire.quoted_name(folder.name, "STATUS"), items))
        for tag in tags:
            with contextlib.suppress(CommandRejected):
                wire.end("STATUS", tag)
    counts = client.statuses_told()
    return [replace(folder, status=counts.get(folder.name, folder.status)) for folder in folders]
