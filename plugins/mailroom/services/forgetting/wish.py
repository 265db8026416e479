"""What somebody wants removed from the archive: an account, a person, or what is old.

Here: the value, and how a plan states it. Not here: which messages that are (``meant``).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta

from mailroom.exceptions import ConfigurationError
from mailroom.policy.durations import in_days

__all__ = ["ForgetWish", "wish_of"]

ROUNDS = 200_000
"""Rounds of PBKDF2 (RFC 8018) over an address: a tenth of a second for each that somebody tries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetWish:
    """What is to go: exactly one of account, person and age.

    :param account: all places of this account, and the messages that no other account has.
    :param person: messages that this address wrote or received.
    :param older_than: messages archived so long ago, as far as they are on no server any more.
    :param by_date: count the age from the message's own date, where it has one.
    :raises ConfigurationError: if it is none of them, or more than one.
    """

    account: str | None = None
    person: str | None = None
    older_than: timedelta | None = None
    by_date: bool = False

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        given = [value for value in (self.account, self.person, self.older_than) if value is not None]
        if len(given) != 1:
            raise ConfigurationError("Say what is to go: an account, or a person's address, or an age.")
        if self.person is not None and "@" not in self.person.strip().strip("@"):
            raise ConfigurationError(f"{self.person!r} is no address; write it whole, as ana@example.org.")
        if self.older_than is not None and self.older_than <= timedelta(0):
            raise ConfigurationError("The age must be more than nothing, such as 10 years (3652d).")

    def in_words(self) -> str:
        """Return it as the audit states it; whoever is forgotten is not named."""
        if self.account is not None:
            return f"forget account {self.account}"
        if self.older_than is not None:
            return f"{'sent' if self.by_date else 'first archived'} more than {in_days(self.older_than)} ago"
        return "forget a person"

    def stated(self, plan_id: str) -> str:
        """Return it as a plan keeps it, as JSON.

        A person is a salted hash there: whoever knows the address can find out that it is meant, so that a
        removal which was cut off can be ended, and nobody else can read it.
        """
        if self.account is not None:
            said: dict[str, object] = {"forget": "account"}
        elif self.older_than is not None:
            days = self.older_than / timedelta(days=1)
            said = {"forget": "older_than", "days": days, "by_date": self.by_date}
        else:
            address = (self.person or "").strip().lower().encode()
            said = {
                "forget": "person",
                "hash": hashlib.pbkdf2_hmac("sha256", address, plan_id.encode(), ROUNDS).hex(),
            }
        return json.dumps(said, sort_keys=True)


def wish_of(stated: str, account: str) -> ForgetWish | None:
    """Return the wish that a plan states; None where it is about a person, whom it does not name.

    :param account: the account of the plan.
    :raises ConfigurationError: where it makes no sense.
    """
    try:
        said = json.loads(stated)
        kind = said["forget"]
        if kind == "person":
            return None
        if kind == "account":
            return ForgetWish(account=account)
        return ForgetWish(older_than=timedelta(days=said["days"]), by_date=said["by_date"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError("The plan does not say what is to go; make another one.") from error
