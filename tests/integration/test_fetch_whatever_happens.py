"""POP3 fetch against a server that does anything at any time: what holds all the same.

The archive and the connection are real; the server's behaviour is drawn.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailroom.exceptions import ConnectionLost
from mailroom.policy.fetch_mode import FetchMode
from tests.integration.runs import Account, days, digest, raw_digests
from tests.support.mail import make_message
from tests.support.pop3_server import Maildrop, Pop3Server

POOL = [make_message(subject=f"Mensaje {n}", text="x" * (n + 1) + "\n") for n in range(8)]
"""Messages of different sizes, so that a UIDL given again to another one can be told without TOP."""

TWINS = [*POOL, *(content.replace(b"Mensaje", b"Message") for content in POOL)]
"""Each with another one of its size: only who they are, asked again, tells them apart."""

MODES = [FetchMode(), FetchMode(leave_on_server=False), FetchMode(delete_after=days(2))]


@dataclass
class World:
    """A maildrop that changes under our feet, and an archive that must keep up."""

    maildrop: Maildrop
    account: Account

    def deliver(self, content: int, uidl: int) -> None:
        self.maildrop.messages.append((f"u{uidl}", TWINS[content]))

    def swap(self, place: int) -> None:
        """Give the UIDL of a message to another one of its size, as a server does that was set back."""
        if self.maildrop.messages:
            uidl, content = self.maildrop.messages[place % len(self.maildrop.messages)]
            twin = TWINS[(TWINS.index(content) + len(POOL)) % len(TWINS)]
            self.maildrop.messages[place % len(self.maildrop.messages)] = (uidl, twin)

    def replace(self, place: int, content: int) -> None:
        """Give the UIDL of a message to any other one."""
        if self.maildrop.messages:
            uidl, _ = self.maildrop.messages[place % len(self.maildrop.messages)]
            self.maildrop.messages[place % len(self.maildrop.messages)] = (uidl, POOL[content])

    def expunge(self, place: int) -> None:
        if self.maildrop.messages:
            del self.maildrop.messages[place % len(self.maildrop.messages)]

    def reverse(self) -> None:
        self.maildrop.messages.reverse()

    def window(self, size: int) -> None:
        self.maildrop.window = size

    def refuse(self, number: int) -> None:
        self.maildrop.refused = {number: "no"}

    def hang_up(self, command: str) -> None:
        self.maildrop.hang_up_at = command

    def fail_quit(self) -> None:
        self.maildrop.quit_answer = "-ERR no"

    def forget_uidl(self, has_uidl: bool, has_top: bool) -> None:
        self.maildrop.has_uidl, self.maildrop.has_top = has_uidl, has_top
        names = ["USER", "PIPELINING", *["UIDL"] * has_uidl, *["TOP"] * has_top]
        self.maildrop.capabilities = tuple(names)

    def wait(self, number: int) -> None:
        self.account.wait(days(number))

    def fetch(self, mode: FetchMode) -> None:
        """Fetch, and check that what went away is in the archive, and nothing else is said to have gone."""
        before = Counter(digest(content) for _, content in self.maildrop.messages)
        known = self.deleted()
        with contextlib.suppress(ConnectionLost):
            self.account.fetch(mode)
        after = Counter(digest(content) for _, content in self.maildrop.messages)
        assert mode.deletes or before == after
        assert set(before - after) <= self.archived()
        if self.maildrop.window is None and self.maildrop.has_uidl:
            there = {(uidl, digest(content)) for uidl, content in self.maildrop.messages}
            assert not (self.deleted() - known) & there

    def deleted(self) -> set[tuple[str, str | None]]:
        """Return what the archive says this account's fetches deleted, by UIDL and digest."""
        if not (self.account.root / "tables" / "locations").exists():
            return set()
        return {key for key, change in self.account.states().items() if change == "deleted_by_fetch"}

    def archived(self) -> set[str]:
        """Return what the archive holds; asserts that each message is held once, with its bytes."""
        if not (self.account.root / "tables" / "messages").exists():
            return set()
        found = self.account.archive.read_table("messages", columns=["sha256"])["sha256"].to_pylist()
        assert len(found) == len(set(found))
        assert set(found) <= raw_digests(self.account.root)
        return set(found)

    def settle(self) -> None:
        """Behave from now on."""
        self.maildrop.window, self.maildrop.refused, self.maildrop.hang_up_at = None, {}, None
        self.maildrop.quit_answer = "+OK"


Step = tuple[Callable[..., None], tuple[object, ...]]


def step(action: Callable[..., None], *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(action), st.tuples(*arguments))


CHANGES = (
    step(World.deliver, st.integers(0, 7), st.integers(0, 3)),
    step(World.deliver, st.integers(0, 7), st.integers(4, 99)),
    step(World.replace, st.integers(0, 9), st.integers(0, 7)),
    step(World.expunge, st.integers(0, 9)),
    step(World.reverse),
    step(World.wait, st.integers(1, 3)),
)

FAULTS = st.one_of(
    step(World.settle),
    step(World.settle),
    step(World.window, st.sampled_from([1, 2])),
    step(World.refuse, st.integers(1, 3)),
    step(World.hang_up, st.sampled_from(["QUIT", "RETR 2", "DELE 1", "TOP 1 0", "UIDL"])),
    step(World.fail_quit),
    step(World.forget_uidl, st.booleans(), st.booleans()),
)


def rounds(*more: st.SearchStrategy[Step]) -> st.SearchStrategy[list[Step]]:
    """Return steps in rounds: the maildrop changes, the server behaves or does not, and is fetched from."""
    changes = st.lists(st.one_of(*CHANGES, *more), min_size=1, max_size=4)
    fetch = step(World.fetch, st.sampled_from(MODES))
    whole = st.tuples(changes, FAULTS, fetch).map(lambda parts: [*parts[0], parts[1], parts[2]])
    return st.lists(whole, min_size=2, max_size=5).map(lambda found: [s for part in found for s in part])


@contextlib.contextmanager
def a_world() -> Iterator[World]:
    maildrop = Maildrop(messages=[(f"u{number}", POOL[number]) for number in range(3)])
    with Pop3Server(maildrop) as server, tempfile.TemporaryDirectory() as folder:
        yield World(maildrop, Account(Path(folder) / "archive", server.endpoint()))


SOME = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


@SOME
@given(rounds(), st.sampled_from(MODES))
def test_whatever_happens_nothing_is_lost_and_the_next_good_run_is_right(
    steps: list[Step], mode: FetchMode
) -> None:
    """Only archived mail goes; after one run without faults the archive knows all that is there."""
    with a_world() as world:
        for action, arguments in steps:
            action(world, *arguments)
        world.settle()
        world.fetch(mode)
        world.fetch(FetchMode())
        present = {digest(content) for _, content in world.maildrop.messages}
        assert present <= world.archived()
        if present and world.maildrop.has_uidl:
            there = {(uidl, digest(content)) for uidl, content in world.maildrop.messages}
            states = world.account.states()
            assert {key for key, change in states.items() if change == "added"} == there
        before = world.account.history()
        world.fetch(FetchMode())
        assert world.account.history() == before


@SOME
@given(rounds(step(World.swap, st.integers(0, 9))))
def test_a_good_deleting_run_empties_the_maildrop(steps: list[Step]) -> None:
    """One of two at most: the first keeps what answered differently, and archives it."""
    with a_world() as world:
        for action, arguments in steps:
            action(world, *arguments)
        world.settle()
        for _ in range(2):
            world.fetch(FetchMode(leave_on_server=False))
        assert world.maildrop.messages == []
