"""What may be typed, and what is imported to know it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mailroom.cli.arguments import COMMANDS, build_parser

SHOW = """
import sys
from mailroom.cli.arguments import build_parser
build_parser(sys.argv[1])
print(*(name for name in sys.modules if name.startswith("mailroom.cli.commands.")))
"""


@pytest.mark.parametrize("word", COMMANDS)
def test_a_command_is_known_by_the_name_it_is_listed_under(word: str) -> None:
    """The list names the modules; each brings the word that it is listed under."""
    with pytest.raises(SystemExit) as end:
        build_parser(word).parse_args([word, "--help"])
    assert end.value.code == 0


def test_one_command_brings_no_other_along() -> None:
    """A run of every five minutes does not pay for what it does not do."""
    shown = subprocess.run([sys.executable, "-c", SHOW, "fetch"], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["mailroom.cli.commands.fetch"]


def test_an_unknown_word_is_answered_with_all_commands() -> None:
    """Whoever mistypes a command learns which there are."""
    assert all(word in build_parser("fetsch").format_help() for word in COMMANDS)
