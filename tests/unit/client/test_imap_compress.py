"""COMPRESS=DEFLATE against conversations written down: when it is switched on, and what may go wrong then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailroom.client.imap import ImapClient
from mailroom.exceptions import ConnectionLost, RemoteProtocolError
from mailroom.model import Compression, Endpoint, MailProtocol, Security
from tests.support.transcript import TRANSCRIPTS, TranscriptServer


def server(name: str) -> TranscriptServer:
    return TranscriptServer(TRANSCRIPTS / "imap" / f"{name}.txt")


def connect(played: TranscriptServer, compress: Compression = Compression.ALWAYS) -> ImapClient:
    values: dict[str, Any] = {"protocol": MailProtocol.IMAP, "security": Security.PLAIN, "timeout": 10.0}
    return ImapClient.connect(
        Endpoint(
            host="127.0.0.1", port=played.port, user="user", secret="secret", compress=compress, **values
        )
    )


def fetch(client: ImapClient) -> list[bytes | None]:
    client.examine("INBOX")
    messages = client.fetch_messages([4], lambda: "never")
    return [message.body.content for message in messages if message.body is not None]


def test_everything_after_the_agreement_is_deflated() -> None:
    """Commands and answers alike, the goodbye included, whose answer nobody waits for."""
    with server("compress") as played, connect(played) as client:
        assert fetch(client) == [b"Subject: x\n"]


@pytest.mark.parametrize(
    ("transcript", "compress"),
    [
        ("compress_not", Compression.AUTO),
        ("compress_not", Compression.NEVER),
        ("compress_not_offered", Compression.ALWAYS),
        ("compress_refused", Compression.ALWAYS),
    ],
)
def test_a_connection_that_is_not_compressed_is_used_as_it_is(transcript: str, compress: Compression) -> None:
    """On a quick line, where it is not wanted, not offered or refused, nothing else changes."""
    with server(transcript) as played:
        client = connect(played, compress)
        assert client.examine("INBOX").uid_validity == 7
        client.close()


@pytest.mark.parametrize(
    ("transcript", "use", "kind", "words"),
    [
        ("compress_injected", lambda client: client.examine("INBOX"), RemoteProtocolError, "not compressed"),
        ("compress_garbled", lambda client: client.examine("INBOX"), RemoteProtocolError, "not compressed"),
        ("compress_ended", lambda client: client.examine("INBOX"), RemoteProtocolError, "not compressed"),
        ("compress_cut", fetch, ConnectionLost, "closed the connection"),
        ("compress_bye", fetch, ConnectionLost, "going down"),
    ],
)
def test_a_broken_stream_is_told_as_what_it_is(
    transcript: str, use: Callable[[ImapClient], object], kind: type[Exception], words: str
) -> None:
    """What is no DEFLATE is the server's fault; a cut and a goodbye are what they are without compression."""
    with server(transcript) as played:
        client = connect(played)
        with pytest.raises(kind, match=words):
            use(client)
        client.close()
