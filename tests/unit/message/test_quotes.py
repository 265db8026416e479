"""What somebody wrote anew, apart from what they quote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.message import index_message
from mailroom.message.quotes import reply_of

OUTLOOK = "From: Ana\nSent: Monday, 1 June 2026\nTo: Bob\nSubject: Bill\n\nIs it paid?"


@pytest.mark.parametrize(
    "text",
    [
        "Yes.\n\n> Is it paid?\n> Regards",
        "Yes.\n\nOn Mon, 1 Jun 2026 at 10:00, Ana <ana@example.org> wrote:\n> Is it paid?",
        "Yes.\n\nOn Mon, 1 Jun 2026 at 10:00, Ana López <ana@example.org>\nwrote:\n\n> Is it paid?",
        "Yes.\n\nOn Mon, 1 Jun 2026 at 10:00, Ana wrote:\n\nIs it paid?\n\nRegards",
        "Yes.\n\nAm 01.06.2026 um 10:00 schrieb Ana López:\n> Ist sie bezahlt?",
        "Yes.\n\nLe lun. 1 juin 2026 à 10:00, Ana <ana@example.org> a écrit\xa0:\n\nEst-elle payée ?",
        "Yes.\n\nEl lun, 1 jun 2026 a las 10:00, Ana (<ana@example.org>) escribió:\n\n¿Está pagada?",
        "Yes.\n\nIl 01/06/2026 10:00, Ana ha scritto:\n> È pagata?",
        "Yes.\n\n1 июня 2026 г., 10:00, Ana написал(а):\n> Оплачено?",
        "Yes.\n\n2026年6月1日 Ana <ana@example.org> 写道：\n> 付了吗",
        f"Yes.\n\n-----Original Message-----\n{OUTLOOK}",
        "Yes.\n\n-----Ursprüngliche Nachricht-----\nVon: Ana\n\nIst sie bezahlt?",
        "Yes.\n\n---------- Forwarded message ---------\nFrom: Ana\n\nIs it paid?",
        f"Yes.\n\n________________________________\n{OUTLOOK}",
        f"Yes.\n\n{OUTLOOK}",
        "Yes.\n\n*From:* Ana\n*Date:* Monday\n*To:* Bob\n*Subject:* Bill\n\nIs it paid?",
        "Yes.\n\nVon: Ana\nGesendet: Montag\nAn: Bob\nBetreff: Rechnung\n\nIst sie bezahlt?",
        "Yes.\n\n发件人： Ana\n发送时间： 2026\n收件人： Bob\n主题： 账单\n\n付了吗",
    ],
)
def test_an_answer_above_what_it_quotes(text: str) -> None:
    """As mail programs write it, in their languages."""
    assert reply_of(text) == "Yes."


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("> Is it paid?\n\nYes.", "Yes."),
        ("On 1 June, Ana wrote:\n> Is it paid?\nYes.\n> When?\nToday.\n\nBob", "Yes.\nToday.\n\nBob"),
        ("> Is it paid?", ""),
        ("Yes.\n\n\n> a\n\n\n> b\n\nToday.", "Yes.\n\nToday."),
    ],
)
def test_an_answer_between_and_below_what_it_quotes(text: str, reply: str) -> None:
    """Every line that is not marked is the author's."""
    assert reply_of(text) == reply


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No quote here.",
        "This is what we need:\n- 1 table\n- 2 chairs",
        "As she wrote:\nno date, no address",
        "From: the first day\nto: the last",
        "We met 3 people; one wrote a book:\nit is good",
        "--- a/file\n+++ b/file\n- x",
        ">From the first line on, this was in an mbox file.",
        "----\nRegards",
        "Von: hier an geht es weiter",
    ],
)
def test_a_text_that_quotes_nothing_has_no_reply(text: str) -> None:
    """Lists, colons and rules of one's own are no quotes."""
    assert reply_of(text) is None


def test_the_reply_of_a_page_is_found() -> None:
    """HTML is made readable first; the line of its program begins the quote."""
    page = (
        "<div>Yes.<br></div><div class=q>On Mon, 1 Jun 2026, Ana &lt;ana@example.org&gt; wrote:<br></div>"
        "<blockquote><div>Is it paid?</div></blockquote>"
    )
    found = index_message(b"Content-Type: text/html\r\n\r\n" + page.encode())
    assert found.reply == "Yes."
    assert "Is it paid?" in found.text


def test_a_long_text_is_read_once() -> None:
    """Marks by the ten thousand cost no more than their number."""
    assert reply_of("> a\n" * 50_000 + "b") == "b"
    assert reply_of("On 1 June a:\n" * 50_000) is None
    assert reply_of("From: a\n" * 50_000) is None


@given(
    st.lists(st.sampled_from(["> a", "", "b", "On 1 a wrote:", "From: x", "Sent: y", "Subject: z", "---"]))
)
def test_what_is_left_was_there(lines: list[str]) -> None:
    """A reply holds lines of the text in their order, and no marked one."""
    reply = reply_of("\n".join(lines))
    if reply is not None:
        assert not any(line.startswith("> ") for line in reply.split("\n"))
        rest = iter(lines)
        assert all(line in rest for line in reply.split("\n") if line)
