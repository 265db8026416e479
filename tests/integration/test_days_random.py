"""N days from first archived, through restarts, time zones, clocks that are set, and other archives."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailroom.archive import Archive
from mailroom.policy.fetch_mode import FetchMode
from tests.integration.runs import START, Account
from tests.support.mail import make_message
from tests.support.pop3_server import Maildrop, Pop3Server

ZONES = ("UTC", "Europe/Madrid", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia")
LENGTHS = (timedelta(days=2, minutes=30), timedelta(days=5, minutes=30))
"""How long each of two archives waits; no step of whole hours ends just then."""


@dataclass(frozen=True)
class Step:
    """A while passes, a message may arrive, and one archive has a run, on a machine set up anew."""

    archive: int
    hours: int
    slip: int
    zone: str
    arrives: bool


@dataclass
class Device:
    """What one archive is expected to know."""

    account: Account
    length: timedelta
    first: dict[str, datetime] = field(default_factory=dict)


steps = st.builds(
    Step,
    archive=st.sampled_from((0, 1)),
    hours=st.integers(0, 60),
    slip=st.integers(-4, 4),
    zone=st.sampled_from(ZONES),
    arrives=st.booleans(),
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=st.lists(steps, min_size=4, max_size=9))
def test_each_archive_waits_its_own_days(script: list[Step]) -> None:
    """A message goes at the first run of an archive that has held it for its days, and never before."""
    drop = Maildrop(messages=[("u0", make_message(subject="0"))])
    now = START
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place, Pop3Server(drop) as server:
        devices = [
            Device(Account(Path(place, str(number)), server.endpoint()), length)
            for number, length in enumerate(LENGTHS)
        ]
        for number, step in enumerate(script, start=1):
            now += timedelta(hours=step.hours)
            if step.arrives:
                drop.messages.append((f"u{number}", make_message(subject=str(number))))
            device = devices[step.archive]
            before = [uidl for uidl, _ in drop.messages]
            run_at(device, now + timedelta(minutes=step.slip), step.zone)
            for uidl in before:
                device.first.setdefault(uidl, now)
            due = {
                uidl for uidl in before if now - device.first[uidl] >= device.length - timedelta(minutes=20)
            }
            assert [uidl for uidl, _ in drop.messages] == [uidl for uidl in before if uidl not in due]


def run_at(device: Device, clock: datetime, zone: str) -> None:
    account = device.account
    account.archive, account.clock = Archive(account.root), clock
    with pytest.MonkeyPatch.context() as machine:
        machine.setitem(os.environ, "TZ", zone)
        time.tzset()
        try:
            assert account.fetch(FetchMode(delete_after=device.length)).failures == ()
        finally:
            machine.undo()
            time.tzset()
