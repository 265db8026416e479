"""Search: what words find, and an index that keeps up with the tables or is made anew."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.archive.searching.search_index import SearchIndex
from mailroom.exceptions import ConfigurationError, StoreUnavailable
from mailroom.model import Body
from mailroom.services.search import search_messages
from tests.support.archives import archive_messages, context, place

MAIL = {
    "invoice": (
        "From: =?utf-8?q?Ana_L=C3=B3pez?= <ana@supplier.example>\r\nTo: bob@example.com\r\n"
        "Cc: Carla <carla@example.com>\r\nSubject: Factura de Mayo\r\n"
        "Date: Fri, 29 May 2026 10:00:00 +0000\r\n"
        "Message-ID: <7@supplier.example>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        "Thank you for your purchase order 4711.\r\n--b\r\nContent-Type: application/pdf\r\n"
        "Content-Disposition: attachment; filename=statement-2026.pdf\r\n\r\nPDF\r\n--b--\r\n"
    ),
    "lunch": (
        "From: Dan <dan@example.net>\r\nTo: bob@example.com\r\nSubject: Lunch?\r\n"
        "Date: Mon, 1 Jun 2026 10:00:00 +0000\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        "Order for two, the café is \u958b\u3044\u3066\u3044\u307e\u3059 invoiced later.\r\n"
    ),
    "undated": "From: Ana <ana@other.example>\r\nSubject: 請求書在中\r\n\r\nHello\r\n",
}


def keep(archive: Archive, *names: str, run_id: str = "run-1") -> None:
    with archive.writer(context(run_id)) as writer:
        for name in names:
            content = MAIL[name].encode()
            writer.add(Body(octets=len(content), content=content), place(list(MAIL).index(name) + 1))
        writer.finish("succeeded", {}, 0)


@pytest.fixture
def archive(archive_root: Path) -> Archive:
    archive = Archive(archive_root)
    keep(archive, *MAIL)
    return archive


@pytest.fixture
def found(archive: Archive) -> Callable[[str], list[str]]:
    """Return a function from words to the names of the messages they find."""
    subjects = {"Factura de Mayo": "invoice", "Lunch?": "lunch", "請求書在中": "undated"}
    return lambda words: [subjects[one.subject or ""] for one in search_messages(archive, words).found]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("factura", ["invoice"]),
        ("FACT mayo", ["invoice"]),
        ("d", []),
        ("de", ["invoice"]),
        ("lopez", ["invoice"]),
        ("López", ["invoice"]),
        ("carla", ["invoice"]),
        ("cafe", ["lunch"]),
        ("invoice*", ["lunch"]),
        ("order", ["lunch", "invoice"]),
        ("ana", ["invoice", "undated"]),
        ("order -text:cafe", ["invoice"]),
        ("-order", ["undated"]),
        ('"purchase order"', ["invoice"]),
        ('"order purchase"', []),
        ('"purchase ord"', ["invoice"]),
        ("4711", ["invoice"]),
        ("statement", ["invoice"]),
        ("file:statement-2026.pdf", ["invoice"]),
        ("file:*.pdf", ["invoice"]),
        ("-file:*.pdf", ["lunch", "undated"]),
        ("subject:order", []),
        ("text:order", ["lunch", "invoice"]),
        ("from:ana@supplier.example", ["invoice"]),
        ("from:*@supplier.example", ["invoice"]),
        ("-from:*.example", ["lunch"]),
        ("to:carla", ["invoice"]),
        ("to:Carla*com>", ["invoice"]),
        ("subject:Fact?ra*yo", ["invoice"]),
        ("id:7@supplier", ["invoice"]),
        ("id:<7*example>", ["invoice"]),
        ("-id:7@supplier", ["lunch", "undated"]),
        ("after:2026-05-30", ["lunch"]),
        ("before:2026-05-30", ["invoice"]),
        ("-before:2026-05-30", ["lunch", "undated"]),
        ("larger:300 smaller:1k", ["invoice"]),
        ("-larger:300", ["lunch", "undated"]),
        ("求書", ["undated"]),
        ("開い", ["lunch"]),
        ("書求", []),
        ("nothing", []),
        ("'x\" OR \"lunch'", []),
        ("zz) OR (b", []),
    ],
)  # fmt: skip
def test_words_find_messages(found: Callable[[str], list[str]], words: str, expected: list[str]) -> None:
    """Newest first; words by their beginning, without capitals and accents, in any of the fields."""
    assert found(words) == expected


@pytest.mark.parametrize(
    "words", ["", "colour:red", "in*oice", "text:a?b", "--", "after:today", '"open', "subject:"]
)
def test_what_cannot_be_meant_is_refused(archive: Archive, words: str) -> None:
    """With a sentence that says how to write it."""
    with pytest.raises(ConfigurationError, match=r"write|knows|finds words|empty|not closed"):
        search_messages(archive, words)


def test_the_newest_are_shown_and_all_counted(archive: Archive) -> None:
    """A word that half of the archive has is answered in little memory."""
    archive_messages(archive, range(20, 60), run_id="run-2")
    report = search_messages(archive, "message", limit=5)
    assert (len(report.found), report.total) == (5, 40)
    assert report.summary()["messages"][0]["sha256"] == report.found[0].sha256


@pytest.mark.parametrize("word", ["contract", "счёт", "Überweisung"])
def test_a_beginning_finds_each_message_once_however_many_words_have_it(archive: Archive, word: str) -> None:
    """A beginning of three letters has an index of its own; longer ones have not."""
    with archive.writer(context("run-2")) as writer:
        for number in range(200, 203):
            words = " ".join(f"{word}{ending}{number}" for ending in "abcdefghij")
            content = (
                f"Subject: {word}s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{words}\r\n"
            ).encode()
            writer.add(Body(octets=len(content), content=content), place(number))
        writer.finish("succeeded", {}, 0)
    for length in range(3, len(word) + 1):
        assert search_messages(archive, word[:length]).total == 3, word[:length]
        assert search_messages(archive, f"text:{word[:length]}").total == 3
    assert search_messages(archive, f"{word}j202").total == 1
    assert search_messages(archive, f'"{word}a201 {word[:4]}"').total == 1


def test_an_index_of_an_older_make_is_built_anew(archive: Archive) -> None:
    """It lacks what searches ask of it by now."""
    assert search_messages(archive, "order").total == 2
    with contextlib.closing(sqlite3.connect(SearchIndex(archive).path)) as old, old:
        old.executescript(
            "DROP TABLE words; "
            "CREATE VIRTUAL TABLE words USING fts5 (subject, sender, recipients, text, files, "
            "content=''); UPDATE state SET value = '1' WHERE name = 'format'"
        )
    assert search_messages(archive, "ord").total == 2
    with contextlib.closing(sqlite3.connect(SearchIndex(archive).path)) as made:
        (schema,) = made.execute("SELECT sql FROM sqlite_master WHERE name = 'words'").fetchone()
    assert "prefix='3'" in schema


def test_new_mail_is_found_by_the_next_search(archive: Archive) -> None:
    """Also after files of the tables were joined, and what is indexed is not indexed twice."""
    assert search_messages(archive, "message").total == 0
    for number in range(20, 75):
        archive_messages(archive, [number], run_id=f"run-{number}")
    assert search_messages(archive, "message").total == 55
    assert len(archive.reader("texts").files()) < 55
    archive_messages(archive, [99], run_id="run-99")
    assert search_messages(Archive(archive.url), "message").total == 56
    assert search_messages(archive, "factura").total == 1


def test_a_search_with_nothing_new_opens_no_table(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table libraries take longer to start than the answer does."""
    search_messages(archive, "order")
    monkeypatch.setattr(SearchIndex, "_update", None)
    assert search_messages(Archive(archive.url), "order").total == 2


@pytest.mark.parametrize("damage", [b"", b"no database at all, but long enough to be read as one" * 90])
def test_a_damaged_index_is_built_anew(archive: Archive, damage: bytes) -> None:
    """It is a short cut; the tables know."""
    search_messages(archive, "order")
    Path(SearchIndex(archive).path).write_bytes(damage)
    assert search_messages(archive, "order").total == 2


def test_an_index_of_other_tables_is_built_anew(archive: Archive, tmp_path: Path) -> None:
    """A folder may be replaced by another archive, and keep the index of the one before."""
    search_messages(archive, "order")
    other = Archive(tmp_path / "other")
    keep(other, "undated")
    os.renames(SearchIndex(archive).path, str(tmp_path / "other" / "search" / "index.sqlite"))
    assert search_messages(other, "order").total == 0
    assert search_messages(other, "hello").total == 1


def test_what_is_half_committed_is_found_later(archive: Archive) -> None:
    """A message whose attachments are not committed yet is indexed when they are."""
    path = Path(archive.url) / "tables" / "attachments"
    hidden = path.rename(path.with_name("hidden"))
    assert search_messages(archive, "factura").total == 0
    assert search_messages(archive, "lunch").total == 1
    hidden.rename(path)
    assert search_messages(Archive(archive.url), "file:statement factura").total == 1


def test_two_searches_index_side_by_side(archive: Archive) -> None:
    """Whoever waits finds what the other has done."""
    archive_messages(archive, range(20, 40), run_id="run-2")
    totals: list[int] = []
    threads = [
        threading.Thread(target=lambda: totals.append(search_messages(Archive(archive.url), "message").total))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert totals == [20, 20, 20]


def test_indexing_that_was_stopped_goes_on(archive: Archive) -> None:
    """What is indexed stays, and the next search does the rest."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        search_messages(archive, "order", stop=stop)
    assert search_messages(archive, "order").total == 2


def test_an_archive_that_may_not_be_written_to_is_searched(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup on a read-only disk: the index lies in the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert search_messages(archive, "order").total == 2
    assert not (Path(archive.url) / "search").exists()
    (index,) = (tmp_path / "cache" / "mailroom").iterdir()
    assert index.stat().st_mode & 0o077 == 0


def test_an_index_that_cannot_be_used_is_named(archive: Archive) -> None:
    """With the path, so that somebody can look."""
    path = Path(archive.url) / "search"
    path.write_bytes(b"in the way")
    with pytest.raises(StoreUnavailable, match="search"):
        search_messages(archive, "order")


def test_an_archive_without_mail_is_searched(tmp_path: Path) -> None:
    """There is nothing, and that is the answer."""
    (tmp_path / "empty").mkdir()
    assert search_messages(Archive(tmp_path / "empty"), "order").total == 0
