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
    "threads": """
        WITH RECURSIVE named AS (
            SELECT sha256, message_id,
                   coalesce(nullif("references"[1], ''), in_reply_to, message_id, sha256) AS root
            FROM messages),
        roots AS (SELECT message_id, min(root) AS root FROM named WHERE message_id IS NOT NULL GROUP BY 1),
        walked AS (
            SELECT sha256, root, 0 AS depth FROM named
            UNION ALL
            SELECT w.sha256, r.root, depth + 1 FROM walked w JOIN roots r ON r.message_id = w.root
            WHERE r.root <> w.root AND depth < 100)
        SELECT sha256, arg_max(root, depth) AS thread FROM walked GROUP BY sha256
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
