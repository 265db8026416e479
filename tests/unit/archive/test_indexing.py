"""Parsing off the network's path: here at first, then in a process that may die."""

from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailroom.archive import indexing
from mailroom.archive.index_worker import ANSWER, CONTENT, PATH, REQUEST, serve
from mailroom.archive.indexed import Indexed, index_content, index_file
from mailroom.archive.indexing import Indexer
from tests.support.archives import content


class Results:
    """Collects what an indexer hands back."""

    def __init__(self) -> None:
        self.found: dict[int, Indexed] = {}
        self._changed = threading.Condition()

    def __call__(self, key: int, indexed: Indexed) -> None:
        with self._changed:
            self.found[key] = indexed
            self._changed.notify_all()

    def wait_for(self, count: int) -> dict[int, Indexed]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.found) >= count, timeout=60)
        return self.found


@pytest.fixture
def results() -> Results:
    return Results()


@pytest.fixture
def elsewhere(results: Results) -> Iterator[Indexer[int]]:
    """An indexer that starts its process at once."""
    indexer = Indexer(results, process_after=0)
    yield indexer
    indexer.close()


def child_of(indexer: Indexer[int]) -> subprocess.Popen[bytes]:
    return indexer._processes[0]._child


def test_few_messages_are_parsed_here(results: Results) -> None:
    """A small run starts no process."""
    indexer = Indexer(results, process_after=3)
    for number in range(3):
        indexer.submit(number, 300, content=content(number))
    assert indexer._processes == []
    assert [results.found[n].subject for n in range(3)] == ["message 0", "message 1", "message 2"]
    indexer.close()


def test_many_messages_are_parsed_elsewhere_with_the_same_result(
    results: Results, elsewhere: Indexer[int], tmp_path: Path
) -> None:
    """By path and by content, the process finds what would be found here."""
    for number in range(0, 20, 2):
        (tmp_path / str(number)).write_bytes(content(number, attachments=2))
        elsewhere.submit(number, 300, path=str(tmp_path / str(number)))
        elsewhere.submit(number + 1, 300, content=content(number + 1))
    found = results.wait_for(20)
    for number in range(0, 20, 2):
        assert found[number] == index_content(content(number, attachments=2))
        assert found[number + 1] == index_content(content(number + 1))


def test_large_contents_are_read_from_their_file_elsewhere(results: Results, tmp_path: Path) -> None:
    """Bytes at hand are used here, and through the pipe while small; large ones are on disk already."""
    (tmp_path / "x").write_bytes(content(1))
    indexer = Indexer(results, process_after=1)
    indexer.submit(1, 300, path=str(tmp_path / "x"), content=content(2))
    indexer.submit(2, 300, path=str(tmp_path / "x"), content=content(3))
    indexer.submit(3, 300, path=str(tmp_path / "x"), content=content(4, size=indexing.PIPED_OCTETS))
    indexer.submit(4, 300, path=str(tmp_path / "x"))
    found = results.wait_for(4)
    indexer.close()
    assert [found[n].subject for n in (1, 2, 3, 4)] == ["message 2", "message 3", "message 1", "message 1"]


def test_a_backlog_starts_another_process(results: Results, tmp_path: Path) -> None:
    """Where messages wait, one more process is started, up to the number allowed; all are parsed."""
    pipe = tmp_path / "not-yet"
    os.mkfifo(pipe)
    indexer = Indexer(results, process_after=0, processes=2)
    indexer.submit(0, 300, path=str(pipe))
    for number in range(1, indexing.BACKLOG + 4):
        indexer.submit(number, 300, content=content(number))
    assert len(indexer._processes) == 2
    pipe.write_bytes(content(0))
    found = results.wait_for(indexing.BACKLOG + 4)
    indexer.close()
    assert {found[n].subject for n in found} == {f"message {n}" for n in range(indexing.BACKLOG + 4)}


def test_a_message_that_kills_the_parser_is_archived_as_not_indexed(
    results: Results, elsewhere: Indexer[int], tmp_path: Path
) -> None:
    """The message at hand is blamed, the others are parsed all the same, and a new process is started."""
    pipe = tmp_path / "never-ends"
    os.mkfifo(pipe)
    elsewhere.submit(0, 300, content=content(0))
    results.wait_for(1)
    elsewhere.submit(1, 300, path=str(pipe))
    elsewhere.submit(2, 300, content=content(2))
    first = child_of(elsewhere)
    os.kill(first.pid, signal.SIGKILL)
    found = results.wait_for(3)
    assert found[1].defects == ("not indexed: the parser's process ended",)
    assert found[2].subject == "message 2"
    elsewhere.submit(3, 300, content=content(3))
    assert results.wait_for(4)[3].subject == "message 3"
    assert child_of(elsewhere).pid != first.pid


def test_a_process_that_dies_again_and_again_is_done_without(
    results: Results, elsewhere: Indexer[int]
) -> None:
    """After a few deaths the work is done here."""
    for number in range(indexing.MAX_DEATHS + 2):
        elsewhere.submit(number, 300, content=content(number))
        results.wait_for(number + 1)
        for process in elsewhere._processes:
            os.kill(process._child.pid, signal.SIGKILL)
            process._thread.join(30)
    elsewhere.submit(99, 300, content=content(99))
    assert elsewhere._processes == []
    assert results.found[99].subject == "message 99"


def test_a_process_that_cannot_start_blames_no_message(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the other process never gets to its first message, all are parsed here, none is blamed."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    indexer = Indexer(results, process_after=0)
    for number in range(5):
        indexer.submit(number, 300, content=content(number))
    found = results.wait_for(5)
    indexer.close()
    assert [found[n].subject for n in range(5)] == [f"message {n}" for n in range(5)]


def test_a_missing_interpreter_is_no_error(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    """An embedded Python may not know its own executable; then work is done here."""
    for executable in ("/does/not/exist", ""):
        monkeypatch.setattr(sys, "executable", executable)
        indexer = Indexer(results, process_after=0)
        indexer.submit(1, 300, content=content(1))
        assert results.found.pop(1).subject == "message 1"
        indexer.close()


def test_closing_ends_the_process(results: Results, elsewhere: Indexer[int]) -> None:
    """No process outlives its indexer, whatever it was doing."""
    elsewhere.submit(1, 300, content=content(1))
    results.wait_for(1)
    child = child_of(elsewhere)
    elsewhere.close()
    assert child.poll() is not None
    elsewhere.close()


def test_the_process_ends_with_the_one_that_started_it() -> None:
    """Killed without warning, a run leaves no process behind."""
    code = (
        "import sys, time; from mailroom.archive.indexing import Indexer\n"
        "def done(key, found): print(indexer._processes[0]._child.pid, flush=True)\n"
        "indexer = Indexer(done, process_after=0)\n"
        "indexer.submit(1, 300, content=b'x')\n"
        "time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 30
    while _is_running(pid) and time.monotonic() < deadline:
        os.sched_yield()
    assert not _is_running(pid)


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_requests_are_answered_in_order() -> None:
    """After an empty answer that says it is ready, each request has one answer."""
    requests = b"".join(REQUEST.pack(CONTENT, len(content(n))) + content(n) for n in range(3))
    requests += REQUEST.pack(PATH, 12) + b"/nowhere/mai"
    answers = io.BytesIO()
    serve(io.BytesIO(requests + b"C\x00"), answers)
    stream = io.BytesIO(answers.getvalue())
    sizes = []
    found = []
    while header := stream.read(ANSWER.size):
        sizes.append(ANSWER.unpack(header)[0])
        found.append(stream.read(sizes[-1]))
    assert sizes[0] == 0
    indexed = [Indexed(*pickle.loads(answer)) for answer in found[1:]]
    assert [one.subject for one in indexed[:3]] == ["message 0", "message 1", "message 2"]
    assert indexed[3].defects == ("not indexed: No such file or directory",)


def test_a_request_cut_short_ends_the_service() -> None:
    """Where the other side dies in the middle of a request, there is nothing to answer."""
    answers = io.BytesIO()
    serve(io.BytesIO(REQUEST.pack(CONTENT, 100) + b"half"), answers)
    assert answers.getvalue() == ANSWER.pack(0)


def test_a_bug_of_the_parser_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    """No message stays out of the archive because a parser fails on it."""
    import mailroom.message

    def broken(content: bytes) -> None:
        raise RecursionError("a bug")

    monkeypatch.setattr(mailroom.message, "index_message", broken)
    found = index_content(b"anything")
    assert found.defects == ("not indexed: RecursionError in the parser",)
    assert found.identity is None


def test_a_large_file_is_mapped_and_parsed_alike(tmp_path: Path) -> None:
    """A large message gives the same columns from a file as from memory."""
    data = content(1, size=2 * 1024 * 1024)
    (tmp_path / "large").write_bytes(data)
    assert index_file(str(tmp_path / "large")) == index_content(data)
