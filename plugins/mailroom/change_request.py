"""What somebody wants changed on a server, and what became of it: one row of ``changes``.

Nothing here does work. A request is about a message as the archive showed it, so that it can be told
later whether the server's side has changed it since.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailroom.exceptions import ConfigurationError

__all__ = ["Attempt", "ChangeRequest", "RequestKind", "RequestState", "check_flag", "check_label"]

_KEYWORD = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
"""A keyword that can be sent (RFC 3501 section 9, ``flag-keyword``)."""

_SYSTEM = {f"\\{name.lower()}": f"\\{name}" for name in ("Seen", "Answered", "Flagged", "Draft")}

_GMAIL_OWN = ("[GMAIL]", "[GOOGLE MAIL]")
"""How the folders begin that are no labels."""


class RequestKind(enum.Enum):
    """What is to be done on the server; a closed list."""

    FLAGS = "flags"
    LABELS = "labels"
    MOVE = "move"
    DELETE = "delete"
    APPEND = "append"


class RequestState(enum.Enum):
    """What became of a request; a closed list."""

    PENDING = "pending"
    """Nothing has been done yet."""

    BEGUN = "begun"
    """A run has set out to do it; if it was killed, the next one finds out how far it came."""

    PUSHED = "pushed"
    """It is done."""

    REFUSED = "refused"
    """The server does not do it, or the archive cannot prove what it would be done to."""

    CONFLICT = "conflict"
    """The server's side has changed the message since, and that stands."""

    WITHDRAWN = "withdrawn"
    """Whoever wanted it wants it no longer."""

    @property
    def is_waiting(self) -> bool:
        """Whether the next run that pushes takes it up."""
        return self in (RequestState.PENDING, RequestState.BEGUN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Where the server stood when a run set out; by this the next run tells what it had done.

    :param uid_validity: UIDVALIDITY of the folder that a message goes to.
    :param uid_next: the UID that the next message there would get.
    :param modseq: for flags: the highest MODSEQ that was shown (RFC 7162), or None.
    """

    uid_validity: int | None = None
    uid_next: int | None = None
    modseq: int | None = None

    def may_give(self, uid_validity: int, uid: int) -> bool:
        """Return whether a message that came to the folder afterwards may have such a number there."""
        return uid_validity == self.uid_validity and self.uid_next is not None and uid >= self.uid_next


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRequest:
    """One change, as it was asked for and as it stands.

    :param folder: where the message is; for ``append`` where it goes.
    :param uid: its number there, beside ``uid_validity``; None for ``append``.
    :param add: flags to set; for ``append`` the flags it gets, for ``labels`` the labels.
    :param before: the flags that the archive showed when it was asked for, earlier requests included; for
        ``labels`` the labels.
    :param target: the folder a message is moved to.
    :param expunge: for ``delete``: whether it is removed at once instead of moved to the trash.
    :param internal_date: for ``append``: the date it gets.
    :param is_new: for ``append``: whether the message came into the archive for this request alone.
    :param at: when ``state`` came about.
    :param run_id: the run that brought it about, or None.
    :param reason: why, where that needs saying.
    """

    change_id: str
    account: str
    kind: RequestKind
    folder: str
    requested_at: datetime
    requested_by: str
    at: datetime
    uid_validity: int | None = None
    uid: int | None = None
    sha256: str | None = None
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    target: str | None = None
    expunge: bool = False
    internal_date: datetime | None = None
    is_new: bool = False
    attempt: Attempt | None = None
    state: RequestState = RequestState.PENDING
    reason: str | None = None
    run_id: str | None = None

    @property
    def place(self) -> tuple[str, int | None, int | None]:
        """Folder, UIDVALIDITY and UID of the message it is about."""
        return self.folder, self.uid_validity, self.uid

    @property
    def leaves(self) -> bool:
        """Whether the message is no longer in its place when it is done."""
        return self.kind in (RequestKind.MOVE, RequestKind.DELETE)

    def arguments(self) -> dict[str, Any]:
        """Return what its kind asks for besides the message, as a small JSON object."""
        found: dict[str, Any] = {
            "add": list(self.add),
            "remove": list(self.remove),
            "before": list(self.before),
            "to": self.target,
            "expunge": self.expunge,
            "internal_date": self.internal_date.isoformat() if self.internal_date else None,
            "is_new": self.is_new,
        }
        if self.attempt is not None:
            found["attempt"] = {
                "uidvalidity": self.attempt.uid_validity,
                "uidnext": self.attempt.uid_next,
                "modseq": self.attempt.modseq,
            }
        return {name: value for name, value in found.items() if value}

    @staticmethod
    def read_arguments(found: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that ``arguments`` wrote down."""
        tried = found.get("attempt")
        date = found.get("internal_date")
        return {
            "add": tuple(found.get("add", ())),
            "remove": tuple(found.get("remove", ())),
            "before": tuple(found.get("before", ())),
            "target": found.get("to"),
            "expunge": bool(found.get("expunge")),
            "internal_date": datetime.fromisoformat(date) if date else None,
            "is_new": bool(found.get("is_new")),
            "attempt": None
            if tried is None
            else Attempt(
                uid_validity=tried.get("uidvalidity"),
                uid_next=tried.get("uidnext"),
                modseq=tried.get("modseq"),
            ),
        }


def check_flag(flag: str) -> str:
    """Return a flag that can be asked for, as the RFC spells it.

    :raises ConfigurationError: where it is none, or one that only servers or deletions set.

    >>> check_flag("\\\\seen"), check_flag("$Work")
    ('\\\\Seen', '$Work')
    """
    system = _SYSTEM.get(flag.lower())
    if system is None and _KEYWORD.fullmatch(flag) is None:
        hint = {"\\deleted": "; ask for a deletion", "\\recent": "; only servers set it"}.get(
            flag.lower(), ""
        )
        raise ConfigurationError(
            f"{flag!r} is no flag that can be asked for{hint}: there are {', '.join(_SYSTEM.values())}, and "
            "keywords of letters and digits such as $Work."
        )
    return system or flag


def check_label(label: str) -> str:
    """Return a label of Gmail's that can be asked for, without the blanks around it.

    :raises ConfigurationError: where it is empty, holds control characters, or is one of Gmail's own, which
        move, delete or star a message.

    >>> check_label(" Clients/Acme ")
    'Clients/Acme'
    """
    name = label.strip()
    if name.startswith("\\") or name.upper() == "INBOX" or name.upper().startswith(_GMAIL_OWN):
        raise ConfigurationError(
            f"{label!r} is Gmail's own and no label that can be given: use move:FOLDER, seen or flag."
        )
    if not name or not name.isprintable():
        raise ConfigurationError(f"{label!r} is no label: it needs a name without control characters.")
    return name
