"""Airflow executes every module it finds below the plugins folder; it must find one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.airflow_home import REPOSITORY

LOAD = """
import json, sys
from airflow import plugins_manager
plugins, errors = plugins_manager._get_plugins()
print(json.dumps({
    "sources": [str(p.source) for p in plugins if p.name == "mailroom"],
    "errors": errors,
    "bare": sorted(set(sys.modules) & {"connection", "pop3", "imap", "model", "provider", "cli", "hooks"}),
    "engine": sorted(m for m in sys.modules if m.startswith("mailroom.")),
}))
"""


def loaded(plugins_folder: Path, *, with_entry_point: bool, tmp_path: Path) -> dict[str, list[str]]:
    """Load plugins as Airflow does, in a process of its own."""
    hide = "import importlib.metadata as m; from airflow._shared import module_loading as l\n"
    hide += "l.entry_points_with_dist = lambda group: iter(())\n"
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins_folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    ran = subprocess.run(
        [sys.executable, "-c", LOAD if with_entry_point else hide + LOAD],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    found: dict[str, list[str]] = json.loads(ran.stdout.splitlines()[-1])
    return found


def test_ignore_file_names_the_package() -> None:
    """One line keeps Airflow out of the package."""
    assert "mailroom/" in (REPOSITORY / "plugins" / ".airflowignore").read_text().split()


def test_sweep_finds_the_thin_file_only() -> None:
    """What Airflow's own search yields below plugins/ is the registration and nothing else."""
    from airflow._shared.module_loading import find_path_from_directory

    folder = REPOSITORY / "plugins"
    found = [Path(p) for p in find_path_from_directory(str(folder), ".airflowignore", "glob")]
    assert [p.relative_to(folder).as_posix() for p in found if p.suffix == ".py"] == ["mailroom_plugin.py"]


@pytest.mark.parametrize("with_entry_point", [False, True])
def test_plugin_registers_once_from_the_folder(with_entry_point: bool, tmp_path: Path) -> None:
    """The repository's folder alone is enough, and beside the installed distribution it counts once."""
    found = loaded(REPOSITORY / "plugins", with_entry_point=with_entry_point, tmp_path=tmp_path)
    assert found["sources"] == ["$PLUGINS_FOLDER/mailroom_plugin.py"]
    assert found["errors"] == {}
    assert found["bare"] == []


def test_plugin_registers_once_from_the_distribution(tmp_path: Path) -> None:
    """Installed by pip, with no plugins folder at all."""
    found = loaded(tmp_path / "plugins", with_entry_point=True, tmp_path=tmp_path)
    assert len(found["sources"]) == 1
    assert found["sources"][0].startswith("airflow-mailroom==")
    assert found["errors"] == {}


def test_registration_loads_no_engine(tmp_path: Path) -> None:
    """Every Airflow process imports the plugin, the scheduler too."""
    found = loaded(tmp_path / "plugins", with_entry_point=True, tmp_path=tmp_path)
    assert set(found["engine"]) <= {"mailroom.provider"}
