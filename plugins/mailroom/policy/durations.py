"""Lengths of time in words, as plans, reports and the audit state them."""

from __future__ import annotations

from datetime import timedelta

__all__ = ["in_days"]

SECONDS_A_DAY = 86_400.0


def in_days(length: timedelta) -> str:
    """Return a length of time in days.

    >>> in_days(timedelta(days=30)), in_days(timedelta(days=1)), in_days(timedelta(hours=12))
    ('30 days', '1 day', '0.5 days')
    """
    days = length.total_seconds() / SECONDS_A_DAY
    return "1 day" if days == 1 else f"{days:g} days" if days < 1000 else f"{days:.0f} days"
