"""Reading what strace wrote."""

from __future__ import annotations

from tests.support.command import Finished, parse_trace

LOG = """\
101 fsync(5</a/raw/x.eml>)              = 0
102 write(1</dev/pts/0>, "a = b\\n", 6 <unfinished ...>
101 rename("/a/tmp", "/a/x") = 0
102 <... write resumed>)                = 6
102 fdatasync(9<socket:[77]> <unfinished ...>
102 <... fdatasync resumed>)            = -1 EINVAL (Invalid argument)
101 --- SIGTERM {si_signo=SIGTERM} ---
101 +++ exited with 0 +++
"""


def test_calls_come_in_the_order_in_which_they_returned() -> None:
    """What counts is when a sync was done, not when it was asked for."""
    calls = parse_trace(LOG)
    assert [call.name for call in calls] == ["fsync", "rename", "write", "fdatasync"]
    assert [call.process for call in calls] == [101, 101, 102, 102]


def test_paths_of_descriptors_are_known() -> None:
    """A test asks which file was synced."""
    assert [call.path for call in parse_trace(LOG)] == ["/a/raw/x.eml", "", "/dev/pts/0", "socket:[77]"]


def test_halves_of_an_interrupted_call_are_joined() -> None:
    """With threads, most calls are written in two halves."""
    write = parse_trace(LOG)[2]
    assert write.arguments.endswith(', "a = b\\n", 6')
    assert write.result == "6"


def test_the_summary_is_the_json_that_was_printed() -> None:
    """Lines of progress may come before it."""
    finished = Finished(status=0, out='working\n{"fetched": 3}\n', err="", seconds=0.1, peak_kib=1)
    assert finished.summary == {"fetched": 3}
    assert not finished.was_killed
