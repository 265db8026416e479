"""A folder left alone until it stays as it is.

A server may still be storing what a run sent that was killed a moment ago: whoever asks at once what is
there, and sends what is not, sends it twice.
"""

from __future__ import annotations

import threading

from mailroom.client.imap import ImapClient
from mailroom.client.imap_folders import unselect

__all__ = ["let_settle"]

SETTLE_SECONDS = 1.0
"""How long a folder must stay as it is."""

MAX_SETTLE_SECONDS = 60.0
"""After so long the folder is taken as it is: somebody else is at work there."""


def let_settle(client: ImapClient, folder: str, stop: threading.Event) -> None:
    """Wait until a folder's counts stay the same; no folder is open afterwards, where the server can.

    :param stop: when set, nothing is waited for.
    :raises CommandRejected: if there is no such folder.
    :raises ConnectionLost: if the server goes away.
    """
    unselect(client)
    before, waited = client.folder_status(folder), 0.0
    while not stop.wait(SETTLE_SECONDS):
        waited += SETTLE_SECONDS
        now = client.folder_status(folder)
        if now == before or waited >= MAX_SETTLE_SECONDS:
            return
        before = now
