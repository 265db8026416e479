"""A coverage-guided fuzzer of the parser, for who has the time; no test, and never run with them.

``pip install atheris``, then ``python -m tests.fuzz.fuzz_messages --seconds 600``. It starts from the
messages of the tests, and from those where ``MAILROOM_CORPUS`` points. What it finds (a crash, an
index that is not true, more than 512 MiB, 25 seconds for 64 KiB) is written to a file that it names,
and ends it; ``python -m tests.fuzz.fuzz_messages FILE`` reads that again.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

MAX_OCTETS = 64 * 1024
MAX_MIB = 512
MAX_SECONDS = 25


def main() -> int:
    """Fuzz for a while, or read one file; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.fuzz_messages")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("file", nargs="?", type=Path, help="what was found, to be read again")
    options = parser.parse_args()
    try:
        atheris: Any = importlib.import_module("atheris")  # untyped, and no dependency
    except ModuleNotFoundError:
        print("atheris is not installed: pip install atheris", file=sys.stderr)
        return 1
    with atheris.instrument_imports(include=["mailroom.message"]):
        importlib.import_module("mailroom.message")
    held = importlib.import_module("tests.property.test_message_index")
    if options.file is not None:
        held.check(options.file.read_bytes())
        return 0
    with tempfile.TemporaryDirectory(prefix="mailroom-fuzz-") as place:
        for number, message in enumerate(held.WHOLE):
            Path(place, str(number)).write_bytes(message)
        more = [os.environ["MAILROOM_CORPUS"]] if os.environ.get("MAILROOM_CORPUS") else []
        limits = [
            f"-max_total_time={options.seconds}",
            f"-max_len={MAX_OCTETS}",
            f"-rss_limit_mb={MAX_MIB}",
            f"-timeout={MAX_SECONDS}",
        ]
        fuzzer = os.fork()  # it ends its process by itself, and would leave the folder
        if fuzzer == 0:
            atheris.Setup([sys.argv[0], *limits, place, *more], held.check)
            atheris.Fuzz()
        return os.waitstatus_to_exitcode(os.waitpid(fuzzer, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
