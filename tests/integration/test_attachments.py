"""Attachments delivered to a folder and to S3: each once, under a name of its own."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
import uuid
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pyzipper

from mailroom.archive import Archive
from mailroom.exceptions import ConfigurationError, StoreUnavailable
from mailroom.model import Body, Change, LocationRow, MailProtocol, RunContext
from mailroom.policy.attachments import DEFAULT_TEMPLATE, AttachmentRule
from mailroom.policy.destinations import Collision
from mailroom.services.attachments import DeliveryReport, deliver_attachments
from mailroom.services.delivering import attachment_choice, shared_archives, zip_contents
from mailroom.services.delivering.delivery_run import LOAD_ATTACHMENTS
from mailroom.services.progress import NoProgress
from tests.support.answering import Asked, answering
from tests.support.mail import make_message
from tests.support.s3 import S3Server
from tests.unit.client.test_dkim_signatures import keys, signed
from tests.unit.message.test_envelopes import CARRIED, JOURNAL

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PDF = ("invoice.pdf", "application/pdf", b"%PDF-1 one")
CSV = ("data.csv", "text/csv", b"a,b\r\n1,2\r\n")
LOGO = ("logo.png", "image/png", b"\x89PNG logo")


def context(what: str = "attachments") -> RunContext:
    """Return a new run."""
    return RunContext(run_id=uuid.uuid4().hex, what=what, account="a", started=NOW, who="a test")


class Store:
    """An archive to fill and to deliver from."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.count = 0

    def add(self, *contents: bytes, folder: str = "INBOX", account: str = "a", **values: Any) -> None:
        """Archive messages."""
        with Archive(self.root).writer(context("mirror")) as writer:
            for content in contents:
                self.count += 1
                row: dict[str, Any] = {
                    "account": account,
                    "protocol": MailProtocol.IMAP,
                    "folder": folder,
                    "change": Change.ADDED,
                    "at": NOW,
                    "run_id": "r",
                    "uid_validity": 1,
                    "uid": self.count,
                    "internal_date": NOW - timedelta(days=3),
                }
                writer.add(Body(octets=len(content), content=content), LocationRow(**(row | values)))
            writer.finish("succeeded", {}, 0)

    def deliver(self, to: Any, *rules: AttachmentRule, **options: Any) -> DeliveryReport:
        """Deliver attachments."""
        given: dict[str, Any] = {"template": "{filename}", "stop": threading.Event()}
        return deliver_attachments(
            Archive(self.root),
            to,
            context(),
            rules=rules,
            now=lambda: NOW,
            progress=NoProgress(),
            **(given | options),
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of ``deliveries``."""
        return Archive(self.root).read_table("deliveries").to_pylist()  # type: ignore[no-any-return]


@pytest.fixture
def store(archive_root: Path) -> Store:
    """An archive with three messages and five attachments, two of which are parts of a text."""
    found = Store(archive_root)
    found.add(
        make_message(subject="one", attachments=[PDF, CSV]),
        make_message(
            subject="two",
            sender="Bob <bob@other.net>",
            html="<img src=cid:x>",
            inline=[LOGO],
            attachments=[("invoice.pdf", "application/pdf", b"%PDF-1 two")],
        ),
        make_message(subject="no attachment"),
    )
    return found


def files(root: Path) -> dict[str, bytes]:
    """Return what lies below a folder."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.is_relative_to(root / ".mailroom-incoming")
    }


def test_same_name_never_overwrites(store: Store, tmp_path: Path) -> None:
    """The second invoice.pdf gets a number; every delivery has its row."""
    report = store.deliver(tmp_path / "out")
    assert (report.chosen, report.delivered, report.failures) == (3, 3, ())
    assert sorted(files(tmp_path / "out")) == ["data.csv", "invoice-2.pdf", "invoice.pdf"]
    assert {row["path"]: row["sha256"] for row in store.rows()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files(tmp_path / "out").items()
    }


def test_each_is_delivered_once_over_runs(store: Store, tmp_path: Path) -> None:
    """A later run delivers what is new and nothing else."""
    store.deliver(tmp_path / "out")
    again = store.deliver(tmp_path / "out")
    assert (again.delivered, again.already) == (0, 3)
    store.add(make_message(subject="new", attachments=[PDF]))
    assert store.deliver(tmp_path / "out").delivered == 1
    assert len(files(tmp_path / "out")) == len(store.rows()) == 4


def test_what_a_consumer_took_away_is_not_delivered_again(store: Store, tmp_path: Path) -> None:
    """The table says what was delivered, not the folder, which others may empty."""
    store.deliver(tmp_path / "out")
    for path in (tmp_path / "out").glob("[a-z]*"):
        path.unlink()
    assert store.deliver(tmp_path / "out").delivered == 0


def test_another_destination_gets_everything(store: Store, tmp_path: Path) -> None:
    """Once means once a destination."""
    store.deliver(tmp_path / "one")
    assert store.deliver(tmp_path / "two").delivered == 3


def test_taken_name_can_be_skipped(store: Store, tmp_path: Path) -> None:
    """What is left out is counted, changes nothing, and is tried again by the next run."""
    there: list[dict[str, bytes]] = []
    for _ in range(2):
        report = store.deliver(tmp_path / "out", collision=Collision.SKIP)
        assert (report.skipped, report.failures) == (1, ())
        there.append(files(tmp_path / "out"))
    assert there[0] == there[1]
    assert sorted(there[0]) == ["data.csv", "invoice.pdf"]
    assert store.deliver(tmp_path / "out").delivered == 1


def test_a_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    """The folder gets a number as a file would, in this run and in later ones; nothing is held up."""
    store = Store(tmp_path / "archive")
    template = "{folder}/{filename}"
    store.add(make_message(attachments=[("Orders", "application/octet-stream", b"%PDF-1")]))
    assert store.deliver(tmp_path / "out", template=template).delivered == 1
    assert (tmp_path / "out/INBOX/Orders").is_file()
    store.add(make_message(attachments=[CSV, PDF]), folder="INBOX/Orders")
    report = store.deliver(tmp_path / "out", template=template)
    assert (report.delivered, report.failures) == (2, ())
    store.add(make_message(attachments=[CSV]), folder="INBOX/Orders")
    report = store.deliver(tmp_path / "out", template=template)
    assert (report.delivered, report.failures) == (1, ())
    assert sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")) == [
        "INBOX/Orders-2/data-2.csv",
        "INBOX/Orders-2/data.csv",
        "INBOX/Orders-2/invoice.pdf",
    ]
    assert (tmp_path / "out/INBOX/Orders").read_bytes() == b"%PDF-1"
    again = store.deliver(tmp_path / "out", template=template, collision=Collision.FAIL)
    assert (again.delivered, again.failures) == (0, ())


def test_taken_name_can_be_a_failure(store: Store, tmp_path: Path) -> None:
    """The failure names the path; the other attachments are delivered."""
    report = store.deliver(tmp_path / "out", collision=Collision.FAIL)
    assert (report.delivered, len(report.failures)) == (2, 1)
    assert "'invoice.pdf' is taken" in report.failures[0]


def test_files_of_others_are_left_alone(store: Store, tmp_path: Path) -> None:
    """What lies at the destination already is never overwritten."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "data.csv").write_bytes(b"theirs")
    store.deliver(tmp_path / "out")
    found = files(tmp_path / "out")
    assert found["data.csv"] == b"theirs"
    assert found["data-2.csv"] == CSV[2]


def test_delivery_killed_before_its_row_is_adopted(store: Store, tmp_path: Path) -> None:
    """The same content under the same name, claimed by nobody, is the delivery itself."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "data.csv").write_bytes(CSV[2])
    report = store.deliver(tmp_path / "out")
    assert (report.delivered, report.adopted) == (3, 1)
    assert len(files(tmp_path / "out")) == 3


def test_same_content_twice_is_two_deliveries(store: Store, tmp_path: Path) -> None:
    """Two messages with the very same file both deliver it: provenance is kept for each."""
    store.add(make_message(subject="again", attachments=[CSV]))
    report = store.deliver(tmp_path / "out", AttachmentRule(name="*.csv"))
    assert report.delivered == 2
    assert sorted(files(tmp_path / "out")) == ["data-2.csv", "data.csv"]


def test_many_of_one_name_in_one_message(archive_root: Path, tmp_path: Path) -> None:
    """Twenty scans called scan.pdf are twenty files, whatever runs at once."""
    store = Store(archive_root)
    scans = [("scan.pdf", "application/pdf", b"page %d" % (number // 2)) for number in range(20)]
    store.add(make_message(attachments=[*scans, ("scan-2.pdf", "application/pdf", b"page 0")]))
    report = store.deliver(tmp_path / "out")
    assert (report.delivered, report.adopted) == (21, 0)
    assert len(files(tmp_path / "out")) == len({row["path"] for row in store.rows()}) == 21


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (AttachmentRule(name="*.csv"), ["data.csv"]),
        (AttachmentRule(sender="*@other.net"), ["invoice.pdf"]),
        (AttachmentRule(inline=True, content_type="image/*"), ["logo.png"]),
        (AttachmentRule(subject="one", content_type="application/pdf"), ["invoice.pdf"]),
        (AttachmentRule(min_size=11), ["data.csv"] if len(CSV[2]) >= 11 else []),
        (AttachmentRule(since=date(2026, 3, 5)), []),
        (AttachmentRule(folder="Archive"), []),
    ],
)
def test_rules_choose(store: Store, tmp_path: Path, rule: AttachmentRule, names: list[str]) -> None:
    """Only what a rule chooses is delivered."""
    store.deliver(tmp_path / "out", rule)
    assert sorted(files(tmp_path / "out")) == names


def test_rules_have_destinations_names_and_counts_of_their_own(store: Store, tmp_path: Path) -> None:
    """One pass: the first rule that holds takes an attachment, and each row says which it was."""
    rules = (
        AttachmentRule(rule="invoices", name="*.pdf", destination=str(tmp_path / "invoices")),
        AttachmentRule(sender="ana@*", template="{rule}/{filename}"),
        AttachmentRule(rule="never", name="*.pdf"),
    )
    report = store.deliver(tmp_path / "out", *rules)
    assert sorted(files(tmp_path / "invoices")) == ["invoice-2.pdf", "invoice.pdf"]
    assert sorted(files(tmp_path / "out")) == ["2/data.csv"]
    assert sorted((row["rule"], row["path"]) for row in store.rows()) == [
        ("2", "2/data.csv"),
        ("invoices", "invoice-2.pdf"),
        ("invoices", "invoice.pdf"),
    ]
    counted = report.summary()["rules"]
    assert counted["invoices"] == {"chosen": 2, "delivered": 2, "failed": 0, "quarantined": 0, "octets": 20}
    assert counted["2"]["delivered"] == 1
    assert counted["never"]["chosen"] == 0
    assert report.summary()["destinations"] == [str(tmp_path / "invoices"), str(tmp_path / "out")]
    again = store.deliver(tmp_path / "out", *rules)
    assert (again.delivered, again.already) == (0, 3)


def test_rule_that_comes_later_does_not_get_what_an_earlier_one_delivered(
    store: Store, tmp_path: Path
) -> None:
    """A rule for the rest means the rest, in each run."""
    rules = (
        AttachmentRule(sender="ana@*", destination=str(tmp_path / "ana")),
        AttachmentRule(destination=str(tmp_path / "rest")),
    )
    for _ in range(2):
        store.deliver(None, *rules)
        assert sorted(files(tmp_path / "ana")) == ["data.csv", "invoice.pdf"]
        assert sorted(files(tmp_path / "rest")) == ["invoice.pdf"]


def test_rule_without_any_destination_is_refused(store: Store, tmp_path: Path) -> None:
    """Nothing is delivered to nowhere."""
    with pytest.raises(ConfigurationError, match="Rule 2 names no destination"):
        store.deliver(None, AttachmentRule(destination=str(tmp_path / "a")), AttachmentRule())


def test_dry_run_of_several_rules_says_which_goes_where(store: Store, tmp_path: Path) -> None:
    """Paths come with their destination, and each rule has its count."""
    rules = (AttachmentRule(rule="csv", name="*.csv", destination=str(tmp_path / "csv")), AttachmentRule())
    report = store.deliver(tmp_path / "out", *rules, dry_run=True)
    assert f"{tmp_path}/csv/data.csv" in report.paths
    assert {name: tally["chosen"] for name, tally in report.summary()["rules"].items()} == {"csv": 1, "2": 2}


def test_first_attachment_is_the_first_that_a_reader_sees(archive_root: Path, tmp_path: Path) -> None:
    """Images in the text are not counted, and siblings count that no rule chooses."""
    store = Store(archive_root)
    store.add(
        make_message(html="<img src=cid:x>", inline=[LOGO], attachments=[CSV, PDF]),
        make_message(subject="other", attachments=[PDF, CSV]),
    )
    store.deliver(tmp_path / "out", AttachmentRule(position="1"), template="{message}/{position}-{filename}")
    assert sorted(Path(name).name for name in files(tmp_path / "out")) == ["1-data.csv", "1-invoice.pdf"]
    report = store.deliver(tmp_path / "out", AttachmentRule(position="2", name="*.pdf"))
    assert report.delivered == 1


def test_content_is_looked_at_where_a_rule_asks(archive_root: Path, tmp_path: Path) -> None:
    """A program in the clothes of an invoice is not chosen as a PDF."""
    store = Store(archive_root)
    program = ("invoice.pdf", "application/pdf", b"MZ\x90\0" + bytes(40))
    store.add(make_message(attachments=[program]), make_message(subject="b", attachments=[PDF]))
    rule = AttachmentRule(name="*.pdf", detected_type="application/pdf")
    assert store.deliver(tmp_path / "out", rule).delivered == 1
    assert list(files(tmp_path / "out").values()) == [PDF[2]]


def test_tables_of_an_older_version_get_the_new_columns(store: Store, tmp_path: Path) -> None:
    """Rows written before have none there; content is looked at itself then, and other readers see both."""
    from deltalake import DeltaTable, write_deltalake

    store.deliver(tmp_path / "out", AttachmentRule(name="*.csv"))
    for name, column in (("attachments", "detected_type"), ("deliveries", "rule")):
        uri = str(store.root / "tables" / name)
        older = Archive(store.root).read_table(name).drop_columns([column])
        write_deltalake(uri, older, mode="overwrite", schema_mode="overwrite")
        assert column not in DeltaTable(uri).schema().to_arrow().names
    rule = AttachmentRule(rule="pdf", detected_type="application/pdf")
    assert store.deliver(tmp_path / "out", rule, AttachmentRule(name="none")).delivered == 2
    found = DeltaTable(str(store.root / "tables" / "deliveries")).to_pyarrow_table().to_pylist()
    assert sorted(str(row["rule"]) for row in found) == ["None", "pdf", "pdf"]


def test_content_that_cannot_be_looked_at_is_a_failure(store: Store, tmp_path: Path) -> None:
    """A rule that cannot be told to hold leaves nothing out in silence."""
    from deltalake import write_deltalake

    rows = Archive(store.root).read_table("attachments").drop_columns(["detected_type"])
    write_deltalake(
        str(store.root / "tables" / "attachments"), rows, mode="overwrite", schema_mode="overwrite"
    )
    digest = next(row["message_sha256"] for row in rows.to_pylist() if row["filename"] == "data.csv")
    (store.root / "raw" / digest[:2] / f"{digest}.eml").unlink()
    report = store.deliver(tmp_path / "out", AttachmentRule(detected_type="application/pdf"))
    assert report.delivered == 1
    assert any("was not looked at" in failure for failure in report.failures)
    assert report.failed_messages == {digest}


def received(number: int, result: str) -> bytes:
    """Return a message as a server delivers it, with what that server found."""
    return (
        f"Authentication-Results: mx.me; {result}\r\nReceived: from x by mx.me\r\n".encode()
        + make_message(
            subject=f"{number}", attachments=[(f"{number}.pdf", "application/pdf", b"%%PDF %d" % number)]
        )
    )


@pytest.mark.parametrize("stated", ["MX.me", None])
def test_what_is_not_from_whom_it_must_be_goes_to_quarantine(
    archive_root: Path, tmp_path: Path, stated: str | None
) -> None:
    """By the word of the receiving server, which is stated or learned; the row says why."""
    store = Store(archive_root)
    store.add(*(received(number, "dkim=pass header.d=supplier.com") for number in range(12)))
    store.add(received(20, "dkim=fail header.d=supplier.com"), received(21, "dkim=pass header.d=evil.com"))
    forged = b"Authentication-Results: mx.you; dkim=pass header.d=supplier.com\r\n"
    store.add(forged + make_message(subject="f", attachments=[("f.pdf", "application/pdf", b"%PDF f")]))
    rule = AttachmentRule(require_auth="dkim=supplier.com")
    report = store.deliver(tmp_path / "out", rule, authserv_id=stated)
    assert (report.delivered, report.quarantined) == (15, 3)
    quarantine = {row["path"]: row["quarantine"] for row in store.rows() if row["quarantine"]}
    assert sorted(quarantine) == ["quarantine/20.pdf", "quarantine/21.pdf", "quarantine/f.pdf"]
    assert "dkim is fail for supplier.com" in quarantine["quarantine/20.pdf"]
    assert (tmp_path / "out" / "quarantine" / "20.pdf").read_bytes() == b"%PDF 20"
    assert store.deliver(tmp_path / "out", rule, authserv_id=stated).delivered == 0


def test_sender_does_not_teach_which_server_is_believed(archive_root: Path, tmp_path: Path) -> None:
    """Where the account's server writes nothing, the run says what it saw and what to give."""
    hop = b"Received: from evil by mx.me; date\r\n"
    forged = (
        hop + b"Authentication-Results: mx.evil; dkim=pass header.d=supplier.com\r\nReceived: from b by a\r\n"
    )
    store = Store(archive_root)
    store.add(*(hop + make_message(subject=f"silent {number}") for number in range(20)))
    store.add(*(
        forged + make_message(subject=f"{number}", attachments=[(f"{number}.pdf", "application/pdf", b"P")])
        for number in range(11)
    ))  # fmt: skip
    rule = AttachmentRule(require_auth="dkim=supplier.com", quarantine="doubtful/{sender_domain}")
    with pytest.raises(
        ConfigurationError, match=r"mail of a does not tell.*'mx\.evil' \(11\).*Give authserv_id"
    ):
        store.deliver(tmp_path / "out", rule)
    assert files(tmp_path / "out") == {}
    report = store.deliver(tmp_path / "out", rule, authserv_id="mx.me")
    assert (report.delivered, report.quarantined) == (11, 11)
    assert "doubtful/example.org/1.pdf" in files(tmp_path / "out")


def test_quarantine_is_judged_anew_in_each_run(archive_root: Path, tmp_path: Path) -> None:
    """What passes by now goes where the rule says, once; what does not stays where it lies."""
    store = Store(archive_root)
    store.add(received(1, "dkim=pass header.d=supplier.com"), received(2, "dkim=fail header.d=supplier.com"))
    rule = AttachmentRule(require_auth="dkim=supplier.com")
    assert store.deliver(tmp_path / "out", rule, authserv_id="mx.wrong").quarantined == 2
    again = store.deliver(tmp_path / "out", rule, authserv_id="mx.wrong")
    assert (again.delivered, again.quarantined, again.already) == (0, 0, 2)
    released = store.deliver(tmp_path / "out", rule, authserv_id="mx.me")
    assert (released.delivered, released.quarantined, released.already) == (1, 0, 1)
    assert store.deliver(tmp_path / "out", rule, authserv_id="mx.me").already == 2
    assert store.deliver(tmp_path / "out", rule, authserv_id="mx.wrong").already == 2
    assert sorted(files(tmp_path / "out")) == ["1.pdf", "quarantine/1.pdf", "quarantine/2.pdf"]
    assert sorted(row["path"] for row in store.rows() if row["quarantine"] is None) == ["1.pdf"]
    assert store.deliver(tmp_path / "out", AttachmentRule()).delivered == 1  # nothing is required any more


@pytest.mark.parametrize(
    ("sender", "delivered"),
    [
        ("billing@supplier.com", ["7.pdf"]),
        ('"billing@supplier.com" <eve@evil.com>', []),
        ("eve@evil.com, billing@supplier.com", []),
        ("billing@supplier.com, eve@evil.com", ["quarantine/7.pdf"]),
    ],
)
def test_sender_is_the_address_that_passed(
    archive_root: Path, tmp_path: Path, sender: str, delivered: list[str]
) -> None:
    """Not a name that looks like it, nor one of several authors."""
    store = Store(archive_root)
    domain = "evil.com" if "evil" in sender else "supplier.com"
    head = f"Authentication-Results: mx.me; dmarc=pass header.from={domain}\r\nReceived: from x by mx.me\r\n"
    attached = [("7.pdf", "application/pdf", b"%PDF")]
    store.add(head.encode() + make_message(sender=sender, attachments=attached))
    store.deliver(tmp_path / "out", AttachmentRule(sender="*@supplier.com", require_auth="dmarc=pass"))
    assert list(files(tmp_path / "out")) == delivered


def test_signatures_are_checked_where_asked(archive_root: Path, tmp_path: Path) -> None:
    """The server's word on DKIM counts for nothing then."""
    store = Store(archive_root)
    store.add(signed(), received(1, "dkim=pass header.d=supplier.com"))
    rule = AttachmentRule(require_auth="dkim=supplier.com")
    report = store.deliver(
        tmp_path / "out", rule, authserv_id="mx.me", verify_dkim=True, dkim_keys=keys, dry_run=True
    )
    assert sorted(report.paths) == ["a.pdf", "quarantine/1.pdf"]
    assert report.quarantined == 1


def test_mail_that_carries_another_counts_as_that_one_where_asked(archive_root: Path, tmp_path: Path) -> None:
    """Rules and names mean the message inside, and the recipients of its envelope."""
    inner = make_message(
        subject="Fattura 7",
        sender="ana@supplier.com",
        attachments=[PDF, ("all.zip", "application/zip", BUNDLE)],
    ).decode()
    journal = JOURNAL.replace(CARRIED, inner).replace(
        "--b--", "--b\r\nContent-Type: a/b; name=own.x\r\n\r\n1\r\n--b--"
    )
    store = Store(archive_root)
    store.add(journal.encode(), make_message(subject="plain", sender="ana@supplier.com", attachments=[CSV]))
    template = "{sender_domain}/{subject}/{filename}"
    rule = AttachmentRule(sender="ana@supplier.com", recipient="dora@example.com", unwrap=True, unzip=True)
    store.deliver(tmp_path / "out", rule, template=template)
    assert sorted(files(tmp_path / "out")) == [
        f"supplier.com/Fattura 7/{name}" for name in ("a.pdf", "b.csv", "c.pdf", "invoice.pdf")
    ]
    assert {row["subject"] for row in store.rows()} == {"Fattura 7"}
    rest = AttachmentRule(unwrap=True, template=template)
    store.deliver(tmp_path / "rest", rest)
    assert sorted(files(tmp_path / "rest")) == [
        "supplier.com/Fattura 7/all.zip",
        "supplier.com/Fattura 7/invoice.pdf",
        "supplier.com/plain/data.csv",
    ]
    assert store.deliver(tmp_path / "rest", rest).delivered == 0


def zip_of(files: dict[str, bytes]) -> bytes:
    """Return a zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


BUNDLE = zip_of({"may/a.pdf": b"%PDF-1 a", "b.csv": b"1;2", "in.zip": zip_of({"../../c.pdf": b"%PDF-1 c"})})


def test_members_of_archives_are_delivered_as_if_they_were_attached(
    archive_root: Path, tmp_path: Path
) -> None:
    """Each once, with a row that says where in the archive it was; the archive itself stays where it is."""
    store = Store(archive_root)
    store.add(make_message(attachments=[("all.zip", "application/zip", BUNDLE), PDF]))
    rule = AttachmentRule(name="*.pdf", detected_type="application/pdf", unzip=True)
    report = store.deliver(tmp_path / "out", rule)
    assert (report.delivered, report.failures) == (3, ())
    assert files(tmp_path / "out") == {"a.pdf": b"%PDF-1 a", "c.pdf": b"%PDF-1 c", "invoice.pdf": PDF[2]}
    assert {row["filename"]: row["part"] for row in store.rows()} == {
        "a.pdf": "2.zip1",
        "c.pdf": "2.zip3.zip1",
        "invoice.pdf": "3",
    }
    for row in store.rows():
        assert row["sha256"] == hashlib.sha256((tmp_path / "out" / row["path"]).read_bytes()).hexdigest()
    again = store.deliver(tmp_path / "out", rule)
    assert (again.delivered, again.already) == (0, 3)


def test_archives_are_known_by_what_they_contain(store: Store, tmp_path: Path) -> None:
    """One that is called r.dat is looked into as well, also where the rule asks for names."""
    store.add(make_message(attachments=[("r.dat", "application/octet-stream", zip_of({"j.csv": b"8"}))]))
    assert store.deliver(tmp_path / "out", AttachmentRule(name="j.csv", unzip=True)).delivered == 1
    assert files(tmp_path / "out") == {"j.csv": b"8"}


@pytest.mark.parametrize("is_nested", [False, True])
def test_an_archive_is_decoded_once_however_many_members_it_has(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_nested: bool
) -> None:
    """Once to choose from and once to deliver from; the threads of the loads share it."""
    members = {f"m{number}.csv": str(number).encode() for number in range(200)}
    bundle = (
        zip_of({"a.csv": b"a", "in.zip": zip_of(members), "z.csv": b"z"}) if is_nested else zip_of(members)
    )
    store.add(make_message(subject="z", attachments=[("all.zip", "application/zip", bundle)]))
    opened: list[str] = []
    closed: list[str] = []

    class Counted(zip_contents.ZipContents):
        def __init__(self, chunks: Any, part: str, *rest: Any) -> None:
            opened.append(part)
            super().__init__(chunks, part, *rest)

        def __exit__(self, *error: object) -> None:
            closed.append(self.part)
            super().__exit__(*error)

    for module in (zip_contents, attachment_choice, shared_archives):
        monkeypatch.setattr(module, "ZipContents", Counted)
    report = store.deliver(tmp_path / "out", AttachmentRule(name="*.csv", subject="z", unzip=True))
    assert (report.delivered, report.failures) == (202 if is_nested else 200, ())
    assert Counter(opened) == ({"2": 2, "2.zip2": 2} if is_nested else {"2": 2})
    assert Counter(closed) == Counter(opened)
    expected = members | ({"a.csv": b"a", "z.csv": b"z"} if is_nested else {})
    assert files(tmp_path / "out") == expected


def test_archives_themselves_go_to_rules_that_do_not_look_into_them(store: Store, tmp_path: Path) -> None:
    """A rule for the rest gets the archive, not what another rule took out of it."""
    store.add(make_message(subject="z", attachments=[("all.zip", "application/zip", BUNDLE)]))
    rules = (
        AttachmentRule(name="*.pdf", subject="z", unzip=True),
        AttachmentRule(subject="z", template="rest/{filename}"),
    )
    store.deliver(tmp_path / "out", *rules)
    assert sorted(files(tmp_path / "out")) == ["a.pdf", "c.pdf", "rest/all.zip"]
    assert store.deliver(tmp_path / "out", *rules).delivered == 0


def test_archive_that_cannot_be_opened_is_the_file_it_is(store: Store, tmp_path: Path) -> None:
    """Nobody stops a pipeline by sending a broken one; the report counts it."""
    store.add(make_message(subject="z", attachments=[("bad.zip", "application/zip", BUNDLE[:50])]))
    report = store.deliver(tmp_path / "out", AttachmentRule(subject="z", unzip=True))
    assert (report.delivered, report.unopened, report.failures) == (1, 1, ())
    assert list(files(tmp_path / "out")) == ["bad.zip"]


def test_encrypted_archives_are_opened_with_the_password(store: Store, tmp_path: Path) -> None:
    """Without it they are left whole, and a later run with it delivers what is in them."""
    out = io.BytesIO()
    with pyzipper.AESZipFile(out, "w", encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(b"hunter2")
        archive.writestr("a.pdf", b"%PDF-1 secret")
    store.add(make_message(subject="z", attachments=[("s.zip", "application/zip", out.getvalue())]))
    rule = AttachmentRule(subject="z", name="*.pdf", unzip=True)
    report = store.deliver(tmp_path / "out", rule)
    assert (report.delivered, report.unopened) == (0, 1)
    assert store.deliver(tmp_path / "out", rule, unzip_password="hunter2").delivered == 1
    assert files(tmp_path / "out") == {"a.pdf": b"%PDF-1 secret"}


def test_damaged_member_is_a_failure_of_its_own(store: Store, tmp_path: Path) -> None:
    """An archive of which a member does not come out is left whole."""
    damaged = bytearray(zip_of({"a.txt": b"a" * 20, "b.txt": b"b" * 20}))
    damaged[damaged.index(b"b" * 20)] = ord("c")
    store.add(make_message(subject="z", attachments=[("d.zip", "application/zip", bytes(damaged))]))
    report = store.deliver(tmp_path / "out", AttachmentRule(subject="z", unzip=True))
    assert (report.delivered, report.unopened) == (1, 1)
    assert list(files(tmp_path / "out")) == ["d.zip"]


def test_dry_run_shows_and_writes_nothing(store: Store, tmp_path: Path) -> None:
    """The paths are told, and neither the destination nor the archive changes."""
    before = sorted(path for path in store.root.rglob("*"))
    report = store.deliver(tmp_path / "out", dry_run=True, template=DEFAULT_TEMPLATE)
    assert (report.chosen, report.delivered) == (3, 0)
    assert len(report.summary()["paths"]) == 3
    assert all(path.startswith("2026/03/04/") for path in report.paths)
    assert not (tmp_path / "out").exists()
    assert sorted(path for path in store.root.rglob("*")) == before


def test_message_in_several_places_is_delivered_once(store: Store, tmp_path: Path) -> None:
    """A message seen in two folders and two accounts has its attachments once, of the account asked for."""
    content = make_message(subject="copied", attachments=[("c.txt", "text/plain", b"c")])
    store.add(content, folder="Archive")
    store.add(content, folder="Other", account="b")
    template = "{account}/{folder}/{filename}"
    rule = AttachmentRule(name="c.txt")
    assert store.deliver(tmp_path / "out", rule, account="b", template=template).delivered == 1
    assert store.deliver(tmp_path / "out", rule, template=template).delivered == 0
    assert sorted(files(tmp_path / "out")) == ["b/Other/c.txt"]


def test_mail_gone_from_its_server_delivers_all_the_same(store: Store, tmp_path: Path) -> None:
    """The archive is the source, not the server."""
    archive = Archive(store.root)
    with archive.writer(context("mirror")) as writer:
        gone = [
            LocationRow(
                account="a",
                protocol=MailProtocol.IMAP,
                folder="INBOX",
                change=Change.EXPUNGED,
                at=NOW,
                run_id="r",
                uid_validity=1,
                uid=row.uid,
                sha256=row.sha256,
            )
            for row in archive.folder_state("a", "INBOX").live_rows()
        ]
        writer.record(gone)
        writer.finish("succeeded", {}, 0)
    assert store.deliver(tmp_path / "out").delivered == 3


def test_day_of_undated_mail_is_when_the_server_received_it(archive_root: Path, tmp_path: Path) -> None:
    """Without a Date header the internal date stands in, and the row's date stays empty."""
    store = Store(archive_root)
    store.add(make_message(date=None, attachments=[PDF]))
    store.deliver(tmp_path / "out", template="{date:%Y-%m-%d}/{filename}")
    assert list(files(tmp_path / "out")) == ["2026-11-17/invoice.pdf"]
    assert store.rows()[0]["date"] is None


def test_hostile_names_stay_below_the_destination(archive_root: Path, tmp_path: Path) -> None:
    """Names that climb, hide or name devices become plain files."""
    store = Store(archive_root)
    names = ["../../up.txt", "/abs.txt", "..", "CON", ".hidden", "a\\b.txt", "x" * 300 + ".txt", "📎.txt"]
    store.add(*(make_message(subject=n, attachments=[(n, "text/plain", n.encode())]) for n in names))
    report = store.deliver(tmp_path / "deep" / "out")
    assert (report.delivered, report.failures) == (len(names), ())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "deep"]
    assert len(files(tmp_path / "deep" / "out")) == len(names)


def test_damaged_message_stops_no_other(store: Store, tmp_path: Path) -> None:
    """A raw object that is not what its name says is a failure of its attachments alone, each run."""
    rows = Archive(store.root).read_table("messages", ["sha256", "subject"]).to_pylist()
    digest = next(row["sha256"] for row in rows if row["subject"] == "one")
    raw = store.root / "raw" / digest[:2] / f"{digest}.eml"
    good = raw.read_bytes()
    raw.write_bytes(good.replace(b"JVBERi0xIG9uZQ", b"JVBERi0xIHR3bw"))
    assert raw.read_bytes() != good
    report = store.deliver(tmp_path / "out")
    assert (report.delivered, len(report.failures)) == (2, 1)
    assert digest in report.failures[0]
    raw.unlink()
    assert len(store.deliver(tmp_path / "out").failures) == 1
    raw.write_bytes(good)
    assert store.deliver(tmp_path / "out").delivered == 1


def test_large_damaged_message_fails_alone(store: Store, tmp_path: Path) -> None:
    """A message that is mapped, not read, is let go of after a failure, and its neighbours are delivered."""
    large = bytes(range(256)) * 8_000
    parts = [(f"{n}.bin", "application/octet-stream", large + b"%d" % n) for n in range(3)]
    store.add(make_message(subject="large", attachments=parts))
    rows = Archive(store.root).read_table("messages", ["sha256", "subject"]).to_pylist()
    digest = next(row["sha256"] for row in rows if row["subject"] == "large")
    raw = store.root / "raw" / digest[:2] / f"{digest}.eml"
    content = bytearray(raw.read_bytes())
    middle = len(content) // 2
    content[middle] = ord("B") if content[middle : middle + 1] == b"A" else ord("A")
    raw.write_bytes(content)
    report = store.deliver(tmp_path / "out")
    assert (report.delivered, len(report.failures)) == (5, 1)
    assert digest in report.failures[0]


def test_stopped_run_says_so_and_the_next_goes_on(store: Store, tmp_path: Path) -> None:
    """Nothing is begun after a stop, and nothing is lost by it."""
    stop = threading.Event()
    stop.set()
    report = store.deliver(tmp_path / "out", stop=stop)
    assert report.interrupted
    assert report.delivered == 0
    assert store.deliver(tmp_path / "out").delivered == 3


def test_run_is_recorded_when_it_delivered(store: Store, tmp_path: Path) -> None:
    """A run that found nothing leaves no trace."""

    def runs() -> int:
        rows = Archive(store.root).read_table("runs").to_pylist()
        return sum(row["what"] == "attachments" for row in rows)

    store.deliver(tmp_path / "out")
    store.deliver(tmp_path / "out")
    assert runs() == 1


def test_archive_is_no_destination(store: Store) -> None:
    """Delivering into the archive's own root is refused."""
    with pytest.raises(ConfigurationError, match="the archive itself"):
        store.deliver(store.root)


def test_archive_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    """Before the first fetch there is nothing to deliver from, and nothing is made."""
    with pytest.raises(ConfigurationError, match="There is no archive at"):
        Store(tmp_path / "none").deliver(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder one that nothing can be created in: a file in its place."""
    folder.write_bytes(b"")
    yield
    folder.unlink()


def test_destination_that_refuses_everything_ends_the_run(store: Store, tmp_path: Path) -> None:
    """Where a store refuses again and again, going on is of no use; the sentence says which store."""
    store.add(
        *(make_message(subject=f"{n}", attachments=[(f"{n}.txt", "text/plain", b"x")]) for n in range(20))
    )
    with read_only(tmp_path / "out"), pytest.raises((StoreUnavailable, ConfigurationError), match="out"):
        store.deliver(tmp_path / "out" / "below")
    assert store.deliver(tmp_path / "out").delivered == 23


def test_s3_gets_content_type_and_provenance(store: Store, s3: S3Server) -> None:
    """An object says of itself which message it came with, who sent it and when."""
    bucket = s3.new_bucket()
    destination = _s3_path(s3, bucket, "in coming")
    assert store.deliver(destination, template="{sender_domain}/{filename}").delivered == 3
    assert s3.keys(bucket) == [
        "in coming/example.org/data.csv",
        "in coming/example.org/invoice.pdf",
        "in coming/other.net/invoice.pdf",
    ]
    head = s3.client().head_object(Bucket=bucket, Key="in coming/other.net/invoice.pdf")
    assert head["ContentType"] == "application/pdf"
    assert head["Metadata"]["sender"] == "bob@other.net"
    assert head["Metadata"]["date"].startswith("2026-03-04T10:30")
    assert store.deliver(destination, template="{sender_domain}/{filename}").delivered == 0


def test_s3_large_and_colliding_attachments(archive_root: Path, s3: S3Server) -> None:
    """An attachment of 20 MB goes through a file; names that are taken get numbers there too."""
    store = Store(archive_root)
    large = bytes(range(256)) * 80_000
    store.add(make_message(attachments=[("big.bin", "application/octet-stream", large)]))
    store.add(
        *(make_message(subject=f"{n}", attachments=[("x.txt", "text/plain", b"%d" % n)]) for n in range(12))
    )
    bucket = s3.new_bucket()
    report = store.deliver(_s3_path(s3, bucket))
    assert (report.delivered, report.failures) == (13, ())
    assert len(s3.keys(bucket)) == 13
    body = s3.client().get_object(Bucket=bucket, Key="big.bin")["Body"].read()
    assert hashlib.sha256(body).digest() == hashlib.sha256(large).digest()


def test_one_that_takes_long_keeps_no_others_waiting(archive_root: Path) -> None:
    """A store that takes its time over the first answers all others meanwhile, more than wait at a time."""
    from upath import UPath

    store, count = Store(archive_root), 400
    store.add(
        *(
            make_message(subject=f"{n}", attachments=[(f"{n:03}.txt", "text/plain", b"%d" % n)])
            for n in range(count)
        )
    )
    others = threading.Event()
    held: list[str] = []
    was_kept_waiting: list[bool] = []

    def status(seen: list[Asked]) -> int:
        if seen[-1].method == "PUT" and not held:
            held.append(seen[-1].path)
            was_kept_waiting.append(not others.wait(25))
        elif sum(asked.method == "PUT" for asked in seen) > count - LOAD_ATTACHMENTS:
            others.set()
        return 200

    with answering(status) as (url, seen):
        place = UPath("s3://bucket/out", endpoint_url=url, key="k", secret="s", skip_instance_cache=True)
        report = store.deliver(place)
    assert (report.delivered, report.failures) == (count, ())
    assert was_kept_waiting == [False]
    assert len({asked.path for asked in seen if asked.method == "PUT"}) == count


def test_s3_objects_are_encrypted_and_filed_as_asked(store: Store, s3: S3Server) -> None:
    """Small and large objects alike get what was asked of each."""
    large = bytes(range(256)) * 80_000
    store.add(make_message(attachments=[("big.bin", "application/octet-stream", large)]))
    bucket = s3.new_bucket()
    asked = {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "alias/mail",
        "BucketKeyEnabled": "true",
        "StorageClass": "STANDARD_IA",
    }
    assert store.deliver(_s3_path(s3, bucket), object_options=asked).delivered == 4
    for key in s3.keys(bucket):
        head = s3.client().head_object(Bucket=bucket, Key=key)
        assert head["ServerSideEncryption"] == "aws:kms"
        assert head["SSEKMSKeyId"] == "alias/mail"
        assert head["StorageClass"] == "STANDARD_IA"
        assert head.get("BucketKeyEnabled") or key == "big.bin"  # of parts the server here forgets it


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"Encryption": "aws:kms"}, "ServerSideEncryption"),
        ({"StorageClass": " "}, "empty"),
        ({"BucketKeyEnabled": "maybe"}, "true or false"),
    ],
)
def test_senseless_object_options_are_refused(
    store: Store, s3: S3Server, options: dict[str, str], word: str
) -> None:
    """What S3 does not know is said before anything is delivered."""
    with pytest.raises(ConfigurationError, match=word):
        store.deliver(_s3_path(s3, s3.new_bucket()), object_options=options)


def test_a_folder_takes_no_object_options(store: Store, tmp_path: Path) -> None:
    """An encryption that a disk cannot do is never left out in silence."""
    with pytest.raises(ConfigurationError, match="S3 only"):
        store.deliver(tmp_path / "out", object_options={"ServerSideEncryption": "AES256"})


def test_longest_names_fit_the_metadata(archive_root: Path, s3: S3Server) -> None:
    """A name of 300 emoji is cut in the metadata, of which S3 takes 2 KB in all, and not in the table."""
    store = Store(archive_root)
    store.add(
        make_message(
            sender=f"Long <{'x' * 60}@{'y' * 60}.example.org>",
            attachments=[("😀" * 300 + ".pdf", "application/pdf", b"%PDF")],
        )
    )
    bucket = s3.new_bucket()
    assert store.deliver(_s3_path(s3, bucket)).failures == ()
    metadata = s3.client().head_object(Bucket=bucket, Key=s3.keys(bucket)[0])["Metadata"]
    assert sum(len(name) + len(value) for name, value in metadata.items()) < 2048
    assert metadata["filename"].startswith("%F0%9F%98%80")
    assert metadata["account"] == "a"
    assert "😀" * 200 in store.rows()[0]["filename"]


def test_missing_bucket_is_one_sentence(store: Store, s3: S3Server) -> None:
    """A bucket that is not there is named, whether or not it ends the run."""
    try:
        report = store.deliver(_s3_path(s3, "no-such-bucket"))
        said = report.failures[0]
        assert report.delivered == 0
    except (ConfigurationError, StoreUnavailable) as error:
        said = str(error)
    assert "no-such-bucket" in said


def _s3_path(s3: S3Server, bucket: str, path: str = "") -> Any:
    from upath import UPath

    return UPath(f"s3://{bucket}/{path}".rstrip("/"), **s3.storage_options)


def test_of_a_file_from_a_macintosh_the_file_is_delivered(archive_root: Path, tmp_path: Path) -> None:
    """AppleDouble (RFC 1740) has both parts under one name; the file counts as the first attachment."""
    fork = b"\0\x05\x16\x07\0\x02\0\0" + bytes(16)
    parts = [
        f"Content-Type: {kind}; name=bill.pdf\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment; filename=bill.pdf\r\n\r\n{base64.b64encode(content).decode()}\r\n"
        for kind, content in (("application/applefile", fork), ("application/pdf", PDF[2]))
    ]
    body = "--m\r\n" + "--m\r\n".join(parts) + "--m--\r\n"
    header = "From: a@x.example\r\nSubject: mac\r\nMIME-Version: 1.0\r\n"
    store = Store(archive_root)
    store.add(f"{header}Content-Type: multipart/appledouble; boundary=m\r\n\r\n{body}".encode())
    for rule in (AttachmentRule(), AttachmentRule(name="*.pdf"), AttachmentRule(position="1")):
        store.deliver(tmp_path / "out", rule)
        assert files(tmp_path / "out") == {"bill.pdf": PDF[2]}
    rows = Archive(store.root).read_table("attachments").to_pylist()
    assert [(row["filename"], row["detected_type"]) for row in rows] == [
        ("bill.pdf", "multipart/appledouble"),
        ("bill.pdf", "application/pdf"),
    ]
    store.deliver(tmp_path / "forks", AttachmentRule(content_type="application/applefile"))
    assert files(tmp_path / "forks") == {"bill.pdf": fork}
