"""What follows from the tables, in the SQL of DuckDB: the newest rows of logs, threads, contacts.

Belongs here: views over tables of the same names. Does not belong here: making them (``mailroom.tables``).
They are worked out when they are asked for, so that they cannot disagree with the tables.
"""

from __future__ import annotations

__all__ = ["VIEWS"]

_PEOPLE = """
    SELECT "from" AS person, "date", sha256, 'sent' AS role FROM messages WHERE "from" IS NOT NULL
    UNION ALL SELECT unnest("to"), "date", sha256, 'received' FROM messages
    UNION ALL SELECT unnest(cc), "date", sha256, 'received' FROM messages
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
    "contacts": f"""
        SELECT lower(trim(CASE WHEN person LIKE '%<%>' THEN regexp_extract(person, '<([^<>]*)>$', 1)
                               ELSE person END)) AS address,
               arg_max(nullif(trim(regexp_replace(person, '<[^<>]*>$', ''), ' "'), ''), "date")
                   FILTER (person LIKE '%<%>') AS name,
               count(DISTINCT sha256) FILTER (role = 'sent') AS sent,
               count(DISTINCT sha256) FILTER (role = 'received') AS received,
               min("date") AS first, max("date") AS last
        FROM ({_PEOPLE}) WHERE person LIKE '%@%' GROUP BY 1
    """,
}
"""The query of each view, by its name."""
