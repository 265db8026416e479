"""Fetch, mirror, retention, attachments: plan, apply, report. No Airflow here."""
