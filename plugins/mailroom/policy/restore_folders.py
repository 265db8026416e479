"""Which folder of an account each archived folder goes to, and which one a person means by a name.

Here: names with another delimiter, under another prefix, or under the name that the account has for
what a folder is for (RFC 6154). Names in, names out. Not here: which folders are restored
(``folders``), and making them (``services``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Archived", "Placement", "TargetAccount", "place_folders", "place_target", "unknown_names"]

PLACED_BY_USE = ("\\archive", "\\drafts", "\\junk", "\\sent", "\\trash")
"""Uses that make two folders of different names the same; the others are views of a whole account."""

INBOX = "INBOX"


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """One folder of the archive, or of the account that is copied.

    :param subscribed: whether mail programs are to show it; None where that is not known.
    """

    name: str
    delimiter: str | None = None
    special_use: str | None = None
    subscribed: bool | None = None

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
    :param subscribed: whether mail programs showed it where it comes from; None where that is not known.
    """

    source: str
    target: str
    exists: bool
    special_use: str | None = None
    is_renamed: bool = False
    subscribed: bool | None = None


def place_folders(
    archived: Iterable[Archived],
    account: TargetAccount,
    *,
    into: str | None = None,
    names: Mapping[str, str] | None = None,
) -> list[Placement]:
    """Return where each folder goes, parents before children; no two go to one place but where named.

    :param into: a folder below which everything goes, INBOX too; special uses do not count then.
    :param names: where some folders go, see ``place_target``; their subfolders go with them, also those of
        a folder that cannot hold mail itself.
    """
    ordered = sorted(archived, key=lambda folder: (folder.levels[0] != INBOX, folder.levels))
    strip = _has_inbox_prefix(ordered)
    told = {name: place_target(place, account) for name, place in (names or {}).items()}
    chosen = _told_places(told, ordered, strip)
    uses = _by_use(account) if into is None else {}
    taken: set[str] = set()
    placements = []
    for folder in ordered:
        levels = _stripped(folder.levels, strip)
        if folder.name in told:
            place = told[folder.name]
            exists = place in account.folders
            placements.append(
                Placement(source=folder.name, target=place, exists=exists, subscribed=folder.subscribed)
            )
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
                subscribed=folder.subscribed,
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


def unknown_names(archived: Iterable[Archived], names: Iterable[str]) -> list[str]:
    """Return those of the names that are neither one of the folders nor above one."""
    known = {
        (folder.delimiter or "").join(folder.levels[:depth])
        for folder in archived
        for depth in range(1, len(folder.levels) + 1)
    }
    return [name for name in names if name not in known]


def _told_places(
    told: Mapping[str, str], ordered: Iterable[Archived], strip: bool
) -> dict[tuple[str, ...], str]:
    """Return where the user says that folders go, by their levels."""
    delimiter = next((folder.delimiter for folder in ordered if folder.delimiter), None)
    levels = {name: tuple(name.split(delimiter)) if delimiter else (name,) for name in told}
    return {_stripped(levels[name], strip): place for name, place in told.items()}


def _stripped(levels: tuple[str, ...], strip: bool) -> tuple[str, ...]:
    """Return the levels of a name without the INBOX that all names begin with."""
    return levels[1:] if strip and len(levels) > 1 else levels


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
