"""Find archived messages by words of their subject, people, text and attachments' names.

Here: what a search means, and its report. Not here: the language of its conditions
(``policy.query``), the index (``archive.search_index``). Words are found as a reader takes them:
capital letters and accents do not count, and a word is found by its beginning.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailroom.archive import Archive
from mailroom.archive.searching.search_index import SearchIndex
from mailroom.archive.searching.search_query import Found, SearchQuery, count, find
from mailroom.exceptions import ConfigurationError
from mailroom.policy.query import Condition, parse_conditions
from mailroom.services.progress import NoProgress, Progress

__all__ = ["SearchReport", "search_messages", "search_query"]

_WORDS = {
    "from": ("sender",),
    "to": ("recipients",),
    "subject": ("subject",),
    "text": ("text",),
    "file": ("files",),
}
"""Which columns of the index a key asks."""

MORE_KEYS = ("text", "file")
"""What a search knows beyond what every query does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchReport:
    """What was found.

    :param total: how many messages there are; ``found`` are the newest of them.
    """

    query: str
    total: int
    found: tuple[Found, ...]
    failures: tuple[str, ...] = ()
    interrupted: bool = False

    def summary(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "query": self.query,
            "total": self.total,
            "messages": [
                {
                    "sha256": one.sha256,
                    "date": None if one.date is None else one.date.isoformat(),
                    "from": one.sender,
                    "subject": one.subject,
                    "size": one.size,
                    "attachments": one.attachments,
                    "message_id": one.message_id,
                }
                for one in self.found
            ],
        }


def search_messages(
    archive: Archive,
    words: str,
    *,
    limit: int = 50,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> SearchReport:
    """Return the messages that meet all conditions, the newest first.

    What was archived since the last search is indexed first.

    :param words: conditions as ``policy.query`` has them, and ``text:`` and ``file:``.
    :param limit: how many messages to return at most.
    :param stop: when set, indexing ends with ``KeyboardInterrupt``; what is indexed stays.
    :raises ConfigurationError: where the words cannot be meant.
    :raises StoreUnavailable: where the archive cannot be read or the index cannot be used.
    """
    query = search_query(parse_conditions(words, more=MORE_KEYS))
    shown = progress or NoProgress()

    def announce(texts: int) -> None:
        shown.start("indexing for search", texts, None)

    def advance(texts: int) -> None:
        shown.advance(texts, 0)
        if stop is not None and stop.is_set():
            raise KeyboardInterrupt

    try:
        with SearchIndex(archive, announce, advance).up_to_date() as connection:
            found = tuple(find(connection, query, limit))
            total = len(found) if len(found) < limit else count(connection, query)
    finally:
        shown.finish()
    return SearchReport(query=words, total=total, found=found)


def search_query(conditions: Iterable[Condition]) -> SearchQuery:
    """Return what is asked of the index.

    :raises ConfigurationError: where a pattern is asked of what the index knows by its words only.
    """
    query = SearchQuery()
    for condition in conditions:
        _add(query, condition)
    return query


def _add(query: SearchQuery, condition: Condition) -> None:
    turned = condition.is_turned
    match condition.value:
        case datetime() as moment:
            query.add_date(moment, ">=" if condition.key == "after" else "<", is_turned=turned)
        case int() as octets:
            query.add_size(octets, ">=" if condition.key == "larger" else "<=", is_turned=turned)
        case word:
            _add_word(query, condition.key, word, is_turned=turned)


def _add_word(query: SearchQuery, key: str, word: str, *, is_turned: bool) -> None:
    columns = _WORDS.get(key, ())
    stem = word[:-1] if word.endswith("*") else word
    if ("*" in stem or "?" in stem) and key in ("from", "to", "subject", "file", "id"):
        query.add_pattern(word, *(columns or ("message_id",)), is_turned=is_turned)
    elif "*" in stem or "?" in stem:
        raise ConfigurationError(
            f"A search finds words by their beginning, and no pattern such as {word!r}; "
            "patterns go with from:, to:, subject:, file: and id:."
        )
    elif key == "id":
        query.add_id(stem, is_turned=is_turned)
    elif not any(map(str.isalnum, stem)):
        raise ConfigurationError(f"A search finds words, and {word!r} has no letter or digit.")
    else:
        query.add_words(stem, *([columns] if columns else []), is_turned=is_turned)
