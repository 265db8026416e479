"""A plan of deletion as Markdown, for a person who is to agree to it.

Here: the text. Airflow keeps it for whoever may read the DAG, so by default it tells counts, folders
and space only; subjects and senders where somebody asked for them. What came by mail is escaped.
"""

from __future__ import annotations

import re

from mailroom.archive import Archive
from mailroom.services.deleting.retention_plan import Plan
from mailroom.services.plain_table import day, printable

__all__ = ["MAX_MESSAGES_NAMED", "escaped", "plan_in_markdown"]

MAX_MESSAGES_NAMED = 50
"""How many messages are named where somebody asked for names."""

MAX_CHARACTERS = 80
"""How much of a subject is shown."""

MEGABYTE = 1_000_000


def plan_in_markdown(plan: Plan, archive: Archive | None = None) -> str:
    """Return what a plan means, as Markdown.

    :param archive: where to look subjects and senders up; None to tell neither.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    lines = [
        f"**{plan.messages:,} messages** of {escaped(plan.account)} are to be deleted on the "
        f"server, **{plan.octets / MEGABYTE:,.1f} MB**. All of them are in the archive, and each is proved "
        "again first.",
        "",
        "| folder | rule | messages | MB | oldest | newest |",
        "| --- | --- | ---: | ---: | --- | --- |",
    ]
    for part in plan.parts:
        cells = (
            escaped(part.folder),
            escaped(part.rule),
            f"{part.messages:,}",
            f"{part.octets / MEGABYTE:,.1f}",
            day(part.oldest),
            day(part.newest),
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"Nothing beyond plan `{plan.plan_id}` of {plan.created:%Y-%m-%d %H:%M} UTC is deleted. What changed "
        "since stays. Raise the number of days to delete less. The log of the task that deletes ends with "
        "the command that brings all of it back.",
    ]
    if plan.policy.max_fraction < 1:
        share = f"{plan.policy.max_fraction:.0%}"
        lines += [
            "",
            f"At most {share} of a folder goes at once, the oldest; more may be left for later runs.",
        ]
    if archive is not None:
        lines += ["", *_named(plan, archive)]
    return "\n".join(lines)


def _named(plan: Plan, archive: Archive) -> list[str]:
    """Return the first messages by author and subject."""
    digests: list[str] = []
    for part in plan.parts:
        left = MAX_MESSAGES_NAMED - len(digests)
        if part.uids:
            state = archive.folder_state(plan.account, part.folder)
            rows = state.rows(sorted(part.uids)[:left])
        else:
            found = archive.maildrop_state(plan.account).rows(sorted(part.uidls)[:left])
            rows = [row for each in found.values() for row in each]
        digests += [row.sha256 for row in rows if row.sha256 is not None]
    fields = archive.message_fields(digests, ["from", "subject", "date"])
    lines = ["| sent | from | subject |", "| --- | --- | --- |"]
    for digest in digests:
        row = fields.get(digest, {})
        sender, subject = (escaped(str(row.get(name) or "")) for name in ("from", "subject"))
        lines.append(f"| {day(row.get('date'))} | {sender} | {subject} |")
    more = plan.messages - len(digests)
    return [*lines, "", f"… and {more:,} more."] if more else lines


def escaped(text: str) -> str:
    r"""Return a text that Markdown shows as it stands, and that is no HTML.

    >>> escaped("a|b <script> *c*")
    'a\\|b &lt;script&gt; \\*c\\*'
    """
    shown = printable(text)
    if len(shown) > MAX_CHARACTERS:
        shown = shown[: MAX_CHARACTERS - 1] + "…"
    shown = re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", shown)
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
