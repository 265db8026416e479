"""The mirror in lanes on a real scheduler: mapped tasks side by side, as many as a pool lets in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from mailroom.archive import Archive
from tests.integration.mirror_walk import account_in_archive, account_on_server, difference
from tests.support.airflow_home import REPOSITORY
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message
from tests.support.proxy import Proxy
from tests.support.standalone import Run, Standalone
from tests.system.conftest import Connect

DAG = "mail_imap_mirror_lanes"

FAILING = "a_lane_fails"
"""The same DAG, but the first lane has an argument that none can work with."""

POOL = "mail_connections"

SLOTS = 2

LANES = 3

SIZES = {"INBOX": 40, "Archive": 30, "Projects": 20, "Projects/2026": 10, "{{ 1/0 }}": 1}


LONG = "a line of text\r\n" * 1200
"""Long enough for a message to be looked for in the archive before it is downloaded again."""


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """An Airflow with room for more tasks than the pool of connections lets in."""
    settings = {"AIRFLOW__MAILROOM__CONNECTION_POOL": POOL, "AIRFLOW__CORE__PARALLELISM": "4"}
    folder = tmp_path_factory.mktemp("failing")
    text = (REPOSITORY / "dags" / f"{DAG}.py").read_text()
    for old, new in (
        (f'dag_id="{DAG}"', f'dag_id="{FAILING}"'),
        ('max_gone="{{ params.max_gone }}"', 'max_gone="{{ 7 if ti.map_index == 0 else 1 }}"'),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    (folder / f"{FAILING}.py").write_text(text)
    with Standalone(bundles={"failing": folder}, settings=settings) as running:
        running.call("POST", "/api/v2/pools", json={"name": POOL, "slots": SLOTS, "include_deferred": False})
        running.wait_for_dags(DAG, FAILING)
        yield running


class Watch:
    """Looks at a run until it ends, as somebody does who keeps its page open.

    :ivar side_by_side: the lanes that were seen running at the same moment.
    :ivar in_pool: the most slots of the pool that were taken, and ``waiting`` the most tasks waiting for one.
    """

    def __init__(self, airflow: Standalone, run: Run) -> None:
        self.side_by_side: set[int] = set()
        self.in_pool = self.waiting = 0
        self._airflow, self._run = airflow, run
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.5):
            lanes = self._run.instances("mirror")
            running = {lane["map_index"] for lane in lanes if lane["state"] == "running"}
            self.side_by_side = max(self.side_by_side, running, key=len)
            pool = self._airflow.get(f"/api/v2/pools/{POOL}")
            self.in_pool = max(self.in_pool, pool["occupied_slots"])
            self.waiting = max(self.waiting, pool["scheduled_slots"])


def test_lanes_share_an_account_out_as_far_as_the_pool_goes(
    airflow: Standalone, dovecot: Dovecot, user: str, account: Connect, archive_root: Path
) -> None:
    """Three lanes, two connections at a time, named by their folders; an event a folder and one in all."""
    for folder, count in SIZES.items():
        for number in range(count):
            dovecot.append(user, make_message(subject=f"{folder} {number}"), folder)
    form = {"connection": "lanes_imap", "archive": str(archive_root), "lanes": LANES}
    with Proxy(dovecot.host, dovecot.imap_port, round_trip=1.0) as slow:
        plain = {"security": "plain"}
        airflow.connect("lanes_imap", **account("imap", port=slow.port, host=slow.host, extra=plain))
        run = airflow.trigger(DAG, form)
        with Watch(airflow, run) as seen:
            run.succeed()
        most_open = slow.most_open
    lanes = run.instances("mirror")
    planned = run.result("lanes")
    assert sorted(name for lane in planned for name in lane) == sorted(SIZES)
    assert [lane["rendered_map_index"] for lane in lanes] == [
        f"{len(names)}: {', '.join(names)}" for names in planned
    ]
    assert {lane["pool"] for lane in lanes} == {POOL}
    assert (len(lanes), len(seen.side_by_side), seen.in_pool, most_open) == (LANES, SLOTS, SLOTS, SLOTS)
    assert seen.waiting > 0
    assert folder_events(airflow, "lanes_imap") == {name: [{"added": count}] for name, count in SIZES.items()}
    (whole,) = account_events(airflow, "lanes_imap")
    assert (whole["folders"], whole["added"], whole["expunged"]) == (len(SIZES), sum(SIZES.values()), 0)
    server = account_on_server(dovecot, user)
    assert difference(server, account_in_archive(archive_root, "lanes_imap")) == {}
    runs = Archive(archive_root).read_table("runs", columns=["what", "outcome"]).to_pylist()
    assert (
        runs == [{"what": "mirror", "outcome": "succeeded"}] * LANES
    )  # nothing was left for the task after them


def test_what_is_gone_is_recorded_after_the_lanes(
    airflow: Standalone, dovecot: Dovecot, user: str, account: Connect, archive_root: Path
) -> None:
    """A renamed folder, a moved and a deleted message: the last task tells, and nothing comes twice."""
    for folder, count in SIZES.items():
        for number in range(count):
            dovecot.append(user, make_message(subject=f"{folder} {number}", text=LONG), folder)
    airflow.connect("changing_imap", **account("imap"))
    form = {"connection": "changing_imap", "archive": str(archive_root), "lanes": LANES}
    airflow.trigger(DAG, form).succeed()
    with dovecot.mailbox(user) as client:
        client.rename_folder("Archive", "Old mail")
        client.select_folder("INBOX")
        client.move([1, 2], "Projects")
        client.delete_messages([3])
        client.expunge()
    run = airflow.trigger(DAG, form)
    run.succeed()
    told = run.result("whole")
    assert told["renamed_folders"] == 1
    events = folder_events(airflow, "changing_imap")
    assert events["INBOX"][1:] == [{"expunged": 3}], (told, events)
    assert events["Projects"][1:] == [{"added": 2, "recognised": 2}], (told, events)
    brought, changed = account_events(airflow, "changing_imap")
    assert (brought["added"], brought["expunged"]) == (sum(SIZES.values()), 0)
    assert [changed[name] for name in ("added", "recognised", "expunged", "renamed_folders")] == [2, 2, 3, 1]
    server = account_on_server(dovecot, user)
    assert difference(server, account_in_archive(archive_root, "changing_imap")) == {}


def test_a_lane_that_fails_takes_no_count_of_another_one_away(
    airflow: Standalone, dovecot: Dovecot, user: str, account: Connect, archive_root: Path
) -> None:
    """The task after the lanes brings its folders, and tells of all of them once."""
    for folder, count in SIZES.items():
        for number in range(count):
            dovecot.append(user, make_message(subject=f"{folder} {number}"), folder)
    airflow.connect("failing_imap", **account("imap"))
    run = airflow.trigger(
        FAILING, {"connection": "failing_imap", "archive": str(archive_root), "lanes": LANES}
    )
    run.succeed()
    states = [lane["state"] for lane in run.instances("mirror")]
    left = sum(SIZES[name] for name in run.result("lanes")[0])
    assert sorted(states) == ["failed", *["success"] * (LANES - 1)]
    assert run.result("whole")["added"] == left
    assert [event["added"] for event in account_events(airflow, "failing_imap")] == [sum(SIZES.values())]
    events = folder_events(airflow, "failing_imap")
    assert events == {name: [{"added": count}] for name, count in SIZES.items()}


def account_events(airflow: Standalone, conn_id: str) -> list[dict[str, int]]:
    """Return the extras of the events of an account itself, the oldest first."""
    start = f"mailroom://{conn_id}/"
    return [event["extra"] for event in airflow.asset_events(start) if event["uri"] == start]


def folder_events(airflow: Standalone, conn_id: str) -> dict[str, list[dict[str, int]]]:
    """Return the extras of the events of each folder of an account, the oldest first."""
    start = f"mailroom://{conn_id}/"
    found: dict[str, list[dict[str, int]]] = {}
    for event in airflow.asset_events(start):
        if folder := unquote(event["uri"].removeprefix(start)):
            found.setdefault(folder, []).append(event["extra"])
    return found
