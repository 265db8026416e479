"""What becomes of a change that was asked for on the archive's side, once the server is asked again.

Here: the rule for changes on both sides. Not here: asking (``services``), whether a message is the one
that was archived (``proof``).

The rule: what the server's side did since stands, unless both can have their way.

- Flags are merged one by one: each one asked for is set or taken away, unless the archive showed it
  as asked for already and the server has turned it round since.
- A message that is no longer in its place is not looked for elsewhere: nothing is done.
- A deletion gives way to any change of the message's flags since it was asked for; a move does not,
  for what was changed moves along.
- A number that belongs to another message by now is left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

__all__ = ["FlagDecision", "decide_flags", "flags_differ", "split_flags"]

_NOT_OF_THE_MESSAGE = frozenset({"\\recent", "\\deleted"})
"""Flags that say something about sessions, or that a deletion under way sets itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagDecision:
    """What is to be done about the flags of one message.

    :param overruled: flags that the server's side has turned round since; they stay as they are.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    overruled: tuple[str, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return not (self.add or self.remove)


def decide_flags(
    add: Iterable[str], remove: Iterable[str], before: Collection[str], now: Collection[str]
) -> FlagDecision:
    """Merge flags that were asked for with those of the server.

    :param before: what the archive showed when they were asked for.
    :param now: what the server says.

    >>> decide_flags(["\\\\Seen"], ["$Work"], before=["$Work"], now=["$Work", "\\\\Flagged"])
    FlagDecision(add=('\\\\Seen',), remove=('$Work',), overruled=())
    >>> decide_flags(["\\\\Seen"], [], before=["\\\\Seen"], now=[]).overruled
    ('\\\\Seen',)
    """
    shown, there = _small(before), _small(now)
    missing = [flag for flag in add if flag.lower() not in there]
    superfluous = [flag for flag in remove if flag.lower() in there]
    return FlagDecision(
        add=tuple(flag for flag in missing if flag.lower() not in shown),
        remove=tuple(flag for flag in superfluous if flag.lower() in shown),
        overruled=(
            *(flag for flag in missing if flag.lower() in shown),
            *(flag for flag in superfluous if flag.lower() not in shown),
        ),
    )


def flags_differ(before: Collection[str], now: Collection[str]) -> bool:
    """Return whether the flags of a message were changed; ``\\Recent`` and ``\\Deleted`` do not count.

    >>> flags_differ(["\\\\Seen"], ["\\\\Seen", "\\\\Deleted"]), flags_differ([], ["\\\\Flagged"])
    (False, True)
    """
    return _small(before) - _NOT_OF_THE_MESSAGE != _small(now) - _NOT_OF_THE_MESSAGE


def split_flags(flags: Iterable[str], permanent: Collection[str] | None) -> tuple[list[str], list[str]]:
    """Return the flags that a folder keeps, and those it does not.

    :param permanent: what it says it keeps, in small letters; None where it does not say.
    """
    asked = list(flags)
    if permanent is None:
        return asked, []
    kept = [
        flag
        for flag in asked
        if flag.lower() in permanent or (not flag.startswith("\\") and "\\*" in permanent)
    ]
    return kept, [flag for flag in asked if flag not in kept]


def _small(flags: Iterable[str]) -> frozenset[str]:
    return frozenset(flag.lower() for flag in flags)
