"""Mailroom turns mailboxes into data that Airflow can work with.

The map, from the ground up; imports run one way, towards the first line:

- ``model``, ``exceptions``: frozen value types named as the RFCs name things; the error tree
- ``change_request``: what somebody wants changed on a server; ``ledger``: what was planned and deleted;
  ``in_step``: what a folder and its copy looked like when they were the same
- ``protocol``: bytes in, events out; no socket, no clock
- ``message``: one RFC 5322 message: headers, parts, attachments, identity
- ``policy``: snapshots in, plans out: what to fetch, what changed, what may be deleted
- ``client``: the only place with sockets
- ``archive``: the only place that writes: raw objects, Delta tables, integrity
- ``services``: plan, apply, report; no Airflow
- ``tables``: the archive as data, for queries
- ``hooks``, ``operators``, ``provider``: the Airflow skin
- ``cli``: the ``mailroom`` command
"""

__version__ = "0.1.0"
