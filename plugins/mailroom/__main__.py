"""Run the ``mailroom`` command as ``python -m mailroom``."""

from __future__ import annotations

import sys

from mailroom.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
