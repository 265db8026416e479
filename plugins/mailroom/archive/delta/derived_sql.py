"""What follows from the tables, in the SQL of DuckDB: newest rows, threads, contacts, who mail is from.

Belongs here: the queries, over tables of the same names. Does not belong here: making views of them
(``mailroom.tables``), keeping what two of them say as tables (``derived``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["DERIVED", "VIEWS", "views"]

_ADDRESS = (
    "lower(trim(CASE WHEN ends_with({0}, '>') THEN rtrim(string_split({0}, '<')[-1], '>') ELSE {0} END))"
)

# What people wrote is counted by its text first, of which there are few; what they received are messages,
# for one may name an address twice.
_CONTACTS = f"""
    WITH written AS (
        SELECT person, count(*) FILTER (is_author) AS sent, min("date") AS first, max("date") AS last
        FROM (SELECT "from" AS person, "date", true AS is_author FROM messages
              UNION ALL SELECT unnest(list_concat("to", cc)), "date", false FROM messages)
        WHERE person LIKE '%@%' GROUP BY person),
    got AS (
        SELECT address, count(*) AS received
        FROM (SELECT unnest(list_distinct(list_transform(
                  list_filter(list_concat("to", cc), lambda x: x LIKE '%@%'),
                  lambda x: {_ADDRESS.format("x")}))) AS address FROM messages)
        GROUP BY address),
    people AS (
        SELECT {_ADDRESS.format("person")} AS address,
               arg_max(person, (last, person)) FILTER (person LIKE '%<%>') AS named,
               sum(sent)::BIGINT AS sent, min(first) AS first, max(last) AS last
        FROM written GROUP BY 1)
    SELECT address, nullif(trim(regexp_replace(named, '<[^<>]*>$', ''), ' "'), '') AS name,
           sent, coalesce(received, 0) AS received, first, last
    FROM people LEFT JOIN got USING (address)
"""

_DOUBLINGS = 14
"""A chain of answers is followed over two to the power of so many messages."""

# From each message to the one that it answers, then twice as far with each step; by numbers, for joining
# texts takes three times as long. ``low`` names a ring of answers, in which there is no first one.
_JUMPS = ", ".join(
    f"above{step} AS MATERIALIZED (SELECT a.id, coalesce(b.root, a.root) AS root, least(a.low, b.low) AS low "
    f"FROM above{step - 1} a LEFT JOIN above{step - 1} b ON b.id = a.root)"
    for step in range(1, _DOUBLINGS + 1)
)

_THREADS = f"""
    WITH named AS (
        SELECT sha256, message_id,
               coalesce(nullif("references"[1], ''), in_reply_to, message_id, sha256) AS root
        FROM messages),
    answers AS (
        SELECT hash(message_id) AS id, hash(min(root)) AS root
        FROM named WHERE message_id IS NOT NULL AND root <> message_id GROUP BY message_id),
    above0 AS MATERIALIZED (SELECT id, root, root AS low FROM answers),
    {_JUMPS},
    ends AS MATERIALIZED (
        SELECT a.id, coalesce(b.low, a.root) AS root
        FROM above{_DOUBLINGS} a LEFT JOIN above{_DOUBLINGS} b ON b.id = a.root),
    firsts AS MATERIALIZED (
        SELECT hash(root) AS id, min(root) AS thread
        FROM named WHERE hash(root) IN (SELECT root FROM ends) GROUP BY 1),
    found AS MATERIALIZED (SELECT e.id, f.thread FROM ends e JOIN firsts f ON f.id = e.root)
    SELECT sha256, coalesce(f.thread, n.root) AS thread FROM named n LEFT JOIN found f ON f.id = hash(n.root)
"""

DERIVED = {
    "threads": (_THREADS, ("sha256", "message_id", "in_reply_to", "references")),
    "contacts": (_CONTACTS, ("from", "to", "cc", "date")),
}
"""What is kept as a table as well: the query, without ``at``, and what it reads of ``messages``."""

VIEWS = {
    "locations_now": (
        "SELECT * FROM locations QUALIFY row_number() OVER ("
        "PARTITION BY account, protocol, folder, uidvalidity, uid, "
        "CASE WHEN protocol = 'pop3' THEN uidl END, CASE WHEN protocol <> 'imap' THEN sha256 END "
        "ORDER BY seq DESC) = 1"
    ),
    "folders_now": (
        "SELECT * FROM folders QUALIFY row_number() OVER (PARTITION BY account, folder ORDER BY seq DESC) = 1"
    ),
    **{name: f'SELECT *, now() AS "at" FROM ({query})' for name, (query, _) in DERIVED.items()},
    "authenticated_messages": """
        SELECT m.*, a.spf, a.dkim, a.dkim_domain, a.dmarc, a.server AS authenticated_by
        FROM messages m LEFT JOIN authentication a USING (sha256)
    """,
}
"""The query of each view, by its name."""


_OF_TABLE = re.compile(r"\b(FROM|JOIN) (messages|locations|folders|authentication)\b")


def views(prefix: str, names: Iterable[str] = tuple(VIEWS)) -> dict[str, str]:
    """Return the query of each of these views, by its name, where all tables and views have a prefix.

    >>> views("mail_")["mail_folders_now"][:26]
    'SELECT * FROM mail_folders'
    """
    return {f"{prefix}{name}": _OF_TABLE.sub(rf"\1 {prefix}\2", VIEWS[name]) for name in names}
