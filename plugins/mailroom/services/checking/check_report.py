"""What a check tells whoever asked for it: a line a folder, and whether everything is archived."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["CheckReport", "FolderCheck"]

MAX_FOLDERS_SHOWN = 50
"""How many folders a summary lists, those that are not complete first; it has to fit an XCom."""

MAX_FOLDERS_NAMED = 5
"""How many folders the sentence about what is missing names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderCheck:
    """One folder: the server beside the archive.

    :param messages: messages the server counts.
    :param archived: how many of them are in the archive.
    :param arrived: how many of the missing ones came after the last mirror of the folder.
    :param unlisted: messages that the server counts and does not list; nobody can say who they are.
    :param gone: archived messages that are no longer on the server; they are safe.
    :param octets: size of all messages, as the server states it; None where it was not asked.
    :param archived_octets: size of the archived ones among them, as stated when they were archived.
    :param is_part: whether the last mirror asked for a part of it only, or was shown no more: then nobody
        can say whether the server hides messages that the archive does not hold.
    :param damaged: archived messages whose raw object is missing, of another size, or, where they were read
        back, not what its name says.
    :param repaired: how many were so and are whole again, fetched from the server.
    :param note: what a person should know.
    """

    folder: str
    messages: int = 0
    archived: int = 0
    arrived: int = 0
    unlisted: int = 0
    gone: int = 0
    octets: int | None = None
    archived_octets: int = 0
    damaged: int = 0
    repaired: int = 0
    is_part: bool = False
    note: str | None = None

    @property
    def missing(self) -> int:
        """Messages that the server lists and the archive does not hold."""
        return self.messages - self.unlisted - self.archived

    @property
    def is_complete(self) -> bool:
        """Whether every message of the folder is in the archive, as far as was asked."""
        return not (self.missing or self.unlisted or self.damaged or self.is_part)

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object."""
        found: dict[str, Any] = {
            "folder": self.folder,
            "messages": self.messages,
            "archived": self.archived,
            "missing": self.missing,
            "arrived": self.arrived,
            "gone": self.gone,
            "octets": self.octets,
            "archived_octets": self.archived_octets,
            "complete": self.is_complete,
        }
        found |= {
            name: n for name in ("unlisted", "damaged", "repaired", "is_part") if (n := getattr(self, name))
        }
        return found | ({"note": self.note} if self.note else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """The answer to "is everything safe?".

    :param problems: folders that could not be checked, a sentence each.
    :param repairs: whether what is damaged was to be fetched again.
    :param allows_new: whether mail that came after the last mirror may be missing.
    """

    account: str
    folders: tuple[FolderCheck, ...] = ()
    problems: tuple[str, ...] = ()
    repairs: bool = False
    allows_new: bool = False
    interrupted: bool = False

    @property
    def failures(self) -> tuple[str, ...]:
        """Return one sentence for what could not be checked, is missing, or is damaged."""
        return (*self.problems, *self._missing(), *self._unlisted(), *self._hidden(), *self._damaged())

    @property
    def is_complete(self) -> bool:
        """Whether every message of every folder is in the archive, as far as was asked."""
        return not self.failures and not self.interrupted

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object, with the folders that need attention first."""
        ordered = sorted(self.folders, key=lambda folder: folder.is_complete)
        return {
            "account": self.account,
            "complete": self.is_complete,
            "messages": sum(folder.messages for folder in self.folders),
            "archived": sum(folder.archived for folder in self.folders),
            "missing": sum(folder.missing for folder in self.folders),
            "arrived": sum(folder.arrived for folder in self.folders),
            "unlisted": sum(folder.unlisted for folder in self.folders),
            "gone": sum(folder.gone for folder in self.folders),
            "damaged": sum(folder.damaged for folder in self.folders),
            "repaired": sum(folder.repaired for folder in self.folders),
            "octets": _sum(folder.octets for folder in self.folders),
            "archived_octets": sum(folder.archived_octets for folder in self.folders),
            "folders": [folder.summary() for folder in ordered[:MAX_FOLDERS_SHOWN]],
            "folders_not_shown": max(0, len(ordered) - MAX_FOLDERS_SHOWN),
            "failed": len(self.failures),
            "interrupted": self.interrupted,
        }

    def all_folders(self) -> list[dict[str, Any]]:
        """Return every folder, in the server's order, for whoever has room for them."""
        return [folder.summary() for folder in self.folders]

    def _missing(self) -> list[str]:
        counts = {f.folder: f.missing - (f.arrived if self.allows_new else 0) for f in self.folders}
        number = sum(counts.values())
        if not number:
            return []
        total = sum(folder.messages for folder in self.folders)
        arrived = 0 if self.allows_new else sum(folder.arrived for folder in self.folders)
        since = f", {arrived:,} of them arrived since the last mirror" if arrived else ""
        verb = "is" if number == 1 else "are"
        return [
            f"{number:,} of the {total:,} messages of {self.account} on the server {verb} not in the archive"
            f" ({_named(counts)}){since}: fetch or mirror the account, then check again."
        ]

    def _unlisted(self) -> list[str]:
        counts = {folder.folder: folder.unlisted for folder in self.folders}
        if not any(counts.values()):
            return []
        return [
            f"The server counts {sum(counts.values()):,} more messages of {self.account} than it lists"
            f" ({_named(counts)}): nobody can say whether they are in the archive."
        ]

    def _hidden(self) -> list[str]:
        """Return what to do about folders of which nothing else is missing, but that may hide something."""
        parts = [f for f in self.folders if f.is_part and not f.unlisted]
        counts = {f.folder: f.messages for f in parts if f.missing <= (f.arrived if self.allows_new else 0)}
        if not counts:
            return []
        named = _named(counts, least=0)
        return [
            f"The last mirror of {self.account} took or was shown only a part of {named}, so nobody "
            "can say whether the rest is in the archive: mirror it without since, until and larger_than; "
            "where the server shows its newest messages only, lift that limit there, or leave the folder out "
            "of the check."
        ]

    def _damaged(self) -> list[str]:
        counts = {folder.folder: folder.damaged for folder in self.folders}
        if not any(counts.values()):
            return []
        number = sum(counts.values())
        what = "1 archived message" if number == 1 else f"{number:,} archived messages"
        how = (
            "the server does not deliver the same bytes again, so restore the files from a backup or a "
            "second archive; mailroom verify names them"
            if self.repairs
            else "mailroom check with --repair (repair=True in Airflow) fetches them from this server again; "
            "until then delete none of them there"
        )
        verb = "is" if number == 1 else "are"
        return [
            f"{what} of {self.account} {verb} missing or damaged in the archive's store ({_named(counts)}): "
            f"{how}."
        ]


def _named(counts: dict[str, int], *, least: int = 1) -> str:
    """Return the folders with the most first, as ``'INBOX': 3, 'Sent': 1``, of those with so many or more."""
    ordered = sorted(
        ((n, folder) for folder, n in counts.items() if n >= least), key=lambda item: (-item[0], item[1])
    )
    shown = ", ".join(f"{folder!r}: {n:,}" for n, folder in ordered[:MAX_FOLDERS_NAMED])
    more = len(ordered) - MAX_FOLDERS_NAMED
    return f"{shown}, and {more:,} more folders" if more > 0 else shown


def _sum(values: Iterable[int | None]) -> int | None:
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)
