"""Deletion on servers: chosen, planned, proved, done in batches, recorded.

What becomes of one message, step by step, and where to look it up:

1. What is known of it: ``message_facts`` (``first_seen`` for dates that only the archive's history tells),
   ``held`` (legal holds), ``labelled`` (Gmail, where it is in several folders at once).
2. Which rule decides: ``policy.verdicts``; whether it is in the plan that was shown: ``plan_keeping``.
3. Proof: ``proving`` reads the archive back (``archived_copies``, or ``stored_copies`` by checksums that the
   store keeps), ``mailbox_refetch`` fetches it whole; ``policy.proof`` compares, ``policy.deletion`` decides,
   ``alarms`` names what is wrong; ``re_encoded`` archives other bytes of it for a later run.
4. It is written down before it goes: ``archive.intents``, which also looks at the clock and the seals.
5. It goes: ``mailbox_retention`` and ``maildrop_retention`` lead through an account. By IMAP
   ``mailbox_removal`` chooses the way (``mailbox_deletion``: STORE and EXPUNGE; ``trash_passage``: trash),
   by POP3 there is ``maildrop_deletion``.
6. What a kill cut off: ``intent_recovery`` asks the server, in the next run.

Plans are in ``retention_plan``, and shown by ``plan_table`` and ``plan_markdown``; ``retention_report`` tells
what was done.
"""
