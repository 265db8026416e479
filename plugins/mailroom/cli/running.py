"""One run of a command: from its words to what it did, and to an exit status.

0 done, 1 failed (one sentence on stderr), 2 wrong usage, 130 and 143 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mailroom.cli.interruption import Interruption

if TYPE_CHECKING:
    from mailroom.client.ahead import SentAhead
    from mailroom.model import Endpoint

__all__ = ["run_command"]

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2

COMMAND_OF = {"pop3": "fetch", "imap": "mirror"}
"""Which command reads an account by which protocol."""


def run_command(words: Sequence[str], ahead: SentAhead | None = None, *, is_alone: bool = False) -> int:
    """Run one command and return its exit status.

    :param ahead: a connection on which everything was asked already.
    :param is_alone: whether the process is there for this command, as the next one's will be.
    """
    with Interruption() as interruption:
        try:
            return _run(words, interruption, ahead, is_alone=is_alone)
        except KeyboardInterrupt:
            print("mailroom: Interrupted; run the same command again to go on.", file=sys.stderr)
            return interruption.exit_status or EXIT_FAILED


def _run(words: Sequence[str], interruption: Interruption, ahead: SentAhead | None, *, is_alone: bool) -> int:
    from mailroom.cli.account import UsageError
    from mailroom.cli.arguments import build_parser
    from mailroom.cli.terminal import ResultNotWritten, Terminal
    from mailroom.exceptions import MailroomError

    with Terminal(as_json="--json" in words, quiet="--quiet" in words) as terminal:
        try:
            if not words:
                terminal.show_help(build_parser())
                return EXIT_USAGE
            options = _options(words, interruption)
            options.ahead, options.command_line = ahead, words if is_alone else None
            outcome = options.run(options, terminal, interruption.begin())
            terminal.conclude(outcome)
        except UsageError as error:
            terminal.fail(str(error), "usage")
            return EXIT_USAGE
        except MailroomError as error:
            terminal.fail(str(error), type(error).__name__)
            return EXIT_FAILED
        except ResultNotWritten as error:
            terminal.complain(str(error))
            return EXIT_FAILED
    if outcome.interrupted:
        return interruption.exit_status or EXIT_FAILED
    return EXIT_FAILED if outcome.failures else EXIT_DONE


def _options(words: Sequence[str], interruption: Interruption) -> argparse.Namespace:
    """Return what was typed, and for an account all that is needed to sign in.

    :raises UsageError: where it cannot be meant.
    """
    from mailroom.cli.account import TARGET_PASSWORD_VARIABLE, UsageError, endpoint_of_url, with_secret
    from mailroom.cli.arguments import build_parser

    parser = build_parser(next(iter(words), None))
    options, unknown = parser.parse_known_args(words)
    if unknown:
        raise UsageError(f"Unrecognized: {' '.join(unknown)}; see mailroom {options.command} --help.")
    if options.protocols:
        with interruption.asking():
            options.endpoint = with_secret(_spoken(endpoint_of_url(options), options))
            if getattr(options, "target_url", None) is not None:
                second = argparse.Namespace(**vars(options))
                second.url, second.auth = options.target_url, options.target_auth
                second.ca_file = options.target_ca_file or options.ca_file
                target = _spoken(endpoint_of_url(second), options)
                options.target_endpoint = with_secret(target, TARGET_PASSWORD_VARIABLE)
    return options


def _spoken(endpoint: Endpoint, options: argparse.Namespace) -> Endpoint:
    """Return the endpoint if the command speaks its protocol.

    :raises UsageError: where it does not.
    """
    from mailroom.cli.account import UsageError

    if endpoint.protocol not in options.protocols:
        spoken = options.protocols[0].value.upper()
        raise UsageError(
            f"This command speaks {spoken}; for {endpoint.protocol.value.upper()} there is: "
            f"mailroom {COMMAND_OF[endpoint.protocol.value]}."
        )
    return endpoint
