"""Which rule decides for a message, and why.

Here: the one decision, over facts. Not here: gathering the facts (``services``), proof that
a message is archived and itself (``deletion``, ``proof``).

Where rules disagree, the order is that of records management:

1. Keeping beats deleting: a legal hold, the newest of a folder, a flag, a keeping rule.
2. Of keeping rules, the one that keeps longest.
3. Of deleting rules, those that name the folder or some of its messages beat those that mean
   all there is, also where they leave more time.
4. Of these, the one that comes due first.

Where a message is in several folders at once, each folder's rules decide for it so, and it goes when the last
of the folders lets it go.

The order in which rules are written does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from math import inf

from mailroom.model import LocationRow
from mailroom.policy.deletion import Candidate, Keep
from mailroom.policy.durations import FOREVER
from mailroom.policy.retention import Basis
from mailroom.policy.rules import BoundRule, FolderRules

__all__ = ["MessageFacts", "Verdict", "candidate_of", "decide", "decide_across", "may_be_due"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFacts:
    """What is known of one message, as far as its rules ask.

    :param sender: the author's address; empty where there is none, None where nobody knows.
    :param flags: in small letters; None where they are not known, as over POP3.
    :param dates: the instant its time counts from, by basis; absent where nobody knows.
    :param returned: when somebody brought it back that retention had taken away; no date is earlier then.
    :param rank: how many messages of its folder are newer.
    :param hold: why it is under legal hold, or None.
    """

    octets: int | None = None
    sender: str | None = None
    flags: frozenset[str] | None = None
    dates: Mapping[Basis, datetime] = field(default_factory=dict)
    returned: datetime | None = None
    rank: int = 0
    hold: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the rules say of one message.

    :param keep: why it stays; None says that it is due.
    :param rule: the rule that decided, in words.
    :param since: the instant that the deciding rule counts from.
    :param until: up to when it keeps the message, in seconds since 1970; infinite where nobody can say.
    """

    keep: Keep | None
    rule: str = ""
    since: datetime | None = None
    until: float = field(default=inf, compare=False)


def decide(rules: FolderRules, facts: MessageFacts, now: datetime) -> Verdict:
    """Return which rule decides for a message, and what."""
    kept = _exception(rules, facts) or _kept_by_rule(rules, facts, now)
    if kept is not None:
        return kept
    matching = [bound for bound in rules.deleting if _meets(bound, facts)]
    if not matching:
        return Verdict(keep=Keep.NO_RULE)
    explicit = [bound for bound in matching if bound.is_explicit]
    return _first_due(explicit or matching, facts, now)


def decide_across(several: Sequence[tuple[FolderRules, MessageFacts]], now: datetime) -> Verdict:
    """Return what the rules of all folders that one message is in make of it: the last to let it go decides.

    A view shows what folders hold: there, a rule for all there is says nothing beside what they say.

    :param several: the rules of each folder, and the message as it is there.
    """
    told = [decide(rules, facts, now) for rules, facts in several if not rules.is_view]
    for view, facts in ((rules, facts) for rules, facts in several if rules.is_view):
        explicit = tuple(bound for bound in view.deleting if bound.is_explicit)
        shown = decide(replace(view, deleting=explicit), facts, now)
        if shown.keep is not Keep.NO_RULE:
            told.append(shown)
    return max(told or [decide(rules, facts, now) for rules, facts in several], key=_lasts)


def _lasts(verdict: Verdict) -> tuple[bool, float, bool, str]:
    """Return what orders verdicts by how long they keep; of equal ones that which names a rule comes last."""
    return verdict.keep is not None, verdict.until, verdict.keep is not Keep.NO_RULE, verdict.rule


def candidate_of(key: int, row: LocationRow, verdict: Verdict) -> Candidate:
    """Return a candidate for deletion with what its rules say."""
    return Candidate(key=key, row=row, since=verdict.since, rule=verdict.rule, keep=verdict.keep)


def may_be_due(rules: FolderRules, facts: MessageFacts, now: datetime) -> datetime | None:
    """Return the earliest instant that a due rule counts from, whatever flags it asks for, or None.

    What this says None of is never due; so that the server is asked only about what may be.
    """
    found = [
        since
        for bound in rules.deleting
        if (since := facts.dates.get(bound.basis)) is not None
        and now - since >= bound.length
        and _meets_but_flags(bound, facts)
    ]
    return min(found, default=None)


def _exception(rules: FolderRules, facts: MessageFacts) -> Verdict | None:
    if facts.hold is not None:
        return Verdict(keep=Keep.HELD, rule=f"legal hold: {facts.hold}")
    if facts.rank < rules.keep_newest:
        return Verdict(keep=Keep.NEWEST, rule=f"the newest {rules.keep_newest:,} of the folder stay")
    if rules.keep_flagged and "\\flagged" in (facts.flags or ()):
        return Verdict(keep=Keep.FLAGGED, rule="what is flagged stays")
    return None


def _kept_by_rule(rules: FolderRules, facts: MessageFacts, now: datetime) -> Verdict | None:
    """Return the keeping rule that lasts longest; one whose date is not known lasts for ever.

    Of time that counts from reading, none has passed for what is unread.
    """
    lasting = []
    for bound in rules.keeping:
        since = None if _is_unread(bound, facts) else facts.dates.get(bound.basis)
        end = None if since is None or bound.length == FOREVER else since + bound.length
        if (end is None or now < end) and _meets(bound, facts):
            lasting.append((end.timestamp() if end else float("inf"), bound.words, since))
    if not lasting:
        return None
    until, words, since = max(lasting, key=lambda each: each[:2])
    return Verdict(keep=Keep.BY_RULE, rule=words, since=since, until=until)


def _first_due(rules: Sequence[BoundRule], facts: MessageFacts, now: datetime) -> Verdict:
    dated = [
        (since.timestamp() + bound.length.total_seconds(), bound.words, since, bound)
        for bound in rules
        if (since := facts.dates.get(bound.basis)) is not None
    ]
    if not dated:
        return Verdict(keep=Keep.NO_DATE, rule=min(bound.words for bound in rules))
    until, words, since, bound = min(dated, key=lambda each: each[:2])
    keep = None if now - since >= bound.length else Keep.TOO_YOUNG
    return Verdict(keep=keep, rule=words, since=since, until=until)


def _meets(bound: BoundRule, facts: MessageFacts) -> bool:
    """Return whether a message meets all conditions; flags that are not known keep it."""
    rule, flags = bound.rule, facts.flags
    keeps = rule.delete_after is None
    if not keeps and _is_unread(bound, facts):
        return False
    if not rule.asks_flags or (keeps and flags is None):
        return _meets_but_flags(bound, facts)
    if flags is None or (rule.keywords and not flags.intersection(rule.keywords)):
        return False
    wanted = (("\\seen", rule.seen), ("\\flagged", rule.flagged))
    if any(asked is not None and asked != (flag in flags) for flag, asked in wanted):
        return False
    return _meets_but_flags(bound, facts)


def _is_unread(bound: BoundRule, facts: MessageFacts) -> bool:
    """Return whether a rule counts from reading, and nobody knows the message to be read."""
    return bound.basis is Basis.SEEN and "\\seen" not in (facts.flags or ())


def _meets_but_flags(bound: BoundRule, facts: MessageFacts) -> bool:
    """Return whether a message meets the conditions on size and author; what is not known keeps it."""
    rule = bound.rule
    if rule.larger_than is not None:
        if facts.octets is None:
            return rule.delete_after is None
        if facts.octets <= rule.larger_than:
            return False
    if rule.senders and facts.sender is None:
        return rule.delete_after is None
    sender = (facts.sender or "").casefold()
    return not rule.senders or any(fnmatchcase(sender, pattern) for pattern in rule.senders)
