"""What a broken connection says of the message that was to come next."""

from __future__ import annotations

from pathlib import Path

from mailroom.client.half_bodies import HalfBody
from mailroom.client.spool import BodySink
from mailroom.model import FetchedMessage
from mailroom.services.mirroring.suspects import STEP_OCTETS, Suspects

PLACE = ("INBOX", 7, 5)


def noted(suspects: Suspects, *waiting: int) -> bool:
    return suspects.note("INBOX", 7, dict.fromkeys(waiting or (5, 9)))


def half_of(folder: Path, octets: int) -> HalfBody:
    sink = BodySink(lambda: str(folder / "spool"))
    sink.write(bytes(octets))
    return HalfBody(message=FetchedMessage(uid=5), announced=10**9, sink=sink)


def test_a_message_of_which_nothing_came_is_suspected() -> None:
    """Each break counts."""
    suspects = Suspects()
    assert [noted(suspects), noted(suspects)] == [False, False]
    assert suspects[PLACE] == 2


def test_a_body_that_grew_is_a_step_forward(tmp_path: Path) -> None:
    """A large message on a line that breaks every minute arrives in the end, without suspicion."""
    suspects = Suspects()
    noted(suspects)
    half = half_of(tmp_path, 5 * STEP_OCTETS)
    suspects.halves.keep(PLACE, half)
    assert noted(suspects)
    assert PLACE not in suspects
    half.sink.write(bytes(STEP_OCTETS))
    assert noted(suspects)
    assert suspects.halves.look_at(PLACE) is half
    suspects.close()


def test_a_body_that_does_not_grow_is_dropped(tmp_path: Path) -> None:
    """A server that breaks at each range is asked for the whole once more, and then passed over."""
    suspects = Suspects()
    half = half_of(tmp_path, 5 * STEP_OCTETS)
    suspects.halves.keep(PLACE, half)
    noted(suspects)
    half.sink.write(bytes(STEP_OCTETS - 1))
    assert not noted(suspects)
    assert suspects[PLACE] == 1
    assert suspects.halves.look_at(PLACE) is None
    assert list(tmp_path.iterdir()) == []


def test_a_message_that_vanished_is_not_suspected_in_place_of_one_that_grew(tmp_path: Path) -> None:
    """It was asked for before and did not come; the connection broke later."""
    suspects = Suspects()
    suspects.halves.keep(PLACE, half_of(tmp_path, 5 * STEP_OCTETS))
    assert noted(suspects, 3, 5, 9)
    assert not suspects
    assert not noted(suspects, 3, 9)
    assert suspects == {("INBOX", 7, 3): 1}
    suspects.close()


def test_a_break_after_the_last_message_suspects_none() -> None:
    """Everything had come."""
    suspects = Suspects()
    assert not suspects.note("INBOX", 7, {})
    assert not suspects


def test_a_connection_aside_knows_and_does_not_accuse() -> None:
    """A further connection passes over what is suspected already; its own breaks count for nothing."""
    suspects = Suspects()
    suspects.note("INBOX", 1, {7: None})
    aside = suspects.aside()
    assert aside["INBOX", 1, 7] == 1
    assert aside.halves is suspects.halves
    aside.note("INBOX", 1, {7: None})
    assert suspects["INBOX", 1, 7] == 1
