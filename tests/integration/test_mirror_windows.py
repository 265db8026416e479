"""Folders that hide what is old, and accounts that lose their mail slowly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.change_request import RequestState
from mailroom.exceptions import ConfigurationError
from tests.integration.mirrors import Odd, mail
from tests.support.imap_server import ImapServer, Mailbox

CAP = 1000


@pytest.fixture
def odd(archive_root: Path) -> Iterator[Odd]:
    """A server with an empty INBOX."""
    with ImapServer({"INBOX": Mailbox()}) as server:
        yield Odd(server, archive_root)


def show(odd: Odd, first: int, last: int) -> None:
    """Let the server show these messages and no others; EXISTS and STATUS know no more either."""
    mailbox = odd.inbox.mail
    for uid in [uid for uid in mailbox if not first <= uid <= last]:
        del mailbox[uid]
    mailbox |= mail(*(uid for uid in range(first, last + 1) if uid not in mailbox))


def changes(odd: Odd) -> dict[str, int]:
    """Return how many messages are in which state."""
    found: dict[str, int] = {}
    for change in odd.states().values():
        found[change] = found.get(change, 0) + 1
    return found


def test_a_window_at_its_limit_hides_and_loses_nothing(odd: Odd) -> None:
    """Mail slides out of sight for days; it is not called gone, and the guard is not alarmed."""
    show(odd, 1, CAP)
    odd.mirror()
    for days in range(1, 5):
        show(odd, 100 * days + 1, 100 * days + CAP)
        report = odd.mirror()
        assert (report.added, report.not_listed, report.expunged) == (100, 100, 0)
        assert len(report.warnings) == 1
    assert changes(odd) == {"added": CAP, "not_listed": 400}
    assert Archive(odd.root).last_folders("a")["INBOX"].windowed
    assert odd.mirror().warnings == ()


def test_what_is_deleted_in_a_window_is_gone_and_nothing_else(odd: Odd) -> None:
    """Mail slides out of sight, and somebody deletes a message that is still shown: that one alone went."""
    show(odd, 1, CAP)
    odd.mirror()
    show(odd, 101, CAP + 100)
    odd.mirror()
    show(odd, 200, CAP + 200)
    del odd.inbox.mail[700]
    report = odd.mirror()
    assert (report.added, report.not_listed, report.expunged) == (100, 99, 1)
    assert len(report.warnings) == 1
    states = odd.states()
    assert (states[199], states[700]) == ("not_listed", "expunged")
    assert Archive(odd.root).last_folders("a")["INBOX"].windowed
    show(odd, 199, CAP + 200)
    for uid in (700, 800):
        del odd.inbox.mail[uid]  # the next older one comes in sight again
    report = odd.mirror()
    assert (report.added, report.not_listed, report.expunged, report.warnings) == (1, 0, 1, ())


@pytest.mark.parametrize("expunge", [False, True], ids=["moved", "expunged"])
def test_what_a_push_took_away_makes_no_window(odd: Odd, expunge: bool) -> None:
    """A thousand stay, and only the oldest are missing: the archive knows why, and takes none for hidden."""
    show(odd, 1, CAP + 20)
    odd.server.folders["Trash"] = Mailbox()
    odd.mirror()
    changes_asked = odd.archive.changes("a")
    oldest = odd.archive.folder_state("a", "INBOX").rows(range(1, 21))
    changes_asked.request_deletion(oldest, expunge=expunge)
    rows = changes_asked.waiting()
    show(odd, 21, CAP + 20)
    changes_asked.record([replace(row, state=RequestState.PUSHED) for row in rows])
    report = odd.mirror()
    assert (report.not_listed, report.expunged, report.warnings) == (0, 20, ())
    assert not Archive(odd.root).last_folders("a")["INBOX"].windowed
    show(odd, 41, CAP + 20)
    odd.inbox.mail |= mail(*range(CAP + 21, CAP + 41))
    assert odd.mirror().not_listed == 20  # nothing was asked for of these


def test_what_others_moved_to_another_folder_makes_no_window(odd: Odd) -> None:
    """A thousand stay in the inbox, as a client that tidies up leaves it; the rest is known where it is."""
    show(odd, 1, CAP + 20)
    filed = odd.server.folders["A folder"] = Mailbox(uid_validity=9)
    odd.mirror()
    filed.mail = {uid: odd.inbox.mail[uid] for uid in range(1, 21)}
    show(odd, 21, CAP + 20)
    report = odd.mirror()
    assert (report.recognised, report.expunged, report.not_listed, report.warnings) == (20, 20, 0, ())
    assert not Archive(odd.root).last_folders("a")["INBOX"].windowed


def test_a_window_that_opens_shows_everything_again(odd: Odd) -> None:
    """What was hidden is there as before, and nothing is stored twice."""
    show(odd, 1, CAP + 20)
    odd.mirror()
    show(odd, 21, CAP + 20)
    odd.mirror()
    show(odd, 1, CAP + 20)
    odd.mirror()
    assert changes(odd) == {"added": CAP + 20}
    assert odd.count("messages") == CAP + 20
    assert not Archive(odd.root).last_folders("a")["INBOX"].windowed


def test_a_window_that_its_user_names(odd: Odd) -> None:
    """No habit would show that a folder of ten messages is a window."""
    show(odd, 1, 10)
    odd.mirror(windowed=("INB*",))
    show(odd, 6, 15)
    report = odd.mirror(windowed=("INB*",))
    assert (report.not_listed, report.expunged) == (5, 0)
    show(odd, 8, 15)
    assert odd.mirror().expunged == 2


def test_an_account_that_loses_a_little_in_each_run_is_noticed(odd: Odd) -> None:
    """No single run is out of the ordinary; the seven days together are, new mail or not."""
    show(odd, 1, 300)
    odd.mirror()
    for runs in range(1, 3):
        show(odd, 35 * runs + 1, 300 + 35 * runs)
        assert odd.mirror().expunged == 35
    show(odd, 106, 405)
    with pytest.raises(ConfigurationError, match=r"105 of the 370 messages.*max_gone=1") as caught:
        odd.mirror()
    assert caught.value.facts == {"lost": 105, "held": 370}
    assert changes(odd) == {"expunged": 70, "added": 335}
    assert odd.mirror(max_gone=1.0).expunged == 35
    show(odd, 107, 405)
    assert odd.mirror().expunged == 1  # what a person allowed is no longer held against the account


def test_an_account_mirrored_once_a_week_is_guarded_too(odd: Odd) -> None:
    """No two runs lie within the days that are remembered; the last runs are, whenever they were."""
    show(odd, 1, 300)
    odd.ago = timedelta(weeks=4)
    odd.mirror()
    for runs in range(1, 3):
        odd.ago -= timedelta(weeks=1)
        show(odd, 35 * runs + 1, 300 + 35 * runs)
        assert odd.mirror().expunged == 35
    odd.ago -= timedelta(weeks=1)
    show(odd, 106, 405)
    with pytest.raises(ConfigurationError, match="105 of the 370 messages"):
        odd.mirror()
    odd.ago -= timedelta(weeks=1)
    assert odd.mirror(max_gone=1.0).expunged == 35


def test_the_mail_of_another_account_in_its_place_is_noticed(odd: Odd) -> None:
    """As many messages as before, and none of them known: new mail does not make up for what is gone."""
    show(odd, 1, 100)
    odd.mirror()
    odd.inbox.uid_validity = 2
    odd.inbox.mail = mail(*range(1001, 1101))
    with pytest.raises(ConfigurationError, match="100 of the 100 messages"):
        odd.mirror()
    assert "expunged" not in changes(odd)


def test_every_folder_gone_stops_a_run(odd: Odd) -> None:
    """A few messages only, but no folder of the account is left."""
    show(odd, 1, 3)
    odd.mirror()
    odd.server.folders = {"Posteingang": Mailbox(uid_validity=9)}
    with pytest.raises(ConfigurationError, match="Every folder"):
        odd.mirror()
    assert changes(odd) == {"added": 3}


def test_a_folder_that_is_not_listed_and_not_gone_is_named(odd: Odd) -> None:
    """STATUS still knows it: nobody should believe it mirrored; a server that lists none fails the run."""
    show(odd, 1, 3)
    odd.server.folders["A"] = Mailbox(mail=mail(4))
    odd.mirror()
    odd.server.folders["A"].is_listed = False
    report = odd.mirror()
    assert (report.deleted_folders, report.failures) == (0, ())
    assert "'A'" in report.warnings[0]
    odd.inbox.is_listed = False
    report = odd.mirror()
    assert "lists no folder" in report.failures[0]
    assert changes(odd) == {"added": 3}


def test_an_answer_that_names_no_message_is_no_answer(odd: Odd) -> None:
    """FETCH without UID is dropped; the message is asked for again until its answer says whose it is."""
    show(odd, 1, 5)
    odd.inbox.nameless = {3}
    report = odd.mirror()
    assert (report.added, report.unfetchable) == (4, 1)
    assert odd.states()[3] == "unfetchable"
    odd.inbox.nameless = set()
    assert odd.mirror().added == 1
    assert changes(odd) == {"added": 5}
