"""Progress as a log tells it."""

from __future__ import annotations

import logging

import pytest

from mailroom.services.progress import LOG_EVERY_SECONDS, LogProgress, NoProgress, Progress


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock, caplog: pytest.LogCaptureFixture) -> LogProgress:
    caplog.set_level(logging.INFO)
    return LogProgress(logging.getLogger("test.progress"), clock=clock)


@pytest.mark.parametrize(
    ("what", "said"),
    [("INBOX", "2 of 2 messages"), ("tables", "2 of 2 rows"), ("attachments", "2 of 2 attach")],
)
def test_a_line_says_what_is_counted(
    progress: LogProgress, caplog: pytest.LogCaptureFixture, what: str, said: str
) -> None:
    """Rows of tables and attachments are no messages."""
    progress.start(what, 2, None)
    progress.advance(2, 10)
    progress.finish()
    assert f"{what}: {said}" in caplog.text


def test_log_is_quiet_between_two_lines(
    progress: LogProgress, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """However many messages pass, a line comes at most every ten seconds."""
    progress.start("INBOX", 1000, None)
    for _ in range(25):
        clock.seconds += LOG_EVERY_SECONDS / 10
        progress.advance(1, 10)
    assert len(caplog.messages) == 2


def test_line_tells_count_size_rate_and_remaining_time(
    progress: LogProgress, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Half of the octets after ten seconds means ten seconds more."""
    progress.start("INBOX", 40, 40_000_000)
    clock.seconds += LOG_EVERY_SECONDS
    progress.advance(10, 20_000_000)
    assert caplog.messages == ["INBOX: 10 of 40 messages, 20.0 MB, 2.0 MB/s, about 10 s left"]


def test_remaining_time_goes_by_messages_where_octets_are_unknown(
    progress: LogProgress, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that states no sizes still gives an estimate."""
    progress.start("INBOX", 40, None)
    clock.seconds += LOG_EVERY_SECONDS
    progress.advance(10, 5)
    assert caplog.messages[0].endswith("about 30 s left")


def test_unknown_totals_are_not_invented(
    progress: LogProgress, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Without totals there is neither an 'of' nor a remaining time."""
    progress.start("INBOX", None, None)
    clock.seconds += LOG_EVERY_SECONDS
    progress.advance(1, 1_000_000)
    assert caplog.messages == ["INBOX: 1 message, 1.0 MB, 0.1 MB/s"]


def test_short_work_leaves_one_line(
    progress: LogProgress, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Work that ends within ten seconds is told once, at its end."""
    progress.start("INBOX", 2, None)
    clock.seconds += 1
    progress.advance(2, 2_000_000)
    progress.finish()
    assert caplog.messages == ["INBOX: 2 of 2 messages, 2.0 MB, 2.0 MB/s"]


def test_work_that_moved_nothing_leaves_no_line(
    progress: LogProgress, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder with nothing new does not fill the log."""
    progress.start("INBOX", 0, 0)
    progress.finish()
    assert caplog.messages == []


def test_counts_start_anew_with_each_piece_of_work(
    progress: LogProgress, caplog: pytest.LogCaptureFixture
) -> None:
    """The second folder is not credited with the first one's messages."""
    for name in ("one", "two"):
        progress.start(name, 1, None)
        progress.advance(1, 0)
        progress.finish()
    assert [line.split(" messages")[0] for line in caplog.messages] == ["one: 1 of 1", "two: 1 of 1"]


def test_silence_is_a_progress_too() -> None:
    """A caller that does not care passes NoProgress, and nothing happens."""
    progress: Progress = NoProgress()
    progress.start("INBOX", 1, 1)
    progress.advance(1, 1)
    progress.finish()


def test_what_comes_after_the_end_keeps_its_name(
    progress: LogProgress, caplog: pytest.LogCaptureFixture
) -> None:
    """A run that is stopped still counts what was under way; its line says of what."""
    progress.start("INBOX", 10, 1000)
    progress.finish()
    progress.advance(3, 100_000)
    progress.finish()
    assert caplog.messages[-1].startswith("INBOX: 3 messages, 0.1 MB")


def test_what_is_only_looked_at_has_no_rate(progress: LogProgress, caplog: pytest.LogCaptureFixture) -> None:
    """A check moves no octets, and one thing is one."""
    progress.start("attachments", None, None)
    progress.advance(1, 0)
    progress.finish()
    assert caplog.messages == ["attachments: 1 attachment"]
