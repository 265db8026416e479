"""States that are made rather than fetched: a huge folder on both sides, and a year of commits."""

from __future__ import annotations

import dataclasses
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.huge_archive import ACCOUNT, build
from benchmarks.scripted_imap import Session, State
from mailroom.archive import Archive
from mailroom.archive.writing.message_tables import MessageTables
from mailroom.client.imap import ImapClient
from mailroom.model import Endpoint, MailProtocol, Security

STATE = State(messages=5000, uid_validity=7, modseq=40, changed=12)


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Iterator[ImapClient]:
    """A session on the scripted server."""
    listener = socket.create_server(("127.0.0.1", 0))
    state = getattr(request, "param", STATE)

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            Session(connection, state).serve()

    threading.Thread(target=serve, daemon=True).start()
    endpoint = Endpoint(
        protocol=MailProtocol.IMAP,
        host="127.0.0.1",
        port=listener.getsockname()[1],
        user="huge",
        secret="secret",
        security=Security.PLAIN,
    )
    with listener, ImapClient.connect(endpoint) as connected:
        yield connected


def test_the_server_states_its_folder_as_dovecot_would(client: ImapClient) -> None:
    """LIST gives the counts along, and opening the folder says the same."""
    (folder,) = client.list_folders()
    assert folder.status == {"MESSAGES": 5000, "UIDNEXT": 5001, "UIDVALIDITY": 7, "HIGHESTMODSEQ": 40}
    selected = client.examine("INBOX")
    assert (selected.exists, selected.uid_validity, selected.uid_next) == (5000, 7, 5001)
    assert selected.highest_modseq == 40


def test_the_server_lists_every_message(client: ImapClient) -> None:
    """SEARCH answers by a range, FETCH by a line each."""
    client.examine("INBOX")
    assert client.search("ALL").tolist() == list(range(1, 5001))
    flags = {message.uid: message.flags for message in client.fetch_flags()}
    assert len(flags) == 5000
    assert flags[12] == ("\\Flagged", "\\Seen")
    assert flags[13] == ("\\Seen",)


def test_the_server_tells_what_changed_and_no_more(client: ImapClient) -> None:
    """CHANGEDSINCE the state before gives the one message, since now none."""
    client.examine("INBOX")
    assert [(m.uid, m.modseq) for m in client.fetch_flags(changed_since=39)] == [(12, 40)]
    assert list(client.fetch_flags(changed_since=40)) == []


@pytest.mark.parametrize("client", [dataclasses.replace(STATE, counts=False)], indirect=True)
def test_a_server_without_counting_says_nothing_of_changes(client: ImapClient) -> None:
    """The case in which all flags have to be compared."""
    assert not client.states_modseq
    assert client.examine("INBOX").highest_modseq is None


def test_archive_and_server_agree(archive_root: Path, client: ImapClient) -> None:
    """The archive that is made knows each message as the server has it, and lacks nothing."""
    build(str(archive_root), dataclasses.replace(STATE, changed=0))
    archive = Archive(archive_root)
    state = archive.folder_state(ACCOUNT, "INBOX")
    assert state.live.tolist() == list(range(1, 5001))
    assert set(state.flags_of()) == {"\\Seen"}
    row = archive.last_folders(ACCOUNT)["INBOX"]
    assert (row.uid_validity, row.uid_next, row.highest_modseq, row.messages) == (7, 5001, 40, 5000)
    assert MessageTables(archive.table).lacking() == (set(), set())
    client.examine("INBOX")
    (told,) = client.fetch_fingerprints([5000])
    (held,) = state.rows([5000])
    assert (held.size, held.internal_date) == (told.octets, told.internal_date)
    assert archive.describe({held.sha256 or ""})[held.sha256 or ""].message_id == "<5000@example.org>"


def test_small_commits_tell_first_and_last(tmp_path: Path) -> None:
    """Every commit is looked at or made, and what lies on the disk is counted."""
    words = [sys.executable, "-m", "benchmarks.small_commits", str(tmp_path / "archive"), "80", "20"]
    ran = subprocess.run(words, check=True, capture_output=True, text=True)
    told = json.loads(ran.stdout)
    assert set(told) == {"first", "last"}
    for values in told.values():
        assert values["commit_seconds"] > 0
        assert values["open_seconds"] > 0
        assert values["files"] > 0
    assert Archive(tmp_path / "archive").read_table("locations").num_rows == 80
