"""Airflow's trigger form as a person fills it in a browser."""

from __future__ import annotations

import json

from tests.support.chromium import Chromium

__all__ = ["choose", "fill", "open_form", "press_trigger", "switch", "unfold"]

FIRST_FIELD = "document.querySelector('[name=element_days]')"
"""A field that the forms of ``mail_ingest`` and ``mail_retention`` both show."""

BUTTONS = "[...document.querySelectorAll('[role=dialog] button')]"


def open_form(browser: Chromium, url: str, dag_id: str) -> None:
    """Go to a DAG and press its trigger button; ``url`` is where Airflow is."""
    browser.open(f"{url}/dags/{dag_id}")
    browser.click("""document.querySelector('button[aria-label="Trigger Dag"]')""")
    browser.wait_for(FIRST_FIELD)


def press_trigger(browser: Chromium) -> None:
    """Send the form, and wait until it is gone."""
    browser.click(f"{BUTTONS}.find(b => b.innerText == 'Trigger')")
    browser.wait_for(f"!{FIRST_FIELD}")


def fill(browser: Chromium, name: str, text: str) -> None:
    """Type over what stands in a text field."""
    field = f"document.querySelector('[name=element_{name}]')"
    # A section that is still unfolding takes no focus yet.
    browser.wait_for(f"(e => {{ e.focus(); e.select(); return document.activeElement === e; }})({field})")
    browser.type(text)
    browser.wait_for(f"{field}.value == {json.dumps(text)}")


def choose(browser: Chromium, name: str, label: str) -> None:
    """Open a list and choose an entry by what it says."""
    hidden = f"document.querySelector('[name=element_{name}]')"
    browser.click(f"{hidden}.parentElement.querySelector('input[type=text]').closest('div')")
    option = f"[...document.querySelectorAll('[role=option]')].find(o => o.innerText == {json.dumps(label)})"
    browser.click(option)


def switch(browser: Chromium, name: str) -> None:
    """Turn a switch the other way."""
    browser.click(f"document.querySelector('[name=element_{name}]').closest('label')")


def unfold(browser: Chromium, title: str) -> None:
    """Open a section of the form; the one that was open closes."""
    browser.click(f"{BUTTONS}.find(b => b.innerText == {json.dumps(title)})")
