"""The command maps outcomes to exit statuses, and shows results where they belong."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailroom.cli import main
from mailroom.cli.interruption import Interruption
from mailroom.cli.terminal import MAX_FAILURES_SHOWN, Outcome, Terminal


def test_wrong_usage_exits_two(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A URL that cannot be meant is wrong usage, in one sentence on stderr."""
    status = main(["fetch", "http://u@h", "--archive", str(tmp_path / "a")])
    said = capsys.readouterr()
    assert status == 2
    assert said.out == ""
    assert said.err.startswith("mailroom: ")
    assert said.err.count("\n") == 1


def test_protocol_of_another_command_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Fetching from an IMAP URL says which command does that."""
    assert main(["fetch", "imaps://u@h", "--archive", str(tmp_path / "a")]) == 2
    assert "for IMAP there is: mailroom mirror." in capsys.readouterr().err


def test_unknown_host_fails_with_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes wrong on the way is exit status 1 and no traceback."""
    monkeypatch.setenv("MAILROOM_PASSWORD", "hunter2secret")
    status = main(["mirror", "imaps://u@no-such-host.invalid", "--archive", str(tmp_path / "a"), "--quiet"])
    said = capsys.readouterr()
    assert status == 1
    assert "no-such-host.invalid" in said.err
    assert "Traceback" not in said.err
    assert "hunter2secret" not in said.err
    assert not (tmp_path / "a").exists()


def test_help_imports_nothing_heavy() -> None:
    """The first answer comes in a moment: no storage, table or Airflow library is loaded for it."""
    code = (
        "import sys, contextlib\n"
        "from mailroom.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "heavy = {'airflow', 'deltalake', 'pyarrow', 'numpy', 'imapclient', 'fsspec', 'rich'}\n"
        "sys.exit(f'loaded: {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_json_goes_to_stdout_and_complaints_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipeline can read the result whatever went wrong beside it."""
    outcome = Outcome(headline="x", summary={"fetched": 3}, failures=("Message 7 was not delivered.",))
    Terminal(as_json=True, quiet=True).conclude(outcome)
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        "fetched": 3,
        "failures": ["Message 7 was not delivered."],
        "interrupted": False,
    }
    assert said.err == "mailroom: Message 7 was not delivered.\n"


def test_many_failures_are_counted_not_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """A flood of failures does not hide the result."""
    failures = tuple(f"failure {number}" for number in range(MAX_FAILURES_SHOWN + 5))
    Terminal(as_json=False, quiet=True).conclude(Outcome(headline="done", summary={}, failures=failures))
    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == "mailroom: … and 5 more."
    assert said.out == "done\n"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_first_signal_asks_for_a_clean_stop(number: signal.Signals, status: int) -> None:
    """The first Ctrl-C or SIGTERM sets the stop flag and the exit status shells expect."""
    with Interruption() as interruption:
        stop = interruption.begin()
        signal.raise_signal(number)
        assert stop.is_set()
        assert interruption.exit_status == status


@pytest.fixture
def usual_handler() -> Iterator[None]:
    """What Python does at Ctrl-C, also where whoever started the tests has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("usual_handler")
def test_second_ctrl_c_stops_at_once() -> None:
    """After the first signal the former handlers are back."""
    with Interruption() as interruption:
        stop = interruption.begin()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert stop.is_set()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_at_a_prompt_stops_at_once(number: signal.Signals, status: int) -> None:
    """At a password prompt there is no batch to finish."""
    with Interruption() as interruption:
        with pytest.raises(KeyboardInterrupt), interruption.asking():
            signal.raise_signal(number)
        assert interruption.exit_status == status


def test_interruption_in_another_thread_only_offers_the_flag() -> None:
    """Signals belong to the main thread; elsewhere the flag is there and nothing is installed."""
    seen: list[bool] = []

    def enter() -> None:
        with Interruption() as interruption:
            seen.append(interruption.begin().is_set())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [False]
