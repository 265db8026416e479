"""A rule is the same rule by operator arguments, by a form, by YAML and by the command line."""

from __future__ import annotations

import argparse
import json
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

from mailroom.cli.arguments import build_parser
from mailroom.cli.commands.attachments import _policy
from mailroom.operators.attachments import AttachmentsToObjectStorageOperator
from mailroom.policy.attachments import AttachmentRule
from mailroom.policy.choosing_words import CHOOSING_WORDS
from mailroom.policy.rule_words import RULE_WORDS, read_policy
from tests.support.airflow_home import REPOSITORY

WAYS: dict[str, tuple[Any, dict[str, Any], list[str]]] = {
    "name": ("*.pdf", {"name": "*.pdf"}, ["--name", "*.pdf"]),
    "name_regex": (r"\d+\.pdf", {"name_regex": r"\d+\.pdf"}, ["--name-regex", r"\d+\.pdf"]),
    "content_type": ("image/*", {"content_type": "image/*"}, ["--type", "image/*"]),
    "detected_type": ("image/*", {"detected_type": "image/*"}, ["--detected-type", "image/*"]),
    "min_size": ("10k", {"min_size_kb": 10}, ["--min-size", "10k"]),
    "max_size": ("20M", {"max_size_mb": 20}, ["--max-size", "20M"]),
    "sender": ("*@a.example", {"sender": "*@a.example"}, ["--from", "*@a.example"]),
    "recipient": ("in@*", {"recipient": "in@*"}, ["--recipient", "in@*"]),
    "subject": ("*bill*", {"subject": "*bill*"}, ["--subject", "*bill*"]),
    "folder": ("Bills/*", {"folder": "Bills/*"}, ["--folder", "Bills/*"]),
    "since": ("2026-01-31", {"since": "2026-01-31"}, ["--since", "2026-01-31"]),
    "until": ("2026-02-28", {"until": "2026-02-28"}, ["--until", "2026-02-28"]),
    "inline": (True, {"inline": True}, ["--inline"]),
    "disposition": ("inline", {"disposition": "inline"}, ["--disposition", "inline"]),
    "position": ("1-3", {"position": "1-3"}, ["--position", "1-3"]),
    "unzip": (True, {"unzip": True}, ["--unzip"]),
    "unwrap": (True, {"unwrap": True}, ["--unwrap"]),
    "require_auth": (
        "dkim=a.example",
        {"require_auth": "dkim=a.example"},
        ["--require-auth", "dkim=a.example"],
    ),
    "quarantine": ("odd", {"quarantine": "odd"}, ["--quarantine", "odd"]),
}
"""For each word of a rule: its value, and the answers of the form and words of the command that mean it."""


@pytest.fixture(scope="module")
def form() -> DAG:
    """The DAG with the form."""
    bag = DagBag(dag_folder=REPOSITORY / "dags" / "mail_attachments.py", bundle_name="dags-folder")
    return bag.dags["mail_attachments"]


def by_form(dag: DAG, answers: dict[str, Any]) -> AttachmentRule:
    """Return the rule that the form asks for with these answers and else untouched."""
    defaults = {name: dag.params.get_param(name).value for name in dag.params}
    task = dag.get_task("deliver").prepare_for_execution()
    task.render_template_fields({"params": defaults | {"destination": "/srv/in"} | answers})
    assert isinstance(task, AttachmentsToObjectStorageOperator)
    (rule,) = task._policy().rules
    return rule


def by_command(words: list[str]) -> AttachmentRule:
    """Return the rule of a command line."""
    options: argparse.Namespace = build_parser().parse_args(
        ["attachments", "--archive", "/a", "--to", "/b", *words]
    )
    (rule,) = _policy(options).rules
    return rule


def test_every_word_can_be_said_in_every_way() -> None:
    """But for what a rule among others says: its name, destination and template."""
    assert set(WAYS) == set(CHOOSING_WORDS) == set(RULE_WORDS) - {"rule", "destination", "template"}


@pytest.mark.parametrize("word", WAYS)
def test_it_is_the_same_rule_in_every_way(form: DAG, word: str) -> None:
    """Whoever moves from a form to a DAG of their own, or to a file, gets the same attachments."""
    value, answers, words = WAYS[word]
    (expected,) = read_policy([{word: value}], "a list").rules
    assert expected != AttachmentRule()
    assert getattr(expected, word) != getattr(AttachmentRule(), word)
    (by_yaml,) = read_policy(json.dumps([{word: value}]), "a file").rules
    (by_argument,) = AttachmentsToObjectStorageOperator(task_id="t", **{word: value})._policy().rules
    assert by_yaml == by_argument == by_form(form, answers) == by_command(words) == expected


def test_an_untouched_form_asks_for_all_attachments(form: DAG) -> None:
    """As a rule with no word does."""
    assert by_form(form, {}) == by_command([]) == AttachmentRule()
