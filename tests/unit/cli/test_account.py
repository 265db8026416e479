"""What a user types becomes an account, or one sentence that says how to write it."""

from __future__ import annotations

import argparse
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.cli.account import UsageError, account_name, duration, endpoint_of_url, octets, with_secret
from mailroom.cli.arguments import build_parser
from mailroom.model import MailProtocol, Security


def options(url: str, *more: str) -> argparse.Namespace:
    return build_parser().parse_args(["fetch", url, "--archive", "a", *more])


@pytest.mark.parametrize(
    ("url", "protocol", "security", "port"),
    [
        ("pop3s://u@h", MailProtocol.POP3, Security.SSL, 995),
        ("pop3+starttls://u@h", MailProtocol.POP3, Security.STARTTLS, 110),
        ("pop3://u@localhost", MailProtocol.POP3, Security.PLAIN, 110),
        ("imaps://u@h", MailProtocol.IMAP, Security.SSL, 993),
        ("imap+starttls://u@h", MailProtocol.IMAP, Security.STARTTLS, 143),
        ("imap://u@127.0.0.1:10143", MailProtocol.IMAP, Security.PLAIN, 10143),
        ("imap://u@[::1]:10143", MailProtocol.IMAP, Security.PLAIN, 10143),
    ],
)
def test_scheme_names_protocol_security_and_port(
    url: str, protocol: MailProtocol, security: Security, port: int
) -> None:
    """Each scheme says how to connect, with the registered port by default."""
    endpoint = endpoint_of_url(options(url))
    assert (endpoint.protocol, endpoint.security, endpoint.port) == (protocol, security, port)


def test_at_sign_in_user_is_written_percent_forty() -> None:
    """A user name that is a mail address keeps its at sign."""
    endpoint = endpoint_of_url(options("imaps://ana%40example.org@mail.example.org"))
    assert (endpoint.user, endpoint.host) == ("ana@example.org", "mail.example.org")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://u@h", "scheme://user@host:port"),
        ("imaps://h", "lacks a user or a host"),
        ("imaps://u@", "lacks a user or a host"),
        ("imaps://u@h:port", "is not an account URL"),
        ("imap://u@mail.example.org", "unencrypted"),
        ("pop3://u@192.0.2.1", "--allow-plaintext"),
    ],
)
def test_wrong_urls_are_told_what_to_write(url: str, words: str) -> None:
    """A URL that cannot be meant is refused in one sentence."""
    with pytest.raises(UsageError, match=words):
        endpoint_of_url(options(url))


@pytest.mark.parametrize("url", ["imaps://u:hunter2secret@h", "http://u:hunter2secret@h"])
def test_password_in_url_is_refused_and_not_repeated(url: str) -> None:
    """A password typed into a URL is neither used nor shown again."""
    with pytest.raises(UsageError) as refusal:
        endpoint_of_url(options(url))
    assert "hunter2secret" not in str(refusal.value)


def test_plaintext_leaves_the_machine_only_when_told_so() -> None:
    """--allow-plaintext is the user's word for it."""
    endpoint = endpoint_of_url(options("pop3://u@mail.example.org", "--allow-plaintext"))
    assert endpoint.security is Security.PLAIN


@pytest.mark.parametrize(
    ("url", "more", "name"),
    [
        ("imaps://ana@mail.example.org", (), "ana@mail.example.org"),
        ("imaps://ana%40x.org@x.org", (), "ana@x.org"),
        ("imaps://ana@mail.example.org", ("--account", "office"), "office"),
    ],
)
def test_account_is_named_after_user_and_host(url: str, more: tuple[str, ...], name: str) -> None:
    """The account's name in the tables is user@host unless it is given."""
    chosen = options(url, *more)
    assert account_name(chosen, endpoint_of_url(chosen)) == name


def test_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """MAILROOM_PASSWORD is read, and the secret is not in the endpoint's repr."""
    monkeypatch.setenv("MAILROOM_PASSWORD", "hunter2secret")
    endpoint = with_secret(endpoint_of_url(options("imaps://u@h")))
    assert endpoint.secret == "hunter2secret"
    assert "hunter2secret" not in repr(endpoint)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("7d", timedelta(days=7)),
        ("30", timedelta(days=30)),
        ("0d", timedelta(0)),
        ("12h", timedelta(hours=12)),
        ("2w", timedelta(days=14)),
        ("1.5d", timedelta(hours=36)),
    ],
)
def test_durations_count_days_unless_said(text: str, meant: timedelta) -> None:
    """A bare number is days, as everywhere in mail clients."""
    assert duration(text) == meant


@pytest.mark.parametrize("text", ["", "d", "-1d", "7 days ago", "1e9d", "9999999d"])
def test_other_durations_are_refused(text: str) -> None:
    """What is no duration is a usage error, never a guess."""
    with pytest.raises(argparse.ArgumentTypeError):
        duration(text)


@given(st.integers(min_value=0, max_value=10**9))
def test_sizes_round_trip_in_octets(number: int) -> None:
    """A number of octets is itself, and units multiply by 1,024."""
    assert octets(str(number)) == number
    assert octets(f"{number}k") == number * 1024
