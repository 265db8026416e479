"""What may be typed after ``mailroom``: words, options and their help."""

from __future__ import annotations

import argparse

from mailroom import __version__
from mailroom.cli import commands
from mailroom.cli.common_arguments import Parser, Words, add_command, add_folders
from mailroom.cli.values import (
    connections,
    day,
    duration,
    local_place,
    moment,
    name,
    octets,
    place,
    setting,
    share,
    source,
)
from mailroom.model import DEFAULT_CONNECTIONS, MailProtocol

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
  mailroom import ~/old-mail --account ana@example.org --archive ~/mail
  mailroom verify --archive ~/mail

An account is scheme://user@host:port, an @ in the user name written %40. Schemes:
imaps, pop3s (TLS); imap+starttls, pop3+starttls; imap, pop3 (plain, for this machine).
The password comes from the variable MAILROOM_PASSWORD or is asked for. An archive is a
folder, or s3://bucket/prefix with AWS_ACCESS_KEY_ID and so on in the environment.
"mailroom COMMAND --help" tells all options of a command.

exit status: 0 done; 1 failed, with one sentence; 2 wrong usage; 130 or 143 interrupted
by Ctrl-C or SIGTERM: what was committed stays, and the same command goes on from there
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; ``options.run`` is the chosen command."""
    parser = Parser(
        prog="mailroom",
        description="Fetch, mirror, archive and clean up mailboxes.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"mailroom {__version__}")
    words = parser.add_subparsers(
        title="commands", required=True, dest="command", metavar="COMMAND", parser_class=Parser
    )
    _add_fetch(words)
    _add_mirror(words)
    _add_retention(words)
    _add_attachments(words)
    _add_check(words)
    _add_export(words)
    _add_restore(words)
    _add_import(words)
    _add_verify(words)
    return parser


def _add_fetch(words: Words[Parser]) -> None:
    parser = add_command(
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


def _add_mirror(words: Words[Parser]) -> None:
    parser = add_command(
        words,
        "mirror",
        commands.mirror,
        "mirror an IMAP account into the archive",
        "mailroom mirror imaps://ana%40example.org@imap.example.org --archive ~/mail --exclude Trash",
        (MailProtocol.IMAP,),
    )
    add_folders(parser)
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


def _add_retention(words: Words[Parser]) -> None:
    parser = add_command(
        words,
        "retention",
        commands.retention,
        "delete from the server what is old, archived and verified",
        "mailroom retention imaps://ana@imap.example.org --archive ~/mail --older-than 90d --dry-run",
        (MailProtocol.IMAP, MailProtocol.POP3),
    )
    add_folders(parser)
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


def _add_attachments(words: Words[Parser]) -> None:
    parser = add_command(
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
    parser.add_argument(
        "--on-collision",
        choices=("number", "skip", "fail"),
        default="number",
        help="where a name is taken: number the new one, skip it, or fail (default: number)",
    )
    parser.add_argument(
        "--object-option",
        action="append",
        default=[],
        type=setting,
        metavar="NAME=VALUE",
        help="of every object in S3, as ServerSideEncryption=aws:kms; may be given several times",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be delivered, deliver nothing")


def _add_check(words: Words[Parser]) -> None:
    parser = add_command(
        words,
        "check",
        commands.check,
        "compare an account with the archive, folder by folder: is everything safe?",
        "mailroom check imaps://ana@imap.example.org --archive ~/mail --exclude Trash",
        (MailProtocol.IMAP, MailProtocol.POP3),
    )
    add_folders(parser)
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


def _add_export(words: Words[Parser]) -> None:
    parser = add_command(
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
    add_folders(parser)
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


def _add_restore(words: Words[Parser]) -> None:
    parser = add_command(
        words,
        "restore",
        commands.restore,
        "bring an archived account, or a part of it, back onto an IMAP account",
        "mailroom restore --archive ~/mail imaps://ana@imap.new.example --exclude Trash --dry-run",
        (MailProtocol.IMAP,),
    )
    add_folders(parser)
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


def _add_import(words: Words[Parser]) -> None:
    parser = add_command(
        words,
        "import",
        commands.import_,
        "archive mail from mbox files, Maildirs, .eml files, zips or a bucket",
        "mailroom import ~/takeout.zip --account ana@example.org --archive ~/mail",
    )
    parser.add_argument(
        "source",
        type=source,
        metavar="PATH_OR_URL",
        help="a folder, a file, a zip file or s3://bucket/prefix",
    )
    parser.add_argument(
        "--account", required=True, type=name, metavar="NAME", help="the account that it becomes mail of"
    )
    parser.add_argument(
        "--folder", type=name, metavar="NAME", help="put all of it there (default: folders as at the source)"
    )
    parser.add_argument(
        "--format",
        choices=["auto", "mbox", "maildir", "eml"],
        default="auto",
        help="take files of this kind only (default: tell each by itself)",
    )


def _add_verify(words: Words[Parser]) -> None:
    add_command(
        words,
        "verify",
        commands.verify,
        "check every object and every row of the archive",
        "mailroom verify --archive ~/mail",
    )
