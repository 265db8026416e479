"""What happens to mail on the server after its delivery: by the outcome, after the commit, once."""

from __future__ import annotations

import io
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
import pyzipper

from mailroom.archive.delivering.consumption import Consumption
from mailroom.client.imap import ImapClient
from mailroom.exceptions import StoreUnavailable
from mailroom.model import Change, RunContext
from mailroom.policy.aftermath import read_aftermath
from mailroom.policy.attachments import AttachmentRule
from mailroom.policy.destinations import Collision
from mailroom.services.aftermath import Asked, ask_after_delivery, unsettled_messages
from mailroom.services.attachments import DeliveryReport, deliver_attachments
from mailroom.services.progress import NoProgress
from mailroom.services.two_way import PushReport, push_changes
from tests.integration.mirrors import shown_by_server
from tests.integration.pushes import TwoWayAccount
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message

PDF = b"%PDF-1.4 invoice\n"


class Pipeline:
    """Mirror, deliver, and what comes after, as an operator does it."""

    def __init__(self, account: TwoWayAccount, out: Path) -> None:
        self.account, self.out = account, out
        self.report = self.delivered()

    def run(
        self,
        *,
        success: str = "",
        failure: str = "",
        collision: Collision = Collision.NUMBER,
        progress: NoProgress | None = None,
        stop: threading.Event | None = None,
        **rule: Any,
    ) -> tuple[Asked, PushReport]:
        self.account.mirror(max_gone=1)
        wishes = [read_aftermath("on", words.split()) for words in (success, failure)]
        self.report = report = deliver_attachments(
            self.account.archive,
            str(self.out),
            self.context(),
            rules=(AttachmentRule(**rule),),
            account=self.account.name,
            template="{filename}",
            authserv_id="mx.example.org",
            collision=collision,
            unsettled=unsettled_messages(self.account.archive, self.account.name, *wishes),
            now=self.account.now,
            progress=progress or NoProgress(),
            stop=stop or threading.Event(),
        )
        asked = self.ask(success, failure, report)
        return asked, self.push()

    def ask(self, success: str, failure: str = "", report: DeliveryReport | None = None) -> Asked:
        return ask_after_delivery(
            self.account.archive,
            self.account.name,
            report or self.report,
            self.context(),
            on_success=read_aftermath("on_success", success.split()),
            on_failure=read_aftermath("on_failure", failure.split()),
            now=self.account.now(),
        )

    def delivered(self, **facts: Any) -> DeliveryReport:
        """Return the report of a delivery that had nothing to do."""
        return DeliveryReport(account=self.account.name, destination=str(self.out), dry_run=False, **facts)

    def push(self) -> PushReport:
        return push_changes(
            self.account.connect,
            self.account.archive,
            self.context(),
            now=self.account.now,
            progress=NoProgress(),
            stop=threading.Event(),
        )

    def context(self) -> RunContext:
        return RunContext(
            run_id=uuid.uuid4().hex,
            what="attachments",
            account=self.account.name,
            started=self.account.now(),
            who="a test",
        )

    def subjects(self, folder: str) -> list[str]:
        """Return what the server has in a folder, by its subjects."""
        with self.account.server.mailbox(self.account.user) as client:
            if not client.folder_exists(folder):
                return []
            client.select_folder(folder, readonly=True)
            uids = client.search("ALL")
            found = client.fetch(uids, ["BODY.PEEK[HEADER.FIELDS (SUBJECT)]"]) if uids else {}
            texts = [next(v for k, v in facts.items() if k.startswith(b"BODY")) for facts in found.values()]
            return sorted(text.decode().partition(":")[2].strip() for text in texts)

    def flags(self, uid: int) -> tuple[str, ...]:
        return tuple(shown_by_server(self.account.server, self.account.user)["INBOX", uid][1])


@pytest.fixture
def pipeline(dovecot: Dovecot, archive_root: Path, tmp_path: Path) -> Pipeline:
    """Two invoices and a letter in the inbox."""
    account = TwoWayAccount(dovecot, dovecot.add_user(), archive_root)
    for number in (1, 2):
        attachment = (f"{number}.pdf", "application/pdf", PDF + bytes([48 + number]))
        account.append(make_message(subject=f"Invoice {number}", attachments=[attachment]))
    account.append(make_message(subject="Letter"))
    return Pipeline(account, tmp_path / "out")


def test_what_was_delivered_is_moved(pipeline: Pipeline) -> None:
    """The rest stays where it is, and the folder is made."""
    asked, push = pipeline.run(success="move:Processed")
    assert asked == Asked(succeeded=2)
    assert push.failures == ()
    assert pipeline.subjects("Processed") == ["Invoice 1", "Invoice 2"]
    assert pipeline.subjects("INBOX") == ["Letter"]


def test_a_second_run_asks_for_nothing(pipeline: Pipeline) -> None:
    """Also where somebody moved a message back: it was settled once."""
    pipeline.run(success="seen move:Processed")
    with pipeline.account.server.mailbox(pipeline.account.user) as client:
        client.select_folder("Processed")
        client.move(client.search(["SUBJECT", "Invoice 1"]), "INBOX")
    asked, _ = pipeline.run(success="seen move:Processed")
    assert asked == Asked()
    assert pipeline.subjects("INBOX") == ["Invoice 1", "Letter"]


def test_flags_and_keywords_are_set(pipeline: Pipeline) -> None:
    """On what was delivered only."""
    pipeline.run(success="seen keyword:Paid", name="1.pdf")
    assert {"\\Seen", "Paid"} <= set(pipeline.flags(1))
    assert set(pipeline.flags(2)) & {"\\Seen", "Paid"} == set()
    assert set(pipeline.flags(3)) & {"\\Seen", "Paid"} == set()


def test_what_failed_is_moved_to_where_failures_go(pipeline: Pipeline) -> None:
    """And is processed when a later run delivers it."""
    (pipeline.out).mkdir()
    (pipeline.out / "1.pdf").write_bytes(b"somebody else's")
    asked, _ = pipeline.run(success="move:Processed", failure="move:Errors flag", collision=Collision.FAIL)
    assert asked == Asked(succeeded=1, failed=1)
    assert (pipeline.subjects("Errors"), pipeline.subjects("Processed")) == (["Invoice 1"], ["Invoice 2"])
    asked, _ = pipeline.run(success="move:Processed", failure="move:Errors flag", collision=Collision.FAIL)
    assert asked == Asked(failed=0)
    (pipeline.out / "1.pdf").unlink()
    asked, _ = pipeline.run(success="move:Processed", failure="move:Errors flag")
    assert asked == Asked(succeeded=1)
    assert (pipeline.subjects("Errors"), len(pipeline.subjects("Processed"))) == ([], 2)


def test_quarantined_mail_counts_as_failed(pipeline: Pipeline) -> None:
    """What is not from whom the rule requires is no success."""
    asked, _ = pipeline.run(success="move:Processed", failure="move:Errors", require_auth="dkim=example.org")
    assert asked == Asked(failed=2)
    assert pipeline.subjects("Errors") == ["Invoice 1", "Invoice 2"]


def test_what_a_person_moves_on_stays_there(pipeline: Pipeline) -> None:
    """A failure is told once, however many runs see it."""
    rule = {"failure": "move:Errors", "require_auth": "dkim=example.org"}
    pipeline.run(**rule)  # type: ignore[arg-type]
    with pipeline.account.server.mailbox(pipeline.account.user) as client:
        client.create_folder("Reviewed")
        client.select_folder("Errors")
        client.move(client.search("ALL"), "Reviewed")
    asked, _ = pipeline.run(**rule)  # type: ignore[arg-type]
    assert asked == Asked()
    assert pipeline.subjects("Reviewed") == ["Invoice 1", "Invoice 2"]


def test_an_interrupted_delivery_settles_nothing(pipeline: Pipeline) -> None:
    """Of a message with many attachments some are delivered; the run that delivers the rest settles it."""
    files = [(f"{n}.bin", "application/octet-stream", bytes([n]) * 300_000) for n in range(60)]
    pipeline.account.append(make_message(subject="Many", attachments=files))
    stop = threading.Event()

    class UntilTheFirst(NoProgress):
        def advance(self, messages: int, octets: int) -> None:
            stop.set()

    asked, _ = pipeline.run(
        success="move:Processed", failure="move:Errors", progress=UntilTheFirst(), stop=stop
    )
    assert 0 < len(list(pipeline.out.iterdir())) < 62
    assert asked == Asked()
    assert len(pipeline.subjects("INBOX")) == 4
    asked, _ = pipeline.run(success="move:Processed", failure="move:Errors")
    assert asked == Asked(succeeded=3)


def test_a_run_settles_what_its_own_rules_chose(pipeline: Pipeline) -> None:
    """Neither what another task had begun and not finished, nor what failed there."""
    files = [("a.txt", "text/plain", b"aaaa"), ("b.txt", "text/plain", b"bbbb")]
    pipeline.account.append(make_message(subject="Two", attachments=files))
    pipeline.out.mkdir()
    (pipeline.out / "b.txt").write_bytes(b"somebody else's")
    words: dict[str, Any] = {
        "success": "move:Processed",
        "failure": "move:Errors",
        "collision": Collision.FAIL,
    }
    assert pipeline.run(**words, name="*.txt")[0] == Asked(failed=1)
    assert pipeline.run(**words, name="*.pdf")[0] == Asked(succeeded=2)
    assert (pipeline.subjects("Errors"), pipeline.subjects("INBOX")) == (["Two"], ["Letter"])
    (pipeline.out / "b.txt").unlink()
    assert pipeline.run(**words, name="*.txt")[0] == Asked(succeeded=1)
    assert len(pipeline.subjects("Processed")) == 3


def test_an_archive_that_cannot_be_opened_is_a_failure(pipeline: Pipeline) -> None:
    """Also beside an attachment that was delivered, and in each later run."""
    sealed = io.BytesIO()
    with pyzipper.AESZipFile(sealed, "w", encryption=pyzipper.WZ_AES) as file:
        file.setpassword(b"secret")
        file.writestr("orders.csv", b"1,2\r\n")
    files = [("o.zip", "application/zip", sealed.getvalue()), ("p.csv", "text/csv", b"1\r\n")]
    pipeline.account.append(make_message(subject="Orders", attachments=files))
    for expected in (Asked(failed=1), Asked()):
        asked, _ = pipeline.run(success="move:Processed", failure="move:Errors", name="*.csv", unzip=True)
        assert asked == expected
        assert (pipeline.subjects("Errors"), pipeline.subjects("Processed")) == (["Orders"], [])


def test_the_same_message_in_two_accounts(pipeline: Pipeline, dovecot: Dovecot, tmp_path: Path) -> None:
    """It is delivered once, and settled in each account that has it."""
    attachment = ("1.pdf", "application/pdf", PDF + b"1")
    content = make_message(subject="Both", attachments=[attachment])
    other = TwoWayAccount(dovecot, dovecot.add_user(), pipeline.account.root, "other")
    for account in (pipeline.account, other):
        account.append(content)
    assert pipeline.run(success="move:Processed")[0] == Asked(succeeded=3)
    second = Pipeline(other, pipeline.out)
    assert second.run(success="move:Processed")[0] == Asked(succeeded=1)
    assert second.subjects("Processed") == ["Both"]
    assert second.run(success="move:Processed")[0] == Asked()


@pytest.mark.parametrize("at", ["before asking", "before the note", "before the push"])
def test_a_killed_run_is_finished_by_the_next(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Whatever it had come to, each message is moved once, and none is left behind or doubled."""
    pipeline.run()
    if at == "before the note":

        def refuse(*_: object) -> None:
            raise StoreUnavailable("killed")

        with monkeypatch.context() as patch:
            patch.setattr(Consumption, "commit", refuse)
            with pytest.raises(StoreUnavailable):
                pipeline.ask("seen move:Processed")
    if at == "before the push":
        pipeline.ask("seen move:Processed")
    pipeline.run(success="seen move:Processed")
    assert pipeline.subjects("Processed") == ["Invoice 1", "Invoice 2"]
    assert pipeline.subjects("INBOX") == ["Letter"]
    pipeline.run(success="seen move:Processed")
    assert pipeline.subjects("Processed") == ["Invoice 1", "Invoice 2"]


def test_a_message_that_is_not_the_archived_one_is_left_alone(pipeline: Pipeline) -> None:
    """The folder was deleted and made anew, with other mail under the same numbers."""
    pipeline.run()
    pipeline.ask("move:Processed")
    with pipeline.account.server.mailbox(pipeline.account.user) as client:
        client.select_folder("INBOX")
        client.delete_messages(client.search("ALL"))
        client.expunge()
    pipeline.account.append(make_message(subject="Something else"))
    pipeline.push()
    assert pipeline.subjects("INBOX") == ["Something else"]
    assert pipeline.subjects("Processed") == []


def test_moves_are_in_the_log(pipeline: Pipeline) -> None:
    """Each change says who asked for it and what became of it, and the mirror follows."""
    pipeline.run(success="move:Processed")
    states = [
        (one.kind.value, one.state.value, one.requested_by) for one in pipeline.account.changes.newest()
    ]
    assert states == [("move", "pushed", "a test")] * 2
    pipeline.account.mirror()
    assert len(pipeline.account.live("Processed")) == 2


def test_what_we_moved_is_a_moved_row_and_is_not_downloaded_again(pipeline: Pipeline) -> None:
    """The archive knows it where it is at once; the next mirror adds nothing, and finds nothing gone."""
    pipeline.run(success="seen move:Processed")
    account = pipeline.account
    moved = account.live("Processed")
    assert [(row.change, row.moved_from) for row in moved] == [(Change.MOVED, "INBOX")] * 2
    assert [row.uid for row in account.live()] == [3]
    report = account.mirror()
    assert (report.added, report.octets, report.expunged) == (0, 0, 0)
    account.assert_in_step()
    account.mirror()
    rows = account.archive.read_table("locations").sort_by("seq").to_pylist()
    assert sorted((row["folder"], row["change"]) for row in rows if row["sha256"] == moved[0].sha256) == [
        ("INBOX", "added"),
        ("INBOX", "expunged"),
        ("Processed", "flags"),
        ("Processed", "moved"),
    ]


@pytest.mark.parametrize("at", ["before the row", "before the note"])
def test_a_kill_after_the_move_leaves_one_moved_row(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """The next push finds the messages where they are, and writes what the killed one did not."""
    pipeline.run()
    pipeline.ask("move:Processed")

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        where = "record_moved" if at == "before the row" else "MailboxPush._conclude"
        patch.setattr(f"mailroom.services.pushing.mailbox_push.{where}", die)
        with pytest.raises(Killed):
            pipeline.push()
    assert pipeline.subjects("Processed") == ["Invoice 1", "Invoice 2"]
    assert pipeline.push().pushed == 2
    report = pipeline.account.mirror()
    assert (report.added, report.expunged) == (0, 0)
    pipeline.account.assert_in_step()
    changes = pipeline.account.archive.read_table("locations")["change"].to_pylist()
    assert (changes.count("moved"), changes.count("expunged")) == (2, 2)


def test_a_mirror_between_a_kill_and_the_next_push_is_believed(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it found by itself is not said again."""
    pipeline.run()
    pipeline.ask("move:Processed")

    class Killed(BaseException):
        pass

    def die(**_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("mailroom.services.pushing.mailbox_push.record_moved", die)
        with pytest.raises(Killed):
            pipeline.push()
    pipeline.account.mirror(max_gone=1)
    before = pipeline.account.archive.read_table("locations").num_rows
    assert pipeline.push().pushed == 2
    assert pipeline.account.archive.read_table("locations").num_rows == before
    pipeline.account.assert_in_step()


def test_a_server_that_does_not_say_where_is_asked(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without COPYUID the messages are looked for in the target."""
    monkeypatch.setattr("mailroom.client.imap_changes.parse_copy_uids", lambda _: None)
    pipeline.run(success="move:Processed")
    assert [row.change for row in pipeline.account.live("Processed")] == [Change.MOVED] * 2
    assert pipeline.account.mirror().added == 0
    pipeline.account.assert_in_step()


def test_a_server_without_move_leaves_moved_rows_too(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """COPY and EXPUNGE are a move as well."""
    offered = ImapClient.supports
    monkeypatch.setattr(ImapClient, "supports", lambda client, name: name != "MOVE" and offered(client, name))
    pipeline.run(success="move:Processed")
    assert [row.change for row in pipeline.account.live("Processed")] == [Change.MOVED] * 2
    assert pipeline.account.mirror().added == 0
    pipeline.account.assert_in_step()


def test_a_failed_message_is_moved_once_where_names_have_a_prefix(archive_root: Path, tmp_path: Path) -> None:
    """The server calls the folder otherwise than it was asked for; the archive knows it all the same."""
    with Dovecot(separator=".", prefix="INBOX.") as server:
        account = TwoWayAccount(server, server.add_user(), archive_root)
        account.append(make_message(subject="bill", attachments=[("a.pdf", "application/pdf", PDF)]))
        account.mirror()
        digest = next(iter(account.live())).sha256
        pipeline = Pipeline(account, tmp_path / "out")
        done = []
        for _ in range(2):
            asked = pipeline.ask(
                "", "move:Errors/Mail", pipeline.delivered(failed_messages=frozenset([digest]))
            )
            done.append((asked.failed, pipeline.push().pushed))
            account.mirror(max_gone=1)
        assert done == [(1, 1), (0, 0)]
        assert {folder for folder, _ in shown_by_server(server, account.user)} == {"INBOX.Errors.Mail"}
