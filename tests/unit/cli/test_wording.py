"""Sentences of the engine name options at the command line, and cannot write to the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.cli.values import duration
from mailroom.cli.wording import for_command_line, plain
from mailroom.exceptions import ConfigurationError
from mailroom.model import MailProtocol
from mailroom.policy.mirror import MirrorSelection
from mailroom.policy.retention import Basis, RetentionRule, basis_of


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("h:993 speaks TLS: set security to ssl.", "h:993 speaks TLS: write imaps:// or pop3s://."),
        ("Use the TLS port, or set security to starttls.", "or write imap+starttls:// or pop3+starttls://."),
        ("set ca_file to that authority's PEM file, or", "give that authority's PEM file with --ca-file, or"),
        ("for a server you trust anyway, set verify to false.", "trust anyway, add --no-verify."),
        ("compressed as it agreed to: set compress to never.", "add --compress never."),
        ("over max_fraction", "over --max-fraction"),
        ("ca_file /tmp/ca.pem cannot be read: gone.", "--ca-file /tmp/ca.pem cannot be read: gone."),
        ("larger_than must not be negative, as -1 is.", "--larger-than must not be negative, as -1 is."),
        ("which is more than max_gone (50%) allows", "which is more than --max-gone (50%) allows"),
        ("mirror it without since, until and larger_than; or", "--since, --until and --larger-than; or"),
        (
            "p: rules[0].older_than is not known; delete_after",
            "p: rules[0].older_than is not known; delete_after",
        ),
        ("f: max_fraction must be a number above 0", "f: max_fraction must be a number above 0"),
        (
            "The policy 'older_than.yaml' cannot be read: x.",
            "The policy 'older_than.yaml' cannot be read: x.",
        ),
        ("older_than.yaml is a policy of 1 rule", "older_than.yaml is a policy of 1 rule"),
        ("  larger_than/2024: 3 messages", "  larger_than/2024: 3 messages"),
        ("name_regex '(' is wrong", "--name-regex '(' is wrong"),
        ("f.yaml: rule 1: name_regex '(' is wrong", "f.yaml: rule 1: name_regex '(' is wrong"),
        ("mirror it again, or set allow_incomplete to true.", "mirror it again, or add --allow-incomplete."),
        ("run once with max_gone=1 (--max-gone 1).", "run once with --max-gone 1."),
    ],
)
def test_arguments_become_options(sentence: str, told: str) -> None:
    """A person who typed a command is told what to type."""
    assert for_command_line(sentence).endswith(told)


def test_rules_are_told_in_options() -> None:
    """What the engine refuses names no argument that only Python has."""
    with pytest.raises(ConfigurationError) as refusal:
        basis_of(
            RetentionRule(older_than=duration("1d"), basis=Basis.INTERNAL),
            MailProtocol.POP3,
            is_discarding=False,
        )
    assert "use --basis archived" in for_command_line(str(refusal.value))
    with pytest.raises(ConfigurationError) as refusal:
        MirrorSelection(max_gone=2)
    assert for_command_line(str(refusal.value)).startswith("--max-gone")


@given(st.text())
def test_shown_text_is_one_printable_line(text: str) -> None:
    """Names and answers come from servers; what they hold never moves the cursor."""
    assert plain(text).isprintable()
