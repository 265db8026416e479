"""Several mirrors side by side on one account: in lanes, and in each other's way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mailroom.policy.mirror import MirrorSelection
from mailroom.services.lanes import plan_lanes
from mailroom.services.mirror import MirrorReport
from tests.integration.mirror_walk import Walk, account_in_archive, account_on_server, difference
from tests.integration.mirrors import MirrorAccount, Odd, mail
from tests.support.dovecot import Dovecot
from tests.support.imap_server import CAPABILITIES, ImapServer, Mailbox
from tests.support.mail import make_message

SIZES = {"INBOX": 200, "Archive": 120, "Work": 70, "Work/2026": 60, " odd * name ": 5, "{{ 1/0 }}": 1}


@pytest.fixture
def account(dovecot: Dovecot, user: str, archive_root: Path) -> MirrorAccount:
    """An account with folders of several sizes."""
    found = MirrorAccount(dovecot, user, archive_root)
    for folder, count in SIZES.items():
        for number in range(count):
            found.append(make_message(subject=f"{folder} {number}"), folder)
    return found


def plan(account: MirrorAccount, lanes: int, **selection: object) -> list[list[str]]:
    """Share the folders out."""
    chosen = MirrorSelection(**selection)  # type: ignore[arg-type]  # as given
    return plan_lanes(account.connect, account.archive, account.name, selection=chosen, lanes=lanes)


def mirror_lanes(account: MirrorAccount, lanes: list[list[str]]) -> list[MirrorReport]:
    """Mirror all lanes at the same time."""
    with ThreadPoolExecutor(len(lanes)) as threads:
        runs = [threads.submit(account.mirror, lane=tuple(lane), connections=1) for lane in lanes]
        return [run.result() for run in runs]


def test_lanes_bring_the_account_and_nothing_twice(account: MirrorAccount) -> None:
    """Packed by what is new, whatever folders are called; together they are one mirror."""
    lanes = plan(account, 2)
    new = [sum(SIZES[name] for name in lane) for lane in lanes]
    assert len(lanes) == 2
    assert max(new) - min(new) < max(SIZES.values())
    reports = mirror_lanes(account, lanes)
    assert sum(report.added for report in reports) == sum(SIZES.values())
    assert account.changes() == ["added"] * sum(SIZES.values())
    account.assert_in_step()
    assert [len(lane) for lane in plan(account, 4)] == [len(SIZES)]  # nothing is left to share out


def test_a_renamed_folder_is_one_lane_with_its_old_name(account: MirrorAccount) -> None:
    """Otherwise one lane would take for gone what another one finds."""
    mirror_lanes(account, plan(account, 3))
    with account.server.mailbox(account.user) as client:
        client.rename_folder("Archive", "Old mail")
        client.create_folder("New")
        client.select_folder("Work/2026")
        client.move(client.search()[:20], "INBOX")
    lanes = plan(account, 3)
    [together] = [lane for lane in lanes if "Archive" in lane]
    assert {"Archive", "Old mail", "New"} <= set(together)
    reports = mirror_lanes(account, lanes)
    assert sum(report.renamed_folders for report in reports) == 1
    assert sum(report.moved for report in reports) == SIZES["Archive"]
    account.assert_in_step()


def test_patterns_choose_before_folders_are_shared_out(account: MirrorAccount) -> None:
    """What is left out is in no lane."""
    named = [name for lane in plan(account, 3, exclude=("Work*",)) for name in lane]
    assert sorted(named) == sorted(name for name in SIZES if not name.startswith("Work"))


@pytest.mark.parametrize("seed", [1, 2])
def test_runs_in_each_others_way_do_no_harm(
    dovecot: Dovecot, user: str, archive_root: Path, seed: int
) -> None:
    """Whole runs and lanes at the same time, on an account that changes: it is the account in the end."""
    account = MirrorAccount(dovecot, user, archive_root)
    account.append(make_message(subject="the first"))
    account.mirror()
    walk = Walk(dovecot, user, seed)
    for _ in range(4):
        for _ in range(8):
            walk.step()
        lanes = plan(account, 2)
        with ThreadPoolExecutor(3) as threads:
            whole = threads.submit(account.mirror, max_gone=1)
            parts = [threads.submit(account.mirror, lane=tuple(lane), max_gone=1) for lane in lanes]
            for run in (whole, *parts):
                assert run.result().failures == (), walk.done
    walk.close()
    account.mirror(max_gone=1)
    server = account_on_server(dovecot, user)
    assert difference(server, account_in_archive(archive_root, account.name)) == {}, walk.done
    digests = account.archive.read_table("messages", ["sha256"])["sha256"].to_pylist()
    assert len(digests) == len(set(digests))


def test_an_account_with_labels_is_one_lane(archive_root: Path) -> None:
    """All Mail comes first there, and the other folders know what it brought."""
    folders = {
        "INBOX": Mailbox(mail=mail(1, 2)),
        "[Gmail]/All Mail": Mailbox(mail=mail(1, 2), attributes="\\All"),
    }
    with ImapServer(folders, capabilities=(*CAPABILITIES, "X-GM-EXT-1")) as server:
        odd = Odd(server, archive_root)
        lanes = plan_lanes(odd.connect, odd.archive, "a", selection=MirrorSelection(), lanes=4)
    assert [sorted(lane) for lane in lanes] == [["INBOX", "[Gmail]/All Mail"]]
