"""Register Mailroom with Airflow: registration only, no work at import.

The file lies beside the package because Airflow executes every module it finds below
the plugins folder; ``.airflowignore`` keeps it out of ``mailroom/``. Hooks and operators
need no registration, they are imported; connection types come from ``mailroom.provider``.
"""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

__all__ = ["MailroomPlugin"]


class MailroomPlugin(AirflowPlugin):
    """Mailroom's entry in Airflow's list of plugins."""

    name = "mailroom"
