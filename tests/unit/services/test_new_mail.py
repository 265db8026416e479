"""Each message and attachment is handed to a pipeline until it was done with it, and then no more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.exceptions import ConfigurationError, IntegrityError, StoreUnavailable
from mailroom.model import Body
from mailroom.policy.attachments import AttachmentRule
from mailroom.services.new_mail import new_attachments, new_messages
from tests.support.archives import archive_messages, body, context, digest, place
from tests.support.mail import make_message


def keep(root: Path, *numbers: int, account: str = "post") -> None:
    """Archive messages with two attachments each."""
    with Archive(root).writer(context(account=account)) as writer:
        for number in numbers:
            writer.add(body(number, attachments=2), place(number, account=account))
        writer.finish("succeeded", {}, 0)


@pytest.fixture
def root(archive_root: Path) -> Path:
    keep(archive_root, 1, 2)
    return archive_root


def take(root: Path, consumer: str = "load", **options: object) -> list[bytes]:
    with new_attachments(Archive(root), consumer, context(), **options) as found:  # type: ignore[arg-type]
        return [attachment.read().strip() for attachment in found]


def test_each_attachment_is_handed_out_once(root: Path) -> None:
    """The second run adds nothing, the third gets what came meanwhile."""
    assert sorted(take(root)) == [b"content 1 0", b"content 1 1", b"content 2 0", b"content 2 1"]
    assert take(root) == []
    keep(root, 3)
    assert take(root) == [b"content 3 0", b"content 3 1"]


def test_pipelines_do_not_take_from_each_other(root: Path) -> None:
    """Each name has notes of its own."""
    assert len(take(root)) == 4
    assert len(take(root, "report")) == 4


def test_a_block_that_fails_takes_nothing(root: Path) -> None:
    """The next run is handed the same again."""

    class Failure(Exception):
        pass

    def load() -> None:
        with new_attachments(Archive(root), "load", context()) as found:
            for _ in found:
                raise Failure

    with pytest.raises(Failure):
        load()
    assert len(take(root)) == 4


def test_only_what_was_gone_through_is_taken(root: Path) -> None:
    """A block may leave off early; the one at which it does, and the rest, are for the next run."""
    with new_attachments(Archive(root), "load", context()) as found:
        loaded = []
        for attachment in found:
            if len(loaded) == 2:
                break
            loaded.append(attachment.read().strip())
    assert len(found.taken) == 2
    rest = [*take(root, limit=1), *take(root, limit=1), *take(root)]
    assert sorted([*loaded, *rest]) == [b"content 1 0", b"content 1 1", b"content 2 0", b"content 2 1"]


def test_rules_choose_and_what_they_pass_over_stays_new(root: Path) -> None:
    """A rule that is widened later finds what it passed over before."""
    assert len(take(root, rule=AttachmentRule(name="f0.pdf"))) == 2
    assert len(take(root)) == 2


def test_what_is_not_from_whom_a_rule_requires_is_not_handed_out(root: Path) -> None:
    """A mailbox is an open door: nothing says that these messages are signed by anybody."""
    with pytest.raises(ConfigurationError, match="Give authserv_id"):
        take(root, rule=AttachmentRule(require_auth="dkim=example.org"))
    rule = AttachmentRule(require_auth="dmarc=pass")
    assert take(root, rule=rule, authserv_id="mx.me") == []
    head = (
        b"Authentication-Results: mx.me; dmarc=pass header.from=example.org\r\nReceived: from a by mx.me\r\n"
    )
    with Archive(root).writer(context()) as writer:
        content = head + make_message(subject="real", attachments=[("a.csv", "text/csv", b"1,2")])
        writer.add(Body(octets=len(content), content=content), place(9))
        writer.finish("succeeded", {}, 0)
    assert take(root, rule=rule, authserv_id="mx.me") == [b"1,2"]
    with new_messages(Archive(root), "m", context(), require_auth="dmarc=pass", authserv_id="mx.me") as found:
        assert [message.subject for message in found] == ["real"]
    with new_messages(Archive(root), "m", context()) as rest:
        assert len(list(rest)) == 2


def test_only_mail_of_an_account(root: Path) -> None:
    """By the places its messages were seen in."""
    keep(root, 7, account="other")
    assert len(take(root, account="other")) == 2
    with new_messages(Archive(root), "m", context(), account="other") as found:
        assert [message.subject for message in found] == ["message 7"]


def test_messages_are_handed_out_likewise(root: Path) -> None:
    """With the exact bytes, and narrowed by a query."""
    archive_messages(Archive(root), [5], run_id="run-2")
    with new_messages(Archive(root), "m", context(), query="subject:5") as found:
        (message,) = found
    assert (message.subject, message.sender) == ("message 5", "ana@example.org")
    assert message.sha256 == digest(5)
    assert b"Subject: message 5" in message.read()
    with new_messages(Archive(root), "m", context()) as found:
        assert len(list(found)) == 2
    with new_messages(Archive(root), "m", context()) as found:
        assert list(found) == []


def test_two_runs_at_once_do_not_both_count(root: Path) -> None:
    """The one that comes second is told, so that its task fails and is tried again with what is left."""

    def load() -> None:
        with new_attachments(Archive(root), "load", context()) as found:
            list(found)
            assert len(take(root)) == 4

    with pytest.raises(StoreUnavailable, match="let one run at a time"):
        load()
    assert take(root) == []


def test_damaged_content_is_not_handed_out_whole(root: Path) -> None:
    """Whoever reads to the end is told, and the block takes nothing."""
    name = digest(1, attachments=2)
    path = root / "raw" / name[:2] / f"{name}.eml"
    os.chmod(path, 0o600)
    path.write_bytes(path.read_bytes().replace(b"content 1 0", b"content 9 0"))
    with pytest.raises(IntegrityError, match="mailroom verify"):
        take(root)
    assert len(Archive(root).read_table("consumed")) == 0


@pytest.mark.parametrize("consumer", ["", " "])
def test_a_consumer_needs_a_name(root: Path, consumer: str) -> None:
    """Notes have to be somebody's."""
    with pytest.raises(ConfigurationError, match="name"):
        take(root, consumer)


def test_what_cannot_be_handed_out_is_refused(root: Path, tmp_path: Path) -> None:
    """Members of zip archives are delivered, not handed out; and an archive must be there."""
    with pytest.raises(ConfigurationError, match="zip"):
        take(root, rule=AttachmentRule(unzip=True))
    with pytest.raises(ConfigurationError, match="no archive"):
        take(tmp_path / "nowhere")
