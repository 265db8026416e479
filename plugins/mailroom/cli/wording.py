"""The engine's sentences for somebody at a command line: options, not arguments of operators.

The engine speaks to authors of DAGs and to people at a terminal alike, and names its own
arguments. Here they get the names that this person knows, and what came from a server
loses what could write to the terminal. Pure: text in, text out.

An argument is replaced in the sentence that tells of it and nowhere else: the same words stand in policies,
in files of rules and in names of files and folders, where they are what somebody wrote.
"""

from __future__ import annotations

import re

__all__ = ["for_command_line", "plain"]

_WORDS = (
    (r"\bset security to starttls\b", "write imap+starttls:// or pop3+starttls://"),
    (r"\bset security to ssl\b", "write imaps:// or pop3s://"),
    (r"\bset ca_file to that authority's PEM file", "give that authority's PEM file with --ca-file"),
    (r"\bset verify to false\b", "add --no-verify"),
    (r"\bset compress to never\b", "add --compress never"),
    (r"\bset auth to another way\b", "choose another --auth"),
    (r"\brun once with max_gone=1 \(--max-gone 1\)", "run once with --max-gone 1"),
    (r"\bbasis='(\w+)'", r"--basis \1"),
    (r"\ban imap connection\b", "an imaps:// URL"),
    (r"\bleave folders and exclude as they are\b", "leave out --folder and --exclude"),
    (r"\bname one of them with account\b", "name one of them with --account"),
    (r"\bIn Airflow put MailRetentionApprovalOperator .* on the command line look\b", "Look"),
    (r"\binto is empty\b", "--into is empty"),
    (r"\bset allow_incomplete to true\b", "add --allow-incomplete"),
    (r"\Aca_file (?=.+ (?:holds no certificate|cannot be read))", "--ca-file "),
    (r"\A(max_gone|max_fraction|larger_than|older_than)(?= must )", ""),
    (r"\bmore than max_gone(?= \()", "more than --max-gone"),
    (r"\bover max_fraction\b", "over --max-fraction"),
    (r"\bwithout since, until and larger_than\b", "without --since, --until and --larger-than"),
    (r"\A(name_regex|require_auth|position)(?= )", ""),
)


def for_command_line(sentence: str) -> str:
    """Return the sentence with the options of the command line in place of arguments.

    >>> for_command_line("max_fraction must be above 0.")
    '--max-fraction must be above 0.'
    """
    for pattern, words in _WORDS:
        sentence = re.sub(pattern, words or _option, sentence)
    return sentence


def plain(text: str) -> str:
    """Return a text of one line without what could write to a terminal.

    >>> plain("a\\x1b[2J")
    'a\ufffd[2J'
    """
    return "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in re.sub(r"[\r\n\t]+", " ", text)
    )


def _option(match: re.Match[str]) -> str:
    return "--" + match[0].replace("_", "-")
