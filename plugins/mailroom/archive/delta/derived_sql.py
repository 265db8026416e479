"""What follows from the tables, in the SQL of DuckDB: newest rows, threads, contacts, who mail is from.

Belongs here: views over tables of the same names. Does not belong here: making them (``mailroom.tables``).
They are worked out when they are asked for, so that they cannot disagree with the tables.
"""

from __future__ import annotations

import re

__all__ = ["VIEWS", "views"]

# Names and addresses are taken apart once for each text, of which there are few; what is counted are
# messages, by number, for one may name an address twice.
_CONTACTS = """
    WITH people AS (
        SELECT "from" AS person, "date", true AS is_author, 0 AS message FROM messages
        UNION ALL SELECT unnest(list_concat("to", cc)), "date", false, row_number() OVER () FROM messages),
    written AS (
        SELECT person,
               lower(trim(CASE WHEN person LIKE '%<%>' THEN regexp_extract(person, '<([^<>]*)>$', 1)
                               ELSE person END)) AS address,
               nullif(trim(regexp_replace(person, '<[^<>]*>$', ''), ' "'), '') AS name
        FROM (SELECT DISTINCT person FROM people WHERE person LIKE '%@%'))
    SELECT address,
           arg_max(name, "date") FILTER (person LIKE '%<%>') AS name,
           count(*) FILTER (is_author) AS sent,
           count(DISTINCT message) FILTER (NOT is_author) AS received,
           min("date") AS first, max("date") AS last
    FROM people JOIN written USING (person) GROUP BY address
"""

_DOUBLINGS = 14
"""A chain of answers is followed over two to the power of so many messages."""

# From each message to the one that it answers, then twice as far with each step.
_JUMPS = ", ".join(
    f"above{step} AS MATERIALIZED (SELECT a.id, coalesce(b.root, a.root) AS root "
    f"FROM above{step - 1} a LEFT JOIN above{step - 1} b ON b.id = a.root)"
    for step in range(1, _DOUBLINGS + 1)
)

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
    "threads": f"""
        WITH named AS (
            SELECT sha256, message_id,
                   coalesce(nullif("references"[1], ''), in_reply_to, message_id, sha256) AS root
            FROM messages),
        roots AS (SELECT message_id, min(root) AS root FROM named WHERE message_id IS NOT NULL GROUP BY 1),
        above0 AS (SELECT message_id AS id, root FROM roots WHERE root <> message_id),
        {_JUMPS}
        SELECT sha256, coalesce(a.root, n.root) AS thread
        FROM named n LEFT JOIN above{_DOUBLINGS} a ON a.id = n.root
    """,
    "contacts": _CONTACTS,
    "authenticated_messages": """
        SELECT m.*, a.spf, a.dkim, a.dkim_domain, a.dmarc, a.server AS authenticated_by
        FROM messages m LEFT JOIN authentication a USING (sha256)
    """,
}
"""The query of each view, by its name."""


_OF_TABLE = re.compile(r"\b(FROM|JOIN) (messages|locations|folders|authentication)\b")


def views(prefix: str) -> dict[str, str]:
    """Return the query of each view, by its name, where all tables and views have a prefix.

    >>> views("mail_")["mail_folders_now"][:26]
    'SELECT * FROM mail_folders'
    """
    return {f"{prefix}{name}": _OF_TABLE.sub(rf"\1 {prefix}\2", query) for name, query in VIEWS.items()}
