"""Unit tests of the Airflow skin import Airflow, which reads its home on import."""

from __future__ import annotations

from tests.support.airflow_home import use_throwaway_home

use_throwaway_home()
