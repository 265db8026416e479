"""What all parts of a measurement share: how much, how often, where, and on which server."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rich.console import Console

from benchmarks.accounts import AccountSpec, messages
from benchmarks.links import LinkSpec
from benchmarks.places import Places
from benchmarks.programs import PASSWORD
from tests.support.dovecot import Dovecot

__all__ = ["Bench"]


@dataclass(kw_only=True)
class Bench:
    """One measurement.

    :param divisor: by how much everything is made smaller; 1 for figures that mean something.
    :param creation: microseconds that creating a file took, noted before each round.
    """

    console: Console
    places: Places
    accounts: tuple[AccountSpec, ...]
    links: tuple[LinkSpec, ...]
    rounds: int = 3
    divisor: int = 1
    creation: list[float] = field(default_factory=list)
    resources: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @cached_property
    def server(self) -> Dovecot:
        """The mail server, started when it is first needed."""
        return self.resources.enter_context(Dovecot())

    def lay_down(self, account: AccountSpec, user: str) -> None:
        """Make an account on the server and put its mail there."""
        self.server.add_user(user, PASSWORD)
        with self.doing(f"laying down {account.count:,} messages for {user}"):
            for folder in account.folders:
                self.server.fill(user, messages(account, folder), folder.name)

    def doing(self, what: str) -> contextlib.AbstractContextManager[Any]:
        """Show what is going on while it does."""
        if not self.console.is_terminal:
            self.console.print(f"… {what}", style="dim", markup=False)
            return contextlib.nullcontext()
        return self.console.status(what)
