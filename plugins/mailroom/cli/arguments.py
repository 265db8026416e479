"""What may be typed after ``mailroom``: words, options and their help."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn

from mailroom import __version__
from mailroom.cli import commands
from mailroom.cli.account import UsageError
from mailroom.cli.values import (
    connections,
    day,
    duration,
    local_place,
    moment,
    name,
    octets,
    place,
    seconds,
    share,
)
from mailroom.model import DEFAULT_CONNECTIONS, AuthMethod, Compression, MailProtocol

__all__ = ["build_parser"]

_EPILOG = """\
examples:
  mailroom mirror imaps://ana%40example.org@imap.example.org --archive ~/mail
  mailroom fetch pop3s://ana@pop.example.org --archive ~/mail --delete-after 7d
  mailroom attachments --archive ~/mail --to ~/invoices --name '*.pdf'
  mailroom retention imaps://ana@imap.example.org --archive ~/mail --older-than 90d --dry-run
  mailroom check imaps://ana@imap.example.org --archive ~/mail
  mailroom export --archive ~/mail --to ~/Maildir --format maildir --account ana@example.org
  mailroom restore --archive ~/mail imaps://ana@imap.new.example --dry-run
  mailroom verify --archive ~/mail

An account is scheme://user@host:port, an @ in the user name written %40. Schemes:
imaps, pop3s (TLS); imap+starttls, pop3+starttls; imap, pop3 (plain, for this machine).
The password comes from the variable MAILROOM_PASSWORD or is asked for. An archive is a
folder, or s3://bucket/prefix with AWS_ACCESS_KEY_ID and so on in the environment.
"mailroom COMMAND --help" tells all options of a command.

exit status: 0 done; 1 failed, with one sentence; 2 wrong usage; 130 or 143 interrupted
by Ctrl-C or SIGTERM: what was committed stays, and the same command goes on from there
"""

_EPILOG_OF_A_COMMAND = """\
example:
  {example}

exit status: 0 done; 1 failed, with one sentence; 2 wrong usage; 130 or 143 interrupted
"""


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=32)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, where argparse would print all its options first."""

    def __init__(self, **settings: object) -> None:
        # Abbreviations would change their meaning when options are added: --del, --delete, --delete-after.
        super().__init__(
            **{"allow_abbrev": False, "formatter_class": _formatter, **settings}  # type: ignore[arg-type]  # a mix of types
        )

    def error(self, message: str) -> NoReturn:
        """Raise instead of leaving.

        :raises UsageError: always.
        """
        raise UsageError(f"{message[:1].upper()}{message[1:].rstrip('.')}; see {self.prog} --help.")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; ``options.run`` is the chosen command."""
    parser = _Parser(
        prog="mailroom",
        description="Fetch, mirror, archive and clean up mailboxes.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"mailroom {__version__}")
    words = parser.add_subparsers(
        title="commands", required=True, dest="command", metavar="COMMAND", parser_class=_Parser
    )
    _add_fetch(words)
    _add_mirror(words)
    _add_retention(words)
    _add_attachments(words)
    _add_check(words)
    _add_export(words)
    _add_restore(words)
    _add_verify(words)
    return parser


_Words = argparse._SubParsersAction  # the only name argparse has for it


def _command(
    words: _Words[_Parser],
    word: str,
    run: Callable[..., object],
    text: str,
    example: str,
    protocols: tuple[MailProtocol, ...] = (),
) -> _Parser:
    parser = words.add_parser(
        word,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=_EPILOG_OF_A_COMMAND.format(example=example),
    )
    parser.set_defaults(run=run, protocols=protocols)
    if protocols:
        kinds = " or ".join(f"{protocol.value}s://user@host" for protocol in protocols)
        parser.add_argument("url", metavar="URL", help=f"the account, as {kinds}")
    parser.add_argument(
        "--archive",
        required=True,
        type=place,
        metavar="ROOT",
        help="the archive: a folder or s3://bucket/prefix",
    )
    if protocols:
        _add_account(parser)
        _add_compress(parser, takes=MailProtocol.IMAP in protocols)
    parser.add_argument("--json", action="store_true", help="end with one JSON object on standard output")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    return parser


def _add_account(parser: _Parser) -> None:
    parser.add_argument(
        "--account", type=name, metavar="NAME", help="its name in the archive (default: user@host)"
    )
    parser.add_argument("--ca-file", metavar="FILE", help="trust the authorities in this PEM file")
    parser.add_argument(
        "--no-verify",
        action="store_true",
        help="take any certificate: anyone on the way can then read the password",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="wait this long for an answer (default: 60)",
    )
    parser.add_argument(
        "--allow-plaintext", action="store_true", help="let pop3:// and imap:// leave this machine"
    )
    parser.add_argument(
        "--auth",
        choices=[method.value for method in AuthMethod],
        default=AuthMethod.PASSWORD.value,
        help="sign in with a password (default) or an OAuth 2 access token",
    )


def _add_compress(parser: _Parser, *, takes: bool) -> None:
    parser.set_defaults(compress=Compression.AUTO.value)
    if takes:
        parser.add_argument(
            "--compress",
            choices=[choice.value for choice in Compression],
            default=Compression.AUTO.value,
            help="compress IMAP where the server offers it (auto, the default: on slow lines only)",
        )


def _add_folders(parser: _Parser) -> None:
    parser.add_argument(
        "--folder", action="append", default=[], metavar="PATTERN", help="only these folders; may be repeated"
    )
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="PATTERN", help="not these folders; may be repeated"
    )


def _add_fetch(words: _Words[_Parser]) -> None:
    parser = _command(
        words,
        "fetch",
        commands.fetch,
        "download a POP3 inbox into the archive",
        "mailroom fetch pop3s://ana@pop.example.org --archive ~/mail --delete-after 7d",
        (MailProtocol.POP3,),
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--leave-on-server", action="store_true", help="leave a copy on the server (default)")
    mode.add_argument("--delete", action="store_true", help="leave none: delete what is safely archived")
    mode.add_argument(
        "--delete-after", type=duration, metavar="7d", help="delete this long after it was first archived"
    )


def _add_mirror(words: _Words[_Parser]) -> None:
    parser = _command(
        words,
        "mirror",
        commands.mirror,
        "mirror an IMAP account into the archive",
        "mailroom mirror imaps://ana%40example.org@imap.example.org --archive ~/mail --exclude Trash",
        (MailProtocol.IMAP,),
    )
    _add_folders(parser)
    parser.add_argument("--since", type=day, metavar="2024-01-31", help="only mail received since")
    parser.add_argument("--until", type=day, metavar="2024-12-31", help="only mail received before")
    parser.add_argument("--larger-than", type=octets, metavar="10M", help="only messages larger than this")
    parser.add_argument(
        "--order", choices=["oldest", "newest"], default="oldest", help="which mail comes first"
    )
    parser.add_argument(
        "--other-namespaces", action="store_true", help="shared and other users' folders as well"
    )
    parser.add_argument(
        "--max-gone",
        type=share,
        default=0.25,
        metavar="SHARE",
        help="stop where more than this share of the account would be recorded as gone (1 allows it)",
    )
    parser.add_argument(
        "--connections",
        type=connections,
        default=DEFAULT_CONNECTIONS,
        metavar="N",
        help=f"open at most so many at once, where the server is far away (default {DEFAULT_CONNECTIONS})",
    )


def _add_retention(words: _Words[_Parser]) -> None:
    parser = _command(
        words,
        "retention",
        commands.retention,
        "delete from the server what is old, archived and verified",
        "mailroom retention imaps://ana@imap.example.org --archive ~/mail --older-than 90d --dry-run",
        (MailProtocol.IMAP, MailProtocol.POP3),
    )
    _add_folders(parser)
    parser.add_argument(
        "--older-than", type=duration, required=True, metavar="30d", help="keep what is younger"
    )
    parser.add_argument(
        "--basis",
        choices=["internal", "archived", "saved"],
        help="count from when the server received it, when it was first archived, or when it came into "
        "its folder (default: internal; saved for Trash and Junk; archived for POP3)",
    )
    parser.add_argument("--include-flagged", action="store_true", help="delete flagged messages too")
    parser.add_argument(
        "--max-fraction",
        type=share,
        default=1.0,
        metavar="SHARE",
        help="at most this share of a folder a run",
    )
    parser.add_argument(
        "--allow-incomplete",
        action="store_true",
        help="delete also in a folder of which the archive does not hold everything",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would go, change nothing")


def _add_attachments(words: _Words[_Parser]) -> None:
    parser = _command(
        words,
        "attachments",
        commands.attachments,
        "deliver attachments of archived mail to a folder or bucket, each once",
        "mailroom attachments --archive ~/mail --to s3://company/invoices --name '*.pdf|*.xlsx'",
    )
    parser.add_argument(
        "--to",
        required=True,
        type=place,
        metavar="ROOT",
        help="where they go: a folder or s3://bucket/prefix",
    )
    parser.add_argument("--account", type=name, metavar="NAME", help="only mail of this account")
    parser.add_argument("--name", metavar="GLOB", help="file name, as *.pdf")
    parser.add_argument("--name-regex", metavar="REGEX", help="file name, as a regular expression")
    parser.add_argument("--type", metavar="GLOB", help="content type, as application/pdf or image/*")
    parser.add_argument("--from", dest="sender", metavar="GLOB", help="sender's address, as *@supplier.com")
    parser.add_argument("--subject", metavar="GLOB", help="subject, as *invoice*")
    parser.add_argument("--folder", metavar="GLOB", help="only from this folder")
    parser.add_argument("--since", type=day, metavar="2024-01-31", help="mail dated since")
    parser.add_argument("--until", type=day, metavar="2024-12-31", help="mail dated before")
    parser.add_argument("--min-size", type=octets, metavar="1k", help="at least this large")
    parser.add_argument("--max-size", type=octets, metavar="20M", help="at most this large")
    parser.add_argument("--inline", action="store_true", help="inline images as well")
    parser.add_argument(
        "--template", metavar="TEMPLATE", help="name at the destination, as {date:%%Y/%%m}/{filename}"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be delivered, deliver nothing")


def _add_check(words: _Words[_Parser]) -> None:
    parser = _command(
        words,
        "check",
        commands.check,
        "compare an account with the archive, folder by folder: is everything safe?",
        "mailroom check imaps://ana@imap.example.org --archive ~/mail --exclude Trash",
        (MailProtocol.IMAP, MailProtocol.POP3),
    )
    _add_folders(parser)
    parser.add_argument(
        "--quick", action="store_true", help="compare numbers only, not the size and date of each message"
    )
    parser.add_argument(
        "--read", action="store_true", help="read every archived message back and compare its checksum"
    )
    parser.add_argument(
        "--allow-new",
        action="store_true",
        help="mail that arrived since the last mirror may be missing (IMAP)",
    )


def _add_export(words: _Words[_Parser]) -> None:
    parser = _command(
        words,
        "export",
        commands.export,
        "write archived mail as files that any mail program reads",
        "mailroom export --archive ~/mail --to ~/Maildir --format maildir --account ana@example.org",
    )
    parser.add_argument(
        "--to", required=True, type=local_place, metavar="DIR", help="a folder of this machine"
    )
    parser.add_argument(
        "--format",
        required=True,
        choices=["mbox", "maildir", "eml"],
        help="mbox: one file a folder. maildir: for mutt, Dovecot and their like, with flags. "
        "eml: one file a message, under names people can read",
    )
    parser.add_argument(
        "--account",
        type=name,
        metavar="NAME",
        help="only this account, straight into DIR (default: all, a folder each)",
    )
    _add_folders(parser)
    parser.add_argument(
        "--deleted", action="store_true", help="also what was deleted on the server and is in no other folder"
    )
    parser.add_argument(
        "--as-of",
        type=moment,
        metavar="TIME",
        help="the account as it was then: a day, to its end, or 2026-01-31T08:00 (UTC unless it says +01:00)",
    )
    parser.add_argument("--status", action="store_true", help="mbox: write flags as Status headers")
    parser.add_argument(
        "--zip", action="store_true", help="one zip file: DIR if it ends with .zip, else DIR/mail.zip"
    )


def _add_restore(words: _Words[_Parser]) -> None:
    parser = _command(
        words,
        "restore",
        commands.restore,
        "bring an archived account, or a part of it, back onto an IMAP account",
        "mailroom restore --archive ~/mail imaps://ana@imap.new.example --exclude Trash --dry-run",
        (MailProtocol.IMAP,),
    )
    _add_folders(parser)
    parser.add_argument(
        "--as-of", type=moment, metavar="2024-01-31", help="the account as it was then (UTC; the day's end)"
    )
    parser.add_argument(
        "--query", metavar="WORDS", help="only messages that it means, as 'from:ana after:2024-01-31'"
    )
    parser.add_argument(
        "--message",
        action="append",
        default=[],
        metavar="SHA256",
        help="only this message, wherever it is or was last; may be repeated",
    )
    parser.add_argument("--into", metavar="FOLDER", help="put everything below this folder")
    parser.add_argument(
        "--with-deleted", action="store_true", help="what retention deleted on the server as well"
    )
    parser.add_argument(
        "--read-back",
        choices=["none", "facts", "sample", "all"],
        default="facts",
        help="how closely to look at what was restored: size, date and flags (default), octets of a "
        "sample, or of all",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be added, add nothing")


def _add_verify(words: _Words[_Parser]) -> None:
    _command(
        words,
        "verify",
        commands.verify,
        "check every object and every row of the archive",
        "mailroom verify --archive ~/mail",
    )
