"""What a run leaves for the next one of the same command line, which may find nothing new (``shortcut``).

Belongs here: when it is left, and what it holds. Does not belong here: what it is good for.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mailroom.archive.reading.shortcuts import Shortcut, read_shortcut, written
from mailroom.cli.shortcut import PASSWORD_VARIABLE, wish_of
from mailroom.cli.terminal import Outcome, Report, Terminal
from mailroom.exceptions import ArchiveError
from mailroom.model import AuthMethod
from mailroom.protocol.conversation import Answers, conversation_of, offered_by

if TYPE_CHECKING:
    from mailroom.archive import Archive
    from mailroom.archive.reading.noted import Standing
    from mailroom.client.transport import Transcript

__all__ = ["remembering"]


def remembering(
    options: argparse.Namespace,
    archive: Archive,
    terminal: Terminal,
    headline: Callable[[Mapping[str, Any]], str],
) -> Callable[[Report, Transcript, Standing], None] | None:
    """Return what leaves a shortcut; None where the command line has none.

    That is where it may do more than look, is written unusually, or signs in otherwise than by a password
    from the environment; where POP3 servers take one command at a time; and where an archive lies elsewhere.
    """
    endpoint = options.endpoint
    wish = None if options.command_line is None else wish_of(options.command_line)
    if wish is None or endpoint.auth is not AuthMethod.PASSWORD:
        return None
    if (wish.user, wish.host, wish.port) != (endpoint.user, endpoint.host, endpoint.port):
        return None
    if os.environ.get(PASSWORD_VARIABLE) != endpoint.secret:
        return None

    def remember(again: Report, heard: Transcript, standing: Standing) -> None:
        conversation = conversation_of(heard.sent, endpoint.user, endpoint.secret)
        greeting, _, _ = heard.received.partition(b"\n")
        answers = Answers(heard.sent)
        answers.read(heard.received, len(greeting) + 1)
        if conversation is None or not answers.is_complete or not _takes_all_at_once(heard):
            return
        _leave(
            archive,
            wish.path[len(wish.root) + 1 :],
            Shortcut(
                wish.words,
                standing.tables,
                conversation=conversation,
                offered=offered_by(greeting),
                capabilities=heard.capabilities,
                answers=answers.digest(),
                told=terminal.result_of(Outcome.of(again, headline)),
                at=standing.since.timestamp(),
            ),
        )

    return remember


def _takes_all_at_once(heard: Transcript) -> bool:
    """Return whether commands may go out with the sign-in: by POP3 only where the server says so."""
    is_imap = heard.received.startswith(b"*")
    before_sign_in = heard.received.partition(b"\r\n.\r\n")[0].upper().split(b"\r\n")
    return is_imap or b"PIPELINING" in before_sign_in


def _leave(archive: Archive, path: str, shortcut: Shortcut) -> None:
    """Write a shortcut, unless an earlier one says that this server is not to be asked so."""
    try:
        (octets,) = archive.store.read_files([path])
        before = None if octets is None else read_shortcut(octets, shortcut.words)
        if before is None or before.conversation or not before.is_for_now:
            archive.store.replace_file(path, written(shortcut))
    except ArchiveError:
        return  # the next run takes longer, and says what is wrong with the store
