"""What a stranger's machine relies on: the lock, the words of the Makefile, the set-up script."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
WORDS = ("help", "setup", "demo", "test", "unit", "coverage", "lint", "bench", "airflow", "lock", "clean")


def locked() -> dict[str, str]:
    """Return the version of each package in the lock."""
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    return dict(re.match(r"([\w.-]+)==([\w.+!-]+)", line).groups() for line in lines if "==" in line)  # type: ignore[union-attr]


def required() -> set[str]:
    """Return the packages that setup.cfg asks for, to run and to develop, extras unfolded."""
    settings = configparser.ConfigParser()
    settings.read(REPOSITORY / "setup.cfg")
    extras = settings["options.extras_require"]
    lines = (
        f"{settings['options']['install_requires']}\n{extras['dev']}\n{extras['s3']}\n{extras['sql']}".split(
            "\n"
        )
    )
    names = {re.split(r"[\[<>=!~ ;]", line.strip())[0] for line in lines if line.strip()}
    return names - {"airflow-mailroom"}


def test_lock_holds_all_that_is_asked_for() -> None:
    """A dependency that is added to setup.cfg is locked with it: make lock."""
    assert {name.lower() for name in required()} <= locked().keys()


def test_lock_pins_the_airflow_that_tests_run_on() -> None:
    """Airflow's minor version is part of what is promised."""
    assert locked()["apache-airflow"].startswith("3.3.")


def test_lock_names_no_machine() -> None:
    """Nothing in it depends on where it was made: no index, no path, no option."""
    text = (REPOSITORY / "requirements.txt").read_text()
    assert not re.search(r"://|file:|(^|\s)/|^-", text, re.MULTILINE)
    assert "make lock" in text.splitlines()[1]


@pytest.mark.parametrize("word", WORDS)
def test_every_word_explains_itself(word: str) -> None:
    """Who types make is shown what there is to type."""
    shown = subprocess.run(
        ["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert re.search(rf"^  make {word} +\S", shown, re.MULTILINE)


def test_set_up_refuses_a_word_it_does_not_know() -> None:
    """A slip changes nothing."""
    script = str(REPOSITORY / "scripts" / "set_up.sh")
    ran = subprocess.run(["bash", script, "everything"], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "usage" in ran.stderr


@pytest.mark.parametrize(
    "changed",
    [
        "plugins/mailroom/message/compiled/plain.pyx",
        "plugins/mailroom/protocol/compiled/whole_message.pyx",
        "setup.py",
        "requirements.txt",
    ],
)
def test_what_is_installed_is_renewed_when_its_sources_change(changed: str) -> None:
    """Nobody tests with a compiled reader of yesterday."""
    words = ["make", "--dry-run", f"--what-if={changed}", ".venv/.set-up"]
    shown = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    assert "set_up.sh packages" in shown


@pytest.mark.parametrize("script", ["scripts/set_up.sh", ".ci/run"])
def test_scripts_are_sound(script: str) -> None:
    """A script that does not parse would show it on somebody else's machine first."""
    subprocess.run(["bash", "-n", str(REPOSITORY / script)], check=True)
