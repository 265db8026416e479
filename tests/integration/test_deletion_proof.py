"""Proof before deletion: by a stored checksum, by a second fetch, against servers that lie, after kills."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from mailroom.archive.intents import IntentJournal
from mailroom.client.imap import ImapClient
from mailroom.client.pop3 import Pop3Client
from mailroom.exceptions import ArchiveError, CommandRejected, ConfigurationError, ConnectionLost
from mailroom.ledger import AuditAction, AuditRow
from mailroom.model import Change, MailProtocol
from mailroom.policy.fetch_mode import FetchMode
from mailroom.policy.mirror import MirrorSelection
from mailroom.policy.policy_file import parse_policy
from mailroom.policy.proof import ProofMode, ProofRule
from mailroom.policy.retention import RetentionRule
from mailroom.services.mirror import mirror_account
from mailroom.services.progress import NoProgress
from tests.integration.runs import DELETE, Account, days, digest
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message
from tests.support.pop3_server import Maildrop, Pop3Server
from tests.support.s3 import S3Server

NOW = RetentionRule(older_than=days(0))
REFETCH = ProofRule(refetch=True)
HEAD = ProofRule(mode=ProofMode.HEAD)
MAIL = [make_message(subject=f"Mensaje {number}", text=f"Texto {number}\n") for number in range(1, 7)]


def mirror(account: Account) -> None:
    report = mirror_account(
        account.connect,
        account.archive,
        account.context("mirror"),
        selection=MirrorSelection(),
        now=account.now,
        progress=NoProgress(),
        stop=threading.Event(),
    )
    assert report.failures == ()


@pytest.fixture
def mailbox(dovecot: Dovecot, user: str, archive_root: Path) -> Account:
    """Six messages in INBOX, mirrored."""
    account = Account(archive_root, dovecot.endpoint(user, MailProtocol.IMAP), clock=datetime.now(UTC))
    for content in MAIL:
        dovecot.append(user, content)
    mirror(account)
    account.wait(days(1))
    return account


def there(account: Account) -> list[int]:
    with ImapClient.connect(account.endpoint) as client:
        client.examine("INBOX")
        return [int(uid) for uid in client.search("ALL")]


def newest(account: Account) -> dict[int, str]:
    """Return the newest change of each UID."""
    rows = Archive(account.root).read_table("locations").sort_by("seq").to_pylist()
    return {row["uid"]: row["change"] for row in rows}


def audited(account: Account) -> list[int]:
    return sorted(row["uid"] for row in account.audit())


def pending(root: Path) -> list[Path]:
    return list((root / "intents").glob("*/*"))


# --- a second fetch


def test_refetched_messages_are_compared_whole(mailbox: Account) -> None:
    """Each is fetched once more before it goes; nothing of it stays on the disk."""
    fetched: list[int] = []

    class Watched(ImapClient):
        def fetch_messages(self, uids: Any, *rest: Any, **options: Any) -> Iterator[Any]:
            fetched.extend(uids)
            return super().fetch_messages(uids, *rest, **options)

    mailbox.connect = lambda: Watched.connect(mailbox.endpoint)  # type: ignore[method-assign]
    assert mailbox.retain(NOW, proof=REFETCH).deleted == 6
    assert fetched == [1, 2, 3, 4, 5, 6]
    assert list((mailbox.root / "raw" / ".incoming").iterdir()) == []


def test_a_policy_may_ask_for_whole_messages(mailbox: Account) -> None:
    """As the option does, and in the run that carries a plan of it out as well."""
    fetched: list[int] = []

    class Watched(ImapClient):
        def fetch_messages(self, uids: Any, *rest: Any, **options: Any) -> Iterator[Any]:
            fetched.extend(uids)
            return super().fetch_messages(uids, *rest, **options)

    name = mailbox.retain(parse_policy("{refetch: true, rules: [{delete_after: 0}]}"), dry_run=True).plan_id
    mailbox.connect = lambda: Watched.connect(mailbox.endpoint)  # type: ignore[method-assign]
    assert name is not None
    assert mailbox.carry_out(name).deleted == 6
    assert fetched == [1, 2, 3, 4, 5, 6]


def test_refetch_finds_a_body_that_is_another(mailbox: Account) -> None:
    """Same number, size, date and header, other text: only the bytes tell, and the report names it."""

    class Other(ImapClient):
        def fetch_messages(self, *arguments: Any, **options: Any) -> Iterator[Any]:
            for message in super().fetch_messages(*arguments, **options):
                content = message.body.content if message.body else b""
                if message.uid == 3 and content is not None:
                    body = message.body._replace(content=content.replace(b"Texto", b"texto"))
                    message = message._replace(body=body)
                yield message

    mailbox.connect = lambda: Other.connect(mailbox.endpoint)  # type: ignore[method-assign]
    report = mailbox.retain(NOW, proof=REFETCH)
    assert (report.deleted, there(mailbox)) == (5, [3])
    assert "UID 3 (octets differs)" in report.failures[0]


def test_message_that_is_not_delivered_again_stays(mailbox: Account) -> None:
    """What the server does not hand out cannot be proved."""

    class Withholding(ImapClient):
        def fetch_messages(self, uids: Any, *rest: Any, **options: Any) -> Iterator[Any]:
            return super().fetch_messages([uid for uid in uids if uid != 2], *rest, **options)

    mailbox.connect = lambda: Withholding.connect(mailbox.endpoint)  # type: ignore[method-assign]
    assert mailbox.retain(NOW, proof=REFETCH).deleted == 5
    assert there(mailbox) == [2]


def test_refetch_by_pop3_retrieves_instead_of_asking_for_the_header(archive_root: Path) -> None:
    """A server that changed a body behind its header is found out."""
    maildrop = Maildrop(messages=[(f"u{n}", content) for n, content in enumerate(MAIL)])
    with Pop3Server(maildrop) as server:
        account = Account(archive_root, server.endpoint())
        account.fetch()
        account.wait(days(1))
        maildrop.messages[2] = ("u2", MAIL[2].replace(b"Texto", b"texto"))
        assert account.retain(NOW, dry_run=True).deleted == 6
        report = account.retain(NOW, proof=REFETCH)
        assert (report.deleted, [uidl for uidl, _ in maildrop.messages]) == (5, ["u2"])
        assert "UIDL 'u2'" in report.failures[0]


def test_damaged_copy_is_an_alarm(mailbox: Account) -> None:
    """The message stays, and the run fails with its digest."""
    name = digest(MAIL[0])
    path = mailbox.root / "raw" / name[:2] / f"{name}.eml"
    path.write_bytes(path.read_bytes() + b"x")
    report = mailbox.retain(NOW)
    assert (report.deleted, there(mailbox)) == (5, [1])
    assert name in report.failures[0]


# --- the checksum that a store keeps


@pytest.fixture
def in_bucket(mailbox: Account, s3: S3Server) -> tuple[Account, Callable[..., None], str]:
    """The mailbox mirrored into a bucket that keeps SHA-256; and how to put an object there by hand."""
    bucket = s3.new_bucket()
    options = {**s3.storage_options, "s3_additional_kwargs": {"ChecksumAlgorithm": "SHA256"}}
    mailbox.at(Archive(s3.url(bucket, "mail"), storage_options=options))
    mirror(mailbox)

    def put(content: bytes, name: str, **values: Any) -> None:
        s3.client().put_object(Bucket=bucket, Key=f"mail/raw/{name[:2]}/{name}.eml", Body=content, **values)

    return mailbox, put, bucket


class _Counted:
    """Counts which objects are read."""

    def __init__(self, archive: Archive) -> None:
        self.read: list[str] = []
        mapped = archive.raw.mapped

        def counted(name: str) -> Any:
            self.read.append(name)
            return mapped(name)

        archive.raw.mapped = counted  # type: ignore[method-assign]


def test_stored_checksums_are_proof_and_a_sample_is_read(
    in_bucket: tuple[Account, Callable[..., None], str],
) -> None:
    """Six are vouched for by the store; one of them is read all the same."""
    account, _, _ = in_bucket
    counted = _Counted(account.archive)
    report = account.retain(NOW, proof=HEAD)
    assert (report.deleted, report.failures) == (6, ())
    assert len(counted.read) == 1


def test_the_proof_that_a_plan_was_made_with_is_that_of_its_deletion(
    in_bucket: tuple[Account, Callable[..., None], str],
) -> None:
    """A policy states it, or whoever makes the plan; the run that carries it out need not say it again."""
    account, _, _ = in_bucket
    stated = account.retain(parse_policy("{proof: head, rules: [{delete_after: 0}]}"), dry_run=True)
    counted = _Counted(account.archive)
    assert stated.plan_id is not None
    assert (account.carry_out(stated.plan_id).deleted, len(counted.read)) == (6, 1)


def test_a_plan_that_was_read_back_is_read_back(
    in_bucket: tuple[Account, Callable[..., None], str],
) -> None:
    """Whoever carries it out may ask for more proof than it was made with, and not for less."""
    account, _, _ = in_bucket
    name = account.retain(NOW, dry_run=True).plan_id
    counted = _Counted(account.archive)
    assert name is not None
    assert (account.carry_out(name, proof=HEAD).deleted, len(counted.read)) == (6, 6)


def test_object_with_another_checksum_or_none_at_all(
    in_bucket: tuple[Account, Callable[..., None], str],
) -> None:
    """Another content is found without reading; without a checksum the object is read."""
    account, put, _ = in_bucket
    put(MAIL[1], digest(MAIL[0]), ChecksumAlgorithm="SHA256")
    put(MAIL[2], digest(MAIL[2]))
    put(b"damaged", digest(MAIL[3]))
    counted = _Counted(account.archive)
    report = account.retain(NOW, proof=HEAD)
    assert (report.deleted, there(account)) == (4, [1, 4])
    assert {digest(MAIL[2]), digest(MAIL[3])} <= set(counted.read)
    assert "2 messages" in report.failures[0]


def test_frozen_object_is_proved_without_being_read(
    in_bucket: tuple[Account, Callable[..., None], str],
) -> None:
    """In cold storage a checksum can be had and the bytes cannot; without a checksum the message stays."""
    account, put, _ = in_bucket
    for content in MAIL[:5]:
        put(content, digest(content), ChecksumAlgorithm="SHA256", StorageClass="GLACIER")
    put(MAIL[5], digest(MAIL[5]), StorageClass="DEEP_ARCHIVE")
    counted = _Counted(account.archive)
    report = account.retain(NOW, proof=HEAD)
    assert (report.deleted, there(account), counted.read) == (5, [6], [])


def test_stored_checksums_do_not_hide_another_message(
    in_bucket: tuple[Account, Callable[..., None], str],
) -> None:
    """Who the number is, is asked all the same: by Message-ID, which the table has."""

    account, _, _ = in_bucket

    class Lying(ImapClient):
        def fetch_fingerprints(self, uids: Any, *, with_save_date: bool = False) -> Iterator[Any]:
            for message in super().fetch_fingerprints(uids, with_save_date=with_save_date):
                header = b"Message-ID: <another@example.org>\r\n\r\n"
                yield message._replace(header=header) if message.uid == 1 else message

    account.connect = lambda: Lying.connect(account.endpoint)  # type: ignore[method-assign]
    assert account.retain(NOW, proof=HEAD).deleted == 5
    assert there(account) == [1]


# --- hostile answers


def test_server_that_marks_another_message_ends_the_run(mailbox: Account, dovecot: Dovecot) -> None:
    """Whatever it does next could be wrong as well, so no other folder is touched."""
    dovecot.append(mailbox.endpoint.user, MAIL[0], folder="Work")
    mirror(mailbox)

    class Clumsy(ImapClient):
        def mark_deleted(self, uids: Iterable[int]) -> set[int]:
            self.store_flags([6], add=("\\Deleted",))
            return super().mark_deleted(uids) | {6}

    mailbox.connect = lambda: Clumsy.connect(mailbox.endpoint)  # type: ignore[method-assign]
    rule = RetentionRule(older_than=timedelta(0), folders=("INBOX", "Work"))
    report = mailbox.retain(rule)
    assert (report.deleted, len(report.folders), len(report.failures)) == (0, 1, 1)
    assert "the run ended" in report.failures[0]
    assert there(mailbox) == [1, 2, 3, 4, 5, 6]


def test_server_that_says_no_to_expunge_deletes_nothing(mailbox: Account) -> None:
    """The marks are taken back, the folder is reported, and nothing is recorded."""

    class Refusing(ImapClient):
        def expunge(self, uids: Any) -> None:
            super()._uid("NOSUCH", "1")

    mailbox.connect = lambda: Refusing.connect(mailbox.endpoint)  # type: ignore[method-assign]
    report = mailbox.retain(NOW)
    assert report.deleted == 0
    assert report.failures
    assert audited(mailbox) == []
    del mailbox.connect
    assert mailbox.retain(RetentionRule(older_than=days(900))).deleted == 0
    with ImapClient.connect(mailbox.endpoint) as client:
        client.examine("INBOX")
        assert len(client.search("DELETED")) == 0
        assert len(client.search("ALL")) == 6


# --- kills at each step, by IMAP


class Killed(BaseException):
    """The process ends here."""


STEPS = {
    "before the marks": ("mark_deleted", False),
    "after the marks": ("mark_deleted", True),
    "before EXPUNGE": ("expunge", False),
    "after EXPUNGE": ("expunge", True),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("mirrors", [False, True], ids=["", "mirrored between"])
def test_next_run_knows_what_a_killed_one_deleted(mailbox: Account, step: str, mirrors: bool) -> None:
    """Each message that is gone has one audit row and counts as deleted by retention; no mark is left."""
    name, is_after = STEPS[step]

    def die(self: ImapClient, *arguments: Any) -> Any:
        if is_after:
            getattr(ImapClient, name)(self, *arguments)
        raise Killed

    fragile = type("Fragile", (ImapClient,), {name: die})
    mailbox.connect = lambda: fragile.connect(mailbox.endpoint)  # type: ignore[method-assign]
    with pytest.raises(Killed):
        mailbox.retain(RetentionRule(older_than=days(0), max_fraction=0.5))
    assert len(pending(mailbox.root)) == 1
    del mailbox.connect
    mailbox.archive = Archive(mailbox.root)
    if mirrors:
        mirror(mailbox)
    mailbox.retain(RetentionRule(older_than=days(900)))
    gone = [1, 2, 3] if step == "after EXPUNGE" else []
    assert there(mailbox) == [uid for uid in range(1, 7) if uid not in gone]
    assert audited(mailbox) == gone
    assert [uid for uid, change in newest(mailbox).items() if change == "deleted_by_retention"] == gone
    assert pending(mailbox.root) == []
    with ImapClient.connect(mailbox.endpoint) as client:
        client.examine("INBOX")
        assert len(client.search("DELETED")) == 0


def test_audit_and_places_meet_where_a_kill_came_between_them(
    mailbox: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The audit is committed first; the next run adds the places and no second audit row."""
    from mailroom.archive.writing.locations import LocationLog

    def die(*_: Any) -> None:
        raise ArchiveError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(LocationLog, "append", die)
        with pytest.raises(ArchiveError, match="power"):
            mailbox.retain(NOW)
    assert audited(mailbox) == [1, 2, 3, 4, 5, 6]
    mailbox.archive = Archive(mailbox.root)
    mailbox.retain(NOW)
    assert audited(mailbox) == [1, 2, 3, 4, 5, 6]
    assert set(newest(mailbox).values()) == {"deleted_by_retention"}


def _kill_after_expunge(mailbox: Account) -> None:
    class Fragile(ImapClient):
        def expunge(self, uids: Any) -> None:
            super().expunge(uids)
            raise Killed

    mailbox.connect = lambda: Fragile.connect(mailbox.endpoint)  # type: ignore[method-assign]
    with pytest.raises(Killed):
        mailbox.retain(NOW)
    mailbox.archive = Archive(mailbox.root)


def test_intent_is_kept_while_its_folder_cannot_be_asked(
    mailbox: Account, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder that does not open once costs no audit: the run after it asks again, and names both runs."""
    _kill_after_expunge(mailbox)

    class Shut(ImapClient):
        def select(self, name: str) -> Any:
            raise CommandRejected("in use", command="SELECT", kind="NO", code="INUSE", text="in use")

    mailbox.connect = lambda: Shut.connect(mailbox.endpoint)  # type: ignore[method-assign]
    mailbox.retain(RetentionRule(older_than=days(900)))
    assert (audited(mailbox), len(pending(mailbox.root))) == ([], 1)
    del mailbox.connect
    mailbox.archive = Archive(mailbox.root)
    mailbox.retain(RetentionRule(older_than=days(900)))
    assert (audited(mailbox), pending(mailbox.root)) == ([1, 2, 3, 4, 5, 6], [])
    (run_id,) = {row["run_id"] for row in mailbox.audit()}
    assert f"what run {run_id} deleted" in caplog.text
    assert f"mailroom restore --run {run_id}" in caplog.text


def test_intent_of_a_folder_that_is_gone_is_given_up(mailbox: Account, dovecot: Dovecot) -> None:
    """Nobody can be asked any more, and no later run could."""
    _kill_after_expunge(mailbox)
    (note,) = pending(mailbox.root)
    note.write_text(note.read_text().replace("INBOX", "Gone"))
    del mailbox.connect
    mailbox.retain(RetentionRule(older_than=days(900)))
    assert (audited(mailbox), pending(mailbox.root)) == ([], [])


@pytest.mark.parametrize("step", ["mark_deleted", "expunge"])
def test_second_run_leaves_a_running_one_alone(mailbox: Account, step: str) -> None:
    """It says whom to wait for; each message has one audit row, and no mark was taken back."""
    other = Account(mailbox.root, mailbox.endpoint, clock=mailbox.clock)
    seen: list[int] = []

    def meanwhile(self: ImapClient, *arguments: Any) -> Any:
        found = getattr(ImapClient, step)(self, *arguments)
        seen.append(len(pending(mailbox.root)))
        with pytest.raises(ArchiveError, match="is deleting mail of account at this moment"):
            other.retain(NOW)
        return found

    busy = type("Busy", (ImapClient,), {step: meanwhile})
    mailbox.connect = lambda: busy.connect(mailbox.endpoint)  # type: ignore[method-assign]
    assert mailbox.retain(NOW).deleted == 6
    assert (seen, audited(mailbox), pending(mailbox.root)) == ([1], [1, 2, 3, 4, 5, 6], [])
    other.archive = Archive(mailbox.root)
    assert other.retain(NOW).failures == ()


def test_run_that_comes_second_to_the_intent_deletes_nothing(mailbox: Account) -> None:
    """Two that began together find each other before the first mark."""
    other = Account(mailbox.root, mailbox.endpoint, clock=mailbox.clock)

    class Second(ImapClient):
        def noop(self) -> None:
            super().noop()
            journal = IntentJournal(mailbox.archive)
            row = AuditRow(
                account="account",
                protocol=MailProtocol.IMAP,
                folder="INBOX",
                action=AuditAction.DELETED,
                who="a test",
                run_id="the first",
                at=mailbox.now(),
            )
            held.append(journal.write(Change.DELETED_BY_RETENTION, [row])[1])

    held: list[Any] = []
    other.connect = lambda: Second.connect(mailbox.endpoint)  # type: ignore[method-assign]
    with pytest.raises(ArchiveError, match="the first"):
        other.retain(NOW)
    assert there(mailbox) == [1, 2, 3, 4, 5, 6]
    assert len(pending(mailbox.root)) == 1
    held[0]()


def test_object_is_held_until_it_is_let_go(s3: S3Server) -> None:
    """An object store knows no locks: a run says that it has ended, or a while goes by."""
    store = Archive(s3.url(s3.new_bucket(), "mail"), storage_options=s3.storage_options).store
    let_go = store.hold_file("intents/a/b.json", b"{}")
    assert store.is_held("intents/a/b.json")
    let_go()
    assert not store.is_held("intents/a/b.json")
    assert not store.is_held("intents/a/c.json")


def test_object_that_was_written_again_is_let_go_by_its_last_writer(s3: S3Server) -> None:
    """An intent is written twice; who held the first lets go of nothing that came after."""
    store = Archive(s3.url(s3.new_bucket(), "mail"), storage_options=s3.storage_options).store
    former = store.hold_file("intents/a/b.json", b"{}")
    let_go = store.hold_file("intents/a/b.json", b"[1]")
    former()
    assert store.is_held("intents/a/b.json")
    assert store.read_files(["intents/a/b.json"]) == [b"[1]"]
    let_go()
    assert not store.is_held("intents/a/b.json")


def test_note_that_cannot_be_read_is_named(mailbox: Account) -> None:
    """Nobody but a person can say what it meant, so the run says where it lies."""

    class Falling(ImapClient):
        def expunge(self, uids: Any) -> None:
            raise Killed

    mailbox.connect = lambda: Falling.connect(mailbox.endpoint)  # type: ignore[method-assign]
    with pytest.raises(Killed):
        mailbox.retain(NOW)
    del mailbox.connect
    (note,) = pending(mailbox.root)
    assert "hunter" not in note.read_text()
    assert json.loads(note.read_text())["all"]["folder"] == "INBOX"
    note.write_text("{")
    with pytest.raises(ArchiveError, match="intents/"):
        mailbox.retain(NOW)


# --- DELE, RSET and lost connections, by POP3


@pytest.fixture
def drop() -> Maildrop:
    return Maildrop(messages=[(f"u{n}", content) for n, content in enumerate(MAIL)])


@pytest.fixture
def account(drop: Maildrop, archive_root: Path) -> Iterator[Account]:
    with Pop3Server(drop) as server:
        yield Account(archive_root, server.endpoint())


def fetch_and_delete(account: Account) -> Any:
    return account.fetch(DELETE)


def fetch_and_retain(account: Account) -> Any:
    account.fetch()
    account.wait(days(1))
    return account.retain(NOW)


WAYS = pytest.mark.parametrize(
    ("run", "change"),
    [
        (fetch_and_delete, Change.DELETED_BY_FETCH.value),
        (fetch_and_retain, Change.DELETED_BY_RETENTION.value),
    ],
    ids=["fetch", "retention"],
)


@WAYS
def test_quit_that_was_carried_out_and_not_answered(
    drop: Maildrop, account: Account, run: Callable[[Account], Any], change: str
) -> None:
    """Nobody knows at first; the next session lists none of them, so they were deleted; it says by whom."""
    drop.hangs_up_after_quit = True
    report = run(account)
    assert (drop.messages, report.deleted, account.audit()) == ([], 0, [])
    assert any("QUIT was not confirmed" in failure for failure in report.failures)
    drop.hangs_up_after_quit = False
    drop.messages.append(("new", make_message(subject="new")))
    run(account)
    assert sorted({row["uidl"] for row in account.audit()} - {"new"}) == [f"u{n}" for n in range(6)]
    assert {account.states()[f"u{n}", digest(MAIL[n])] for n in range(6)} == {change}
    assert {row["who"] for row in account.audit() if row["uidl"] != "new"} == {
        "a test, which was cut off; found gone by a later run"
    }
    assert pending(account.root) == []


@WAYS
@pytest.mark.parametrize("last", ["DELE 6", "QUIT"])
def test_connection_lost_before_quit_deletes_nothing(
    drop: Maildrop, account: Account, run: Callable[[Account], Any], change: str, last: str
) -> None:
    """RFC 1939 section 6: without QUIT nothing goes, and the archive says so."""
    drop.hang_up_at = last
    with contextlib.suppress(ConnectionLost):
        assert run(account).deleted == 0
    assert (len(drop.messages), account.audit()) == (6, [])
    assert set(account.states().values()) == {"added"}
    drop.hang_up_at = None
    assert run(account).deleted == 6
    assert (len(account.audit()), set(account.states().values())) == (6, {change})
    assert pending(account.root) == []


@WAYS
def test_rset_takes_all_marks_back(
    drop: Maildrop, account: Account, run: Callable[[Account], Any], change: str
) -> None:
    """A session that is reset before QUIT has deleted nothing, whatever it marked."""

    class Reset(Pop3Client):
        def delete(self, numbers: Any) -> Any:
            found = super().delete(numbers)
            self.reset()
            raise Killed(found)

    account.connect = lambda: Reset.connect(account.endpoint)  # type: ignore[method-assign]
    with pytest.raises(Killed):
        run(account)
    assert (len(drop.messages), account.audit()) == (6, [])
    del account.connect
    assert run(account).deleted == 6
    assert len(account.audit()) == 6


# --- the clock


def test_clock_that_differs_from_the_stores_stops_deletion(
    drop: Maildrop, account: Account, tmp_path: Path
) -> None:
    """Six minutes ahead of the disk: mail is archived, nothing is deleted, both times are told."""
    account.archive.clock = lambda: datetime.now(UTC) + timedelta(minutes=6)
    with pytest.raises(ConfigurationError, match=r"the store at .* says"):
        account.fetch(DELETE)
    assert len(drop.messages) == 6
    assert len(account.history()) == 6
    assert pending(account.root) == []
    account.archive.clock = lambda: datetime.now(UTC) + timedelta(minutes=4)
    assert account.fetch(DELETE).deleted == 6


def test_clock_is_compared_with_the_buckets(drop: Maildrop, account: Account, s3: S3Server) -> None:
    """S3's Last-Modified is the time of a machine that is not ours."""
    url = s3.url(s3.new_bucket(), "mail")
    account.at(Archive(url, storage_options=s3.storage_options))
    account.archive.clock = lambda: datetime.now(UTC) - timedelta(minutes=6)
    with pytest.raises(ConfigurationError, match=r"the store at s3://.* says"):
        account.fetch(DELETE)
    account.archive.clock = lambda: datetime.now(UTC)
    assert account.fetch(DELETE).deleted == 6


def test_clock_that_ran_backwards_stops_deletion(
    drop: Maildrop, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last run ended an hour from now, so one of the two clocks was wrong."""
    import mailroom.archive.writing.engine as engine

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(hours=1)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "datetime", Later)
        account.fetch()
    account.wait(days(1))
    with pytest.raises(ConfigurationError, match="ran backwards"):
        account.retain(NOW)
    assert (len(drop.messages), account.audit()) == (6, [])
    with pytest.raises(ConfigurationError, match="ran backwards"):
        account.retain(NOW)


# --- whose days


def test_two_archives_on_one_account_count_for_themselves(
    drop: Maildrop, account: Account, tmp_path: Path
) -> None:
    """What the first would delete today, the second saw five days later: each waits for its own days."""
    week = FetchMode(delete_after=days(7))
    other = Account(tmp_path / "other", account.endpoint, clock=account.clock + days(5))
    account.fetch(week)
    assert other.fetch(week).added == 6
    account.wait(days(7) - timedelta(minutes=1))
    assert account.fetch(week).deleted == 0
    account.wait(timedelta(minutes=1))
    assert account.fetch(week).deleted == 6
    assert other.fetch(week).failures == ()
    assert set(other.states().values()) == {"not_listed"}


def test_second_archive_may_come_first(drop: Maildrop, account: Account, tmp_path: Path) -> None:
    """An archive that has held a message for a day only never deletes it, however long another has."""
    account.fetch()
    account.wait(days(30))
    other = Account(tmp_path / "other", account.endpoint, clock=account.clock)
    other.fetch()
    other.wait(days(1))
    assert other.fetch(FetchMode(delete_after=days(7))).deleted == 0
    assert len(drop.messages) == 6


def test_accounts_of_one_archive_delete_their_own_messages_only(archive_root: Path) -> None:
    """Both hold the same mail, archived first by one of them a month ago: its days count for both."""
    drops = [Maildrop(messages=[(f"u{n}", content) for n, content in enumerate(MAIL)]) for _ in range(2)]
    with Pop3Server(drops[0]) as one, Pop3Server(drops[1]) as two:
        first = Account(archive_root, one.endpoint(), name="first")
        second = Account(archive_root, two.endpoint(), name="second", clock=first.clock + days(30))
        first.fetch()
        drops[1].messages.append(("new", make_message(subject="new")))
        second.fetch()
        assert second.fetch(FetchMode(delete_after=days(7))).deleted == 6
        assert ([uidl for uidl, _ in drops[1].messages], len(drops[0].messages)) == (["new"], 6)
        assert {row["account"] for row in second.audit()} == {"second"}


def test_days_are_exact_over_restarts(drop: Maildrop, account: Account) -> None:
    """Each run opens the archive anew; the days go on from where the message was first stored."""
    week = FetchMode(delete_after=days(7))
    account.fetch(week)
    for _ in range(6):
        account.archive = Archive(account.root)
        account.wait(days(1))
        assert account.fetch(week).deleted == 0
    account.archive = Archive(account.root)
    account.wait(days(1))
    assert account.fetch(week).deleted == 6
