"""Address fields: RFC 5322 by its examples, and as programs write them."""

from __future__ import annotations

import pytest

from mailroom.message.addresses import MAX_ADDRESSES, Address, parse_addresses, parse_sender


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("john@example.org", ["john@example.org"]),
        ("John Doe <john@example.org>", ["John Doe <john@example.org>"]),
        ("<john@example.org>", ["john@example.org"]),
        ('"Joe Q. Public" <john.q.public@example.com>', ["Joe Q. Public <john.q.public@example.com>"]),
        ("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
         ["Mary Smith <mary@x.test>", "jdoe@example.org", "Who? <one@y.test>"]),
        ('<boss@nil.test>, "Giant; \\"Big\\" Box" <sysservices@example.net>',
         ["boss@nil.test", 'Giant; "Big" Box <sysservices@example.net>']),
        ("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
         ["Ed Jones <c@a.test>", "joe@where.test", "John <jdoe@one.test>"]),
        ("Undisclosed recipients:;", []),
        ("undisclosed-recipients:", []),
        ("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", ["Pete <pete@silly.test>"]),
        ("A Group(Some people)\n :Chris Jones <c@(Chris's host.)public.example>, joe@example.org;",
         ["Chris Jones <c@public.example>", "joe@example.org"]),
        ("(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", []),
        ("Joe <@node1.test,@node2.test:joe@node3.test>", ["Joe <joe@node3.test>"]),
        ("Mary <mary@example.net>, , jdoe@test  . example",
         ["Mary <mary@example.net>", "jdoe@test.example"]),
        ("John <jdoe@machine(comment).  example>", ["John <jdoe@machine.example>"]),
        ('"John Doe"@example.org', ['"john doe"@example.org']),
        ("", []),
        (" , ;", []),
    ],
)  # fmt: skip
def test_examples_of_the_rfc(value: str, shown: list[str]) -> None:
    """RFC 5322 appendix A is read as it says, obsolete forms too; empty groups hold nobody."""
    assert [str(one) for one in parse_addresses(value)] == shown


@pytest.mark.parametrize(
    ("value", "name", "address"),
    [
        ("John@Example.ORG", "", "john@example.org"),
        ("john@example.org (John Doe)", "John Doe", "john@example.org"),
        ("(John Doe) john@example.org", "John Doe", "john@example.org"),
        ("MAILER-DAEMON (Mail Delivery System)", "Mail Delivery System", "mailer-daemon"),
        ("John Doe", "John Doe", ""),
        ("john@[192.0.2.1]", "", "john@[192.0.2.1]"),
        ("John <john@[IPv6:2001:db8::1]>", "John", "john@[ipv6:2001:db8::1]"),
        ("john@[IPv6:2001:db8::1] (John)", "John", "john@[ipv6:2001:db8::1]"),
        ("john@example.org <>", "", "john@example.org"),
        ("<John> john@example.org", "John", "john@example.org"),
        ("John &lt;john@example.org&gt;", "John", "john@example.org"),
        ("AT&lt <john@example.org>", "AT&lt", "john@example.org"),
        ('"john@example.org" <>', "", "john@example.org"),
        ('"John Doe" (john@example.org)', "John Doe", "john@example.org"),
        ("john at lists.example.org (John Doe)", "John Doe", "john@lists.example.org"),
        ("John at work (home)", "John at work", ""),
        ('":sysmail"@  Some-Group. Some-Org', "", '":sysmail"@some-group.some-org'),
        ("John.(Q.) Doe @(the)example.org", "Q. the", "john.doe@example.org"),
        ("Jo <jo(recursive (comment) block)@example.(and one)org>", "Jo", "jo@example.org"),
        ('Jo <">"@example.org>', "Jo", '">"@example.org'),
        ('"jo..e".doe@example.org', "", '"jo..e".doe@example.org'),
        (r'"a \"quoted\" b"@example.org', "", r'"a \"quoted\" b"@example.org'),
        ("John Doe john@example.org", "John Doe", "john@example.org"),
        ('"John Doe" john@example.org', "John Doe", "john@example.org"),
        ("John Doe [john@example.org]", "John Doe", "john@example.org"),
        ("John Doe <john@example.org", "John Doe", "john@example.org"),
        ("<john@example.org> John Doe", "John Doe", "john@example.org"),
        ("<<john@example.org>>", "", "john@example.org"),
        ('"john@example.org" <john@example.org>', "", "john@example.org"),
        ('"info@example.org" <john@example.org>', "info@example.org", "john@example.org"),
        ("john@example.org <matmail>", "john@example.org", "matmail"),
        ("<John Doe> john@example.org", "John Doe", "john@example.org"),
        ("'John Doe' <john@example.org>", "John Doe", "john@example.org"),
        ("\"'John Doe'\" <john@example.org>", "John Doe", "john@example.org"),
        ("John Doe <mailto:john@example.org>", "John Doe", "john@example.org"),
        ("John Doe < john @ example.org >", "John Doe", "john@example.org"),
        ('"John Doe <john@example.org>', "John Doe", "john@example.org"),
        ('John "Jack" Doe <john@example.org>', "John Jack Doe", "john@example.org"),
        ("J. Doe: Sales <john@example.org>", "J. Doe: Sales", "john@example.org"),
        ("John@Home <john@example.org>", "John@Home", "john@example.org"),
        ("=?utf-8?Q?Jos=C3=A9?= <j@example.org>", "José", "j@example.org"),
        ('"=?utf-8?Q?Jos=C3=A9?=" <j@example.org>', "José", "j@example.org"),
        ("=?utf-8?Q?P=C3=A9rez,_Jos=C3=A9?= <j@example.org>", "Pérez, José", "j@example.org"),
        ("=?utf-8?Q?Pérez, José <x>?= <j@example.org>", "Pérez, José <x>", "j@example.org"),
        ("=?utf-8?Q?Jos=C3=A9?= =?utf-8?Q?_P=C3=A9rez?= <j@example.org>", "José Pérez", "j@example.org"),
        ("=?utf-8?Q?Jos=C3=A9?=<j@example.org>", "José", "j@example.org"),
        ("=?utf-8?Q?Jos=C3=A9?= j@example.org", "José", "j@example.org"),
        ("=?utf-8?Q?Jos=C3=A9_=3Cj=40example=2Eorg=3E?=", "José", "j@example.org"),
        ("j@example.org (=?utf-8?Q?Jos=C3=A9?=)", "José", "j@example.org"),
        ("Jösé <jösé@exämple.org>", "Jösé", "jösé@exämple.org"),
        ("bounce+x=y?z@example.org", "", "bounce+x=y?z@example.org"),
        ("John  \t Doe <john@example.org>", "John Doe", "john@example.org"),
        ("John (a\\)b) Doe <john@example.org>", "John Doe", "john@example.org"),
        ("John \\ Doe <john@example.org>\\", "John Doe", "john@example.org"),
        ("John \\(Jack\\) Doe <john@example.org>", "John (Jack) Doe", "john@example.org"),
        ("John (Jack Doe <john@example.org>", "John (Jack Doe", "john@example.org"),
        ('"John <jack@example.com>" <john@example.org>', "John <jack@example.com>", "john@example.org"),
        ("John <Sales> <john@example.org>", "John <Sales>", "john@example.org"),
        ("John <John <john@example.org>>", "John John", "john@example.org"),
        ("OFFICE\\john <john@example.org>", "OFFICE\\john", "john@example.org"),
        ('"OFFICE\\\\john" <john@example.org>', "OFFICE\\john", "john@example.org"),
        ('\\"John\\" <john@example.org>', "John", "john@example.org"),
        ("John [mailto:john@example.org]", "John", "john@example.org"),
        ("john @ example.org", "", "john@example.org"),
    ],
)  # fmt: skip
def test_one_mailbox_as_programs_write_it(value: str, name: str, address: str) -> None:
    """Names and addresses are told apart whatever marks are missing; addresses are lower case."""
    assert parse_addresses(value) == (Address(name, address),)


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("a@x.org; b@x.org", ["a@x.org", "b@x.org"]),
        ("a@x.org b@x.org", ["a@x.org", "b@x.org"]),
        ("A <a@x.org> B <b@x.org>", ["a@x.org", "b@x.org"]),
        ("A <a@x.org>, B <b@x.org>,", ["a@x.org", "b@x.org"]),
        ("A <a@x.org>\n B <b@x.org>", ["a@x.org", "b@x.org"]),
        ("g1: a@x.org; g2: b@x.org, c@x.org;", ["a@x.org", "b@x.org", "c@x.org"]),
        ("friends: a@x.org;, b@x.org", ["a@x.org", "b@x.org"]),
    ],
)
def test_lists_with_odd_separators(value: str, addresses: list[str]) -> None:
    """Semicolons, white space and nothing at all separate mailboxes where there are clearly several."""
    assert [one.address for one in parse_addresses(value)] == addresses


def test_names_belong_to_their_own_address() -> None:
    """Without a comma, a name between two addresses is that of the second."""
    found = parse_addresses("Bob Dunite <bob@extern> Bobby Dunite <bobby@extern>")
    assert found == (Address("Bob Dunite", "bob@extern"), Address("Bobby Dunite", "bobby@extern"))


def test_a_comma_without_quotes_belongs_to_the_senders_name() -> None:
    """``Doe, John <…>`` in From is one person; in To it could be two."""
    assert parse_sender("Doe, John <john@example.org>") == (Address("Doe, John", "john@example.org"),)
    assert parse_sender("Doe, J., Ltd. <john@example.org>, b@example.org") == (
        Address("Doe, J., Ltd.", "john@example.org"),
        Address("", "b@example.org"),
    )
    assert len(parse_addresses("Doe, John <john@example.org>")) == 2
    assert parse_sender("Doe, John") == (Address("Doe", ""), Address("John", ""))
    assert parse_sender("") == ()


def test_raw_octets_in_names_are_decoded_by_the_hint() -> None:
    """A name sent in the charset of the message's text is read by it."""
    raw = '"Пётр" <p@example.org>'.encode("koi8-r").decode("utf-8", "surrogateescape")
    assert parse_addresses(raw, "koi8-r") == (Address("Пётр", "p@example.org"),)


def test_more_addresses_than_the_limit_are_left_out() -> None:
    """A list without end is cut at the named limit."""
    assert len(parse_addresses("a@x.org," * (MAX_ADDRESSES + 5))) == MAX_ADDRESSES
    assert len(parse_addresses("A (x) <a@x.org>," * (MAX_ADDRESSES + 5))) == MAX_ADDRESSES
