"""Fetch, mirror, retention, attachments: plan, apply, report. No Airflow here.

A module a job, called by the command line and by operators; the rooms hold their parts:

- ``fetch``: ``fetching``; ``mirror``, ``lanes``: ``mirroring``; ``check``: ``checking``
- ``retention``, ``retention_preview``, ``plan_approval``, ``policy_explanation``, ``holds``: ``deleting``
- ``two_way``, ``change_choice``: ``pushing``; ``restore``, ``copy``: ``restoring``
- ``attachments``, ``new_mail``, ``partitions``, ``aftermath``, ``inspection``, ``rule_files``: ``delivering``
- ``export``, ``import_mail``: ``exchanging``
- ``forget``: ``forgetting``; ``audit``, ``optimize``, ``replicate``, ``search``: the archive alone
- ``destinations``, ``plain_table``, ``progress``, ``ending``: what several of them share
"""
