"""Register Mailroom with Airflow."""
