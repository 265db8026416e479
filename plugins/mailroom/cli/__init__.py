"""The ``mailroom`` command: the same engine with no Airflow.

``arguments`` says what may be typed, ``account`` turns a URL into an endpoint,
``commands`` calls one service each, ``terminal`` shows progress and results, and
``main`` here maps outcomes to exit statuses: 0 done, 1 failed (one sentence on
stderr), 2 wrong usage, 130 and 143 interrupted after the batch in hand was committed.

Nothing of the engine is imported before a command is chosen, so ``--help`` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mailroom.cli.arguments import build_parser
from mailroom.cli.interruption import Interruption

__all__ = ["main"]

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    :param argv: the words after the program's name; those of this process by default.
    """
    parser = build_parser()
    options = parser.parse_args(argv)
    from mailroom.cli.account import UsageError
    from mailroom.cli.terminal import Terminal
    from mailroom.exceptions import MailroomError

    terminal = Terminal(as_json=options.json, quiet=options.quiet)
    with Interruption() as interruption:
        try:
            outcome = options.run(options, terminal, interruption.stop)
        except UsageError as error:
            terminal.complain(str(error))
            return EXIT_USAGE
        except MailroomError as error:
            terminal.complain(str(error))
            return EXIT_FAILED
        except KeyboardInterrupt:
            terminal.complain("Interrupted; run the same command again to go on.")
            return interruption.exit_status or EXIT_FAILED
    terminal.conclude(outcome)
    if outcome.interrupted:
        return interruption.exit_status or EXIT_FAILED
    return EXIT_FAILED if outcome.failures else EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
