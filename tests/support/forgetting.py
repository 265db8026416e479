"""Archives from which mail is removed, and what is left of it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mailroom.archive import Archive
from mailroom.archive.checking.integrity import verify_archive
from mailroom.model import Change
from mailroom.services.forget import ForgetReport, ForgetWish, SweepReport, forget_mail, sweep_archive
from tests.support.archives import body, context, digest, folder_row, place

__all__ = [
    "ANA",
    "DAY",
    "NOW",
    "Killed",
    "archived",
    "digests",
    "fill",
    "forget",
    "objects",
    "sound",
    "sweep",
    "take_off",
    "two_accounts",
]

RUNS = itertools.count(1)
DAY = timedelta(days=1)
NOW = datetime(2026, 11, 25, tzinfo=UTC)
ANA = "ana@example.org"
"""The author of all messages of ``archives.content``."""


def fill(archive: Archive, numbers: range, account: str = "post", run: str = "run-1", **row: Any) -> None:
    with archive.writer(context(run, account=account)) as writer:
        for number in numbers:
            mine = place(number, run_id=run)._replace(account=account, **row)
            writer.add(body(number, attachments=number % 2), mine)
        writer.close_folder(replace(folder_row(messages=len(numbers), run_id=run), account=account))
        writer.finish("succeeded", {}, 0)


def two_accounts(root: Path) -> Path:
    """Archive messages 1 to 10 of one account and 6 to 15 of a second one."""
    archive = Archive(root)
    fill(archive, range(1, 11))
    fill(archive, range(6, 16), account="second", run="run-2")
    return root


def take_off(archive: Archive, numbers: range, account: str = "post") -> None:
    """Record that messages are no longer on the server."""
    with archive.writer(context("off", account=account)) as writer:
        writer.record(
            place(n, run_id="off", sha256=digest(n, attachments=n % 2), change=Change.EXPUNGED)._replace(
                account=account,
            )
            for n in numbers
        )
        writer.finish("succeeded", {}, 0)


def forget(archive: Archive, *, apply: bool = True, at: datetime = NOW, **wish: Any) -> ForgetReport:
    return forget_mail(
        archive,
        context(f"forget-{next(RUNS)}", what="forget"),
        ForgetWish(**wish),
        dry_run=not apply,
        now=lambda: at,
    )


def sweep(archive: Archive, at: datetime = NOW + 3 * DAY) -> SweepReport:
    return sweep_archive(archive, context("sweep-1", what="sweep"), now=lambda: at)


def archived(archive: Archive) -> set[str]:
    return set(archive.read_table("messages", ["sha256"])["sha256"].to_pylist())


def objects(archive: Archive) -> set[str]:
    return {name for name, _ in archive.raw.objects()}


def sound(archive: Archive) -> bool:
    return verify_archive(archive).failures == ()


def digests(numbers: range) -> set[str]:
    return {digest(n, attachments=n % 2) for n in numbers}


class Killed(BaseException):
    """The process ends here."""
