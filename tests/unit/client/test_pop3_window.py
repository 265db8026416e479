"""How far a pipelined exchange runs ahead: bounded always, as wide as the line is fast."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailroom.client.pop3_window import (
    INITIAL_OCTETS,
    MAX_COMMANDS,
    MAX_OCTETS,
    MIN_OCTETS,
    UNKNOWN_OCTETS,
    WINDOW_SECONDS,
    Window,
)

MESSAGE = 100_000


class Clock:
    """A clock that stands still until told otherwise."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def steady(octets_a_second: float, seconds: float) -> Window:
    """Return the window after so much time of messages of one size arriving at a rate."""
    clock = Clock()
    source = iter(range(10**9))
    sizes = dict.fromkeys(range(100_000), MESSAGE)
    window = Window(sizes, pipelined=True, clock=clock)
    window.take(source)
    while clock.now < seconds:
        window.land()
        clock.now += MESSAGE / octets_a_second
        window.take(source)
    return window


def test_lockstep_sends_one_command_at_a_time() -> None:
    """Without pipelining the next command waits for the answer, whatever the sizes."""
    source = iter([1, 2])
    window = Window({1: 0, 2: 0}, pipelined=False)
    assert window.take(source) == [1]
    assert window.take(source) == []
    window.land()
    assert window.take(source) == [2]
    window.land()
    assert window.take(source) == []
    assert len(window) == 0


def test_octets_bound_the_window() -> None:
    """Large messages fill it with few commands."""
    sizes = dict.fromkeys(range(1000), MESSAGE)
    batch = Window(sizes, pipelined=True).take(iter(range(1000)))
    assert INITIAL_OCTETS <= len(batch) * MESSAGE < INITIAL_OCTETS + MESSAGE


def test_commands_bound_the_window() -> None:
    """Small messages never put more commands in flight than fit a buffer."""
    sizes = dict.fromkeys(range(10_000), 0)
    assert len(Window(sizes, pipelined=True).take(iter(range(10_000)))) == MAX_COMMANDS


def test_size_that_is_not_stated_is_guessed() -> None:
    """A number that LIST left out counts as an ordinary message."""
    batch = Window({}, pipelined=True).take(iter(range(10_000)))
    assert len(batch) == INITIAL_OCTETS // UNKNOWN_OCTETS


def test_message_larger_than_the_window_is_still_sent() -> None:
    """One command is always in flight."""
    window = Window({1: 10**12, 2: 10}, pipelined=True)
    source = iter([1, 2])
    assert window.take(source) == [1]
    assert window.take(source) == []
    window.land()
    assert window.take(source) == [2]


def test_window_is_refilled_in_batches() -> None:
    """One answer does not cost one packet."""
    sizes = dict.fromkeys(range(100_000), 0)
    source = iter(range(100_000))
    window = Window(sizes, pipelined=True)
    window.take(source)
    refills = []
    for _ in range(2 * MAX_COMMANDS):
        window.land()
        if batch := window.take(source):
            refills.append(len(batch))
    assert min(refills) >= MAX_COMMANDS // 4


def test_landing_says_when_there_is_room_for_a_batch() -> None:
    """So that whoever sends need not ask after every answer; in lockstep there is room after each."""
    window = Window(dict.fromkeys(range(100_000), 0), pipelined=True)
    window.take(iter(range(100_000)))
    said = [window.land() for _ in range(MAX_COMMANDS)]
    assert said == sorted(said)
    assert said.count(True) == MAX_COMMANDS * 3 // 4 + 1
    assert window.first is None
    lockstep = Window({}, pipelined=False)
    assert lockstep.take(iter([1])) == [1]
    assert lockstep.land()


def test_fast_line_gets_a_wide_window() -> None:
    """Up to the limit, so that a long line stays full."""
    assert len(steady(1e9, 2.0)) * MESSAGE > MAX_OCTETS * 0.7


def test_slow_line_gets_a_narrow_window() -> None:
    """What is in flight is read away in about half a second, or is the least there is."""
    rate = 8e6
    assert len(steady(rate, 5.0)) * MESSAGE <= rate * WINDOW_SECONDS + MESSAGE
    assert len(steady(1e5, 60.0)) * MESSAGE <= MIN_OCTETS + MESSAGE


@given(st.lists(st.integers(0, 3 * MESSAGE), max_size=300), st.booleans(), st.floats(0.0, 0.1))
def test_every_number_is_sent_once_and_in_order(sizes: list[int], pipelined: bool, pace: float) -> None:
    """Whatever the sizes and the pace, nothing is lost, doubled or stuck, and bounds hold."""
    clock = Clock()
    source = iter(range(len(sizes)))
    window = Window(dict(enumerate(sizes)), pipelined=pipelined, clock=clock)
    sent: list[int] = []
    landed: list[int] = []
    while True:
        sent += window.take(source)
        if window.first is None:
            break
        assert len(window) <= (MAX_COMMANDS if pipelined else 1)
        landed.append(window.first)
        window.land()
        clock.now += pace
    assert sent == landed == list(range(len(sizes)))
