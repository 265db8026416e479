"""Write the figures of ``results.json`` into ``docs/performance.md``: ``python -m benchmarks.page``."""

from __future__ import annotations

import json

from benchmarks.report import PAGE, RESULTS, page_with

__all__ = ["main"]


def main() -> None:
    """Bring the page in line with the results."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else None
    PAGE.write_text(page_with(results, PAGE.read_text()))


if __name__ == "__main__":
    main()
