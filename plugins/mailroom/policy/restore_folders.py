"""Which folder of an account each archived folder goes to, and which one a person means by a name.

Here: names with another delimiter, under another prefix, or under the name that the account has for
what a folder is for (RFC 6154). Names in, names out. Not here: which folders are restored
(``folders``), and making them (``services``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Archived", "Placement", "TargetAccount", "place_folders", "place_target"]

PLACED_BY_USE = ("\\archive", "\\drafts", "\\junk", "\\sent", "\\trash")
"""Uses that make two folders of different names the same; the others are views of a whole account."""

INBOX = "INBOX"


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """One folder of the archive."""

    name: str
    delimiter: str | None = None
    special_use: str | None = None

    @property
    def levels(self) -> tuple[str, ...]:
        """Its name, level by level."""
        return tuple(self.name.split(self.delimiter)) if self.delimiter else (self.name,)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetAccount:
    """The account that mail is restored to.

    :param prefix: how the names of its folders begin, INBOX excepted, as ``INBOX.``.
    :param folders: the folders that are there, with their special use.
    :param foreign: how the names of shared and other users' folders begin.
    """

    delimiter: str | None = "/"
    prefix: str = ""
    folders: Mapping[str, str | None]
    foreign: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where one archived folder goes.

    :param special_use: what to mark it with when it is made, or None.
    :param is_renamed: whether its name had to change more than delimiter and prefix.
    """

    source: str
    target: str
    exists: bool
    special_use: str | None = None
    is_renamed: bool = False


def place_folders(
    archived: Iterable[Archived],
    account: TargetAccount,
    *,
    into: str | None = None,
    names: Mapping[str, str] | None = None,
) -> list[Placement]:
    """Return where each folder goes, parents before children; no two go to one place but where named.

    :param into: a folder below which everything goes, INBOX too; special uses do not count then.
    :param names: where some folders go, as the account calls its own; their subfolders go with them.
    """
    ordered = sorted(archived, key=lambda folder: (folder.levels[0] != INBOX, folder.levels))
    strip = _has_inbox_prefix(ordered)
    chosen: dict[tuple[str, ...], str] = {}
    uses = _by_use(account) if into is None else {}
    told = names or {}
    taken: set[str] = set()
    placements = []
    for folder in ordered:
        levels = folder.levels[1:] if strip and len(folder.levels) > 1 else folder.levels
        if folder.name in told:
            place = chosen[levels] = told[folder.name]
            placements.append(Placement(source=folder.name, target=place, exists=place in account.folders))
            continue
        use = (folder.special_use or "").lower() if into is None else ""
        named = _name(levels, account, chosen, into)
        target = uses.pop(use, None) or named
        if target in taken:
            target = named
        number = 2
        while target in taken:
            target, number = f"{named} ({number})", number + 1
        taken.add(target)
        chosen[levels] = target
        exists = target in account.folders
        wants_use = use in PLACED_BY_USE and not exists and use not in _by_use(account)
        placements.append(
            Placement(
                source=folder.name,
                target=target,
                exists=exists,
                special_use=folder.special_use if wants_use else None,
                is_renamed=target != named or not _is_faithful(levels, account),
            )
        )
    return placements


def place_target(name: str, account: TargetAccount) -> str:
    """Return the folder that a person means by a name: the one that is there, else as the server would say.

    Levels are set apart by ``/`` or as the server does it, and the prefix of its names may be left out.

    >>> courier = TargetAccount(delimiter=".", prefix="INBOX.", folders={"INBOX": None})
    >>> place_target("Invoices/2024", courier), place_target("INBOX.Invoices.2024", courier)
    ('INBOX.Invoices.2024', 'INBOX.Invoices.2024')
    >>> place_target("Invoices/2024", TargetAccount(delimiter="/", folders={}))
    'Invoices/2024'
    """
    delimiter, prefix = account.delimiter, account.prefix
    if name in account.folders or name.startswith(account.foreign):
        return name
    text = name
    if delimiter is not None and ("/" not in name or (prefix and name.startswith(prefix))):
        text = name.replace(delimiter, "/")
    levels = [level for level in text.split("/") if level]
    if not levels:
        return name
    if levels[0].upper() == INBOX:
        levels[0] = INBOX
    bare = (delimiter or "_").join(_clean(tuple(levels), delimiter))
    if bare == INBOX or bare in account.folders or bare.startswith((prefix, *account.foreign)):
        return bare
    return f"{prefix}{bare}"


def _by_use(account: TargetAccount) -> dict[str, str]:
    """Return the folder of each use that places folders; the first of several."""
    found: dict[str, str] = {}
    for name, use in account.folders.items():
        if use is not None and use.lower() in PLACED_BY_USE:
            found.setdefault(use.lower(), name)
    return found


def _has_inbox_prefix(folders: list[Archived]) -> bool:
    """Return whether all folders lie below INBOX, as on servers whose names all begin with ``INBOX.``.

    Only with a dot: that is how such servers name them, while ``INBOX/Work`` is mostly a folder that
    somebody made below the inbox.
    """
    below = [folder for folder in folders if folder.name != INBOX]
    return bool(below) and all(
        folder.delimiter == "." and len(folder.levels) > 1 and folder.levels[0].upper() == INBOX
        for folder in below
    )


def _name(
    levels: tuple[str, ...], account: TargetAccount, chosen: Mapping[tuple[str, ...], str], into: str | None
) -> str:
    """Return a folder's name on the account: below its parent's where that was placed, else from the root."""
    if levels == (INBOX,) and into is None:
        return INBOX
    delimiter = account.delimiter
    for depth in range(len(levels) - 1, 0, -1):
        parent = chosen.get(levels[:depth])
        if parent is not None and delimiter is not None and not (parent == INBOX and account.prefix):
            return delimiter.join((parent, *_clean(levels[depth:], delimiter)))
    clean = _clean(levels, delimiter)
    head = [into] if into is not None else []
    name = (delimiter or "_").join([*head, *clean])
    below = account.prefix
    return name if below and name.startswith(below) and into is not None else f"{below}{name}"


def _clean(levels: tuple[str, ...], delimiter: str | None) -> list[str]:
    """Return levels that are one level each on the account too."""
    return [(level.replace(delimiter, "_") if delimiter else level) or "_" for level in levels]


def _is_faithful(levels: tuple[str, ...], account: TargetAccount) -> bool:
    return _clean(levels, account.delimiter) == list(levels) and (
        account.delimiter is not None or len(levels) == 1
    )
