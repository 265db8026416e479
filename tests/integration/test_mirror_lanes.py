"""Several mirrors side by side on one account: in lanes, and in each other's way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mailroom.exceptions import ConfigurationError
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


def test_a_renamed_folder_waits_for_the_mirror_after_the_lanes(account: MirrorAccount) -> None:
    """Otherwise one lane would take for gone what another one finds."""
    mirror_lanes(account, plan(account, 3))
    with account.server.mailbox(account.user) as client:
        client.rename_folder("Archive", "Old mail")
        client.create_folder("New")
        client.select_folder("Work/2026")
        client.move(client.search()[:20], "INBOX")
    lanes = plan(account, 3)
    assert not {"Archive", "Old mail", "New"} & {name for lane in lanes for name in lane}
    assert [report.warnings for report in mirror_lanes(account, lanes)] == [()] * len(lanes)
    whole = account.mirror()
    assert (whole.renamed_folders, whole.moved, whole.added) == (1, SIZES["Archive"], 0)
    account.assert_in_step()


def test_a_folder_renamed_after_the_lanes_were_planned_is_recorded_as_that(account: MirrorAccount) -> None:
    """Its old name is in a lane and its new one in none: nothing is called gone or downloaded again."""
    account.mirror()
    lanes = plan(account, 2)
    with account.server.mailbox(account.user) as client:
        client.rename_folder("Archive", "Old mail")
    for report in mirror_lanes(account, lanes):
        assert (report.expunged, report.deleted_folders) == (0, 0)
    whole = account.mirror()
    assert (whole.renamed_folders, whole.moved, whole.octets) == (1, SIZES["Archive"], 0)
    account.assert_in_step()


def test_lanes_that_each_lose_a_little_do_not_lose_the_account(archive_root: Path) -> None:
    """No lane loses more than may go; what is gone is judged once, for all of them together."""
    names = ["INBOX", *(f"F{number}" for number in range(3))]
    folders = {name: Mailbox(mail=mail(*range(100 * at + 1, 100 * at + 31))) for at, name in enumerate(names)}
    with ImapServer(folders) as server:
        odd = Odd(server, archive_root)
        odd.mirror()
        for folder in folders.values():
            folder.mail.clear()
        lanes = plan_lanes(odd.connect, odd.archive, "a", selection=MirrorSelection(), lanes=4)
        with ThreadPoolExecutor(len(lanes)) as threads:
            runs = [threads.submit(odd.mirror, lane=tuple(lane)) for lane in lanes]
            assert [run.result().expunged for run in runs] == [0] * len(lanes)
        with pytest.raises(ConfigurationError, match="120 of the 120 messages"):
            odd.mirror()
        assert sum(odd.archive.live_counts("a").values()) == 120
        assert odd.mirror(max_gone=1.0).expunged == 120


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
