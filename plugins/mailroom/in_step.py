"""What a folder and its copy looked like when the copy last held all of the folder, and what that says now.

Here: counts in, verdicts out. RFC 3501 section 2.3.1.1: while UIDVALIDITY and UIDNEXT are the same, nothing
has come, and where the number of messages is the same as well, nothing has gone. HIGHESTMODSEQ (RFC 7162)
says that of flags too. Not here: asking for the counts, keeping them (``archive``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["FolderMark", "InStep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderMark:
    """The counts of one folder at one moment.

    :param highest_modseq: None where the server states none.
    """

    uid_validity: int
    uid_next: int
    messages: int
    highest_modseq: int | None = None

    @classmethod
    def of(cls, counts: Mapping[str, int] | None) -> Self | None:
        """Return the mark of STATUS items; None where some are missing, or 0 where that means nothing."""
        told = counts or {}
        validity, following = told.get("UIDVALIDITY"), told.get("UIDNEXT")
        if not validity or not following or "MESSAGES" not in told:
            return None
        return cls(
            uid_validity=validity,
            uid_next=following,
            messages=told["MESSAGES"],
            highest_modseq=told.get("HIGHESTMODSEQ") or None,
        )

    def holds_as_many(self, other: FolderMark) -> bool:
        """Return whether nothing has come or gone between the two."""
        return (self.uid_validity, self.uid_next, self.messages) == (
            other.uid_validity,
            other.uid_next,
            other.messages,
        )

    def is_unchanged(self, other: FolderMark) -> bool:
        """Return whether no flag has changed either, as far as the server can tell."""
        return self == other and self.highest_modseq is not None

    def after(self, added: int) -> FolderMark:
        """Return the counts after so many messages came and nothing else happened; flags do not count."""
        return FolderMark(
            uid_validity=self.uid_validity, uid_next=self.uid_next + added, messages=self.messages + added
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InStep:
    """That a copy held all of a folder.

    :param source: the folder's counts then; a digest of its rows where it lies in an archive.
    :param target: the copy's counts then.
    :param messages: how many messages were compared.
    :param with_flags: whether their flags were the same too.
    :param rest: a sequence set of the UIDs of messages in the copy that are none of the folder's; None where
        that is not known.
    """

    source: FolderMark | str
    target: FolderMark
    messages: int
    with_flags: bool = False
    rest: str | None = None

    def holds(self, source: FolderMark | str | None, target: FolderMark | None, *, with_flags: bool) -> bool:
        """Return whether it must still be so, as the counts are now.

        :param with_flags: whether the flags have to be the same too.
        """
        if source is None or target is None or (with_flags and not self.with_flags):
            return False
        if with_flags and not self.target.is_unchanged(target):
            return False
        if isinstance(source, str) or isinstance(self.source, str):
            return source == self.source and self.target.holds_as_many(target)
        if with_flags and not self.source.is_unchanged(source):
            return False
        return self.source.holds_as_many(source) and self.target.holds_as_many(target)

    def as_facts(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        sides = {
            name: side if isinstance(side, str) else _numbers(side)
            for name, side in (("source", self.source), ("target", self.target))
        }
        return {**sides, "messages": self.messages, "with_flags": self.with_flags, "rest": self.rest}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Self:
        """Return what ``as_facts`` gave.

        :raises KeyError, TypeError, ValueError: where it did not.
        """
        source = facts["source"]
        return cls(
            source=source if isinstance(source, str) else _mark(source),
            target=_mark(facts["target"]),
            messages=int(facts["messages"]),
            with_flags=bool(facts["with_flags"]),
            rest=None if facts["rest"] is None else str(facts["rest"]),
        )


def _numbers(mark: FolderMark) -> list[int | None]:
    return [mark.uid_validity, mark.uid_next, mark.messages, mark.highest_modseq]


def _mark(numbers: list[Any]) -> FolderMark:  # Any: whatever lies in a file
    validity, following, messages, modseq = numbers
    return FolderMark(
        uid_validity=int(validity),
        uid_next=int(following),
        messages=int(messages),
        highest_modseq=None if modseq is None else int(modseq),
    )
