"""Shortcuts: what a command line heard from the server when nothing was left to do, and what it says then.

Belongs here: one small file for each account and command, and whether the tables are still those it was
left beside. Does not belong here: the conversation itself (``client.ahead``), when there is nothing left
to do (``services``). For archives on a disk of this machine.

As a bookmark (``bookmarks``), a shortcut says nothing that the tables do not say. It counts for a day,
for the very same command line, and only while no table of the archive has got any entry, of whichever
account: so that nothing can be torn either that was whole when it was left, after a sync. Deleting all of
them loses nothing. It holds no password, and what it says to send is looked at before it is sent.

A run with nothing new loads this and little else; hence no library that takes a millisecond.
"""

from __future__ import annotations

import os
import time

from mailroom import __version__
from mailroom.protocol.conversation import DIGEST_OCTETS, blake2b

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SHORTCUTS", "Shortcut", "path_of", "read_shortcut", "state_of_tables", "written"]

MAX_AGE_SECONDS = 24 * 3600
"""How long one counts: once a day a run looks closer even so."""

AVOID_SECONDS = 7 * 24 * 3600
"""How long it is remembered that a server does not take commands together with a sign-in."""

SHORTCUTS = "bookmarks/shortcut."
"""How their paths begin, below an archive's root."""

_FORMAT = f"mailroom shortcut 1 {__version__}".encode()


class Shortcut:
    """What is remembered of a run after which nothing was left to do.

    :param words: the command line.
    :param tables: ``state_of_tables`` at its end.
    :param conversation: what to send, without the password (``protocol.conversation``); nothing where
        the server does not take it in one go.
    :param offered: what the greeting said that the server offers.
    :param capabilities: what the server offered after the sign-in.
    :param answers: digest of what the listings said.
    :param told: what to print where they say the same again.
    """

    def __init__(
        self,
        words: Sequence[str],
        tables: bytes,
        *,
        conversation: bytes = b"",
        offered: bytes = b"",
        capabilities: bytes = b"",
        answers: bytes = b"",
        told: str = "",
        at: float | None = None,
    ) -> None:
        self.words = words
        self.tables = tables
        self.conversation = conversation
        self.offered = offered
        self.capabilities = capabilities
        self.answers = answers
        self.told = told
        self.at = time.time() if at is None else at

    @property
    def is_for_now(self) -> bool:
        """Whether it is of today; one that says what to avoid is so for longer."""
        most = MAX_AGE_SECONDS if self.conversation else AVOID_SECONDS
        return 0 <= time.time() - self.at <= most


def path_of(account: str, command: str) -> str:
    """Return where the shortcut of an account lies, below an archive's root.

    :param account: its name, or what else stands for it on a command line.
    """
    name = blake2b(f"{command}\0{account}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{SHORTCUTS}{name}"


def written(shortcut: Shortcut) -> bytes:
    """Return the file's content: netstrings, and before them a digest that shows whether they are whole."""
    fields = (
        _FORMAT,
        _digest_of_words(shortcut.words),
        b"%d" % shortcut.at,
        shortcut.tables,
        shortcut.conversation,
        shortcut.offered,
        shortcut.capabilities,
        shortcut.answers,
        shortcut.told.encode("utf-8", "surrogatepass"),
    )
    octets = b"".join(b"%d:%b," % (len(field), field) for field in fields)
    return _digest(octets) + octets


def read_shortcut(octets: bytes, words: Sequence[str]) -> Shortcut | None:
    """Return what a file says; None where it is not whole, of another version or for another command line."""
    digest, rest = octets[:DIGEST_OCTETS], octets[DIGEST_OCTETS:]
    if _digest(rest) != digest:
        return None
    try:
        form, line, at, tables, conversation, offered, capabilities, answers, told = _fields(rest)
        if form != _FORMAT or line != _digest_of_words(words):
            return None
        return Shortcut(
            words,
            tables,
            conversation=conversation,
            offered=offered,
            capabilities=capabilities,
            answers=answers,
            told=told.decode("utf-8", "surrogatepass"),
            at=int(at),
        )
    except ValueError:
        return None


def state_of_tables(root: str) -> bytes | None:
    """Return what changes with every commit to any table of an archive; None where there is none."""
    found = blake2b(digest_size=DIGEST_OCTETS)
    try:
        for table in sorted(os.listdir(f"{root}/tables")):
            log = f"{root}/tables/{table}/_delta_log"
            names = sorted(os.listdir(log))
            newest = max(name for name in names if name.endswith(".json"))
            with open(f"{log}/{newest}", "rb", buffering=0) as file:
                found.update("\0".join([table, *names, ""]).encode("utf-8", "surrogateescape"))
                found.update(file.readall())
    except (OSError, ValueError):
        return None
    return found.digest()


def _fields(octets: bytes) -> list[bytes]:
    """Take netstrings apart.

    :raises ValueError: where they are none.
    """
    found = []
    while octets:
        length, _, octets = octets.partition(b":")
        found.append(octets[: int(length)])
        octets = octets[int(length) + 1 :]
    return found


def _digest_of_words(words: Sequence[str]) -> bytes:
    return _digest("\0".join(words).encode("utf-8", "surrogatepass"))


def _digest(octets: bytes) -> bytes:
    return blake2b(octets, digest_size=DIGEST_OCTETS).digest()
