"""Scaling, places, and the line that delays."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from pathlib import Path

import pytest

from benchmarks.accounts import ACCOUNTS
from benchmarks.delivery import deliver_to_disk, fill_archive
from benchmarks.figures import Bound, Target
from benchmarks.links import Link, LinkSpec, open_link
from benchmarks.measure import Measured, ProgramFailed, measure
from benchmarks.parts.mail import compared
from benchmarks.parts.rounds import AccountRuns
from benchmarks.places import Places
from benchmarks.programs import PROGRAMS, Task, environment, ours
from tests.support.dovecot import Dovecot

MIB = 1024 * 1024


def ran(seconds: float) -> Measured:
    return Measured(seconds=seconds, cpu_seconds=0.0, peak_mib=1.0)


def test_a_part_is_scaled_by_messages_and_start_up_is_counted_once() -> None:
    """A rival that was given a tenth is not charged ten times for starting."""
    small = ACCOUNTS[1]
    program = next(program for program in PROGRAMS if program.name == "getmail")
    found = AccountRuns(account=small)
    found.parts["loopback", "getmail"] = small.part(10)
    found.runs["loopback", "getmail", "first"] = [ran(3.0), ran(2.0)]
    found.runs["loopback", "getmail", "again"] = [ran(1.0), ran(1.0)]
    assert found.seconds("loopback", program, "first") == [21.0, 11.0]


def test_a_whole_run_is_not_scaled() -> None:
    """What was measured on all messages is told as it was."""
    found = AccountRuns(account=ACCOUNTS[1])
    found.runs["loopback", "mpop", "first"] = [ran(3.0)]
    program = next(program for program in PROGRAMS if program.name == "mpop")
    assert found.seconds("loopback", program, "first") == [3.0]


def test_ratios_say_how_much_faster_and_how_near(tmp_path: Path) -> None:
    """Against programs theirs to ours, against the wire ours to the wire; a part is told as one."""
    found = AccountRuns(account=ACCOUNTS[1])
    link = Link("loopback", 1143, 1110)
    for program in PROGRAMS:
        if program.protocol == "pop3":
            found.runs["loopback", program.name, "first"] = [ran(2.0 if program.is_ours else 9.0)]
            found.runs["loopback", program.name, "again"] = [ran(1.0)]
            found.tasks["loopback", program.name] = Task(link=link, user="small", place=tmp_path)
    found.parts["loopback", "getmail"] = ACCOUNTS[1].part(20)
    found.wire["loopback", "pop3"] = [0.5]
    figures = {f.against: f for f in compared(found, "loopback", "pop3", "first", 1)}
    assert figures["mpop"].ratio == 4.5
    assert figures["mpop"].is_met is True
    assert figures["getmail"].rival == 161.0
    assert figures["getmail"].note == "seconds scaled from 1,000 messages"
    assert figures["the wire"].ratio == 4.0
    assert figures["the wire"].is_met is False
    assert "PLACE" in figures["mpop"].commands["mpop"]
    again = {f.against: f for f in compared(found, "loopback", "pop3", "again", 1)}
    assert set(again) == {"mpop", "fdm"}, "no part, nothing that remembers nothing, and not the wire"
    assert again["mpop"].target == Target(bound=Bound.LEAST, value=1.0)


def test_only_who_is_known_to_give_up_is_run_anew() -> None:
    """A failure of ours or of those we are held against ends the measurement."""
    assert [program.name for program in PROGRAMS if program.attempts > 1] == ["getmail"]


def test_we_are_never_measured_on_a_part() -> None:
    """Nor are those whom we promise to be faster than by a factor on every link, but for getmail."""
    for protocol in ("imap", "pop3"):
        assert not ours(protocol).parts
    assert not [p.name for p in PROGRAMS if p.name in {"mbsync", "mpop"} and p.parts]


def test_byte_code_is_kept_whatever_the_caller_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's machine does not compile every module at every start."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in environment()


def test_too_little_room_is_said_before_anything_is_measured(tmp_path: Path) -> None:
    """A disk that is full after twenty minutes would have wasted them."""
    with pytest.raises(ProgramFailed, match="GB free and this takes"):
        Places(tmp_path, 10**18)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's programs give up rights")
def test_a_place_that_others_cannot_reach_is_said(tmp_path: Path) -> None:
    """fdm would fetch nothing and getmail would fail, with words of their own."""
    tmp_path.chmod(0o700)
    with pytest.raises(ProgramFailed, match="is closed to other users"):
        Places(tmp_path, 1)


def test_places_are_fresh_and_stay_until_the_end(tmp_path: Path) -> None:
    """Deleting in between would slow the disk for whoever comes next."""
    with tempfile.TemporaryDirectory() as base:
        os.chmod(base, 0o755)
        _check_places(Path(base))


def _check_places(base: Path) -> None:
    with Places(base, 1) as places:
        first, second = places.new("a run"), places.new("a run")
        assert first != second
        assert first.is_dir()
        assert places.creation_microseconds() > 0
    assert not list(base.iterdir())


def test_processor_time_is_told() -> None:
    """Time spent waiting is not work."""
    assert measure(["/bin/sh", "-c", "sleep 0.2"], {"PATH": "/usr/bin:/bin"}).cpu_seconds < 0.1
    assert (
        measure(["/bin/sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"], {}).cpu_seconds > 0.02
    )


def test_a_program_that_hangs_is_ended() -> None:
    """One that waits for ever would make everyone wait."""
    with pytest.raises(ProgramFailed, match="had not ended"):
        measure(["/bin/sh", "-c", "sleep 30"], {"PATH": "/usr/bin:/bin"}, longest=0.3)


class Echo:
    """A server that answers each line with itself."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        self._listener = socket.create_server((self.host, 0))
        self.imap_port = self.pop3_port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            for line in stream:
                stream.write(line)
                stream.flush()


def talk(link: Link, *lines: bytes) -> float:
    """Say each line when the one before was answered; return what that took."""
    started = time.monotonic()
    with (
        socket.create_connection((link.host, link.imap_port), timeout=10) as connection,
        connection.makefile("rwb") as stream,
    ):
        for line in lines:
            stream.write(line)
            stream.flush()
            for expected in line.splitlines(keepends=True):
                assert stream.readline() == expected
    return time.monotonic() - started


@pytest.fixture
def server() -> Dovecot:
    """What a link needs of a server: where it is."""
    return Echo()  # type: ignore[return-value]  # only host and ports are asked for


def test_each_question_and_answer_takes_a_round_trip_longer(server: Dovecot) -> None:
    """Ten questions on a line of 20 ms take 200 ms, and the handshake one more."""
    with open_link(server, LinkSpec(name="far", round_trip=0.02)) as link:
        assert 0.22 <= talk(link, *[b"question\n"] * 10) < 2.0


def test_what_is_said_at_once_costs_one_round_trip(server: Dovecot) -> None:
    """A line is long, not narrow."""
    with open_link(server, LinkSpec(name="far", round_trip=0.2)) as link:
        assert talk(link, b"question\n" * 10) < 0.8


def test_turns_are_counted_and_taken(server: Dovecot) -> None:
    """Commands sent together are one turn; the count begins anew when it was taken."""
    with open_link(server, LinkSpec(name="near", round_trip=0.0), counted=True) as link:
        talk(link, b"one\n", b"two\nthree\n", b"four\n")
        traffic = link.take_traffic()
        assert traffic is not None
        assert (traffic.connections, traffic.turns, traffic.octets) == (1, 3, 19)
        talk(link, b"one\n")
        again = link.take_traffic()
        assert again is not None
        assert again.turns == 1


def test_loopback_has_nothing_in_between(server: Dovecot) -> None:
    """Where nobody counts, programs speak to the server itself."""
    with open_link(server, LinkSpec(name="loopback", round_trip=0.0)) as link:
        assert link.imap_port == server.imap_port
        assert link.take_traffic() is None


def test_the_memory_of_a_delivery_is_its_own(tmp_path: Path) -> None:
    """What the measuring process holds when it starts the command is none of it, whatever wait4 says."""
    fill_archive(tmp_path / "archive", ACCOUNTS[0].part(500))
    held = b"x" * (400 * MIB)
    found = deliver_to_disk(tmp_path / "archive")
    assert 20 < found.peak_mib < len(held) / MIB
