"""Flags of messages that an account holds already, brought in step with those of another account.

Here: asking for as few changes as make them equal. Not here: which message is which (``live_presence``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from mailroom.client.imap import ImapClient
from mailroom.client.imap_changes import change_flags
from mailroom.client.imap_folders import permanent_flags
from mailroom.exceptions import CommandRejected
from mailroom.policy.mailbox_plan import normal_flags
from mailroom.policy.restore import sendable_flags
from mailroom.services.restoring.looks import Presence

__all__ = ["update_flags"]


def update_flags(
    client: ImapClient,
    folder: str,
    presence: Presence,
    flags: Sequence[tuple[str, ...]],
    *,
    uid_validity: int | None,
) -> int:
    """Give messages of a folder these flags where they have others; return how many had.

    :param presence: the UIDs of the messages, in the order of ``flags``; 0 where one is not there.
    :param uid_validity: UIDVALIDITY of the folder when it was asked for them.
    :raises CommandRejected: if the server refuses, or the folder is another one by now, made or numbered
        anew.
    :raises ConnectionLost: if it goes away.
    """
    places = np.flatnonzero(presence.uids)
    if not len(places):
        return 0
    permanent = permanent_flags(client, folder)
    if client.selected is None or client.selected.uid_validity != uid_validity:
        why = "it was made or numbered anew meanwhile, so its flags were left alone; run again"
        raise CommandRejected(f"Folder {folder!r}: {why}.", command="SELECT", kind="NO", code=None, text=why)
    wanted = {int(presence.uids[place]): flags[place] for place in places.tolist()}
    changes: dict[tuple[str, str], list[int]] = defaultdict(list)
    changed = set()
    for message in client.fetch_flags(sorted(wanted)):
        if message.uid not in wanted:
            continue
        kept, _ = sendable_flags(wanted[message.uid], permanent)
        now = {flag.lower(): flag for flag in normal_flags(message.flags)}
        here = {flag.lower() for flag in kept}
        for flag in kept:
            if flag.lower() not in now:
                changes["+", flag].append(message.uid)
                changed.add(message.uid)
        for name, flag in now.items():
            if name not in here and name != "\\deleted":
                changes["-", flag].append(message.uid)
                changed.add(message.uid)
    for (sign, flag), uids in changes.items():
        change_flags(client, uids, sign, (flag,), unchanged_since=None)
    return len(changed)
