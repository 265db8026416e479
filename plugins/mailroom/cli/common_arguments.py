"""What every command of the command line takes: the archive, an account, folders, how to end.

Belongs here: the parser itself and the words that commands share. Does not belong here:
what one command takes (``arguments``).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import NoReturn

from mailroom.cli.account import UsageError
from mailroom.cli.values import name, pair, place, seconds
from mailroom.model import AuthMethod, Compression, MailProtocol

__all__ = ["Parser", "Words", "add_command", "add_destination", "add_folders", "connection_options"]

_EPILOG_OF_A_COMMAND = """\
example:
  {example}

exit status: 0 done; 1 failed, with one sentence; 2 wrong usage; 130 or 143 interrupted
"""


FALLBACK_COLUMNS = 80
"""How wide a terminal is taken for that does not say it."""


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=32, width=_columns() - 2)


@cache
def _columns() -> int:
    """Return how wide the terminal is.

    argparse asks at each option, and through ``shutil``, which loads three compression libraries.
    """
    stated = os.environ.get("COLUMNS", "")
    if stated.isdecimal() and int(stated) > 0:
        return int(stated)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or FALLBACK_COLUMNS  # type: ignore[union-attr]  # None where closed
    except (AttributeError, ValueError, OSError):
        return FALLBACK_COLUMNS


class Parser(argparse.ArgumentParser):
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


Words = argparse._SubParsersAction  # the only name argparse has for it
"""The commands of a parser."""


def add_command(
    words: Words[Parser],
    word: str,
    run: Callable[..., object],
    text: str,
    example: str,
    protocols: tuple[MailProtocol, ...] = (),
    *,
    has_archive: bool = True,
) -> Parser:
    """Add a command with the words that all have, and those for an account where it speaks to one.

    :param has_archive: whether the archive is named by ``--archive``.
    """
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
    if has_archive:
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


def _add_account(parser: Parser) -> None:
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


def connection_options(options: argparse.Namespace) -> list[str]:
    """Return how the account was reached, apart from its URL, for a command that reaches it again."""
    found = ["--ca-file", options.ca_file] if options.ca_file else []
    found += ["--no-verify"] if options.no_verify else []
    found += ["--allow-plaintext"] if options.allow_plaintext else []
    return found if options.auth == AuthMethod.PASSWORD.value else [*found, "--auth", options.auth]


def _add_compress(parser: Parser, *, takes: bool) -> None:
    parser.set_defaults(compress=Compression.AUTO.value)
    if takes:
        parser.add_argument(
            "--compress",
            choices=[choice.value for choice in Compression],
            default=Compression.AUTO.value,
            help="compress IMAP where the server offers it (auto, the default: on slow lines only)",
        )


def add_folders(parser: Parser) -> None:
    """Let a command be told which folders."""
    parser.add_argument(
        "--folder", action="append", default=[], metavar="PATTERN", help="only these folders; may be repeated"
    )
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="PATTERN", help="not these folders; may be repeated"
    )


def add_destination(parser: Parser, source: str) -> None:
    """Let a command that adds mail to an account be told where it goes, and how carefully.

    :param source: where the mail comes from, for people.
    """
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        type=pair,
        metavar="OLD=NEW",
        help="where a folder goes, its subfolders with it; may be repeated",
    )
    parser.add_argument("--into", metavar="FOLDER", help="put everything below this folder")
    parser.add_argument(
        "--update-flags",
        action="store_true",
        help=f"give messages that are there already the flags they have {source}",
    )
    parser.add_argument(
        "--read-back",
        choices=["none", "facts", "sample", "all"],
        default="facts",
        help="how closely to look at what was added: size, date and flags (default), octets of a sample, "
        "or of all",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be added, add nothing")
