"""A retention policy: rules that delete, rules that keep, and what they say of one folder.

Here: the values a user states, and which of them concern a folder. Not here: which of them
decides for a message (``verdicts``), how they are read from a file (``policy_file``).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from mailroom.exceptions import ConfigurationError
from mailroom.model import MailProtocol
from mailroom.policy.approvals import ApprovalRule
from mailroom.policy.durations import FOREVER, in_days
from mailroom.policy.folders import match_folders, matches_pattern
from mailroom.policy.proof import ProofMode
from mailroom.policy.retention import Basis, RetentionRule, basis_of

__all__ = [
    "VIEWS",
    "BoundRule",
    "FolderRules",
    "ForeignMarks",
    "RetentionPolicy",
    "Rule",
    "bind_policy",
    "describe_rules",
    "is_view",
    "policy_of",
]

VIEWS = frozenset({"\\all", "\\flagged", "\\important"})
"""Special uses, in small letters, of folders that show what others hold: leaving them out says nothing."""


def is_view(use: str | None) -> bool:
    """Return whether a folder of this special use only shows what others hold."""
    return (use or "").casefold() in VIEWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: delete after so long, or keep for so long, what meets all of its conditions.

    :param name: what reports call it; may be empty where there is one rule only.
    :param delete_after: what is older may be deleted. Exactly one of this and ``keep_for`` is given.
    :param keep_for: what is younger stays, whatever other rules say; ``FOREVER`` for ever.
    :param basis: what the time counts from; None takes INTERNALDATE, and in trash and junk folders
        the time a message came there; by POP3 the time it was archived.
    :param folders: patterns of folder names, or special-use attributes (RFC 6154) such as ``\\Trash``.
    :param senders: patterns of the author's address, in small letters; one of them must match.
    :param larger_than: octets; what is smaller does not meet the rule.
    :param seen: whether the message must be \\Seen, or must not; None for either. ``flagged`` likewise.
    :param keywords: flags of which one must be set, in small letters.
    :raises ConfigurationError: if a value makes no sense.
    """

    name: str = ""
    delete_after: timedelta | None = None
    keep_for: timedelta | None = None
    basis: Basis | None = None
    folders: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    larger_than: int | None = None
    seen: bool | None = None
    flagged: bool | None = None
    keywords: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if (self.delete_after is None) == (self.keep_for is None):
            raise ConfigurationError(
                f"{self._called} must say either delete_after or keep_for, and not both."
            )
        if not self.folders:
            raise ConfigurationError(f"{self._called} names no folder: leave folders out to mean all.")

    @property
    def _called(self) -> str:
        return f"Rule {self.name!r}" if self.name else "A rule without a name"

    @property
    def asks_flags(self) -> bool:
        """Whether it depends on flags, which POP3 does not know."""
        return self.seen is not None or self.flagged is not None or bool(self.keywords)

    @property
    def has_conditions(self) -> bool:
        """Whether it means some messages of a folder only."""
        return self.asks_flags or bool(self.senders) or self.larger_than is not None


class ForeignMarks(enum.Enum):
    """What becomes of other people's marks \\Deleted on a server without UIDPLUS; a closed list."""

    LIFT = "lift"
    """They are taken off while ours are expunged, and put back."""

    REFUSE = "refuse"
    """Nothing is deleted beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """All that is said of how long mail stays on a server.

    :param exclude: folders that are left alone whatever the rules say.
    :param keep_flagged: whether what is marked \\Flagged stays.
    :param keep_newest: how many of the newest messages of each folder stay.
    :param max_fraction: how much of a folder may go in one run, oldest first; above 0, at most 1.
    :param allow_incomplete: whether to delete in a folder of which the archive does not hold everything.
    :param to_trash: whether messages go into the server's trash, not away for good; from the trash itself
        they do.
    :param mark_seen: whether unread messages are marked read first; some servers tell the sender of a
        message that was deleted unread.
    :param foreign_marks: what becomes of others' marks \\Deleted where EXPUNGE would carry them out.
    :param proof: how the archived bytes of a message are proved before it goes.
    :param refetch: whether it is fetched from the server once more, whole, and compared as well.
    :param require_copies: how many archives must hold it, this one among them.
    :param approval: when somebody has to be asked first, where somebody can be; None for never.
    :raises ConfigurationError: if a value makes no sense.
    """

    rules: tuple[Rule, ...]
    exclude: tuple[str, ...] = ()
    keep_flagged: bool = True
    keep_newest: int = 0
    max_fraction: float = 1.0
    allow_incomplete: bool = False
    approval: ApprovalRule | None = None
    to_trash: bool = False
    mark_seen: bool = False
    foreign_marks: ForeignMarks = ForeignMarks.LIFT
    proof: ProofMode = ProofMode.READ
    refetch: bool = False
    require_copies: int = 1

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if not any(rule.delete_after is not None for rule in self.rules):
            raise ConfigurationError("The policy has no rule with delete_after, so it deletes nothing.")
        if not 0 < self.max_fraction <= 1:
            raise ConfigurationError(
                f"max_fraction must be above 0 and at most 1 (the whole folder), not {self.max_fraction!r}."
            )
        if self.keep_newest < 0:
            raise ConfigurationError(f"keep_newest must be 0 or more, not {self.keep_newest!r}.")
        if self.require_copies < 1:
            raise ConfigurationError(f"require_copies must be 1 or more, not {self.require_copies!r}.")
        names = [rule.name for rule in self.rules]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled == [""]:
            raise ConfigurationError(
                "Several rules have no name: give each its own, for names tell rules apart."
            )
        if doubled:
            raise ConfigurationError(f"Two rules are named {doubled[0]!r}: names tell rules apart.")


@dataclass(frozen=True, kw_only=True)
class BoundRule:
    """A rule as it holds in one folder.

    :param is_explicit: whether it names the folder, or some of its messages, rather than all there is.
    """

    rule: Rule
    basis: Basis
    is_explicit: bool

    @cached_property
    def length(self) -> timedelta:
        """How long it keeps, or after how long it deletes."""
        found = self.rule.keep_for if self.rule.delete_after is None else self.rule.delete_after
        return FOREVER if found is None else found

    @cached_property
    def words(self) -> str:
        """The rule as plans and the audit state it.

        >>> rule = Rule(name="news", delete_after=timedelta(days=14), senders=("*@news.example",))
        >>> BoundRule(rule=rule, basis=Basis.INTERNAL, is_explicit=True).words
        'news: more than 14 days after it reached the mailbox, from *@news.example'
        """
        return self.in_words(self.basis)

    def in_words(self, basis: Basis | None) -> str:
        """Return the rule in words.

        :param basis: what its time counts from; None where that depends on the folder.
        """
        rule = self.rule
        parts = [self._age(basis)]
        parts += [f"from {' or '.join(rule.senders)}"] if rule.senders else []
        parts += [f"larger than {rule.larger_than:,} octets"] if rule.larger_than is not None else []
        for yes, no, wanted in (("read", "unread", rule.seen), ("flagged", "not flagged", rule.flagged)):
            parts += [yes if wanted else no] if wanted is not None else []
        parts += [f"marked {' or '.join(rule.keywords)}"] if rule.keywords else []
        return (f"{rule.name}: " if rule.name else "") + ", ".join(parts)

    def _age(self, basis: Basis | None) -> str:
        keeps = self.rule.delete_after is None
        if self.length == FOREVER or (keeps and basis is None):
            return f"kept for {in_days(self.length)}"
        if keeps and basis is not None:
            return f"kept for {in_days(self.length)} after {basis.event}"
        if not self.length:
            return "whatever its age"
        after = f"after {basis.event}" if basis is not None else "old"
        return f"more than {in_days(self.length)} {after}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRules:
    """What a policy says of one folder.

    :param is_view: whether the folder only shows what others hold.
    """

    keeping: tuple[BoundRule, ...]
    deleting: tuple[BoundRule, ...]
    keep_flagged: bool = True
    keep_newest: int = 0
    is_view: bool = False

    @property
    def bases(self) -> frozenset[Basis]:
        """What times of its messages have to be known."""
        return frozenset(bound.basis for bound in (*self.keeping, *self.deleting))

    @property
    def asks_sender(self) -> bool:
        """Whether authors have to be known."""
        return any(bound.rule.senders for bound in (*self.keeping, *self.deleting))

    def in_words(self) -> str:
        """Return what the days of the deleting rules count from, for a report."""
        return ", ".join(sorted({bound.basis.value for bound in self.deleting}))


def bind_policy(
    policy: RetentionPolicy,
    names: Iterable[str],
    *,
    protocol: MailProtocol,
    uses: Mapping[str, str | None],
    discarding: Iterable[str] = (),
) -> dict[str, FolderRules]:
    """Return the rules of each folder in which something may be deleted, in the order given.

    :param names: the folders that exist.
    :param uses: the special-use attribute of each.
    :param discarding: trash and junk folders, where days count from a message's coming there.
    :raises ConfigurationError: if a pattern means no folder, or POP3 is asked for what it has not.
    """
    found = list(names)
    trash = frozenset(discarding)
    if protocol is MailProtocol.POP3:
        _refuse_beyond_pop3(policy)
    chosen = {
        rule: frozenset(_folders_of(rule, policy.exclude, found, uses))
        for rule in policy.rules
        if not _is_absent_use(rule, uses)
    }
    bound: dict[str, FolderRules] = {}
    for name in found:
        rules = [
            BoundRule(
                rule=rule,
                basis=basis_of(_timed(rule), protocol, is_discarding=name in trash),
                is_explicit=rule.has_conditions or _names(rule.folders, name, uses.get(name)),
            )
            for rule, folders in chosen.items()
            if name in folders
        ]
        deleting = tuple(each for each in rules if each.rule.delete_after is not None)
        if deleting:
            bound[name] = FolderRules(
                keeping=tuple(each for each in rules if each.rule.delete_after is None),
                deleting=deleting,
                keep_flagged=policy.keep_flagged,
                keep_newest=policy.keep_newest,
                is_view=is_view(uses.get(name)),
            )
    return bound


def describe_rules(policy: RetentionPolicy) -> list[str]:
    """Return a line a rule, and one for each exception, as somebody reads them to check a policy."""
    lines = []
    for rule in policy.rules:
        bound = BoundRule(rule=rule, basis=rule.basis or Basis.INTERNAL, is_explicit=True)
        words = bound.in_words(rule.basis)
        where = ", ".join(rule.folders)
        but = f" but {', '.join(rule.exclude)}" if rule.exclude else ""
        lines.append(f"{words} (folders {where}{but})")
    lines += ["what is flagged stays"] if policy.keep_flagged else []
    lines += [f"the newest {policy.keep_newest:,} of each folder stay"] if policy.keep_newest else []
    lines += [f"left alone: {', '.join(policy.exclude)}"] if policy.exclude else []
    lines += ["messages go into the trash, not away for good"] if policy.to_trash else []
    lines += (
        ["archived bytes are proved by the checksum of their store"] if policy.proof is ProofMode.HEAD else []
    )
    lines += ["each message is fetched once more, whole, and compared"] if policy.refetch else []
    lines += [f"only what {policy.require_copies} archives hold may go"] if policy.require_copies > 1 else []
    share = f"at most {policy.max_fraction:.0%} of a folder in one run, oldest first"
    return [*lines, share] if policy.max_fraction < 1 else lines


def policy_of(rule: RetentionRule) -> RetentionPolicy:
    """Return the policy that consists of one plain rule."""
    return RetentionPolicy(
        rules=(Rule(delete_after=rule.older_than, basis=rule.basis, folders=rule.folders),),
        exclude=rule.exclude,
        keep_flagged=not rule.include_flagged,
        max_fraction=rule.max_fraction,
        allow_incomplete=rule.allow_incomplete,
    )


def _folders_of(
    rule: Rule, exclude: Sequence[str], names: Sequence[str], uses: Mapping[str, str | None]
) -> list[str]:
    present = {(use or "").casefold() for use in uses.values()}
    patterns = [p for p in rule.folders if not p.startswith("\\") or p.casefold() in present]
    return match_folders(patterns, (*exclude, *rule.exclude), names, special_use=uses, strict_exclude=True)


def _is_absent_use(rule: Rule, uses: Mapping[str, str | None]) -> bool:
    """Return whether a rule means special uses only, and the account has no such folder."""
    present = {(use or "").casefold() for use in uses.values()}
    return all(p.startswith("\\") and p.casefold() not in present for p in rule.folders)


def _names(patterns: Sequence[str], name: str, use: str | None) -> bool:
    """Return whether a pattern without wildcards means this very folder."""
    return any(matches_pattern(p, name, use) for p in patterns if "*" not in p and "?" not in p)


def _timed(rule: Rule) -> RetentionRule:
    """Return a rule as the question of its basis needs it, without its time."""
    return RetentionRule(
        older_than=timedelta(0), basis=rule.basis, folders=rule.folders, exclude=rule.exclude
    )


def _refuse_beyond_pop3(policy: RetentionPolicy) -> None:
    for rule in policy.rules:
        basis_of(_timed(rule), MailProtocol.POP3, is_discarding=False)
        if rule.asks_flags:
            raise ConfigurationError(
                f"{rule._called} asks for flags, which POP3 has not: leave out seen, flagged and "
                "keywords, or use an imap connection to the same account."
            )
    if policy.to_trash or policy.mark_seen:
        raise ConfigurationError(
            "POP3 has no trash and no flags: leave out to_trash and mark_seen, or use an imap connection to "
            "the same account."
        )
    if policy.exclude:
        raise ConfigurationError(
            "POP3 knows one folder only, INBOX: leave exclude empty, or use an imap connection to the "
            "same account."
        )
