"""Register Mailroom with Airflow: registration only, no work at import.

The file lies beside the package because Airflow executes every module it finds below
the plugins folder; ``.airflowignore`` keeps it out of ``mailroom/``. Hooks and operators
need no registration, they are imported; connection types come from ``mailroom.provider``.
"""

from __future__ import annotations

import os
from typing import Any

from airflow.plugins_manager import AirflowPlugin

__all__ = ["MailroomPlugin"]


class MailroomPlugin(AirflowPlugin):
    """Mailroom's entry in Airflow's list of plugins."""

    name = "mailroom"


def __getattr__(name: str) -> Any:  # Any: a plugin class, or None
    """Return what the distribution's entry point ``installed`` stands for.

    Airflow reads the plugins folder first, then entry points, and reports a plugin that it
    meets twice as an error. Where this very file lies in the plugins folder (a checkout that
    is installed as well), the entry point is therefore None, which Airflow passes over. It is
    no ordinary attribute, as Airflow would take that for a second plugin of the file.
    """
    if name != "installed":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from airflow.settings import PLUGINS_FOLDER

    here = os.path.realpath(os.path.dirname(__file__))
    in_folder = PLUGINS_FOLDER is not None and os.path.realpath(PLUGINS_FOLDER) == here
    return None if in_folder else MailroomPlugin
