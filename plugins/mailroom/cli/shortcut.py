"""The shortcut of a run with nothing new: asked and answered before the rest of the program is loaded.

Belongs here: from a command line to what an earlier run of the same left (``archive.reading.shortcuts``),
and what to do where the server says the same again, or something else. Does not belong here: who leaves it
(``remembering``).

Loading the engine takes longer than all that a run with nothing new does, so nothing is imported here that
this does not need. Whatever is out of the ordinary is left to the ordinary way, which gets the connection.
"""

from __future__ import annotations

import os

from mailroom.archive.reading.shortcuts import Shortcut, path_of, read_shortcut, state_of_tables, written
from mailroom.cli.lean import ended_by_signals
from mailroom.client.ahead import AheadFailed, SentAhead, call, call_by_tls
from mailroom.protocol.conversation import commands_of, is_plain_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Wish", "take_shortcut", "wish_of"]

PASSWORD_VARIABLE = "MAILROOM_PASSWORD"

MAX_SECONDS = 86_400.0
"""The longest wait that the ordinary way takes."""

_KINDS = {
    ("fetch", "pop3"): (110, False),
    ("fetch", "pop3s"): (995, True),
    ("mirror", "imap"): (143, False),
    ("mirror", "imaps"): (993, True),
}
"""The port, and whether it has TLS, by command and scheme."""

_SCHEMES = tuple(f"{scheme}://" for _, scheme in _KINDS)

_FAREWELLS = {"fetch": b"QUIT\r\n", "mirror": b"M0 LOGOUT\r\n"}


class Wish:
    """What of a command line matters before it is understood in full.

    :ivar path: where its shortcut lies.
    :ivar timeout: how long to wait for any answer.
    :raises ValueError: where that is no number.
    """

    def __init__(self, words: Sequence[str], url: tuple[str, str, int, bool], root: str) -> None:
        self.words = words
        self.user, self.host, self.port, self.is_tls = url
        self.root = root
        self.ca_file = _option(words, "--ca-file")
        self.verify = "--no-verify" not in words
        self.timeout = float(_option(words, "--timeout") or 60)
        name = _option(words, "--account") or f"{self.user}@{self.host}:{self.port}"
        self.path = f"{root}/{path_of(name, words[0])}"


def take_shortcut(words: Sequence[str]) -> tuple[bool, SentAhead | None]:
    """Ask whether all is as it was; return whether that is so and was printed, else what was sent ahead."""
    wish = wish_of(words)
    secret = os.environ.get(PASSWORD_VARIABLE, "")
    shortcut = None if wish is None else _standing_shortcut(wish)
    if wish is None or shortcut is None:
        return False, None
    commands = commands_of(shortcut.conversation, wish.user, secret)
    if commands is None:
        return False, None
    ahead = None
    with ended_by_signals():
        try:
            ahead = _call(wish)
            answers = ahead.ask(commands, shortcut.offered, wish.timeout)
            if answers == shortcut.answers:
                ahead.leave(_FAREWELLS[words[0]])
                print(shortcut.told, flush=True)
                return True, None
        except (AheadFailed, OSError, ValueError):  # of the connection, or of standard output
            if ahead is not None and ahead.lost_commands:
                _avoid(wish, shortcut)
            return False, None
    if ahead.was_refused:
        _forget(wish)  # the server may dislike the haste: the next sign-in goes step by step
    ahead.capabilities = shortcut.capabilities
    return False, ahead


def wish_of(words: Sequence[str]) -> Wish | None:
    """Return what a command line wishes for; None where it is none with a shortcut, or written unusually."""
    url = next(
        (word for word in words[1:] if word.startswith(("imap://", "imaps://", "pop3://", "pop3s://"))), ""
    )
    scheme, _, rest = url.partition("://")
    root = _option(words, "--archive")
    if not root or root.startswith("~") or "://" in root or (words[0], scheme) not in _KINDS:
        return None
    port, is_tls = _KINDS[words[0], scheme]
    user, at, place = rest.partition("@")
    host, colon, number = place.partition(":")
    user = user.replace("%40", "@")
    if not at or not _is_plain_user(user) or not _is_plain_host(host):
        return None
    if colon and not (number.isascii() and number.isdigit() and len(number) < 6):
        return None
    if not (is_tls or _is_loopback(host) or "--allow-plaintext" in words):
        return None
    try:
        wish = Wish(words, (user, host, int(number) if colon else port, is_tls), root)
    except ValueError:
        return None
    return wish if 0 < wish.timeout <= MAX_SECONDS else None


def _is_plain_user(user: str) -> bool:
    return is_plain_word(user) and not set(user) & set("%/:?#[]")


def _is_plain_host(host: str) -> bool:
    """Return whether this is a name or an IPv4 address as they are mostly written."""
    return host.isascii() and host == host.lower() and host.replace("-", "").replace(".", "").isalnum()


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (host.startswith("127.") and host.replace(".", "").isdigit())


def _option(words: Sequence[str], name: str) -> str | None:
    """Return what was given for an option, the last time it was."""
    found = None
    for number, word in enumerate(words):
        if word == name and number + 1 < len(words):
            found = words[number + 1]
        elif word.startswith(f"{name}="):
            found = word[len(name) + 1 :]
    return found


def _standing_shortcut(wish: Wish) -> Shortcut | None:
    """Return the shortcut of a command line where it counts, its tables being what they were."""
    try:
        with open(wish.path, "rb", buffering=0) as file:
            shortcut = read_shortcut(file.readall(), wish.words)
    except (OSError, ValueError):
        return None
    if shortcut is None or not shortcut.is_for_now or not shortcut.conversation:
        return None
    lines = shortcut.told.split("\n")
    is_fit = all(line.isprintable() for line in lines)
    return shortcut if is_fit and state_of_tables(wish.root) == shortcut.tables else None


def _call(wish: Wish) -> SentAhead:
    """Connect as the command line says.

    :raises AheadFailed: where nobody is reached.
    """
    if not wish.is_tls:
        return call(wish.host, wish.port)
    return call_by_tls(wish)


def _forget(wish: Wish) -> None:
    try:
        os.unlink(wish.path)
    except OSError:
        return  # another run was faster, or nobody may: a day later it is void


def _avoid(wish: Wish, shortcut: Shortcut) -> None:
    """Remember that this server does not take commands together with a sign-in."""
    part = f"{wish.path}.{os.getpid()}.new"
    try:
        with open(part, "xb") as file:
            file.write(written(Shortcut(wish.words, shortcut.tables)))
        os.replace(part, wish.path)
    except OSError:
        return  # the next run waits once more
