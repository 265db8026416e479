"""Parsing off the network's path: here at first, then in a process that may die."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from mailroom.archive.writing import indexing
from mailroom.archive.writing.columns import PackedColumns
from mailroom.archive.writing.index_worker import ANSWER, Job, pack_request, serve
from mailroom.archive.writing.indexed import Indexed, index_content, index_file
from mailroom.archive.writing.indexing import Indexer, Load
from mailroom.message import MessageIndex, index_message
from tests.support.archives import content
from tests.support.parsed import unpacked


class Results:
    """Collects what an indexer hands back."""

    def __init__(self) -> None:
        self.found: dict[int, Indexed] = {}
        self.errors: list[BaseException] = []
        self._changed = threading.Condition()

    def __call__(self, keys: Sequence[int], load: PackedColumns) -> None:
        with self._changed:
            self.found.update(zip(keys, unpacked(load), strict=True))
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        with self._changed:
            self.errors.append(error)
            self._changed.notify_all()

    def wait_for_error(self) -> BaseException:
        with self._changed:
            assert self._changed.wait_for(lambda: self.errors, timeout=60)
        return self.errors[0]

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
    indexer = Indexer(results, results.fail, process_after=0)
    yield indexer
    indexer.close()


def message(key: int, octets: bytes, place: tuple[str, str] | None = None) -> Load[int]:
    """Return a message that is to be indexed from its octets."""
    load: Load[int] = Load()
    load.add(key, octets, place)
    return load


def file(key: int, path: Path) -> Load[int]:
    """Return a message that is to be indexed from its file."""
    load: Load[int] = Load()
    load.add_file(key, 300, str(path))
    return load


def child_of(indexer: Indexer[int]) -> subprocess.Popen[bytes]:
    return indexer._processes[0]._child


def test_few_messages_are_parsed_here(results: Results) -> None:
    """A small run starts no process."""
    indexer = Indexer(results, results.fail, process_after=3)
    for number in range(3):
        indexer.submit(message(number, content(number)))
    assert indexer._processes == []
    assert [results.found[n].subject for n in range(3)] == ["message 0", "message 1", "message 2"]
    indexer.close()


def test_many_messages_are_parsed_elsewhere_with_the_same_result(
    results: Results, elsewhere: Indexer[int], tmp_path: Path
) -> None:
    """By path and by content, the process finds what would be found here."""
    for number in range(0, 20, 2):
        (tmp_path / str(number)).write_bytes(content(number, attachments=2))
        elsewhere.submit(file(number, tmp_path / str(number)))
        elsewhere.submit(message(number + 1, content(number + 1)))
    found = results.wait_for(20)
    for number in range(0, 20, 2):
        assert found[number] == index_content(content(number, attachments=2))
        assert found[number + 1] == index_content(content(number + 1))


def test_a_load_is_answered_whole(results: Results, elsewhere: Indexer[int], tmp_path: Path) -> None:
    """Messages that go together come back together, each under its own key, empty ones too."""
    (tmp_path / "x").write_bytes(content(1))
    load = message(1, b"")
    load.add_file(2, 300, str(tmp_path / "x"))
    load.add(3, content(3))
    elsewhere.submit(load)
    found = results.wait_for(3)
    assert found == {1: index_content(b""), 2: index_content(content(1)), 3: index_content(content(3))}


def test_more_messages_than_one_system_call_takes_go_together(
    results: Results, elsewhere: Indexer[int]
) -> None:
    """A load of any length is one load."""
    count = 2 * indexing.MAX_PIECES + 1
    load: Load[int] = Load()
    for number in range(count):
        load.add(number, content(number))
    elsewhere.submit(load)
    found = results.wait_for(count)
    assert [found[n].subject for n in range(count)] == [f"message {n}" for n in range(count)]


@pytest.mark.parametrize("process_after", [0, 100])
def test_messages_are_stored_where_they_are_parsed(
    results: Results, tmp_path: Path, process_after: int
) -> None:
    """Under the name given, whole, with nothing left under the other one; here and elsewhere alike."""
    indexer = Indexer(results, results.fail, process_after=process_after)
    place = (str(tmp_path / "incoming"), str(tmp_path / "final"))
    indexer.submit(message(1, content(1, size=300_000), place))
    results.wait_for(1)
    indexer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["final"]
    assert (tmp_path / "final").read_bytes() == content(1, size=300_000)


def test_a_disk_that_refuses_is_an_error(results: Results, elsewhere: Indexer[int], tmp_path: Path) -> None:
    """It is the one the disk gave, wherever the message was to be stored."""
    nowhere = (str(tmp_path / "no" / "incoming"), str(tmp_path / "no" / "final"))
    elsewhere.submit(message(1, content(1), nowhere))
    assert isinstance(results.wait_for_error(), FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        Indexer(results, results.fail).submit(message(1, content(1), nowhere))


def test_a_backlog_starts_another_process(results: Results, tmp_path: Path) -> None:
    """Where messages wait, one more process is started, up to the number allowed; all are parsed."""
    pipe = tmp_path / "not-yet"
    os.mkfifo(pipe)
    indexer = Indexer(results, results.fail, process_after=0, processes=2)
    indexer.submit(file(0, pipe))
    for number in range(1, indexing.BACKLOG + 4):
        indexer.submit(message(number, content(number)))
    assert len(indexer._processes) == 2
    pipe.write_bytes(content(0))
    found = results.wait_for(indexing.BACKLOG + 4)
    indexer.close()
    assert {found[n].subject for n in found} == {f"message {n}" for n in range(indexing.BACKLOG + 4)}


def test_what_is_left_is_parsed_on_both_sides_once_nothing_more_comes(
    results: Results, elsewhere: Indexer[int], tmp_path: Path
) -> None:
    """While the other process is held up, this one does what waits behind it."""
    pipe = tmp_path / "held-up"
    os.mkfifo(pipe)
    elsewhere.submit(message(0, content(0)))
    results.wait_for(1)
    elsewhere.submit(file(1, pipe))
    for number in range(2, indexing.BACKLOG + 2):
        elsewhere.submit(message(number, content(number)))
    elsewhere.hurry(on=True)
    elsewhere.submit(message(99, content(99)))
    assert set(results.found) == {0, 99}
    pipe.write_bytes(content(1))
    assert len(results.wait_for(indexing.BACKLOG + 3)) == indexing.BACKLOG + 3


def test_nothing_is_imported_from_the_folder_somebody_stands_in(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that happens to be called as a module of Python's is not run."""
    (tmp_path / "pickle.py").write_text("raise SystemExit('run from the current folder')")
    monkeypatch.chdir(tmp_path)
    indexer = Indexer(results, results.fail, process_after=0)
    indexer.submit(message(0, content(0)))
    assert results.wait_for(1)[0].subject == "message 0"
    assert child_of(indexer).poll() is None
    indexer.close()


def test_an_answer_that_makes_no_sense_fails_the_run(
    results: Results, elsewhere: Indexer[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for it would wait for ever."""
    monkeypatch.setattr(indexing, "PackedColumns", lambda _: 1 / 0)
    elsewhere.submit(message(0, content(0)))
    assert isinstance(results.wait_for_error(), ZeroDivisionError)


def test_a_message_that_kills_the_parser_is_archived_as_not_indexed(
    results: Results, elsewhere: Indexer[int], tmp_path: Path
) -> None:
    """The message at hand is blamed, the others are parsed all the same, and a new process is started."""
    pipe = tmp_path / "never-ends"
    os.mkfifo(pipe)
    elsewhere.submit(message(0, content(0)))
    results.wait_for(1)
    elsewhere.submit(file(1, pipe))
    elsewhere.submit(message(2, content(2)))
    first = child_of(elsewhere)
    os.kill(first.pid, signal.SIGKILL)
    found = results.wait_for(3)
    assert found[1].defects == ("not indexed: the parser's process ended",)
    assert found[2].subject == "message 2"
    elsewhere.submit(message(3, content(3)))
    assert results.wait_for(4)[3].subject == "message 3"
    assert child_of(elsewhere).pid != first.pid


def test_a_message_that_kills_the_parser_takes_no_other_of_its_load_along(
    results: Results, elsewhere: Indexer[int], tmp_path: Path
) -> None:
    """All of the load are tried again alone; the one that kills once more is stored and not indexed."""
    elsewhere.submit(message(0, content(0)))
    results.wait_for(1)
    pipe = tmp_path / "never-ends"
    os.mkfifo(pipe)
    place = (str(tmp_path / "incoming"), str(tmp_path / "final"))
    first = child_of(elsewhere)
    load = message(1, content(1), place)
    load.add_file(2, 300, str(pipe))
    load.add(3, content(3))
    elsewhere.submit(load)
    os.kill(first.pid, signal.SIGKILL)
    assert results.wait_for(2)[1].subject == "message 1"
    os.kill(child_of(elsewhere).pid, signal.SIGKILL)
    found = results.wait_for(4)
    assert found[2].defects == ("not indexed: the parser's process ended",)
    assert found[3].subject == "message 3"
    assert (tmp_path / "final").read_bytes() == content(1)


def test_what_a_process_has_died_over_is_not_parsed_here(results: Results) -> None:
    """However busy the others are: this process must not die of it as well."""
    indexer = Indexer(results, results.fail, process_after=0, processes=1)
    try:
        for number in range(5):
            indexer.submit(message(number, content(number)))
        indexer.hurry(on=True)
        assert indexer._elsewhere(message(5, content(5)), is_suspect=True) is not None
    finally:
        indexer.close()


def test_a_process_that_dies_again_and_again_is_done_without(
    results: Results, elsewhere: Indexer[int]
) -> None:
    """After a few deaths the work is done here."""
    for number in range(indexing.MAX_DEATHS + 2):
        elsewhere.submit(message(number, content(number)))
        results.wait_for(number + 1)
        for process in elsewhere._processes:
            os.kill(process._child.pid, signal.SIGKILL)
            process._thread.join(30)
    elsewhere.submit(message(99, content(99)))
    assert elsewhere._processes == []
    assert results.found[99].subject == "message 99"


def test_a_process_that_cannot_start_blames_no_message(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the other process never gets to its first message, all are parsed here, none is blamed."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    indexer = Indexer(results, results.fail, process_after=0)
    for number in range(5):
        indexer.submit(message(number, content(number)))
    found = results.wait_for(5)
    indexer.close()
    assert [found[n].subject for n in range(5)] == [f"message {n}" for n in range(5)]


def test_a_missing_interpreter_is_no_error(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    """An embedded Python may not know its own executable; then work is done here."""
    for executable in ("/does/not/exist", ""):
        monkeypatch.setattr(sys, "executable", executable)
        indexer = Indexer(results, results.fail, process_after=0)
        indexer.submit(message(1, content(1)))
        assert results.found.pop(1).subject == "message 1"
        indexer.close()


def test_closing_ends_the_process(results: Results, elsewhere: Indexer[int]) -> None:
    """No process outlives its indexer, whatever it was doing."""
    elsewhere.submit(message(1, content(1)))
    results.wait_for(1)
    child = child_of(elsewhere)
    elsewhere.close()
    assert child.poll() is not None
    elsewhere.close()


def test_the_process_ends_with_the_one_that_started_it() -> None:
    """Killed without warning, a run leaves no process behind."""
    code = (
        "import sys, time; from mailroom.archive.writing.indexing import Indexer, Load\n"
        "def done(keys, found): print(indexer._processes[0]._child.pid, flush=True)\n"
        "indexer = Indexer(done, print, process_after=0)\n"
        "load = Load()\n"
        "load.add(1, b'x')\n"
        "indexer.submit(load)\n"
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


def sent(octets: bytes) -> Job:
    """Return the job of a message that comes along with its request."""
    return len(octets), None, None, None


def request(*jobs: Job, contents: Sequence[bytes] = ()) -> bytes:
    """Return a request as the indexer writes it."""
    return pack_request(list(jobs)) + b"".join(contents)


def test_requests_are_answered_in_order() -> None:
    """After an empty answer that says it is ready, each request has one answer."""
    texts = [content(n) for n in range(3)]
    requests = request(*[sent(text) for text in texts], contents=texts)
    requests += request((-1, "/nowhere/mail", None, None)) + b"C\x00"
    answers = io.BytesIO()
    serve(io.BytesIO(requests), answers)
    stream = io.BytesIO(answers.getvalue())
    assert ANSWER.unpack(stream.read(ANSWER.size)) == (0, 0)
    found = []
    while header := stream.read(ANSWER.size):
        octets, refused = ANSWER.unpack(header)
        assert not refused
        found.append(unpacked(PackedColumns(stream.read(octets))))
    first, second = found
    assert [one.subject for one in first] == ["message 0", "message 1", "message 2"]
    assert second[0].defects == ("not indexed: No such file or directory",)


@pytest.mark.parametrize("cut", [1, 5, 20, 150])
def test_a_request_cut_short_ends_the_service(cut: int) -> None:
    """Where the other side dies in the middle of a request, there is nothing to answer."""
    answers = io.BytesIO()
    whole = request(sent(b"x" * 100), contents=[b"x" * 100])
    serve(io.BytesIO(whole[: min(cut, len(whole) - 1)]), answers)
    assert answers.getvalue() == ANSWER.pack(0, 0)


def test_a_bug_of_the_parser_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    """No message stays out of the archive because a parser fails on it."""

    def broken(content: bytes) -> None:
        raise RecursionError("a bug")

    monkeypatch.setattr("mailroom.message.index.index_message", broken)
    found = index_content(b"anything")
    assert found.defects == ("not indexed: RecursionError in the parser",)
    assert found.identity is None


def test_what_is_kept_of_a_message_is_what_the_parser_says_of_it() -> None:
    """The columns are taken over by their order."""
    assert Indexed._fields == MessageIndex._fields
    assert index_content(content(1, attachments=2)) == index_message(content(1, attachments=2))


def test_a_large_file_is_mapped_and_parsed_alike(tmp_path: Path) -> None:
    """A large message gives the same columns from a file as from memory."""
    data = content(1, size=2 * 1024 * 1024)
    (tmp_path / "large").write_bytes(data)
    assert index_file(str(tmp_path / "large")) == index_content(data)
