"""Plans to forget: shown, agreed to, carried out and nothing beyond them; and certificates of what went."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from mailroom.archive.ledgers import read_plans
from mailroom.exceptions import ArchiveError, ConfigurationError, StoreUnavailable
from mailroom.operators.forget import ArchiveForgetOperator
from mailroom.operators.forget_approval import ArchiveForgetApprovalOperator
from mailroom.services.audit import AuditSelection, read_audit
from mailroom.services.forget import ForgetReport, ForgetWish, answer_plan, forget_mail
from mailroom.services.holds import place_hold, release_hold
from tests.support.archives import context
from tests.support.command import run_command
from tests.support.forgetting import (
    ANA,
    DAY,
    NOW,
    Killed,
    archived,
    digests,
    fill,
    forget,
    objects,
    sound,
    sweep,
    take_off,
    two_accounts,
)
from tests.support.s3 import S3Server
from tests.support.sealed import rewrite


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten messages of an account, the last five of which another account has as well, and five of its own."""
    return two_accounts(tmp_path / "archive")


def carry_out(root: Any, plan_id: str | None, *, at: datetime = NOW, run: str = "later") -> ForgetReport:
    archive = root if isinstance(root, Archive) else Archive(root)
    return forget_mail(archive, context(run, what="forget"), plan_id=plan_id, dry_run=False, now=lambda: at)


def agree(root: Path, plan_id: str | None, *, is_yes: bool = True) -> None:
    answer_plan(Archive(root), plan_id or "", is_yes=is_yes, by="Eva", at=NOW, run_id="answer")


def states(root: Path) -> list[tuple[str, str, str, int]]:
    rows = [row for name in ("post", "*") for row in read_plans(Archive(root), name)]
    return [(row.what, row.state.value, row.by, row.messages) for row in rows]


def test_plan_that_was_shown_is_carried_out_with_who_agreed(root: Path) -> None:
    """Plan, consent and deletion are rows of plans; each message's audit names plan and person."""
    shown = forget(Archive(root), account="post", apply=False)
    agree(root, shown.plan_id)
    done = carry_out(root, shown.plan_id)
    assert (done.messages, done.shared, done.plan_id, done.approved_by) == (5, 5, shown.plan_id, "Eva")
    assert states(root) == [
        ("forget", "planned", "test", 5),
        ("forget", "planned", "test", 5),
        ("forget", "approved", "Eva", 5),
        ("forget", "executed", "test", 5),
    ]
    rows = read_audit(Archive(root), AuditSelection(account="post")).rows
    assert {(row["plan_id"], row["approved_by"]) for row in rows} == {(shown.plan_id, "Eva")}
    told = run_command("audit", "--archive", str(root), "--account", "post")
    assert told.out.count("Eva") == 10
    assert archived(Archive(root)) == digests(range(6, 16))
    assert sound(Archive(root))


@pytest.mark.parametrize("is_yes", [True, False])
def test_plan_that_is_over_is_refused(root: Path, is_yes: bool) -> None:
    """Nobody's no is overruled by running it again, and nothing is carried out twice."""
    shown = forget(Archive(root), account="post", apply=False)
    agree(root, shown.plan_id, is_yes=is_yes)
    if is_yes:
        carry_out(root, shown.plan_id)
    before = archived(Archive(root))
    with pytest.raises(ConfigurationError, match="was carried out" if is_yes else "was refused"):
        carry_out(root, shown.plan_id)
    assert archived(Archive(root)) == before


def test_what_came_after_the_plan_stays_with_its_place(root: Path) -> None:
    """Of an account: the new message, and one that another account gave up since."""
    shown = forget(Archive(root), account="post", apply=False)
    fill(Archive(root), range(40, 42), run="run-3")
    forget(Archive(root), account="second")
    done = carry_out(root, shown.plan_id)
    assert (done.messages, done.later) == (5, 7)
    assert archived(Archive(root)) == digests(range(6, 11)) | digests(range(40, 42))
    places = Archive(root).read_table("locations", ["sha256"])["sha256"].to_pylist()
    assert set(places) == archived(Archive(root))
    assert sound(Archive(root))


def test_hold_placed_after_the_plan_keeps_its_messages(root: Path) -> None:
    """Whoever agreed before; and one released is obeyed for its days of grace."""
    shown = forget(Archive(root), person=ANA, apply=False)
    agree(root, shown.plan_id)
    hold = place_hold(Archive(root), account="post", reason="a trial", by="me", at=NOW - DAY)
    release_hold(Archive(root), hold.hold_id, by="me", at=NOW)
    assert forget(Archive(root), person=ANA, apply=False, at=NOW + 6 * DAY).held == 10
    done = carry_out(root, shown.plan_id, at=NOW + 6 * DAY)
    assert (done.messages, done.held) == (5, 10)
    assert archived(Archive(root)) == digests(range(1, 11))
    assert forget(Archive(root), person=ANA, at=NOW + 8 * DAY).messages == 10


def test_age_of_a_plan_is_that_of_its_moment(root: Path) -> None:
    """What grew old since is not part of it; what came back to a server stays."""
    take_off(Archive(root), range(1, 4))
    day = datetime(2026, 11, 25, 8, tzinfo=NOW.tzinfo)
    shown = forget(Archive(root), older_than=DAY / 2, apply=False, at=day)
    assert shown.messages == 3
    take_off(Archive(root), range(4, 6))
    fill(Archive(root), range(1, 2), account="third", run="run-4")
    done = carry_out(root, shown.plan_id, at=day + 9 * DAY)
    assert (done.messages, archived(Archive(root))) == (2, digests(range(4, 16)) | digests(range(1, 2)))
    assert states(root)[-1] == ("forget", "executed", "test", 2)


def test_plan_names_nobody(root: Path) -> None:
    """A person who is to be forgotten is in no file of the archive that would outlast that."""
    shown = forget(Archive(root), person=ANA, apply=False)
    carry_out(root, shown.plan_id)
    assert all(ANA not in (row.policy or "") + (row.rule or "") for row in read_plans(Archive(root), "*"))
    assert not any(ANA in path.read_text() for path in root.glob("certificates/*"))
    one, other = (ForgetWish(person=f" {name}@Example.org ").stated("salt") for name in ("Ana", "Bob"))
    assert one == ForgetWish(person=ANA).stated("salt") != ForgetWish(person=ANA).stated("pepper")
    assert one != other


def test_plan_of_another_kind_is_refused(root: Path) -> None:
    """Each command carries out its own plans."""
    shown = forget(Archive(root), account="post", apply=False)
    told = run_command(
        *("retention", "imap://post@127.0.0.1:9", "--account", "post", "--archive", str(root)),
        *("--plan", shown.plan_id or ""),
    )
    assert "mailroom forget" in told.err
    with pytest.raises(ConfigurationError, match="no plan"):
        carry_out(root, "never made")


def test_message_that_came_back_and_goes_again_is_told_of_again(root: Path) -> None:
    """The audit says each time, and so do two certificates."""
    forget(Archive(root), account="post")
    fill(Archive(root), range(1, 3), run="run-3")
    assert forget(Archive(root), account="post").messages == 2
    rows = read_audit(Archive(root), AuditSelection(account="post")).rows
    assert len(rows) == 12
    assert len(list(root.glob("certificates/*.json"))) == 2


def certificate(report: ForgetReport) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(Path(report.certificate or "").read_text())
    return said


def test_certificate_is_kept_as_data_and_as_text(root: Path) -> None:
    """Both list every message; the second is Markdown in which nothing of ours is markup by accident."""
    shown = forget(Archive(root), account="post", apply=False)
    agree(root, shown.plan_id)
    done = carry_out(root, shown.plan_id)
    said = certificate(done)
    assert said == done.certified
    assert (said["messages"], set(said["sha256"]), said["shared"]) == (5, digests(range(1, 6)), 5)
    assert said["octets"] == shown.octets
    (plan,) = said["plans"]
    assert (plan["plan_id"], plan["approved_by"]) == (shown.plan_id, "Eva")
    text = (root / "certificates" / f"{shown.plan_id}.md").read_text()
    assert "approved by Eva" in text
    assert "| messages removed | 5 |" in text
    assert all(digest in text for digest in digests(range(1, 6)))


@pytest.mark.parametrize("step", range(3, 24))
@pytest.mark.parametrize("is_planned", [True, False])
def test_certificate_of_a_removal_that_was_cut_off_lists_all_of_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, step: int, is_planned: bool
) -> None:
    """Killed before any commit, then ended by plan or by the same words: what went in the first run too."""
    from mailroom.archive.delta.tables import Table

    shown = forget(Archive(root), account="post", apply=False) if is_planned else None
    commits, commit = iter(range(1, 1000)), Table._commit

    def fragile(self: Table, *arguments: Any, **options: Any) -> None:
        if next(commits) == step:
            raise Killed
        commit(self, *arguments, **options)

    def run() -> None:
        if shown is None:
            forget(Archive(root), account="post")
        else:
            carry_out(root, shown.plan_id)

    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(Table, "_commit", fragile)
        run()
    if states(root)[-1][1] != "executed":
        run()
    assert states(root)[-1] == ("forget", "executed", "test", 5)
    said = [set(json.loads(path.read_text())["sha256"]) for path in root.glob("certificates/*.json")]
    assert said == [digests(range(1, 6))]
    assert archived(Archive(root)) == digests(range(6, 16))
    assert len(read_audit(Archive(root), AuditSelection()).rows) == 10
    assert sound(Archive(root))


def test_attachment_that_could_not_be_deleted_leaves_the_plan_open(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same plan can be carried out again, and then it is over."""
    from mailroom.archive.removing import delivered
    from tests.integration.test_forget import deliver

    deliver(Archive(root), tmp_path / "out")
    shown = forget(Archive(root), account="post", apply=False)

    def refuse(*_: Any) -> Any:
        raise StoreUnavailable("The store is away.", reason="busy", where="out")

    with monkeypatch.context() as patch:
        patch.setattr(delivered, "open_delivery_store", refuse)
        assert carry_out(root, shown.plan_id).failures != ()
    assert len(list((tmp_path / "out").rglob("*.pdf"))) == 8
    again = carry_out(root, shown.plan_id)
    assert (again.failures, again.deliveries, again.messages) == ((), 3, 5)
    assert len(list((tmp_path / "out").rglob("*.pdf"))) == 5
    assert states(root)[-1][1] == "executed"


def test_command_shows_a_plan_and_carries_it_out(root: Path, tmp_path: Path) -> None:
    """The dry run names the plan; with it, consent and a readable certificate."""
    arguments = ("forget", "--archive", str(root))
    shown = json.loads(run_command(*arguments, "--account", "post", "--json").out)
    plan = ("--plan", shown["plan_id"])
    assert run_command(*arguments, "--account", "post", "--approve", "Eva", "--apply").status == 2
    assert run_command(*arguments, *plan, "--approve", "Eva").status == 2
    assert "5 messages" in run_command(*arguments, *plan).out
    file = tmp_path / "certificate.md"
    done = run_command(*arguments, *plan, "--approve", "Eva", "--apply", "--certificate", str(file))
    assert (done.status, "Certificate:" in done.out) == (0, True)
    assert file.read_text().startswith("# Certificate of removal")
    assert "approved by Eva" in file.read_text()


def test_operators_plan_ask_and_remove(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the DAG has it: the result names plan and certificate, and holds no digest."""
    from airflow.providers.standard.operators import hitl

    monkeypatch.setattr(hitl.ApprovalOperator, "execute", lambda self, context: None)
    monkeypatch.setattr(hitl.ApprovalOperator, "execute_complete", lambda self, context, event: None)
    where: dict[str, Any] = {"archive": str(root)}
    planned = ArchiveForgetOperator(task_id="plan", account="post", **where).execute({})  # type: ignore[arg-type]  # no run
    asking = ArchiveForgetApprovalOperator(task_id="ask", plan_id=planned["plan_id"], **where)
    asking.execute({})  # type: ignore[arg-type]  # no run
    assert "**5 messages**" in (asking.body or "")
    assert "places of **5 messages**" in (asking.body or "")
    event = {"chosen_options": ["Approve"], "responded_by_user": {"id": "7", "name": "Eva"}}
    asking.execute_complete({}, event)  # type: ignore[arg-type]  # no run
    again = ArchiveForgetApprovalOperator(task_id="ask", plan_id=planned["plan_id"], **where)
    again.execute({})  # type: ignore[arg-type]  # no run
    assert again.body is None
    task = ArchiveForgetOperator(task_id="t", plan_id=planned["plan_id"], dry_run=False, **where)
    done = task.execute({})  # type: ignore[arg-type]  # no run
    assert (done["messages"], done["approved_by"]) == (5, "Eva")
    assert Path(done["certificate"]).exists()
    assert not any(digest in json.dumps(done) for digest in digests(range(1, 16)))


def test_plan_and_certificate_in_a_bucket(s3: S3Server) -> None:
    """The same, without a disk."""
    url = s3.url(s3.new_bucket(), "mail")

    def opened() -> Archive:
        return Archive(url, storage_options=s3.storage_options)

    fill(opened(), range(1, 5))
    shown = forget(opened(), older_than=timedelta(microseconds=1), by_date=True, apply=False)
    assert shown.messages == 0
    shown = forget(opened(), person=ANA, apply=False)
    assert (carry_out(opened(), shown.plan_id).messages, archived(opened())) == (4, set())
    (said,) = opened().store.read_files([f"certificates/{shown.plan_id}.json"])
    assert len(json.loads(said or b"")["sha256"]) == 4
    assert (sweep(opened()).removed, objects(opened())) == (4, set())


def test_a_wrong_clock_removes_nothing(root: Path) -> None:
    """What is older than ten years by a clock that is ahead is not; rows and objects stay."""
    archive = Archive(root)
    archive.clock = lambda: datetime.now(UTC) + timedelta(minutes=6)
    for remove in (lambda: forget(archive, account="post"), lambda: sweep(archive)):
        with pytest.raises(ConfigurationError, match=r"the store at .* says"):
            remove()
    assert len(archived(archive)) == 15
    archive.clock = lambda: datetime.now(UTC)
    assert forget(archive, account="post").messages == 5
    assert not list(root.glob("intents/clock-*"))


def test_a_plan_of_a_clock_that_ran_ahead_takes_nothing_too_young(root: Path) -> None:
    """Ages are counted to the plan, and to no later than now."""
    take_off(Archive(root), range(1, 16))
    take_off(Archive(root), range(6, 16), "second")
    ahead = datetime.now(UTC) + 400 * DAY
    shown = forget(Archive(root), older_than=365 * DAY, apply=False, at=ahead)
    assert shown.messages == 15
    assert carry_out(root, shown.plan_id, at=datetime.now(UTC)).messages == 0
    assert len(archived(Archive(root))) == 15


@pytest.mark.parametrize("account", ["post", "*"])
def test_a_hold_that_was_released_by_hand_removes_nothing(root: Path, account: str) -> None:
    """What allows a removal is not to be anybody's to write."""
    place_hold(Archive(root), account=account, reason="case 7", by="Ana", at=NOW)
    rewrite(root, "holds", lambda rows: [{**row, "state": "released", "grace_days": 0.0} for row in rows])
    for remove in (lambda: forget(Archive(root), person=ANA), lambda: sweep(Archive(root))):
        with pytest.raises(ArchiveError, match="changed by hand"):
            remove()
    assert len(archived(Archive(root))) == 15
