"""Rules as people write them."""

from __future__ import annotations

import contextlib
import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.exceptions import ConfigurationError
from mailroom.policy.attachments import AttachmentRule
from mailroom.policy.rule_words import RULE_WORDS, read_policy, read_rule

FILE = """\
# what finance wants
destination: /srv/rest
rules:
  - rule: invoices
    name: "*.pdf"
    sender: "*@supplier.example"
    min_size: 10k
    since: 2026-01-31
    destination: s3://company/invoices
    template: "{date:%Y/%m}/{filename}"
  - rule: the rest
    inline: yes
    position: 1
"""


def test_file_says_rules_and_where_the_rest_goes() -> None:
    """Sizes, days and switches are read as people write them in YAML."""
    policy = read_policy(FILE, "finance.yaml")
    assert policy.destination == "/srv/rest"
    assert policy.rules == (
        AttachmentRule(
            rule="invoices",
            name="*.pdf",
            sender="*@supplier.example",
            min_size=10 * 1024,
            since=date(2026, 1, 31),
            destination="s3://company/invoices",
            template="{date:%Y/%m}/{filename}",
        ),
        AttachmentRule(rule="the rest", inline=True, position="1"),
    )


RULES = [{"name": "*.pdf", "name_regex": r"a\d", "inline": True, "min_size": None}]


@pytest.mark.parametrize("value", [RULES, tuple(RULES), str(RULES), json.dumps(RULES), {"rules": RULES}])
def test_a_list_is_the_same_however_it_comes(value: object) -> None:
    """From an operator's argument, a rendered template, a form, or a file."""
    assert read_policy(value, "rules").rules == (
        AttachmentRule(name="*.pdf", name_regex=r"a\d", inline=True),
    )


@pytest.mark.parametrize("value", [None, "", "None", [], "[]", {"rules": None}])
def test_nothing_said_is_no_rule(value: object) -> None:
    """An empty form is no mistake."""
    assert read_policy(value, "rules").rules == ()


@pytest.mark.parametrize("nothing", [None, "", " ", "None", "null"])
def test_words_that_say_nothing_are_as_if_they_were_not_there(nothing: object) -> None:
    """That is how empty fields of a form arrive."""
    assert read_rule(dict.fromkeys(RULE_WORDS, nothing)) == AttachmentRule()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- nmae: x", "f.yaml: rule 1: 'nmae' is no word of a rule. Did you mean name?"),
        ("- {rule: one, min_size: big}", "f.yaml: rule 1 ('one'): min_size must be a number of octets"),
        ("- {since: soon}", "since must be a date"),
        ("- {inline: 3}", "inline must be true or false"),
        ("- {disposition: both}", "disposition must be one of attachment, inline, not 'both'"),
        ("- {name: [a, b]}", "name must be a text"),
        ("- {name_regex: '('}", "rule 1: name_regex '(' is no regular expression"),
        ("- {template: '{nonsense}'}", "rule 1: The destination template"),
        ("- {position: last}", "rule 1: position must be a number such as 1"),
        ("- *.pdf", "in line 1, column"),
        ("- '*.pdf'", "rule 1 must be a mapping"),
        ("rules: '*.pdf'", "f.yaml: rules must be a list"),
        ("'*.pdf'", "f.yaml: rules must be a list"),
        ("rule:\n- name: x", "f.yaml: 'rule' is no word of a rule. Did you mean rules?"),
        (
            "- name: a\n  name: b",
            "'name' is given twice in line 2, column 3",
        ),
        ("- {rule: a}\n- {rule: a}", "rule 2 ('a') has the name of an earlier rule"),
        ("- {rule: '2'}\n- {name: b}", "f.yaml: rule 1 is called '2', and so is rule 2, which has no name"),
        ("- {name: a}\n- {rule: '1'}", "f.yaml: rule 2 is called '1', and so is rule 1, which has no name"),
        ("template: ''\nrules: [{]", "in line 2, column"),
        ("template: '{x}'\nrules: []", "f.yaml: The destination template"),
        ("\0", "f.yaml is neither YAML nor JSON"),
        ("[" * 5000, "f.yaml is neither YAML nor JSON"),
        (
            "- {name: a}\n- {since: 2026-02-31}",
            "f.yaml: rule 2: since must be a date such as 2026-01-31, not '2026-02-31'",
        ),
        (str([{}] * 501), "at most 500 rules"),
    ],
)
def test_mistake_is_named_with_its_rule_and_word(text: str, said: str) -> None:
    """Who wrote the file knows where to look."""
    with pytest.raises(ConfigurationError) as caught:
        read_policy(text, "f.yaml")
    assert said in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.dates(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(("rules", *RULE_WORDS)) | st.text(max_size=5), inner)
        ),
    )
)
def test_anything_else_is_refused_in_one_sentence(value: Any) -> None:
    """Whatever a form or a file holds, it is read or refused, and never breaks."""
    with contextlib.suppress(ConfigurationError):
        read_policy(value, "rules")
