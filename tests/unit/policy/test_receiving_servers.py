"""Which fields of a message its own receiving server wrote."""

from __future__ import annotations

import pytest

from mailroom.exceptions import ConfigurationError
from mailroom.message import AuthenticationResults, receipt_fields
from mailroom.policy.receiving_servers import (
    Receiver,
    fields_of,
    learned_receiver,
    read_receiver,
    receiver_of,
)

ME = "A: mx.me.example; dkim=pass header.d=mine.example"
FORGED = "A: mx.me.example; dkim=pass header.d=forged.example"
BORDER = "R: from a.example (a.example [192.0.2.1]) by mx.me.example (Postfix) with ESMTPS id 1"
EARLIER = "R: from laptop by a.example with ESMTP"
GMAIL_BORDER = (
    "R: from a.example (a.example. [192.0.2.1]) by mx.google.com with ESMTPS id 1 for <b@c.example>"
)
GMAIL = ("R: by 2002:a05:1 with SMTP id 1", GMAIL_BORDER, "A: mx.google.com; dkim=pass header.d=mine.example")
EXCHANGE = (
    "R: from A1.prod.outlook.com (2603:10b6:510::21) by B1.prod.outlook.com with HTTPS",
    "R: from C1.prod.outlook.com (2603:10b6:408::9) by A1.prod.outlook.com (2603:10b6::1) with Microsoft "
    "SMTP Server (version=TLS1_2, cipher=X) id 15.20.6086.19",
    "R: from F1.eop-nam11.prod.protection.outlook.com (2603:10b6:408:13f:cafe::4d) by "
    "C1.outlook.office365.com (2603:10b6:408::9) with Microsoft SMTP Server id 15.20.608.19 via Frontend",
    "A: spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=a.example; dkim=pass header.d=mine.example",
    "R: from a.example (192.0.2.1) by F1.mail.protection.outlook.com (10.13.1.18) with Microsoft SMTP Server",
)


def trace(*fields: str) -> list[object]:
    """Return the fields of a message; ``A`` and ``R`` stand for their names."""
    names = {"A": "Authentication-Results", "R": "Received"}
    head = "".join(f"{names[field[0]]}{field[1:]}; date\r\n" if field[0] == "R" else
                   f"{names[field[0]]}{field[1:]}\r\n" for field in fields)  # fmt: skip
    return list(receipt_fields(f"{head}Subject: x\r\n\r\n".encode()))


def counted(server: str, *fields: str) -> list[str]:
    """Return the domains that the counting fields speak of."""
    found: list[AuthenticationResults] = fields_of(trace(*fields), read_receiver(server))  # type: ignore[arg-type]
    return [result.domain for field in found for result in field.results if result.method == "dkim"]


@pytest.mark.parametrize(
    ("fields", "domains"),
    [
        ((ME, BORDER, FORGED), ["mine.example"]),
        ((BORDER, FORGED), []),
        ((BORDER, FORGED, EARLIER), []),
        ((BORDER, FORGED, BORDER), []),
        ((FORGED,), []),
        (("R: from mx.me.example by box.me.example with LMTP", ME, BORDER, FORGED), ["mine.example"]),
        (("R: by box.me.example; date", ME, BORDER), ["mine.example"]),
        (
            ("R: from localhost (localhost [127.0.0.1]) by mx.me.example with ESMTP", ME, BORDER),
            ["mine.example"],
        ),
        (("R: from mx.me.example ([10.0.0.2]) by store.internal with ESMTP", ME, BORDER), ["mine.example"]),
        (("R: from a.example ([172.18.0.1]) by mx.me.example with ESMTP", FORGED, BORDER), []),
        (("R: from mx.me.example ([192.0.2.7]) by store.internal with ESMTP", FORGED, BORDER), []),
        (("R: from [10.0.0.2] ([192.0.2.7]) by store.internal with ESMTP", FORGED, BORDER), []),
    ],
)
def test_what_stands_above_the_border_counts(fields: tuple[str, ...], domains: list[str]) -> None:
    """And nothing below it, nor in a message that came in over none."""
    assert counted("mx.me.example", *fields) == domains


def test_server_that_writes_below_its_own_field_has_to_be_said_to() -> None:
    """Its uppermost field counts then, of what stands there."""
    assert counted("mx.me.example below", BORDER, ME, FORGED, EARLIER) == ["mine.example"]
    assert counted("mx.me.example below", BORDER, EARLIER, FORGED) == []
    other = "R: from a.example ([192.0.2.1]) by mx.other.example with ESMTP"
    assert counted("mx.me.example below", other, FORGED, BORDER, FORGED) == []


def test_gmail_is_known_to_write_below() -> None:
    """One field for each message, so a second one is the sender's; other servers' mail has none of it."""
    forged = "A: mx.google.com; dkim=pass header.d=forged.example"
    assert counted("mx.google.com", *GMAIL, forged) == ["mine.example"]
    assert counted("mx.google.com", BORDER, forged) == []
    assert receiver_of(trace(*GMAIL)) == Receiver(server="mx.google.com", is_below=True)  # type: ignore[arg-type]


def test_exchange_online_is_known_by_its_hops() -> None:
    """It writes no name, so the border has to be its own."""
    forged = "A: dkim=pass header.d=forged.example"
    assert counted("-", *EXCHANGE, forged) == ["mine.example"]
    assert counted("-", *EXCHANGE[:3], EXCHANGE[4], forged) == []
    assert counted("-", forged, BORDER) == []
    assert receiver_of(trace(*EXCHANGE)) == Receiver(server="-")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        (),
        (BORDER,),
        (FORGED,),
        (BORDER, "A: mx.evil; dkim=pass header.d=forged.example", "R: from evil by mx.evil"),
        ("A: filter.other.example; dkim=pass header.d=a.example", BORDER),
    ],
)
def test_sender_teaches_nothing(fields: tuple[str, ...]) -> None:
    """A server is told by a field above the border that the border's own name agrees with."""
    assert receiver_of(trace(*fields)) is None  # type: ignore[arg-type]


def test_server_is_learned_where_messages_agree() -> None:
    """One is enough, for no sender writes there; two servers are not one."""
    mine, other = Receiver(server="mx.me"), Receiver(server="mx.other")
    assert learned_receiver([]) is learned_receiver([None] * 20) is None
    assert learned_receiver([mine]) == learned_receiver([mine] * 19 + [other] + [None] * 50) == mine
    assert learned_receiver([mine] * 8 + [other]) is None


@pytest.mark.parametrize("text", ["", "mx.me above", "- below", "mx.me below below"])
def test_name_that_is_not_understood_is_refused(text: str) -> None:
    """It would be met by nothing."""
    with pytest.raises(ConfigurationError, match="authserv_id"):
        read_receiver(text)
