"""Policies from YAML and JSON: what they may say, and what is said of mistakes."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from mailroom.exceptions import ConfigurationError
from mailroom.policy.approvals import ApprovalRule
from mailroom.policy.durations import FOREVER
from mailroom.policy.policy_file import MAX_POLICY_OCTETS, load_policy, parse_policy, policy_as_json
from mailroom.policy.proof import ProofMode
from mailroom.policy.retention import Basis
from mailroom.policy.rules import ForeignMarks, RetentionPolicy, Rule

WHOLE = r"""
exclude: [Drafts]
keep_flagged: false
keep_newest: 100
max_fraction: 0.25
allow_incomplete: true
approval: {first_run: true, over_messages: 1000, over_fraction: 0.1}
to_trash: true
mark_seen: true
foreign_marks: refuse
proof: head
refetch: true
require_copies: 2
rules:
  - name: trash
    folders: ['\Trash']
    exclude: Trash/Keep
    delete_after: 7 days
    basis: saved
  - name: news
    from: '*@News.example'
    larger_than: 1 MB
    seen: true
    flagged: false
    keywords: [$Forwarded]
    delete_after: 14
  - {name: tax, from: ['*@tax.example', '*@bank.example'], keep_for: forever}
"""
POLICY = RetentionPolicy(
    exclude=("Drafts",),
    keep_flagged=False,
    keep_newest=100,
    max_fraction=0.25,
    allow_incomplete=True,
    approval=ApprovalRule(first_run=True, over_messages=1000, over_fraction=0.1),
    to_trash=True,
    mark_seen=True,
    foreign_marks=ForeignMarks.REFUSE,
    proof=ProofMode.HEAD,
    refetch=True,
    require_copies=2,
    rules=(
        Rule(
            name="trash",
            folders=("\\Trash",),
            exclude=("Trash/Keep",),
            delete_after=timedelta(days=7),
            basis=Basis.SAVED,
        ),
        Rule(
            name="news",
            senders=("*@news.example",),
            larger_than=1 << 20,
            seen=True,
            flagged=False,
            keywords=("$forwarded",),
            delete_after=timedelta(days=14),
        ),
        Rule(name="tax", senders=("*@tax.example", "*@bank.example"), keep_for=FOREVER),
    ),
)


def test_everything_a_policy_may_say() -> None:
    """Each key has its place in the policy."""
    assert parse_policy(WHOLE) == POLICY


def test_json_says_the_same() -> None:
    """What is written of a policy reads as that policy."""
    assert parse_policy(policy_as_json(POLICY)) == POLICY
    assert load_policy(json.loads(policy_as_json(POLICY))) == POLICY


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rules: [", "f.yaml is neither YAML nor JSON: .* in line 1"),
        ("rules: []\nrules: []", "'rules' is given twice in line 2"),
        ("- a", "f.yaml: it must be a mapping"),
        ("rules: 3", "rules must be a list of at least one rule"),
        ("rules: [7]", r"rules\[0\] must be a mapping"),
        ("keep_newst: 1\nrules: [{delete_after: 1}]", "keep_newst is not known; keep_newest may be meant"),
        ("rules: [{zzz: 1, delete_after: 1}]", r"rules\[0\].zzz is not known; there are name, "),
        ("rules: [{older_than: 30d}]", r"rules\[0\].older_than is not known; delete_after may be meant"),
        ("rules: [{sender: a@b, delete_after: 1}]", r"rules\[0\].sender is not known; from may be meant"),
        ("rules: [{delete_after: 6m}]", "delete_after must be .* there are no minutes, seconds or months"),
        ("rules: [{name: x, delete_after: soon}]", r"rules\[0\] \(x\).delete_after must be a number of days"),
        ("rules: [{delete_after: -1}]", "delete_after must be"),
        ("rules: [{delete_after: yes}]", "delete_after must be"),
        (
            "rules: [{delete_after: 1, basis: birth}]",
            "basis must be one of internal, archived, ",
        ),
        ("rules: [{delete_after: 1, seen: 1}]", "seen must be true or false"),
        ("rules: [{delete_after: 1, larger_than: big}]", "larger_than must be a number of octets"),
        ("rules: [{delete_after: 1, folders: []}]", "folders must be a text or a list of texts"),
        ("rules: [{delete_after: 1, keep_for: 2}]", "either delete_after or keep_for"),
        ("rules: [{keep_for: 2}]", "no rule with delete_after"),
        ("max_fraction: 2\nrules: [{delete_after: 1}]", "max_fraction must be a number above 0"),
        ("keep_newest: 1.5\nrules: [{delete_after: 1}]", "keep_newest must be a whole number"),
        ("approval: {always: 1}\nrules: [{delete_after: 1}]", "approval must be a mapping of first_run, "),
        ("foreign_marks: keep\nrules: [{delete_after: 1}]", "foreign_marks must be one of lift, refuse"),
        ("proof: none\nrules: [{delete_after: 1}]", "proof must be one of read, head"),
        (
            "require_copies: 0\nrules: [{delete_after: 1}]",
            "require_copies must be a whole number of 1 or more",
        ),
        ("rules: !!python/object:os.system {}", "neither YAML nor JSON"),
    ],
)
def test_each_mistake_is_named_with_its_place(text: str, sentence: str) -> None:
    """Whoever wrote it finds it at once."""
    with pytest.raises(ConfigurationError, match=sentence):
        parse_policy(text, source="f.yaml")


def test_all_mistakes_are_told_at_once() -> None:
    """Nobody has to try again for each."""
    with pytest.raises(ConfigurationError) as told:
        parse_policy("keep_newest: x\nrules: [{delete_after: soon}, {keep: 1}]")
    assert str(told.value).count("The policy: ") == 3


def test_a_file_that_is_no_policy_is_not_parsed() -> None:
    """A limit keeps the parser from what somebody named by mistake."""
    with pytest.raises(ConfigurationError, match="is it a policy"):
        parse_policy(" " * (MAX_POLICY_OCTETS + 1))
