"""What may be typed after ``mailroom``: the commands, and the help over all of them."""

from __future__ import annotations

import argparse
from importlib import import_module

from mailroom.cli.common_arguments import Parser
from mailroom.cli.version import ShowVersion

__all__ = ["build_parser"]

COMMANDS = {
    "fetch": "fetch",
    "mirror": "mirror",
    "retention": "retention",
    "policy": "policy",
    "hold": "hold",
    "attachments": "attachments",
    "search": "search",
    "inspect": "inspect",
    "check": "check",
    "history": "history",
    "export": "export",
    "restore": "restore",
    "copy": "copy",
    "import": "import_mail",
    "replicate": "replicate",
    "optimize": "optimize",
    "forget": "forget",
    "sweep": "sweep",
    "audit": "audit",
    "verify": "verify",
    "flag": "flag",
    "move": "move",
    "delete": "delete",
    "append": "append",
    "changes": "changes",
}
"""The module of each command, in the order of the help."""

VERSION = "--version"

_EPILOG = """\
examples:
  mailroom mirror imaps://ana%40example.org@imap.example.org --archive ~/mail
  mailroom fetch pop3s://ana@pop.example.org --archive ~/mail --delete-after 7d
  mailroom attachments --archive ~/mail --to ~/invoices --name '*.pdf'
  mailroom retention imaps://ana@imap.example.org --archive ~/mail --older-than 90d --dry-run
  mailroom search --archive ~/mail 'invoice from:*@supplier.example'
  mailroom check imaps://ana@imap.example.org --archive ~/mail
  mailroom history --archive ~/mail --folder INBOX --as-of 2026-01-31T08:00
  mailroom export --archive ~/mail --to ~/Maildir --format maildir --account ana@example.org
  mailroom restore --archive ~/mail imaps://ana@imap.new.example --dry-run
  mailroom copy imaps://ana@imap.old.example imaps://ana@imap.new.example --dry-run
  mailroom import ~/old-mail --account ana@example.org --archive ~/mail
  mailroom verify --archive ~/mail
  mailroom flag --archive ~/mail --query 'from:*@shop.example' --add seen
  mailroom mirror imaps://ana@imap.example.org --archive ~/mail --two-way

An account is scheme://user@host:port, an @ in the user name written %40. Schemes:
imaps, pop3s (TLS); imap+starttls, pop3+starttls; imap, pop3 (plain, for this machine).
The password comes from the variable MAILROOM_PASSWORD or is asked for. An archive is a
folder, or s3://bucket/prefix with AWS_ACCESS_KEY_ID and so on in the environment.
"mailroom COMMAND --help" tells all options of a command.

exit status: 0 done; 1 failed, with one sentence; 2 wrong usage; 130 or 143 interrupted
by Ctrl-C or SIGTERM: what was committed stays, and the same command goes on from there
"""


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of the whole command line; ``options.run`` is the chosen command.

    :param chosen: the first word, where it is known: the modules of other commands are not imported then.
    """
    parser = Parser(
        prog="mailroom",
        description="Fetch, mirror, archive and clean up mailboxes.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        VERSION, action=ShowVersion, nargs=0, help="show the version, and how messages are read, and exit"
    )
    words = parser.add_subparsers(
        title="commands", required=True, dest="command", metavar="COMMAND", parser_class=Parser
    )
    needed = [chosen] if chosen in COMMANDS else () if chosen == VERSION else COMMANDS
    for command in needed:
        import_module(f"mailroom.cli.commands.{COMMANDS[command]}").add_to(words)
    return parser
