"""IMAP: one account's folders into the archive, over several connections.

Where a rule is:

- the way through a run, in this order: ``mirror_run`` (which folders, sessions that break),
  ``mailbox_mirror`` (one folder: listed, compared, fetched), ``departures`` (what is gone, and the guard),
  ``mirror_report``
- what of a folder's new messages is archived already: ``recognition`` asks, the surest way first;
  ``renumbering`` (other numbers, same folder), ``known_objects`` (ids of messages), ``moved_mail`` (just left
  another folder), ``known_looks`` (copies, and what left unseen), ``contents`` (other bytes, same mail)
- folders: ``renaming`` (another name), ``begun_folders`` (no run came to their end), ``mailbox_holdings``
  (which numbers mean what they meant), ``all_mail_left_out`` (Gmail)
- one folder's mail and flags: ``mailbox_download``, ``suspects`` (messages at which connections break),
  ``mailbox_flags``; ``crew``: whose turn it is where there are several connections

What follows from counts and listings alone is in ``policy``: ``mirror`` (the choice, the guard),
``mailbox_plan``, ``windows`` (folders that show a part), ``renames``, ``rematch``, ``drafts``, ``lanes``.
"""
