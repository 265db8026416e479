"""What holds for every policy: exceptions cover, the order of rules is nothing, files say what they say."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mailroom.model import MailProtocol
from mailroom.policy.durations import FOREVER
from mailroom.policy.policy_file import parse_policy, policy_as_json
from mailroom.policy.proof import ProofMode
from mailroom.policy.retention import Basis
from mailroom.policy.rules import FolderRules, RetentionPolicy, Rule, bind_policy
from mailroom.policy.verdicts import MessageFacts, decide, decide_across, may_be_due
from tests.unit.policy.rows import NOW, days_ago

LENGTHS = st.sampled_from([0, 1, 30, 30.5, 365]).map(lambda days: timedelta(days=days))
AGES = st.sampled_from([None, 0, 1, 29, 30, 31, 400])
FLAGS = st.frozensets(st.sampled_from(["\\seen", "\\flagged", "ads"]))


@st.composite
def rules(draw: st.DrawFn, name: str = "") -> Rule:
    conditions: dict[str, Any] = {
        "basis": draw(st.sampled_from([None, *Basis])),
        "folders": draw(st.sampled_from([("*",), ("INBOX",), ("IN*",)])),
        "senders": draw(st.sampled_from([(), ("*@a.example",), ("b@a.example", "*@c.example")])),
        "larger_than": draw(st.sampled_from([None, 99, 100])),
        "seen": draw(st.sampled_from([None, True, False])),
        "flagged": draw(st.sampled_from([None, True, False])),
        "keywords": draw(st.sampled_from([(), ("ads",)])),
    }
    if draw(st.booleans()):
        return Rule(name=name, delete_after=draw(LENGTHS), **conditions)
    return Rule(name=name, keep_for=draw(st.one_of(LENGTHS, st.just(FOREVER))), **conditions)


@st.composite
def policies(draw: st.DrawFn) -> RetentionPolicy:
    first = Rule(name="first", delete_after=draw(LENGTHS))
    others = [draw(rules(name=f"rule {n}")) for n in range(draw(st.integers(0, 4)))]
    return RetentionPolicy(
        rules=(first, *others),
        keep_flagged=draw(st.booleans()),
        keep_newest=draw(st.integers(0, 3)),
        proof=draw(st.sampled_from(ProofMode)),
        refetch=draw(st.booleans()),
        require_copies=draw(st.integers(1, 3)),
    )


@st.composite
def messages(draw: st.DrawFn) -> MessageFacts:
    ages = {basis: draw(AGES) for basis in Basis}
    return MessageFacts(
        octets=draw(st.sampled_from([None, 99, 100, 101])),
        sender=draw(st.sampled_from([None, "", "b@a.example", "x@c.example"])),
        flags=draw(FLAGS),
        dates={basis: days_ago(age) for basis, age in ages.items() if age is not None},
        rank=draw(st.integers(0, 4)),
        hold=draw(st.sampled_from([None, "case 7"])),
    )


def bound(policy: RetentionPolicy) -> FolderRules:
    return bind_policy(policy, ["INBOX"], protocol=MailProtocol.IMAP, uses={"INBOX": None})["INBOX"]


@given(policies(), messages())
def test_nothing_goes_that_an_exception_covers(policy: RetentionPolicy, facts: MessageFacts) -> None:
    """Held, among the newest, or flagged: it stays, whatever the rules say."""
    if decide(bound(policy), facts, NOW).keep is None:
        assert facts.hold is None
        assert facts.rank >= policy.keep_newest
        assert not policy.keep_flagged or "\\flagged" not in (facts.flags or ())


@given(policies(), messages(), rules(name="another"))
def test_another_keeping_rule_never_deletes_more(
    policy: RetentionPolicy, facts: MessageFacts, another: Rule
) -> None:
    """What stays under a policy stays under the same policy and one more rule that keeps."""
    if another.keep_for is not None and decide(bound(policy), facts, NOW).keep is not None:
        more = replace(policy, rules=(*policy.rules, another))
        assert decide(bound(more), facts, NOW).keep is not None


@given(policies(), messages(), st.randoms(use_true_random=False))
def test_the_order_of_rules_does_not_matter(
    policy: RetentionPolicy, facts: MessageFacts, chance: random.Random
) -> None:
    """The same rules in another order give the same verdict, reason and words."""
    shuffled = list(policy.rules)
    chance.shuffle(shuffled)
    assert decide(bound(replace(policy, rules=tuple(shuffled))), facts, NOW) == decide(
        bound(policy), facts, NOW
    )


@given(policies(), messages())
def test_whatever_is_due_was_asked_about(policy: RetentionPolicy, facts: MessageFacts) -> None:
    """The choice made before the server states its flags leaves nothing out."""
    if decide(bound(policy), facts, NOW).keep is None:
        assert may_be_due(bound(policy), replace(facts, flags=None), NOW) is not None


@given(policies(), messages(), st.integers(0, 400))
def test_what_is_due_stays_due(policy: RetentionPolicy, facts: MessageFacts, days: int) -> None:
    """Time alone takes nothing back, so that a second run decides as the first."""
    if decide(bound(policy), facts, NOW).keep is None:
        assert decide(bound(policy), facts, NOW + timedelta(days=days)).keep is None


@given(policies())
def test_a_policy_reads_back_as_itself(policy: RetentionPolicy) -> None:
    """What the archive keeps of a policy is the policy."""
    assert parse_policy(policy_as_json(policy)) == policy


NAMES = ["INBOX", "INDEX", "Work", "All"]


@given(policies(), messages(), st.permutations(NAMES))
def test_what_is_in_several_folders_goes_when_the_last_lets_it_go(
    policy: RetentionPolicy, facts: MessageFacts, order: list[str]
) -> None:
    """Each folder that holds it decides as it does alone, in whatever order they are asked."""
    folders = bind_policy(policy, order, protocol=MailProtocol.IMAP, uses=dict.fromkeys(order))
    alone = [decide(rules, facts, NOW) for rules in folders.values()]
    together = decide_across([(each, facts) for each in folders.values()], NOW)
    assert together in alone
    assert (together.keep is None) == all(verdict.keep is None for verdict in alone)
    assert together.until == max(v.until for v in alone if (v.keep is None) == (together.keep is None))


@given(policies(), messages())
def test_a_view_keeps_what_its_rules_keep_and_no_more(policy: RetentionPolicy, facts: MessageFacts) -> None:
    """A rule for all there is leaves folders that hold the message as they are, and never shortens them."""
    uses = {**dict.fromkeys(NAMES), "All": "\\All"}
    folders = bind_policy(policy, NAMES, protocol=MailProtocol.IMAP, uses=uses)
    view, holding = folders["All"], [(folders[name], facts) for name in NAMES if name != "All"]
    within, together = decide_across(holding, NOW), decide_across([(view, facts), *holding], NOW)
    if within.keep is not None:
        assert together.keep is not None
    if not any(bound.is_explicit for bound in view.deleting) and not view.keeping:
        assert together.keep is within.keep
    assert decide_across([(view, facts)], NOW) == decide(view, facts, NOW)
