"""The ``mailroom`` command: the same engine with no Airflow.

``commands`` has a module for each word that may follow; ``arguments`` and ``common_arguments``
are the rest of what may be typed, ``values`` and ``account`` turn words into values, ``engine``
opens what a command works on, ``terminal`` shows progress and results, with ``phrases`` and in
``wording`` for this place. ``running`` runs one command, ``lean`` saves time and memory.

A run with nothing new ends before any of that is loaded, by the ``shortcut`` that the one before it
left (``remembering``). Nothing of the engine is imported before a command is chosen, so ``--help`` is quick.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing takes as long to load as all that a run with nothing new loads of this
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    :param argv: the words after the program's name; by default those of this process, which ends with it.
    """
    if argv is not None:
        from mailroom.cli.running import run_command

        return run_command(list(argv))
    from mailroom.cli.lean import leave, make_lean
    from mailroom.cli.shortcut import take_shortcut

    words = sys.argv[1:]
    is_done, ahead = take_shortcut(words)
    if is_done:
        return leave(0)
    from mailroom.cli.running import run_command

    make_lean()
    return leave(run_command(words, ahead, is_alone=True))


if __name__ == "__main__":
    sys.exit(main())
