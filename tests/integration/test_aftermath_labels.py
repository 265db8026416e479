"""Labels for mail after its delivery, on an account like Gmail's, and on one that has none."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from mailroom.archive.changes import AccountChanges
from mailroom.change_request import RequestState
from mailroom.client.imap import ImapClient
from mailroom.client.imap_changes import add_labels
from mailroom.exceptions import ConfigurationError
from mailroom.model import RunContext
from mailroom.operators.after_delivery import read_wishes
from mailroom.policy.aftermath import read_aftermath
from mailroom.policy.attachments import AttachmentRule
from mailroom.services.aftermath import Asked, ask_after_delivery, unsettled_messages
from mailroom.services.attachments import deliver_attachments
from mailroom.services.progress import NoProgress
from mailroom.services.two_way import PushReport, push_changes
from tests.integration.mirrors import Odd
from tests.support.imap_server import CAPABILITIES, ImapServer, Mail, Mailbox
from tests.support.mail import make_message

GMAIL = (*CAPABILITIES, "X-GM-EXT-1")
ALL_MAIL = "[Gmail]/All Mail"
PDF = ("1.pdf", "application/pdf", b"%PDF-1.4 invoice\n")


def bill() -> Mail:
    """Return an invoice, which is one message wherever it is."""
    return Mail(content=make_message(subject="bill", attachments=[PDF]), object_id="1278455344230334866")


def letter() -> Mail:
    """Return a message with nothing to deliver."""
    return Mail(content=make_message(subject="letter"), object_id="1278455344230334867")


@pytest.fixture
def server() -> Iterator[ImapServer]:
    """An invoice and a letter in the inbox, and in All Mail."""
    folders = {
        "INBOX": Mailbox(mail={7: bill(), 8: letter()}),
        ALL_MAIL: Mailbox(mail={11: bill(), 12: letter()}, uid_validity=2, attributes=r"\\All"),
    }
    with ImapServer(folders, capabilities=GMAIL) as server:
        yield server


class Labelling:
    """A pipeline that labels what it delivered."""

    def __init__(self, server: ImapServer, root: Path, out: Path) -> None:
        self.odd, self.out = Odd(server, root), out

    def context(self) -> RunContext:
        return RunContext(
            run_id=uuid.uuid4().hex, what="attachments", account="a", started=self.odd.now(), who="a test"
        )

    def ask(self, *words: str) -> Asked:
        """Mirror, deliver, and ask for what is wanted."""
        self.odd.mirror(max_gone=1)
        wish = read_aftermath("on_success", words)
        archive, context = self.odd.archive, self.context()
        report = deliver_attachments(
            archive,
            str(self.out),
            context,
            rules=(AttachmentRule(),),
            account="a",
            unsettled=unsettled_messages(archive, "a", wish, None),
            now=self.odd.now,
            progress=NoProgress(),
            stop=threading.Event(),
        )
        return ask_after_delivery(
            archive, "a", report, context, on_success=wish, on_failure=None, now=self.odd.now()
        )

    def push(self) -> PushReport:
        return push_changes(
            self.odd.connect,
            self.odd.archive,
            self.context(),
            now=self.odd.now,
            progress=NoProgress(),
            stop=threading.Event(),
        )

    def stored(self) -> list[str]:
        """Return the commands that gave labels."""
        return [command for command in self.odd.server.commands if "X-GM-LABELS (" in command]

    def states(self) -> list[tuple[str, str, str | None]]:
        """Return kind, state and reason of each change."""
        changes = self.odd.archive.changes("a").newest()
        return [(one.kind.value, one.state.value, one.reason) for one in changes]


@pytest.fixture
def labelling(server: ImapServer, archive_root: Path, tmp_path: Path) -> Labelling:
    """The pipeline, before its first run."""
    return Labelling(server, archive_root, tmp_path / "out")


def test_what_was_delivered_gets_its_labels(labelling: Labelling) -> None:
    """By one command, once a message wherever it lies, made where they are not there; the rest gets none."""
    assert labelling.ask("label:Paid bills/Café") == Asked(succeeded=1)
    push = labelling.push()
    assert (push.pushed, push.failures, push.warnings) == (1, (), ())
    assert labelling.stored() == ['UID STORE 7 +X-GM-LABELS ("Paid bills/Caf&AOk-")']
    assert labelling.odd.inbox.mail[8].labels == ""
    assert "Paid bills/Caf&AOk-" in labelling.odd.server.folders


def test_a_second_run_asks_for_nothing(labelling: Labelling) -> None:
    """Also where a person took the label off meanwhile: it was settled once."""
    labelling.ask("label:Paid", "label:2026")
    labelling.push()
    assert labelling.odd.inbox.mail[7].labels == '"Paid" "2026"'
    labelling.odd.inbox.mail[7].labels = ""
    assert labelling.ask("label:Paid", "label:2026") == Asked()
    assert labelling.push().pushed == 0
    assert len(labelling.stored()) == 1


@pytest.mark.parametrize("labels", ['"paid"', ""])
def test_what_is_labelled_already_is_not_asked_for(labelling: Labelling, labels: str) -> None:
    """A folder of Gmail is a label, which messages in it do not name."""
    folder = "INBOX" if labels else "Paid"
    mailbox = labelling.odd.server.folders.setdefault(folder, Mailbox(uid_validity=3))
    mailbox.mail[7] = bill()
    mailbox.mail[7].labels = labels
    assert labelling.ask("label:Paid") == Asked()
    assert labelling.stored() == []


def test_the_mirror_records_labels_that_were_given(labelling: Labelling) -> None:
    """They are a state like flags, and nothing is downloaded for it."""
    labelling.ask("label:Paid")
    labelling.push()
    report = labelling.odd.mirror()
    assert (report.flags, report.octets) == (1, 0)
    rows = labelling.odd.archive.read_table("locations").sort_by("seq").to_pylist()
    assert [row["labels"] for row in rows if row["uid"] == 7] == [[], ["Paid"]]


@pytest.mark.parametrize("moment", ["before the command", "after the command"])
def test_a_kill_is_finished_by_the_next_run(
    labelling: Labelling, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """It gives what is lacking, and sends no command for what is there."""
    labelling.ask("label:Paid")

    class Killed(BaseException):
        pass

    def die(client: ImapClient, uids: Iterable[int], labels: Iterable[str]) -> None:
        if moment == "after the command":
            add_labels(client, uids, labels)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("mailroom.services.pushing.labels_push.add_labels", die)
        with pytest.raises(Killed):
            labelling.push()
    assert [state for _, state, _ in labelling.states()] == ["begun"]
    assert labelling.push().pushed == 1
    assert len(labelling.stored()) == 1
    assert labelling.odd.inbox.mail[7].labels == '"Paid"'
    assert labelling.states() == [("labels", "pushed", None)]
    assert labelling.ask("label:Paid") == Asked()


def test_a_kill_before_the_note_asks_twice_and_labels_once(
    labelling: Labelling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A label that is there is not given again."""

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("mailroom.archive.delivering.consumption.Consumption.commit", die)
        with pytest.raises(Killed):
            labelling.ask("label:Paid")
    assert labelling.ask("label:Paid") == Asked(succeeded=1)
    assert labelling.push().failures == ()
    assert len(labelling.stored()) == 1
    assert {state for _, state, _ in labelling.states()} == {"pushed"}


def test_a_label_that_was_taken_off_meanwhile_stays_off(labelling: Labelling) -> None:
    """The archive showed it, and a person did not want it: that stands."""
    labelling.odd.inbox.mail[7].labels = '"Paid"'
    labelling.odd.mirror()
    rows = list(labelling.odd.archive.folder_state("a", "INBOX").rows([7]))
    changes: AccountChanges = labelling.odd.archive.changes("a")
    assert changes.request_labels(rows, add=["Paid"]).requested == 1
    labelling.odd.inbox.mail[7].labels = ""
    report = labelling.push()
    assert (report.conflicts, labelling.stored()) == (1, [])
    assert "'Paid' was taken off" in report.warnings[0]


def test_another_message_under_the_number_gets_no_label(labelling: Labelling) -> None:
    """It is asked who it is before anything is done to it."""
    labelling.ask("label:Paid")
    labelling.odd.inbox.mail[7] = letter()
    report = labelling.push()
    assert (report.conflicts, labelling.stored()) == (1, [])


def test_a_label_that_does_not_stay_is_told(labelling: Labelling) -> None:
    """The server said yes, and the message lacks it all the same."""
    labelling.odd.inbox.keeps_labels = False
    labelling.ask("label:Paid")
    report = labelling.push()
    assert (report.pushed, report.refused) == (0, 1)
    assert "did not keep the label" in report.failures[0]


def test_a_label_that_cannot_be_made_is_refused(labelling: Labelling) -> None:
    """In the server's words."""
    labelling.odd.server.refused_names.add("Paid")
    labelling.ask("label:Paid")
    report = labelling.push()
    assert "no such name here" in report.failures[0]
    assert labelling.stored() == []


def test_a_server_without_labels_says_what_does_the_like(archive_root: Path, tmp_path: Path) -> None:
    """And a wish in other words is carried out in the next run."""
    with ImapServer({"INBOX": Mailbox(mail={7: bill()})}) as server:
        labelling = Labelling(server, archive_root, tmp_path / "out")
        assert labelling.ask("label:Paid") == Asked(succeeded=1)
        report = labelling.push()
        assert labelling.states()[0][1] == RequestState.REFUSED.value
        [failure] = report.failures
        assert "no labels, which only Gmail has; use keyword:NAME, flag or move:FOLDER" in failure
        assert labelling.ask("keyword:Paid") == Asked(succeeded=1)


def test_the_operator_asks_for_labels_before_it_delivers(
    server: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that has none is a mistake that no retry mends, so it is told at once."""

    def connection(where: ImapServer) -> str:
        endpoint = where.endpoint()
        return json.dumps(
            {
                "conn_type": "imap",
                "host": endpoint.host,
                "port": endpoint.port,
                "login": "user",
                "password": "secret",
                "extra": {"security": "plain"},
            }
        )

    monkeypatch.setenv("AIRFLOW_CONN_LIKE_GMAIL", connection(server))
    wishes = read_wishes("label:Paid", ["label:Unpaid", "flag"], "like_gmail")
    assert [wish.labels for wish in wishes if wish] == [("Paid",), ("Unpaid",)]
    with ImapServer() as other:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(other))
        with pytest.raises(ConfigurationError, match=r"mail of other: .*keyword:NAME"):
            read_wishes([], "label:Paid", "other")
        read_wishes([], "keyword:Paid", "other")
        assert other.sessions == 1
