"""The three modes of a POP3 fetch: what becomes of a message on the server once it is archived.

Here: the choice a user makes, and whether a message is due by it. Not here: the plan for a
listing (``fetch``), which a run with nothing new does without. RFC 1939.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mailroom.exceptions import ConfigurationError
from mailroom.policy.durations import age_in_words, in_days

__all__ = ["FetchMode"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchMode:
    """What becomes of a message on the server once it is archived: it stays, it goes, it goes N days later.

    :param delete_after: days from when this archive first stored the message.
    :raises ConfigurationError: if both deleting modes are asked for, or the time is negative.
    """

    leave_on_server: bool = True
    delete_after: timedelta | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.delete_after is None:
            return
        if not isinstance(self.delete_after, timedelta) or self.delete_after < timedelta(0):
            raise ConfigurationError(
                f"delete_after must be a timedelta of zero or more, such as timedelta(days=14), not "
                f"{self.delete_after!r}."
            )
        if not self.leave_on_server:
            raise ConfigurationError(
                "leave_on_server=False deletes at once and delete_after deletes later: choose one of them."
            )

    @property
    def deletes(self) -> bool:
        """Whether this mode ever deletes on the server."""
        return not self.leave_on_server or self.delete_after is not None

    @property
    def age(self) -> str | None:
        """How long a message has to be archived before it goes, in words; None where no days count."""
        return None if self.delete_after is None else age_in_words([self.delete_after])

    def in_words(self) -> str:
        """Return the mode as the audit states it.

        >>> FetchMode(delete_after=timedelta(days=7)).in_words()
        'fetched, and archived for 7 days'
        """
        if self.delete_after is not None:
            return f"fetched, and archived for {in_days(self.delete_after)}"
        return "fetched, and left on the server" if self.leave_on_server else "fetched, no copy is left"

    def cutoff(self, now: datetime) -> datetime | None:
        """Return the instant at or before which a message must have been archived to go; None for never."""
        if not self.leave_on_server:
            return datetime.max.replace(tzinfo=UTC)
        # In UTC, because within one time zone datetimes are subtracted by the clock on the wall.
        return _in_utc(now) - self.delete_after if self.delete_after is not None else None

    def is_due(self, archived_at: datetime | None, now: datetime) -> bool:
        """Return whether a message archived at that time may go now."""
        cutoff = self.cutoff(now)
        return cutoff is not None and archived_at is not None and archived_at <= cutoff


def _in_utc(moment: datetime) -> datetime:
    """Return a plain datetime in UTC, of whatever kind of datetime, such as pendulum's."""
    year, month, day, hour, minute, second = moment.utctimetuple()[:6]
    return datetime(year, month, day, hour, minute, second, moment.microsecond, UTC)
