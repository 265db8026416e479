"""What a task instance links to: the folders of its account, and what changed in each.

Airflow has no page for an archive; it has one for assets, and each folder is one. Its events carry the
counts of what runs found there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf

from mailroom.operators.assets import mailbox_asset

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

__all__ = ["FoldersLink"]


class FoldersLink(BaseOperatorLink):
    """A button on the task instance: the folders of the account as assets, with their events."""

    name = "Folders of this account"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the path of the list of assets, narrowed down to the account's."""
        account = str(getattr(operator, "imap_conn_id", ""))
        below = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
        return f"{below}/assets?{urlencode({'name_pattern': mailbox_asset(account).name})}"
