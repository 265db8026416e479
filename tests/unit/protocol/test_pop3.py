"""The POP3 parser against the examples of RFC 1939, RFC 2449 and RFC 5034, and awkward streams."""

from __future__ import annotations

import pytest

from mailroom.exceptions import LocalProtocolError, RemoteProtocolError
from mailroom.protocol.pop3 import (
    CLOSE_LOOK_OCTETS,
    MAX_STATUS_OCTETS,
    Answer,
    Challenge,
    Content,
    Event,
    Pop3Parser,
    Status,
    serialise_command,
)


def parse(stream: bytes, *answers: Answer, piece_octets: int = 1 << 20) -> list[Event]:
    """Feed a stream that follows a greeting, and return all events it gives."""
    parser = Pop3Parser("mail.example:995", piece_octets=piece_octets)
    parser.feed(b"+OK\r\n")
    parser.next_event()
    parser.expect(*answers)
    parser.feed(stream)
    events = []
    while (event := parser.next_event()) is not None:
        events.append(event)
    return events


def test_greeting_is_a_status_line() -> None:
    """RFC 1939 section 4: a new parser awaits the greeting and nothing else."""
    parser = Pop3Parser()
    parser.feed(b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n")
    expected = Status(is_ok=True, text="POP3 server ready <1896.697170952@dbc.mtview.ca.us>")
    assert parser.next_event() == expected
    assert parser.awaited == 0


def test_retr_of_rfc_1939() -> None:
    """RFC 1939 section 5: after +OK the message follows, ended by a lone dot."""
    stream = b"+OK 120 octets\r\nFrom: a\r\n\r\nhello\r\n.\r\n"
    expected = Content(octets=b"From: a\r\n\r\nhello\r\n", is_last=True)
    assert parse(stream, Answer.BLOCK) == [expected]


def test_refused_message_is_a_status() -> None:
    """RFC 1939 section 5: -ERR to RETR is one line, nothing follows it."""
    assert parse(b"-ERR no such message\r\n", Answer.BLOCK) == [Status(is_ok=False, text="no such message")]


def test_empty_block_is_empty_content() -> None:
    """RFC 1939 section 5: LIST of an empty maildrop is +OK and the lone dot."""
    assert parse(b"+OK\r\n.\r\n", Answer.BLOCK) == [Content(octets=b"", is_last=True)]


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (b"..\r\n", b".\r\n"),
        (b"...\r\n", b"..\r\n"),
        (b"..a\r\n..b\r\n", b".a\r\n.b\r\n"),
        (b"a..\r\n", b"a..\r\n"),
        (b"a\r\n..\r\n..\r\nb\r\n", b"a\r\n.\r\n.\r\nb\r\n"),
        (b".x\r\n", b"x\r\n"),
        (b"\r\n\r\n", b"\r\n\r\n"),
        (b"a\n.\nb\r\n", b"a\n.\nb\r\n"),
        (b"a\n.\r\nb\r\n", b"a\n.\r\nb\r\n"),
        (b"a\r.\r\nb\r\n", b"a\r.\r\nb\r\n"),
        (b"nul\0 \xff\xfe\r\n", b"nul\0 \xff\xfe\r\n"),
    ],
)
def test_dots_after_crlf_are_unstuffed_and_nothing_else(sent: bytes, meant: bytes) -> None:
    """RFC 1939 section 3: a dot that begins a line is stripped; only CRLF ends a line."""
    assert parse(b"+OK\r\n" + sent + b".\r\n", Answer.BLOCK) == [Content(octets=meant, is_last=True)]


@pytest.mark.parametrize("filler", [b"x", b".", b"a.b\r\n", b"\r\nab"])
@pytest.mark.parametrize("shift", range(-7, 8))
def test_dots_far_behind_others_are_found(filler: bytes, shift: int) -> None:
    """Octets without a dot are passed over quickly, and no CRLF dot is lost where a close look ends."""
    for looks in (1, 2):
        octets = looks * CLOSE_LOOK_OCTETS + shift
        before = (b"x." + filler * octets)[:octets]
        sent = b"+OK\r\n" + before + b"\r\n..\r\n.\r\n"
        assert parse(sent, Answer.BLOCK) == [Content(octets=before + b"\r\n.\r\n", is_last=True)]


def test_pipelined_answers_come_in_the_order_of_the_commands() -> None:
    """RFC 2449 section 6.6: answers follow the commands, whatever their kind."""
    stream = b"+OK\r\n1 2\r\n.\r\n-ERR gone\r\n+OK marked\r\n+OK\r\nx\r\n.\r\n"
    answers = [Answer.BLOCK, Answer.BLOCK, Answer.LINE, Answer.BLOCK]
    assert parse(stream, *answers) == [
        Content(octets=b"1 2\r\n", is_last=True),
        Status(is_ok=False, text="gone"),
        Status(is_ok=True, text="marked"),
        Content(octets=b"x\r\n", is_last=True),
    ]


def test_same_status_is_a_block_or_a_line_as_awaited() -> None:
    """RFC 1939: whether lines follow +OK depends on the command alone."""
    assert parse(b"+OK 2 320\r\n", Answer.LINE) == [Status(is_ok=True, text="2 320")]
    assert parse(b"+OK 2 320\r\n", Answer.BLOCK) == []


@pytest.mark.parametrize(
    ("line", "code", "text"),
    [
        (
            b"-ERR [IN-USE] Do you have another POP session running?",
            "IN-USE",
            "Do you have another POP session running?",
        ),
        (b"-ERR [LOGIN-DELAY] wait", "LOGIN-DELAY", "wait"),
        (b"-ERR [sys/temp] disk", "SYS/TEMP", "disk"),
        (b"-ERR [AUTH]", "AUTH", ""),
        (b"-ERR not [AUTH] a code", None, "not [AUTH] a code"),
        (b"-ERR [two words] a code", None, "[two words] a code"),
        (b"-ERR", None, ""),
        (b"-err lower case", None, "lower case"),
    ],
)
def test_response_code_is_read_from_the_start_of_the_text(line: bytes, code: str | None, text: str) -> None:
    """RFC 2449 section 8 and RFC 3206: a code in brackets comes first or is none."""
    assert parse(line + b"\r\n", Answer.LINE) == [Status(is_ok=False, code=code, text=text)]


@pytest.mark.parametrize(
    ("line", "text"), [(b"+ ", b""), (b"+", b""), (b"+ cmVhZHk=", b"cmVhZHk="), (b"+ +OK", b"+OK")]
)
def test_challenge_of_a_sign_in(line: bytes, text: bytes) -> None:
    """RFC 5034 section 4: a plus, a space and base64, possibly empty."""
    assert parse(line + b"\r\n", Answer.CHALLENGE) == [Challenge(text=text)]


def test_challenge_outside_a_sign_in_is_an_error() -> None:
    """A plus line is no answer to any other command."""
    with pytest.raises(RemoteProtocolError):
        parse(b"+ abc\r\n", Answer.LINE)


def test_long_message_comes_in_pieces() -> None:
    """A message above the limit is given out while it arrives, and nothing of it is lost."""
    parser = Pop3Parser(piece_octets=10)
    parser.feed(b"+OK\r\n")
    parser.next_event()
    parser.expect(Answer.BLOCK)
    pieces: list[Content] = []
    for data in (b"+OK\r\n..0123456789\r", b"\n.", b".abc\r\n", b".\r", b"\n"):
        parser.feed(data)
        while (event := parser.next_event()) is not None:
            assert isinstance(event, Content)
            pieces.append(event)
    assert b"".join(piece.octets for piece in pieces) == b".0123456789\r\n.abc\r\n"
    assert [piece.is_last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert len(pieces) > 1


def test_line_longer_than_a_piece_is_cut() -> None:
    """A megabyte without a line end must not be held until one comes."""
    [piece] = parse(b"+OK\r\n" + b"x" * 100, Answer.BLOCK, piece_octets=50)
    assert piece == Content(octets=b"x" * 100, is_last=False)


@pytest.mark.parametrize(
    "stream",
    [
        b"* OK IMAP4rev1 ready\r\n",
        b"220 smtp.example ESMTP\r\n",
        b"\r\n",
        b"+OKAY\r\n",
        b"+OK bare\n",
        b"+OK\rno\r\n",
        b"\n",
        b"x" * MAX_STATUS_OCTETS,
    ],
)
@pytest.mark.parametrize("answer", [Answer.LINE, Answer.BLOCK])
def test_what_is_no_answer_is_an_error(stream: bytes, answer: Answer) -> None:
    """Anything but +OK and -ERR, ended by CRLF and of sane length, is the server's error."""
    with pytest.raises(RemoteProtocolError, match=r"mail\.example:995") as caught:
        parse(stream, answer)
    assert stream.startswith(caught.value.received)
    assert len(caught.value.received) <= 200


def test_answer_that_nobody_asked_for_is_an_error() -> None:
    """An extra line would be taken for the answer to the next command; so that one is not sent."""
    parser = Pop3Parser()
    parser.feed(b"+OK\r\n+OK marked\r\n")
    parser.next_event()
    assert parser.next_event() is None
    with pytest.raises(RemoteProtocolError, match="nobody asked"):
        parser.expect(Answer.LINE)


def test_rest_is_given_back_for_the_switch_to_tls() -> None:
    """RFC 2595 section 2.2: what came behind the answer to STLS must be seen, not lost."""
    parser = Pop3Parser()
    parser.feed(b"+OK begin TLS\r\n+OK injected\r\n")
    parser.next_event()
    assert parser.take_rest() == b"+OK injected\r\n"
    assert parser.take_rest() == b""


def test_command_is_one_line() -> None:
    """RFC 1939 section 3: keyword, arguments separated by a space, CRLF; text as UTF-8."""
    assert serialise_command("RETR", 1) == b"RETR 1\r\n"
    assert serialise_command("PASS", "señor 1") == "PASS señor 1\r\n".encode()


@pytest.mark.parametrize("argument", ["a\r\nDELE 1", "a\nb", "a\0"])
def test_command_with_a_line_break_is_refused(argument: str) -> None:
    """An argument must not become a second command, and the error must not show it."""
    with pytest.raises(LocalProtocolError) as caught:
        serialise_command("PASS", argument)
    assert argument not in str(caught.value)
