"""Plans of deletion: what was shown is what is done, and nothing beyond it."""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from airflow.sdk.exceptions import AirflowFailException

from mailroom.archive import Archive
from mailroom.archive.ledgers import has_plan_in_state, read_plans, record_plan
from mailroom.cli import main
from mailroom.cli.commands import retention
from mailroom.exceptions import ConfigurationError, StoreUnavailable
from mailroom.ledger import PlanState
from mailroom.model import MailProtocol
from mailroom.operators.retention_approval import MailRetentionApprovalOperator
from mailroom.policy.policy_file import parse_policy
from mailroom.services.deleting.plan_markdown import plan_in_markdown
from mailroom.services.deleting.retention_plan import Plan, load_plan
from mailroom.services.plan_approval import record_answer, why_to_ask_about
from tests.integration.runs import Account, days
from tests.integration.test_retention_policy import Filled, mail, mirror
from tests.support.command import run_command
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message
from tests.support.maildir import Stored
from tests.support.pop3_server import Maildrop, Pop3Server

MONTH = "rules: [{delete_after: 30d}]"
FIRST_ASKS = "{approval: {first_run: true}, rules: [{delete_after: 30d}]}"


@pytest.fixture
def filled(dovecot: Dovecot, user: str, archive_root: Path) -> Filled:
    """Four old messages and a new one in INBOX, mirrored."""
    return Filled(dovecot, user, archive_root).put_and_mirror(100, 90, 80, 70, 10)


@pytest.fixture
def maildrop(dovecot: Dovecot, user: str, archive_root: Path) -> Account:
    """Three messages that were archived eight days ago."""
    account = Account(archive_root, dovecot.endpoint(user, MailProtocol.POP3))
    dovecot.fill(user, [Stored(content=mail(number)) for number in range(3)])
    account.fetch()
    account.wait(days(8))
    return account


def plan(account: Account, text: str = MONTH) -> str:
    report = account.retain(parse_policy(text), dry_run=True)
    assert report.plan_id is not None
    return report.plan_id


def answer(
    account: Account, name: str, *, is_yes: bool = True, by: str = "ana", least_age: timedelta | None = None
) -> None:
    record_answer(
        Archive(account.root),
        account.name,
        name,
        is_yes=is_yes,
        by=by,
        at=account.now(),
        run_id="asking",
        least_age=least_age,
    )


def states(account: Account) -> list[str]:
    return [row.state.value for row in read_plans(Archive(account.root), account.name)]


def test_rows_of_one_plan_are_read_alone(filled: Filled) -> None:
    """However many plans an account had."""
    first, second = plan(filled.account), plan(filled.account)
    archive = Archive(filled.account.root)
    assert {row.plan_id for row in read_plans(archive, "account")} == {first, second}
    assert {row.plan_id for row in read_plans(archive, "account", second)} == {second}
    assert read_plans(archive, "account", "another") == []
    assert not has_plan_in_state(archive, "account", PlanState.EXECUTED)
    filled.account.carry_out(second)
    assert has_plan_in_state(Archive(filled.account.root), "account", PlanState.EXECUTED)


def test_a_dry_run_writes_down_what_it_shows(filled: Filled) -> None:
    """The plan says which messages, by which rule, how large, how old."""
    report = filled.retain(MONTH, dry_run=True)
    (row,) = read_plans(Archive(filled.account.root), "account")
    assert (row.plan_id, row.state, row.by) == (report.plan_id, PlanState.PLANNED, "a test")
    assert (row.folder, row.rule, row.uids) == (
        "INBOX",
        "more than 30 days after it reached the mailbox",
        "1:4",
    )
    assert (row.messages, row.octets) == (4, report.summary()["octets"])
    assert row.oldest is not None
    assert row.newest is not None
    assert [(filled.account.clock - date).days for date in (row.oldest, row.newest)] == [100, 70]
    assert json.loads(row.policy or "") == {"rules": [{"delete_after": 30}]}
    assert len(filled.there()) == 5


def test_a_plan_that_means_nothing_is_not_written(filled: Filled) -> None:
    """There is nothing to carry out."""
    assert filled.retain("rules: [{delete_after: 300d}]", dry_run=True).plan_id is None
    assert states(filled.account) == []


def test_just_the_plan_is_carried_out(filled: Filled) -> None:
    """What became due since stays for the next plan; each deletion names the plan."""
    name = plan(filled.account)
    filled.account.wait(days(25))
    report = filled.account.carry_out(name)
    assert (report.deleted, report.planned, report.failures) == (4, 4, ())
    assert filled.there() == [5]
    assert {row["plan_id"] for row in filled.account.audit()} == {name}
    assert states(filled.account) == ["planned", "executed"]


def test_what_changed_since_stays_and_is_told(filled: Filled) -> None:
    """Flagged, gone, or held since: no plan goes over that."""
    name = plan(filled.account)
    filled.mark([1], "\\Flagged")
    with filled.dovecot.mailbox(filled.user) as phone:
        phone.select_folder("INBOX")
        phone.delete_messages([2])
        phone.expunge()
    report = filled.account.carry_out(name)
    assert filled.there() == [1, 5]
    assert report.summary()["left"] == 2
    assert report.summary()["kept"] == {"flagged": 1, "no longer on the server": 1}


def test_what_a_mirror_saw_go_is_told_as_well(filled: Filled) -> None:
    """The plan's count is kept, whoever noticed first."""
    name = plan(filled.account)
    with filled.dovecot.mailbox(filled.user) as phone:
        phone.select_folder("INBOX")
        phone.delete_messages([2])
        phone.expunge()
    mirror(filled.account)
    report = filled.account.carry_out(name)
    assert (report.deleted, report.summary()["kept"]) == (3, {"no longer on the server": 1})


def test_a_plan_of_a_clock_that_ran_ahead_takes_nothing_too_young(filled: Filled) -> None:
    """Once the clock is put right, what the plan took for old enough and is not stays."""
    filled.account.wait(days(60))
    name = plan(filled.account)
    assert load_plan(filled.account.archive, filled.account.name, name).messages == 5
    filled.account.wait(-days(60))
    assert filled.account.carry_out(name).deleted == 4
    assert filled.there() == [5]


def test_a_plan_is_carried_out_once(filled: Filled) -> None:
    """Deleting twice is deleting once, and the second says who did it."""
    name = plan(filled.account)
    filled.account.carry_out(name)
    with pytest.raises(ConfigurationError, match="was carried out by a test"):
        filled.account.carry_out(name)


def test_a_refused_plan_is_not_carried_out(filled: Filled) -> None:
    """No means no."""
    name = plan(filled.account)
    answer(filled.account, name, is_yes=False)
    with pytest.raises(ConfigurationError, match="was refused by ana"):
        filled.account.carry_out(name)
    assert len(filled.there()) == 5


def test_the_audit_names_who_agreed(filled: Filled) -> None:
    """The person, beside the task that did it."""
    name = plan(filled.account)
    answer(filled.account, name)
    filled.account.carry_out(name)
    assert {(row["approved_by"], row["who"]) for row in filled.account.audit()} == {("ana", "a test")}


def test_whoever_is_asked_can_make_the_plan_smaller(filled: Filled) -> None:
    """A larger number of days spares the younger ones of the plan; a smaller one adds nothing."""
    report = filled.account.carry_out(plan(filled.account), least_age=days(85))
    assert (report.deleted, report.summary()["left"]) == (2, 2)
    assert report.summary()["kept"] == {"too young": 2}
    assert filled.there() == [3, 4, 5]
    assert filled.account.carry_out(plan(filled.account), least_age=days(0)).deleted == 2


def test_the_plan_as_a_person_reads_it(filled: Filled) -> None:
    """Counts, folders and space; names only where somebody asked, and then as plain text."""
    filled.put(60, "<b>*Eve*</b> <eve@x.example>")
    mirror(filled.account)
    archive = Archive(filled.account.root)
    found = load_plan(archive, "account", plan(filled.account))
    told = plan_in_markdown(found)
    assert "**5 messages** of account are to be deleted" in told
    assert "| INBOX | more than 30 days after it reached the mailbox | 5 | 0.0 |" in told
    assert found.plan_id in told
    assert "Mensaje" not in told
    assert "Mensaje 1" in plan_in_markdown(found, archive)
    assert "<b>" not in plan_in_markdown(found, archive)
    assert "later runs" not in told
    shared = load_plan(
        archive, "account", plan(filled.account, "{max_fraction: 0.4, rules: [{delete_after: 30d}]}")
    )
    assert "At most 40% of a folder goes at once" in plan_in_markdown(shared)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({}, None),
        ({"first_run": True}, "it is the first of this account"),
        ({"over_messages": 3}, "it means more than 3 messages"),
        ({"over_messages": 4}, None),
        ({"over_fraction": 0.7}, "it means more than 70% of the account"),
        ({"over_fraction": 0.8}, None),
    ],
)
def test_the_policy_says_when_somebody_is_asked(
    filled: Filled, rule: dict[str, object], why: str | None
) -> None:
    """Four of five messages are in the plan, and none was carried out before."""
    text = json.dumps({"rules": [{"delete_after": 30}], **({"approval": rule} if rule else {})})
    archive = Archive(filled.account.root)
    assert why_to_ask_about(archive, load_plan(archive, "account", plan(filled.account, text))) == why


def test_somebody_can_be_asked_at_the_first_deletion_whatever_the_policy_says(filled: Filled) -> None:
    """As the form of mail_retention offers; after it, nobody is asked again."""
    archive = filled.account.archive
    first = load_plan(archive, "account", plan(filled.account, "rules: [{delete_after: 85d}]"))
    assert why_to_ask_about(archive, first) is None
    assert why_to_ask_about(archive, first, first_run=True) == "it is the first of this account"
    filled.account.carry_out(first.plan_id)
    second = load_plan(archive, "account", plan(filled.account, "rules: [{delete_after: 30d}]"))
    assert why_to_ask_about(archive, second, first_run=True) is None


def test_a_second_run_is_not_the_first(filled: Filled) -> None:
    """Once somebody has agreed and it was done, the account is no longer new."""
    text = "{approval: {first_run: true}, rules: [{delete_after: 75d}]}"
    assert filled.retain(text, consent=lambda plan, why: "ana").deleted == 3
    filled.account.wait(days(10))
    archive = Archive(filled.account.root)
    assert why_to_ask_about(archive, load_plan(archive, "account", plan(filled.account, text))) is None


def test_a_plan_that_nobody_agreed_to_is_refused(filled: Filled) -> None:
    """Whoever carries it out: the sentence says why, and how somebody agrees."""
    name = plan(filled.account, FIRST_ASKS)
    with pytest.raises(ConfigurationError, match=f"it is the first of this account.*--plan {name} --approve"):
        filled.account.carry_out(name)
    assert len(filled.there()) == 5
    answer(filled.account, name)
    assert filled.account.carry_out(name).deleted == 4


def test_a_policy_that_asks_is_obeyed_without_a_plan(filled: Filled) -> None:
    """A run that is given the policy plans first, and deletes where nobody has to be asked."""
    with pytest.raises(ConfigurationError, match="nobody has agreed to it"):
        filled.retain(FIRST_ASKS)
    assert (len(filled.there()), states(filled.account)) == (5, ["planned"])
    report = filled.retain("{approval: {over_messages: 4}, rules: [{delete_after: 30d}]}")
    assert (report.deleted, report.dry_run, filled.there()) == (4, False, [5])


def test_nothing_due_asks_nobody(filled: Filled) -> None:
    """A run that finds nothing is a run that found nothing, not a dry one."""
    report = filled.retain(FIRST_ASKS.replace("30d", "300d"))
    assert (report.deleted, report.dry_run, report.failures) == (0, False, ())


def test_whoever_is_there_is_asked(filled: Filled) -> None:
    """Told the plan and why; the answer is kept with the plan and in the audit."""
    asked: list[tuple[int, str]] = []

    def agree(plan: Plan, why: str) -> str:
        asked.append((plan.messages, why))
        return "ana"

    filled.retain(FIRST_ASKS, consent=agree)
    assert asked == [(4, "it is the first of this account")]
    assert {row["approved_by"] for row in filled.account.audit()} == {"ana"}
    assert states(filled.account) == ["planned", "approved", "executed"]


def test_what_the_approver_spared_stays_in_every_run_of_the_plan(filled: Filled) -> None:
    """The number of days is kept with the consent; another consent does not take it back."""
    name = plan(filled.account)
    answer(filled.account, name, least_age=days(85))
    answer(filled.account, name, by="eve")
    halted = threading.Event()
    halted.set()
    assert filled.account.carry_out(name, stop=halted).deleted == 0
    report = filled.account.carry_out(name)
    assert (report.deleted, report.summary()["left"]) == (2, 2)
    assert filled.there() == [3, 4, 5]
    assert {row["approved_by"] for row in filled.account.audit()} == {"eve"}


def test_the_number_of_days_typed_into_the_form_is_kept(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Airflow hands over of an answer is recorded with the plan: who, and what they spared."""
    monkeypatch.setenv("AIRFLOW_CONN_ACCOUNT", json.dumps({"conn_type": "imap", "host": "mail.example"}))
    name = plan(filled.account, FIRST_ASKS)
    event = {
        "chosen_options": ["Approve"],
        "params_input": {"least_days": 85},
        "responded_by_user": {"id": "7", "name": "ana"},
        "responded_at": datetime.now(UTC),
    }
    asking(filled.account, name).execute_complete(cast(Any, {}), event)
    found = load_plan(Archive(filled.account.root), "account", name)
    assert (found.approved_by, found.least_age) == ("ana", days(85))
    assert filled.account.carry_out(name).deleted == 2


def asking(account: Account, name: str, ask: str = "always") -> MailRetentionApprovalOperator:
    return MailRetentionApprovalOperator(
        task_id="ask_person", conn_id="account", plan_id=name, ask=ask, archive=str(account.root)
    )


@pytest.mark.parametrize(("is_yes", "option"), [(True, "Approve"), (False, "Reject")])
@pytest.mark.parametrize("ask", ["policy", "first", "always"])
def test_who_has_answered_is_not_asked_again(
    filled: Filled, monkeypatch: pytest.MonkeyPatch, is_yes: bool, option: str, ask: str
) -> None:
    """A task that is tried again after the answer goes on with it: yes with yes, no with no."""
    monkeypatch.setenv("AIRFLOW_CONN_ACCOUNT", json.dumps({"conn_type": "imap", "host": "mail.example"}))
    name = plan(filled.account, FIRST_ASKS)
    answer(filled.account, name, is_yes=is_yes, by="eve")
    answered = asking(filled.account, name, ask).execute(cast(Any, {}))
    assert answered["chosen_options"] == [option]
    assert answered["responded_by_user"]["name"] == "eve"
    assert states(filled.account)[-1] == ("approved" if is_yes else "refused")


def test_nobody_is_asked_about_a_plan_that_was_carried_out(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clearing the task says so at once, instead of asking in vain."""
    monkeypatch.setenv("AIRFLOW_CONN_ACCOUNT", json.dumps({"conn_type": "imap", "host": "mail.example"}))
    name = plan(filled.account)
    filled.account.carry_out(name)
    with pytest.raises(AirflowFailException, match=f"Plan {name} was carried out by a test"):
        asking(filled.account, name).execute(cast(Any, {}))


def test_the_command_line_takes_a_name_for_consent(filled: Filled, tmp_path: Path) -> None:
    """For a plan that was shown only, and never in silence."""
    (tmp_path / "policy.yaml").write_text(FIRST_ASKS)
    url = f"imap://{filled.user}@127.0.0.1:{filled.dovecot.imap_port}"
    command = ["retention", url, "--archive", str(filled.account.root), "--account", "account"]
    refused = run_command(*command, "--policy", str(tmp_path / "policy.yaml"))
    assert (refused.status, len(filled.there())) == (1, 5)
    assert ("for it is the first of this account" in refused.err, "Airflow" in refused.err) == (True, False)
    dry = run_command(*command, "--policy", str(tmp_path / "policy.yaml"), "--dry-run")
    assert "The policy wants somebody to agree first, for it is the first of this account." in dry.out
    assert '--approve "NAME"' in dry.out
    name = refused.err.split("--plan ")[1].split()[0]
    unseen = run_command(*command, "--policy", str(tmp_path / "policy.yaml"), "--approve", "Ana")
    assert (unseen.status, "give --plan too" in unseen.err) == (2, True)
    done = run_command(*command, "--plan", name, "--approve", "Ana")
    assert "4 messages deleted" in done.out, done.err
    assert {row["approved_by"] for row in filled.account.audit()} == {"Ana"}


@pytest.mark.parametrize(("typed", "left"), [("yes\n", 1), ("no\n", 5)])
def test_the_person_at_the_terminal_is_asked(filled: Filled, tmp_path: Path, typed: str, left: int) -> None:
    """The plan is shown first; only the whole word agrees."""
    (tmp_path / "policy.yaml").write_text(FIRST_ASKS)
    url = f"imap://{filled.user}@127.0.0.1:{filled.dovecot.imap_port}"
    words = ["retention", url, "--archive", str(filled.account.root), "--account", "account"]
    ours, theirs = pty.openpty()
    os.write(ours, typed.encode())
    done = subprocess.run(
        [sys.executable, "-m", "mailroom", *words, "--policy", str(tmp_path / "policy.yaml")],
        stdin=theirs,
        capture_output=True,
        text=True,
        env={**os.environ, "MAILROOM_PASSWORD": "secret"},
        timeout=120,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert "Delete these 4 messages" in done.stderr
    assert "more than 30 days after it reached the mailbox" in done.stderr
    assert (len(filled.there()), done.returncode) == (left, 0 if left == 1 else 1)


def test_an_unknown_plan_is_refused(filled: Filled) -> None:
    """The sentence says how to make one."""
    with pytest.raises(ConfigurationError, match="make one by a dry run"):
        filled.account.carry_out("nonsense")


def test_a_pop3_plan_is_carried_out_as_shown(maildrop: Account, dovecot: Dovecot, user: str) -> None:
    """The messages are known by their UIDL; what came due since stays."""
    name = plan(maildrop, "rules: [{delete_after: 7d}]")
    dovecot.fill(user, [Stored(content=mail(9))])
    maildrop.fetch()
    maildrop.wait(days(30))
    report = maildrop.carry_out(name)
    assert (report.deleted, report.planned) == (3, 3)
    assert sorted(maildrop.states().values()) == ["added", *["deleted_by_retention"] * 3]


def test_a_uidl_that_is_given_again_is_not_what_a_plan_meant(archive_root: Path) -> None:
    """Another message under a planned UIDL stays, however old it is, and is told."""
    old = [make_message(subject=f"Old {n}", date=datetime(2023, 1, 2, tzinfo=UTC)) for n in range(3)]
    drop = Maildrop(messages=[("u0", old[0]), ("u1", old[1])])
    with Pop3Server(drop) as server:
        account = Account(archive_root, server.endpoint())
        account.fetch()
        shown = plan(account, "rules: [{delete_after: 30d, basis: date}]")
        account.wait(days(1))
        drop.messages[0] = ("u0", old[2] + b"one line more\r\n")
        account.fetch()
        report = account.carry_out(shown)
        assert (report.deleted, report.folders[0].kept) == (1, {"not the message that was planned": 1})
        assert [uidl for uidl, _ in drop.messages] == ["u0"]


def test_a_number_of_a_plan_that_stands_for_another_message_stays(filled: Filled) -> None:
    """The plan knows the digest of each message that it means; what is another is told."""
    (shown,) = read_plans(Archive(filled.account.root), "account", plan(filled.account))
    assert len(set(shown.digests)) == 4
    swapped = (shown.digests[1], shown.digests[0], *shown.digests[2:])
    record_plan(filled.account.archive, [replace(shown, plan_id="swapped", digests=swapped)])
    report = filled.account.carry_out("swapped")
    assert (report.deleted, report.folders[0].kept) == (2, {"not the message that was planned": 2})
    assert filled.there() == [1, 2, 5]


def test_a_plan_of_before_digests_is_carried_out(filled: Filled) -> None:
    """It knows numbers only; who each message is, is asked all the same."""
    (shown,) = read_plans(Archive(filled.account.root), "account", plan(filled.account))
    record_plan(filled.account.archive, [replace(shown, plan_id="old", digests=())])
    assert filled.account.carry_out("old").deleted == 4


def test_a_run_without_a_plan_writes_one_as_it_goes(filled: Filled) -> None:
    """What each rule took, for whoever reads the audit."""
    report = filled.retain(MONTH)
    assert states(filled.account) == ["executed"]
    assert {row["plan_id"] for row in filled.account.audit()} == {report.plan_id}


def test_a_plan_that_cannot_be_written_is_shown_all_the_same(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may only read the archive can see what would go."""

    def refuse(*_: object) -> None:
        raise StoreUnavailable("read-only")

    monkeypatch.setattr("mailroom.services.retention.record_plan", refuse)
    report = filled.retain(MONTH, dry_run=True)
    assert (report.deleted, report.plan_id) == (4, None)


def test_the_command_line_shows_and_carries_out(filled: Filled) -> None:
    """The dry run says what to type."""
    url = f"imap://{filled.user}@127.0.0.1:{filled.dovecot.imap_port}"
    command = ["retention", url, "--archive", str(filled.account.root), "--account", "account"]
    shown = run_command(*command, "--older-than", "30d", "--dry-run")
    assert shown.status == 0, shown.err
    name = shown.out.split("--plan ")[1].split()[0]
    done = run_command(*command, "--plan", name)
    assert "4 messages deleted" in done.out, done.err
    assert filled.there() == [5]
    again = run_command(*command, "--plan", name)
    assert (again.status, "was carried out by command line (" in again.err) == (1, True)
    root, (gone, *_) = str(filled.account.root), filled.account.audit()
    policy = filled.account.root.parent / "policy.yaml"
    policy.write_text(MONTH)
    place = ["--archive", root, "--account", "account"]
    explained = run_command("policy", "explain", str(policy), gone["message_sha256"], *place)
    words = shlex.split(explained.out.strip().partition("says: mailroom ")[2])
    assert "more than 30 days after it reached the mailbox" in run_command(*words).out


def test_the_command_line_advises_to_begin_with_a_part(
    filled: Filled, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first deletion of an account, and not where somebody said how much, or after it."""
    monkeypatch.setattr(retention, "FEW_MESSAGES", 4)
    monkeypatch.setenv("MAILROOM_PASSWORD", "secret")
    url = f"imap://{filled.user}@127.0.0.1:{filled.dovecot.imap_port}"
    command = ["retention", url, "--archive", str(filled.account.root), "--account", "account", "--quiet"]

    def told(*words: str) -> str:
        assert main([*command, "--dry-run", "--older-than", *words]) == 0
        return capsys.readouterr().out

    advice = "with --max-fraction 0.25 the oldest quarter of each folder goes first"
    assert advice in told("30d")
    assert advice not in told("30d", "--max-fraction", "1")
    assert advice not in told("95d")
    assert main([*command, "--older-than", "85d"]) == 0
    capsys.readouterr()
    filled.put_and_mirror(60, 60)
    assert advice not in told("30d")


def test_the_command_line_says_how_a_plan_with_a_copy_is_carried_out(filled: Filled, tmp_path: Path) -> None:
    """What it prints can be typed as it stands."""
    copy = str(tmp_path / "a copy")
    assert run_command("replicate", str(filled.account.root), copy).status == 0
    url = f"imap://{filled.user}@127.0.0.1:{filled.dovecot.imap_port}"
    command = ["retention", url, "--archive", str(filled.account.root), "--account", "account"]
    shown = run_command(*command, "--older-than", "30d", "--copy", copy, "--dry-run")
    words = shlex.split(shown.out.strip().splitlines()[-1].partition("To delete just this: ")[2])
    assert words[2:] == ["--copy", copy]
    assert run_command(*command, *words[:2]).status == 1
    assert run_command(*command, *words).status == 0
    assert filled.there() == [5]


def test_one_command_brings_back_what_a_run_deleted(filled: Filled) -> None:
    """The run says what to type: just its messages return, where they were, with flags and dates."""
    url = f"imap://{filled.user}@127.0.0.1:{filled.dovecot.imap_port}"
    filled.mark([2], "\\Seen", "$Work")
    mirror(filled.account)
    command = ["retention", url, "--archive", str(filled.account.root), "--account", "account"]
    command += ["--ca-file", filled.dovecot.ca_file]
    first = run_command(*command, "--older-than", "95d")
    second = run_command(*command, "--older-than", "75d")
    assert filled.there() == [4, 5]
    undo = second.out.split("To bring it back: ")[1].splitlines()[0]
    words = shlex.split(undo)
    assert words[:5] == ["mailroom", "restore", url, "--ca-file", filled.dovecot.ca_file]
    restored = run_command(*words[1:])
    assert restored.status == 0, restored.err
    with filled.dovecot.mailbox(filled.user) as phone:
        phone.select_folder("INBOX", readonly=True)
        found = phone.fetch(phone.search("ALL"), ["FLAGS", "INTERNALDATE"])
    dates = [each[b"INTERNALDATE"].astimezone(UTC) for each in found.values()]
    ages = sorted((filled.account.clock - date).days for date in dates)
    assert ages == [10, 70, 80, 90]
    assert {b"\\Seen", b"$Work"} <= {flag for each in found.values() for flag in each[b"FLAGS"]}
    again = run_command(*words[1:])
    assert "0 messages of account added" in again.out
    assert "To bring it back" in first.out
    assert run_command(*words[1:-1], "nonsense").status == 1
