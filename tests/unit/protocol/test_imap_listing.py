"""LIST, STATUS and NAMESPACE: whose folders there are, and what is in them."""

from __future__ import annotations

import pytest

from mailroom.exceptions import RemoteProtocolError
from mailroom.model import Folder
from mailroom.protocol.imap_listing import Namespaces, parse_list, parse_status


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        (rb'(\Noselect) "/" foo', Folder(name="foo", delimiter="/", attributes=("\\Noselect",))),
        (rb'() "." "a b"', Folder(name="a b", delimiter=".")),
        (rb'() "\\" "a\\b"', Folder(name="a\\b", delimiter="\\")),
        (rb'() "/" "say \"hi\""', Folder(name='say "hi"', delimiter="/")),
        (rb"() NIL flat", Folder(name="flat")),
        (rb'() "" flat', Folder(name="flat")),
        (
            rb'(\HasNoChildren \Sent) "/" Sent',
            Folder(name="Sent", delimiter="/", attributes=("\\HasNoChildren", "\\Sent")),
        ),
        (rb'() "/" 007', Folder(name="007", delimiter="/")),
        (rb'() "/" NIL', Folder(name="NIL", delimiter="/")),
        (rb'() "/" Entw&APw-rfe ("CHILDINFO" ("SUBSCRIBED"))', Folder(name="Entwürfe", delimiter="/")),
        (rb'() "/" iNbOx', Folder(name="INBOX", delimiter="/")),
        (rb'() "/" inbox/sub', Folder(name="inbox/sub", delimiter="/")),
    ],
)
def test_a_listed_folder_is_read_with_its_name_whole(text: bytes, folder: Folder) -> None:
    """Names are text, never numbers or NIL; INBOX alone is the same in any case."""
    assert parse_list(text) == folder


def test_a_name_may_come_as_a_literal() -> None:
    """As servers do with quotes, line ends and octets above ASCII."""
    assert parse_list(rb'() "/" {6}', b'a"b\r\nc').name.endswith('a"b\r\nc')


@pytest.mark.parametrize("text", [b"", b'"/" foo', b'() "/"', b'() "/" (', b"(\\X foo"])
def test_a_listing_that_is_none_is_the_servers_fault(text: bytes) -> None:
    """A folder that cannot be read must not go missing in silence."""
    with pytest.raises(RemoteProtocolError):
        parse_list(text)


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        (
            (rb"blurdybloop (MESSAGES 231 UIDNEXT 44292)",),
            ("blurdybloop", {"MESSAGES": 231, "UIDNEXT": 44292}),
        ),
        ((rb'"a (b) 5" (messages 1)',), ("a (b) 5", {"MESSAGES": 1})),
        ((rb"inbox ()",), ("INBOX", {})),
        ((rb"{3}", b"x y", b" (HIGHESTMODSEQ 9000000000)"), ("x y", {"HIGHESTMODSEQ": 9000000000})),
    ],
)
def test_counts_are_read_with_the_folder_they_belong_to(
    parts: tuple[bytes, ...], found: tuple[str, dict[str, int]]
) -> None:
    """RFC 3501 section 7.2.4; the name may hold what looks like counts."""
    assert parse_status(*parts) == found


def folder(name: str, delimiter: str | None = "/") -> Folder:
    return Folder(name=name, delimiter=delimiter)


@pytest.mark.parametrize(
    ("told", "mine", "theirs"),
    [
        (b"NIL NIL NIL", ["INBOX", "a"], []),
        (
            b'(("" "/")) NIL (("Shared/" "/"))',
            ["INBOX", "a", "Sharedness"],
            ["Shared", "Shared/team"],
        ),
        (b'(("INBOX." ".")) (("user." ".")) (("" "."))', ["INBOX", "INBOX.a"], ["user.ana", "public"]),
        (b'(("INBOX." ".")) NIL NIL', ["INBOX", "INBOX.a", "stray"], []),
        (b'(("" "/")) (("" "/")) NIL', ["a"], []),
        (b'(("" "/")) NIL (("&AOk-/" "/"))', ["e"], ["\u00e9", "\u00e9/x"]),
        (b'(("" "/")) nil ((2026 "/"))', ["a"], ["2026/x"]),
        (b'(("" "/" "X-PARAM" ("FLAG1" "FLAG2"))) NIL (("a\\"b/" NIL))', ["a"], ['a"b/x']),
    ],
)
def test_the_longest_prefix_tells_whose_a_folder_is(told: bytes, mine: list[str], theirs: list[str]) -> None:
    """RFC 2342; INBOX is always one's own, and so is what fits no prefix at all."""
    spaces = Namespaces.parse([told])
    delimiter = "." if b'"."' in told else "/"
    assert [name for name in mine + theirs if spaces.is_personal(folder(name, delimiter))] == mine


def test_only_real_prefixes_are_listed_for_others_folders() -> None:
    """An empty prefix is what LIST "*" shows already; one may come as a literal."""
    spaces = Namespaces.parse([b'NIL (("" ".")({5}', b"user.", b' ".")) NIL'])
    assert spaces.foreign_prefixes == ("user.",)


@pytest.mark.parametrize("told", [b"", b"NIL", b'(("" "/")) NIL', b'((" "/")) NIL NIL'])
def test_what_names_no_namespaces_is_an_error(told: bytes) -> None:
    """It would make other people's folders one's own."""
    with pytest.raises(RemoteProtocolError, match="NAMESPACE"):
        Namespaces.parse([told])
