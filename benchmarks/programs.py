"""What is compared: how each program is told to fetch the same account into an empty place.

Each runs with its own defaults; only where mail comes from and goes to is set, and that it stays
on the server. Programs that are installed here are in ``rivals``; what one writes oneself is in ``loops``.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import rivals
from benchmarks.links import Link
from benchmarks.measure import ProgramFailed

__all__ = [
    "PASSWORD",
    "PROGRAMS",
    "Program",
    "Task",
    "environment",
    "ours",
    "require_programs",
    "shown_command",
]

PASSWORD = "secret"
BIN = Path(sys.executable).parent
LOOPS = Path(__file__).with_name("loops.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One account to fetch to one place.

    :param place: an empty folder, which is the program's own.
    """

    link: Link
    user: str
    place: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One way to fetch mail.

    :param protocol: ``imap`` (the whole account) or ``pop3`` (the inbox).
    :param command: writes the configuration into the task's place and returns the command.
    :param again: the command that finds nothing to do afterwards; for a program without a memory, one
        that does all but fetch.
    :param remembers: whether it knows what it has fetched.
    :param parts: links on which it is too slow for the whole account, and how many messages of the
        inbox it is given there.
    :param attempts: how often a first run is tried anew, for one that is known to give up at times.
    """

    name: str
    protocol: str
    command: Callable[[Task], list[str]]
    again: Callable[[Task], list[str]] | None = None
    binary: str | None = None
    is_ours: bool = False
    remembers: bool = True
    parts: tuple[tuple[str, int], ...] = ()
    attempts: int = 1

    def part_on(self, link: str) -> int | None:
        """Return how many messages of the inbox it is given on a link, or None for all."""
        return dict(self.parts).get(link)

    def fetched(self, place: Path) -> int:
        """Return how many messages lie in the task's place: one that fetches less would win."""
        if self.is_ours:
            return _archived(place / "archive")
        found = list(os.walk(place))
        if not self.remembers:
            return sum(name.endswith(".mail") for _, _, names in found for name in names)
        return sum(len(names) for folder, _, names in found if Path(folder).name in {"cur", "new"})


def environment() -> dict[str, str]:
    """Return the environment that all programs run in.

    Byte code is written and kept, as on any machine that is not told otherwise.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "MAILROOM_PASSWORD": PASSWORD}


def ours(protocol: str) -> Program:
    """Return our own program for a protocol."""
    return next(program for program in PROGRAMS if program.is_ours and program.protocol == protocol)


def require_programs() -> None:
    """Check that all that is compared with is installed.

    :raises ProgramFailed: if something is missing.
    """
    missing = [program.name for program in PROGRAMS if program.binary and not shutil.which(program.binary)]
    if missing:
        raise ProgramFailed(
            f"{', '.join(missing)} cannot be found; install it with: bash scripts/set_up.sh rivals"
        )


def _archived(archive: Path) -> int:
    """Return how many messages are stored and indexed and have a place, whichever is fewest."""
    from mailroom.archive import Archive  # slow to start, and only our own runs are counted so

    tables = Archive(archive)
    rows: list[int] = [
        tables.read_table(name, ["sha256"]).num_rows for name in ("messages", "texts", "locations")
    ]
    files = sum(name.endswith(".eml") for _, _, names in os.walk(archive / "raw") for name in names)
    return min(files, *rows)


def _mailroom_mirror(task: Task) -> list[str]:
    url = f"imap://{task.user}@{task.link.host}:{task.link.imap_port}"
    return [str(BIN / "mailroom"), "mirror", url, *_archive(task)]


def _mailroom_fetch(task: Task) -> list[str]:
    url = f"pop3://{task.user}@{task.link.host}:{task.link.pop3_port}"
    return [str(BIN / "mailroom"), "fetch", url, *_archive(task)]


def _archive(task: Task) -> list[str]:
    # The account has a name of its own, so that it is the same one whatever port leads to it.
    return ["--archive", str(task.place / "archive"), "--account", task.user, "--json"]


def _rival(write: Callable[[rivals.Account], list[str]], protocol: str) -> Callable[[Task], list[str]]:
    def command(task: Task) -> list[str]:
        port = task.link.imap_port if protocol == "imap" else task.link.pop3_port
        account = rivals.Account(
            host=task.link.host, port=port, user=task.user, password=PASSWORD, place=task.place
        )
        return write(account)

    return command


def shown_command(program: Program, task: Task) -> str:
    """Return how a program is started, with the place it runs in written as PLACE."""
    words = [word.replace(str(task.place), "PLACE") for word in program.command(task)]
    return " ".join(word.rpartition("/")[2] if number < 2 else word for number, word in enumerate(words))


def _loop(library: str, protocol: str, *options: str) -> Callable[[Task], list[str]]:
    def command(task: Task) -> list[str]:
        port = task.link.imap_port if protocol == "imap" else task.link.pop3_port
        words = [library, task.link.host, str(port), task.user, str(task.place / "mail")]
        return [sys.executable, str(LOOPS), *words, *options]

    return command


def _written(library: str, protocol: str, name: str, parts: tuple[tuple[str, int], ...] = ()) -> Program:
    return Program(
        name=name,
        protocol=protocol,
        command=_loop(library, protocol),
        again=_loop(library, protocol, "--limit", "0"),
        remembers=False,
        parts=parts,
    )


_FAR = ("40 ms", 50)
_NEAR = ("loopback", 400)

PROGRAMS = (
    Program(name="mailroom mirror", protocol="imap", command=_mailroom_mirror, is_ours=True),
    Program(name="mbsync", protocol="imap", command=_rival(rivals.mbsync, "imap"), binary="mbsync"),
    Program(name="mailroom fetch", protocol="pop3", command=_mailroom_fetch, is_ours=True),
    Program(name="mpop", protocol="pop3", command=_rival(rivals.mpop, "pop3"), binary="mpop"),
    Program(
        name="fdm", protocol="pop3", command=_rival(rivals.fdm, "pop3"), binary="fdm", parts=(_NEAR, _FAR)
    ),
    Program(
        name="getmail",
        protocol="pop3",
        command=_rival(rivals.getmail, "pop3"),
        binary="getmail",
        parts=(("loopback", 100), _FAR),
        attempts=8,
    ),
    _written("imaplib", "imap", "imaplib loop", (_FAR,)),
    _written("imapclient", "imap", "IMAPClient loop", (("40 ms", 1000),)),
    _written("poplib", "pop3", "poplib loop", (_FAR,)),
)
"""The first of each protocol is ours."""
