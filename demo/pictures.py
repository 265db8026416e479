"""``make pictures``: the pictures of ``docs/images`` anew, from a real run of Airflow in a browser.

A person fills the form of ``mail_retention``, sees the plan, approves it and sees the space gained; then
the audit and two restores run in a terminal, and what they print is printed for the README.
"""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import time as clock
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from demo import scene
from demo.mailbox import IMAP_USER
from mailroom.archive import Archive
from tests.support.chromium import Chromium, ChromiumMissing
from tests.support.dovecot import Dovecot, DovecotMissing
from tests.support.mail import make_message
from tests.support.maildir import Stored
from tests.support.standalone import Run, Standalone
from tests.support.trigger_form import choose, fill, open_form, press_trigger, switch, unfold

__all__ = ["main"]

IMAGES = scene.REPOSITORY / "docs" / "images"
ARCHIVE = Path("/tmp/mail")
"""Its path is seen in a picture, so it is a short one."""

QUOTA = """
mail_plugins = quota
plugin {
  quota = count:Account
  quota_vsizes = yes
  quota_rule = *:storage=100M
}
"""
"""In the words of Dovecot 2.3."""

HEAVY = (
    ("INBOX", "Fotos de la obra", "Marta Vidal <marta@vidal-arquitectura.example>", 9),
    ("Sent", "Oferta con planos", f"Ana Ruiz <{IMAP_USER}>", 7),
    ("Proveedores", "Catálogo nuevo", "Clay & Colour Ltd <sales@clay-colour.example>", 14),
)
"""Folder, subject, author and number of the messages that fill an account; the letters are light."""

SETTLE_SECONDS = 1.5
"""How long Airflow's pages move after they show what was waited for."""

DIALOG = "document.querySelector('[name=element_days]').closest('[role=dialog]')"
COLOURS = 64


def main() -> int:
    """Take all pictures, print what the terminal shows; return the exit status."""
    if ARCHIVE.exists():
        print(f"{ARCHIVE} is there already; move it away, for the pictures show an archive of this name.")
        return 1
    settings = {"AIRFLOW__MAILROOM__ARCHIVE_ROOT": str(ARCHIVE)}
    try:
        with (
            Dovecot(extra=QUOTA, imap_extra="mail_plugins = quota imap_quota") as server,
            Chromium(width=1440, height=1900) as browser,
            Standalone(settings=settings) as airflow,
        ):
            _mirror(airflow, server)
            browser.set_cookie(airflow.url, "_token", airflow.token)
            run = _show(airflow, browser)
            _type_commands(server, str(run.result("delete_old")["run_id"]))
    except (DovecotMissing, ChromiumMissing) as missing:
        print(missing)
        return 1
    finally:
        shutil.rmtree(ARCHIVE, ignore_errors=True)
    return 0


def _mirror(airflow: Standalone, server: Dovecot) -> None:
    """Fill the account and archive all of it."""
    today = date.today()
    scene.fill(server, today)
    for folder, subject, sender, number in HEAVY:
        server.fill(IMAP_USER, _heavy(today, subject, sender, number), folder)
    connection = scene.connections(server)[scene.IMAP_ID]
    airflow.connect(scene.IMAP_ID, **connection | {"extra": json.loads(connection["extra"])})
    airflow.wait_for_dags("mail_imap_mirror", "mail_ingest", "mail_retention")
    assert airflow.trigger("mail_imap_mirror", {}).wait() == "success"


def _heavy(today: date, subject: str, sender: str, number: int) -> list[Stored]:
    """Return messages of some megabytes over four years, oldest first."""
    draw = random.Random(subject)
    found = []
    for back in range(number, 0, -1):
        day = today - timedelta(days=4 * 365 * back // number - draw.randrange(30))
        moment = datetime.combine(day, time(9, draw.randrange(60), draw.randrange(60)), UTC)
        pdf = b"%PDF-1.4\n" + draw.randbytes(draw.randrange(400_000, 2_600_000))
        content = make_message(
            subject=subject,
            sender=sender,
            to=IMAP_USER,
            date=moment,
            text="Va adjunto. Un saludo.\n",
            attachments=[(f"{subject}.pdf", "application/pdf", pdf)],
        )
        found.append(Stored(content=content, flags=("\\Seen",), internal_date=moment))
    return found


def _show(airflow: Standalone, browser: Chromium) -> Run:
    """Do in the browser what a person does, and take the pictures on the way."""
    open_form(browser, airflow.url, "mail_ingest")
    _take(browser, "mail_ingest_form", DIALOG)
    open_form(browser, airflow.url, "mail_retention")
    unfold(browser, "Care")
    choose(browser, "ask", "Always")
    fill(browser, "max_fraction", "1")
    unfold(browser, "Run Parameters")
    switch(browser, "dry_run")
    _take(browser, "mail_retention_form", DIALOG)
    press_trigger(browser)
    (run,) = airflow.wait_for_runs("mail_retention")
    airflow.wait_until(lambda: run.states().get("ask_person") == "awaiting_input" and run.questions())
    page = f"{airflow.url}/dags/mail_retention/runs/{quote(run.run_id)}/tasks"
    browser.open(f"{page}/ask_person/required_actions")
    approve = "[...document.querySelectorAll('button')].find(b => b.innerText == 'Approve')"
    browser.wait_for(approve)
    _take(browser, "mail_retention_plan", PANEL, down_to=approve)
    browser.click(approve)
    assert run.wait() == "success"
    browser.open(f"{page}/delete_old")
    browser.wait_for("document.body && document.body.innerText.includes('Post Execute')")
    browser.press("w", ord("W"))  # Airflow's key for wrapping long lines
    end = "[...document.querySelectorAll('code span')].find(e => e.innerText == '▶ Post Execute')"
    _take(browser, "mail_retention_log", PANEL, down_to=end)
    return run


PANEL = "[...document.querySelectorAll('[data-panel]')].pop()"
"""The part of a task's page that is about the task, without the grid of runs on its left."""


def _take(browser: Chromium, name: str, element: str, *, down_to: str = "") -> None:
    """Save one element as a picture of few colours, as small as a page wants it.

    :param down_to: an element in it after which nothing is of interest.
    """
    clock.sleep(SETTLE_SECONDS)
    left, top, width, height = browser.run(
        f"(r => [r.x, r.y, r.width, r.height])({element}.getBoundingClientRect())"
    )
    if down_to:
        height = browser.run(f"{down_to}.getBoundingClientRect().bottom") + 24 - top
    path = browser.screenshot(IMAGES / f"{name}.png", (left, top, width, height))
    with Image.open(path) as full:
        small = full.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    print(f"{path.name}: {small.width} x {small.height}, {path.stat().st_size:,} octets")


def _type_commands(server: Dovecot, run_id: str) -> None:
    """Print what the audit says, then bring back one message, then all of the run."""
    audit = Archive(ARCHIVE).read_table("audit").sort_by([("at", "ascending"), ("seq", "ascending")])
    place = ["--archive", str(ARCHIVE), "--account", scene.IMAP_ID]
    restore = ["restore", f"imap://{quote(IMAP_USER, safe='')}@{server.host}:{server.imap_port}", *place]
    for words in (
        ["audit", *place, "--limit", "3"],
        [*restore, "--message", audit["message_sha256"][-1].as_py()],
        [*restore, "--run", run_id],
    ):
        print(f"\n$ mailroom {shlex.join(words)}", flush=True)
        subprocess.run(
            [sys.executable, "-m", "mailroom", *words, "--quiet"],
            env=os.environ | {"MAILROOM_PASSWORD": scene.PASSWORD},
            check=True,
        )


if __name__ == "__main__":
    sys.exit(main())
