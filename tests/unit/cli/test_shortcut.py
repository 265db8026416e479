"""Which command lines are understood before the program is loaded: those written as most are."""

from __future__ import annotations

import argparse

import pytest

from mailroom.cli.account import endpoint_of_url
from mailroom.cli.arguments import build_parser
from mailroom.cli.shortcut import take_shortcut, wish_of

ROOT = ["--archive", "mail"]


@pytest.mark.parametrize(
    "words",
    [
        ["mirror", "imaps://ana%40example.org@imap.example.org", *ROOT],
        ["mirror", *ROOT, "imaps://ana@192.0.2.7:1993", "--timeout", "5"],
        ["mirror", "imap://ana@localhost", "--archive=mail", "--json"],
        ["fetch", "pop3://ana@127.0.0.1:15110", *ROOT, "--account", "Ana"],
        ["fetch", "pop3s://ana@pop-2.example.org", "--timeout=7", *ROOT],
        ["fetch", "pop3://ana@pop.example.org", *ROOT, "--allow-plaintext"],
    ],
)
def test_an_account_is_understood_as_the_command_does(words: list[str]) -> None:
    """User, host, port, protection and patience are those that the whole program finds."""
    wish = wish_of(words)
    assert wish is not None
    options: argparse.Namespace = build_parser(words[0]).parse_args(words)
    endpoint = endpoint_of_url(options)
    assert (wish.user, wish.host, wish.port) == (endpoint.user, endpoint.host, endpoint.port)
    assert wish.is_tls == (endpoint.security.value == "ssl")
    assert (wish.timeout, wish.root) == (endpoint.timeout, "mail")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["mirror"],
        ["search", "invoice", *ROOT],
        ["mirror", "pop3s://ana@pop.example.org", *ROOT],
        ["fetch", "imaps://ana@imap.example.org", *ROOT],
        ["mirror", "imap+starttls://ana@imap.example.org", *ROOT],
        ["mirror", "imap://ana@imap.example.org", *ROOT],
        ["mirror", "imap://ana@127.example.org", *ROOT],
        ["mirror", "imaps://ana@imap.example.org"],
        ["mirror", "imaps://ana@imap.example.org", "--archive", "s3://bucket/mail"],
        ["mirror", "imaps://ana@imap.example.org", "--archive", "~/mail"],
        ["mirror", "imaps://ana:word@imap.example.org", *ROOT],
        ["mirror", "imaps://ana@b@imap.example.org", *ROOT],
        ["mirror", "imaps://a%20b@imap.example.org", *ROOT],
        ["mirror", "imaps://ana@[::1]:993", *ROOT],
        ["mirror", "imaps://ana@IMAP.example.org", *ROOT],
        ["mirror", "imaps://ana@imap.example.org:99x", *ROOT],
        ["mirror", "imaps://ana@imap.example.org/INBOX", *ROOT],
        ["mirror", "imaps://ana@", *ROOT],
        ["mirror", "imaps://imap.example.org", *ROOT],
        ["mirror", "imaps://ana@imap.example.org", *ROOT, "--timeout", "soon"],
        ["mirror", "imaps://ana@imap.example.org", *ROOT, "--timeout", "nan"],
    ],
)
def test_all_others_go_the_ordinary_way(words: list[str]) -> None:
    """Whatever is written unusually, means another place, or would send a password in the clear."""
    assert wish_of(words) is None
    assert take_shortcut(words) == (False, None)
