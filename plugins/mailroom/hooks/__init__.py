"""Airflow hooks: from a connection id to a signed-in client, an archive, or one clear sentence.

Belongs here: what reads Airflow connections and configuration, and the translation of
our errors into Airflow's. Does not: protocol work (``client``), storage (``archive``)
or decisions (``policy``).
"""
