"""What a user types becomes an account, or one sentence that says how to write it."""

from __future__ import annotations

import argparse
import io
import sys

import pytest

from mailroom.cli.account import UsageError, account_name, endpoint_of_url, with_secret
from mailroom.cli.arguments import build_parser
from mailroom.model import Compression, MailProtocol, Security


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
        ("imaps://h", "has no user or no host"),
        ("imaps://u@", "has no user or no host"),
        ("imaps://a%0D%0Ab@h", "has no user or no host"),
        ("imaps://u@h:port", "is not an account URL"),
        ("imaps://u@h:0", "is not an account URL"),
        ("imaps://u@h:99999", "is not an account URL"),
        ("imaps://u@[::1", "is not an account URL"),
        ("u@h", "is not an account URL"),
        ("imaps://u@h/INBOX", "with --folder"),
        ("imaps://u@h?x=1", "with --folder"),
        ("imap://u@mail.example.org", "unencrypted"),
        ("pop3://u@192.0.2.1", "--allow-plaintext"),
    ],
)
def test_wrong_urls_are_told_what_to_write(url: str, words: str) -> None:
    """A URL that cannot be meant is refused in one sentence."""
    with pytest.raises(UsageError, match=words):
        endpoint_of_url(options(url))


@pytest.mark.parametrize(
    "url",
    [
        "imaps://u:hunter2secret@h",
        "http://u:hunter2secret@h",
        "u:hunter2secret@h",
        "imaps:u:hunter2secret@h",
        "imaps://u:hunter2secret@h:port",
        "imaps://u:hunter2secret",
        "imaps://u:x@hunter2secret@h:port",
        "imaps://u:hunter2secret/x@h",
    ],
)
def test_password_in_url_is_refused_and_not_repeated(url: str) -> None:
    """A password typed into a URL is neither used nor shown again."""
    with pytest.raises(UsageError) as refusal:
        endpoint_of_url(options(url))
    assert "hunter2secret" not in str(refusal.value)


def test_plaintext_leaves_the_machine_only_when_told_so() -> None:
    """--allow-plaintext is the user's word for it."""
    endpoint = endpoint_of_url(options("pop3://u@mail.example.org", "--allow-plaintext"))
    assert endpoint.security is Security.PLAIN


def test_compression_is_chosen_where_imap_is_spoken() -> None:
    """By default the line decides; fetch speaks POP3, which has none, and so has no option either."""
    command = ["mirror", "imaps://u@h", "--archive", "a"]
    chosen = build_parser().parse_args([*command, "--compress", "never"])
    assert endpoint_of_url(chosen).compress is Compression.NEVER
    assert endpoint_of_url(build_parser().parse_args(command)).compress is Compression.AUTO
    assert endpoint_of_url(options("pop3s://u@h")).compress is Compression.AUTO
    with pytest.raises(UsageError):
        options("pop3s://u@h", "--compress", "always")


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


@pytest.mark.parametrize(("value", "words"), [(None, "is not set"), ("", "is empty")])
def test_no_password_and_nobody_to_ask_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, value: str | None, words: str
) -> None:
    """Without a terminal nobody is asked, and an empty variable is no password."""
    monkeypatch.delenv("MAILROOM_PASSWORD", raising=False)
    if value is not None:
        monkeypatch.setenv("MAILROOM_PASSWORD", value)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(UsageError, match=words):
        with_secret(endpoint_of_url(options("imaps://u@h")))


def test_password_that_is_no_text_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are not UTF-8 cannot be sent as a password, and are not repeated."""
    monkeypatch.setenv("MAILROOM_PASSWORD", "\udcff")
    with pytest.raises(UsageError, match="not UTF-8"):
        with_secret(endpoint_of_url(options("imaps://u@h")))


def test_certificates_are_checked_unless_told_otherwise() -> None:
    """Only --no-verify takes any certificate."""
    assert endpoint_of_url(options("imaps://u@h")).verify
    assert not endpoint_of_url(options("imaps://u@h", "--no-verify")).verify
