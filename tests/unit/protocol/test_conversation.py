"""What is said again without being asked step by step, and when the answers count as the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.protocol.conversation import Answers, commands_of, conversation_of, offered_by

POP3 = b"CAPA\r\nUSER ana\r\nPASS hunter22\r\nCAPA\r\nLIST\r\nUIDL\r\n"
POP3_ANSWERS = (
    b"+OK\r\nUSER\r\nPIPELINING\r\n.\r\n+OK\r\n+OK in\r\n+OK\r\nUIDL\r\n.\r\n"
    b"+OK 2 messages\r\n1 120\r\n2 340\r\n.\r\n+OK\r\n1 a\r\n2 b\r\n.\r\n"
)
IMAP = (
    b'M1 AUTHENTICATE PLAIN AGFuYQBodW50ZXIyMg==\r\nM2 ID ("name" "mailroom")\r\nM3 LSUB "" "*"\r\n'
    b'M4 NAMESPACE\r\nM5 LIST "" "*" RETURN (STATUS (MESSAGES))\r\n'
)
IMAP_ANSWERS = (
    b"* CAPABILITY IMAP4rev1\r\nM1 OK in\r\n* ID NIL\r\nM2 OK\r\nM3 OK (0.001 secs)\r\n"
    b'* NAMESPACE (("" "/")) NIL NIL\r\nM4 OK\r\n'
    b'* LIST () "/" INBOX\r\n* STATUS INBOX (MESSAGES 3)\r\nM5 OK\r\n'
)
GREETING = b"+OK ready\r\n"


def read(commands: bytes, received: bytes) -> Answers:
    answers = Answers(commands)
    answers.read(GREETING + received, len(GREETING))
    return answers


@pytest.mark.parametrize("sent", [POP3, IMAP, b'M1 LOGIN "ana" "hunter22"\r\nM2 LIST "" "*"\r\n'])
def test_a_conversation_is_kept_without_the_password(sent: bytes) -> None:
    """Nor in base64; with user and password it is what was sent, and with another password that one."""
    kept = conversation_of(sent, "ana", "hunter22")
    assert kept is not None
    assert b"hunter22" not in kept
    assert b"AGFuYQBodW50ZXIyMg" not in kept
    assert commands_of(kept, "ana", "hunter22") == sent
    other = commands_of(kept, "ana", "new-word")
    assert other is not None
    assert conversation_of(other, "ana", "new-word") == kept


@pytest.mark.parametrize(
    ("sent", "secret"),
    [
        (b"CAPA\r\nUSER ana\r\nPASS hunter22\r\nCAPA\r\nLIST\r\nUIDL\r\nDELE 1\r\n", "hunter22"),
        (b"CAPA\r\nAUTH PLAIN\r\nAGFuYQBodW50ZXIyMg==\r\nCAPA\r\nLIST\r\nUIDL\r\n", "hunter22"),
        (b'M1 LOGIN {3+}\r\nana {8+}\r\nhunter22\r\nM2 LIST "" "*"\r\n', "hunter22"),
        (b'M1 LOGIN "ana" "LIST"\r\nM2 LIST "" "*"\r\n', "LIST"),
        (b'M1 LOGIN "ana" "two words"\r\nM2 LIST "" "*"\r\n', "two words"),
        (IMAP.replace(b"M4 NAMESPACE", b"M4 DELETE INBOX"), "hunter22"),
        (IMAP.replace(b"M3 LSUB", b"M3 EXAMINE"), "hunter22"),
        (b'M1 LOGIN "ana" "hunter22"\r\n', "hunter22"),
        (b"", "hunter22"),
    ],
)
def test_nothing_else_is_kept(sent: bytes, secret: str) -> None:
    """Other sign-ins, literals, commands beside a listing, a password that is a part of something else."""
    assert conversation_of(sent, "ana", secret) is None


@pytest.mark.parametrize(
    "kept",
    [
        b"\0one\r\nLIST\r\nDELE 1\r\n",
        b"M1 \0two\r\nM2 DELETE INBOX\r\nM3 LIST\r\n",
        b"M1 \0two\r\nM2 LOGIN eve eve\r\nM3 LIST\r\n",
        b"M1 \0two\r\nM2 LIST {4}\r\nABCD\r\n",
        b"\0one\r\n\0one\r\nLIST\r\n",
        b"LIST\r\n",
        b"\0one\r\nLIST",
        b"\0four\r\nLIST\r\n",
        b"DELE 1 \0one\r\nLIST\r\n",
        b"M1 DELETE \0two\r\nM2 LIST\r\n",
        b"M1 \0two\r\nM2 LIST\nM3 DELETE INBOX\r\n",
        b"M1 \0two\r\nM2 LIST\rM3 DELETE INBOX\r\n",
        b"M1\nM0 DELETE INBOX\nM9 LIST\r\nM2 \0two\r\n",
    ],
)
def test_whatever_was_written_into_a_file_only_a_listing_is_sent(kept: bytes) -> None:
    """Who can write to an archive cannot have anything done on a mail server."""
    assert commands_of(kept, "ana", "hunter22") is None


@pytest.mark.parametrize(("commands", "received"), [(POP3, POP3_ANSWERS), (IMAP, IMAP_ANSWERS)])
def test_all_is_answered_only_by_all_answers(commands: bytes, received: bytes) -> None:
    """No beginning of them is taken for the whole, and none is odd."""
    for end in range(len(received)):
        part = read(commands, received[:end])
        assert not part.is_complete
        assert not part.is_odd
    assert read(commands, received).is_complete
    assert read(commands, received).is_signed_in
    assert read(commands, received + b"+OK more\r\n").is_odd


@given(st.data(), st.sampled_from([(POP3, POP3_ANSWERS), (IMAP, IMAP_ANSWERS)]))
def test_however_answers_are_cut_they_are_the_same(data: st.DataObject, case: tuple[bytes, bytes]) -> None:
    """The network cuts where it likes."""
    commands, received = case
    ends = data.draw(st.lists(st.integers(0, len(received)), max_size=8))
    answers = Answers(commands)
    for end in sorted([*ends, len(received)]):
        answers.read(GREETING + received[:end], len(GREETING))
    assert answers.is_complete
    assert answers.digest() == read(commands, received).digest()


@pytest.mark.parametrize(
    ("commands", "received", "before", "after"),
    [
        (POP3, POP3_ANSWERS, b"2 340", b"2 341"),
        (POP3, POP3_ANSWERS, b"2 b", b"2 c"),
        (POP3, POP3_ANSWERS, b"1 a\r\n2 b\r\n", b"1 a\r\n"),
        (POP3, POP3_ANSWERS, b"1 120\r\n2 340\r\n.\r\n+OK\r\n1 a\r\n2 b\r\n", b".\r\n+OK\r\n"),
        (IMAP, IMAP_ANSWERS, b"MESSAGES 3", b"MESSAGES 4"),
        (IMAP, IMAP_ANSWERS, b"LIST ()", b"LIST (\\Sent)"),
        (IMAP, IMAP_ANSWERS, b"M5 OK", b'* LIST () "/" New\r\nM5 OK'),
        (IMAP, IMAP_ANSWERS, b"M3 OK", b'* LSUB () "/" INBOX\r\nM3 OK'),
    ],
)
def test_another_listing_has_another_digest(
    commands: bytes, received: bytes, before: bytes, after: bytes
) -> None:
    """Sizes, unique ids, counts, folders, subscriptions."""
    changed = received.replace(before, after)
    assert changed != received
    found = read(commands, changed)
    assert not found.is_complete or found.digest() != read(commands, received).digest()


@pytest.mark.parametrize(
    ("commands", "received", "before", "after"),
    [
        (POP3, POP3_ANSWERS, b"+OK in", b"+OK [AUTH] in again"),
        (POP3, POP3_ANSWERS, b"+OK 2 messages", b"+OK"),
        (IMAP, IMAP_ANSWERS, b"0.001 secs", b"0.002 secs"),
        (IMAP, IMAP_ANSWERS, b"LIST ()", b"LIST (\\Marked)"),
        (IMAP, IMAP_ANSWERS, b"* ID NIL", b'* ID ("host" "b")'),
        (IMAP, IMAP_ANSWERS, b"M2 OK", b"* OK [ALERT] Over quota\r\nm2 ok"),
    ],
)
def test_words_to_people_count_for_nothing(
    commands: bytes, received: bytes, before: bytes, after: bytes
) -> None:
    """Status lines, timings, who the server is, and hints about folders."""
    found = read(commands, received.replace(before, after))
    assert found.is_complete
    assert found.digest() == read(commands, received).digest()


@pytest.mark.parametrize(
    ("commands", "received", "before", "after", "is_refused"),
    [
        (POP3, POP3_ANSWERS, b"+OK in", b"-ERR [AUTH] no", True),
        (POP3, POP3_ANSWERS, b"+OK 2 messages", b"-ERR not now", False),
        (IMAP, IMAP_ANSWERS, b"M1 OK", b"M1 NO", True),
        (IMAP, IMAP_ANSWERS, b"M1 OK", b"M1 BAD", False),
        (IMAP, IMAP_ANSWERS, b"M1 OK", b"* BYE too many", False),
        (IMAP, IMAP_ANSWERS, b"M5 OK", b"M5 NO", False),
        (IMAP, IMAP_ANSWERS, b"M5 OK", b"M4 OK", False),
        (IMAP, IMAP_ANSWERS, b'"/" INBOX', b'"/" {5}', False),
        (IMAP, IMAP_ANSWERS, b"M1 OK", b"+ ", False),
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_others(
    commands: bytes, received: bytes, before: bytes, after: bytes, *, is_refused: bool
) -> None:
    """Refusals, farewells, literals, questions, answers to nothing."""
    found = read(commands, received.replace(before, after))
    assert (found.is_odd, found.is_complete, found.is_refused) == (True, False, is_refused)


@pytest.mark.parametrize("hints", [b"\\Marked \\Sent", b"\\Sent \\UnMarked", b"\\Sent"])
def test_hints_may_stand_anywhere(hints: bytes) -> None:
    """Dovecot changes its mind about them from run to run."""
    sent = read(IMAP, IMAP_ANSWERS.replace(b"LIST ()", b"LIST (\\Sent)")).digest()
    assert read(IMAP, IMAP_ANSWERS.replace(b"LIST ()", b"LIST (" + hints + b")")).digest() == sent


def test_a_greeting_tells_what_is_offered() -> None:
    """Or nothing, where it does not."""
    assert offered_by(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n") == b"IMAP4rev1 AUTH=PLAIN"
    assert offered_by(b"* OK ready\r\n") == b""
