"""A second copy of an archive, on another disk or in another bucket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from mailroom.hooks.archive import archive_root, open_archive
from mailroom.hooks.errors import airflow_errors
from mailroom.operators.arguments import as_text, required_text
from mailroom.operators.assets import announce, delivery_asset, with_alias
from mailroom.operators.run import StopSwitch, conclude, log_progress, run_context

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context, ObjectStoragePath


__all__ = ["ArchiveReplicateOperator"]

CHANGES = ("messages",)
"""The count that makes an asset event."""


class ArchiveReplicateOperator(BaseOperator):
    """Bring a second copy of an archive up to date, so that retention may ask for two.

    Raw objects are compared with their names while they are copied, then table rows follow. Only what
    the copy lacks is copied, and a task that was killed goes on. Nothing changes in the archive.

    :param copy: root of the copy: an empty or new place, or an earlier copy of this archive.
    :param archive: root of the archive; by default the configured one.
    """

    template_fields: Sequence[str] = ("copy", "archive")
    ui_color = "#e6f4ea"

    def __init__(
        self,
        *,
        copy: str | ObjectStoragePath,
        archive: str | ObjectStoragePath | None = None,
        outlets: Any = None,  # Any: as Airflow takes it
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        super().__init__(outlets=with_alias(outlets), **kwargs)
        self.copy = copy
        self.archive = archive
        self._stop = StopSwitch()

    def execute(self, context: Context) -> dict[str, Any]:
        """Copy what is missing, and return counts.

        :raises AirflowFailException: an argument is wrong, or the copy's place holds something else.
        :raises AirflowException: a store cannot be reached, or objects of the archive are damaged.
        """
        from mailroom.services.replicate import replicate_archive

        with airflow_errors():
            copy = required_text("copy", self.copy)
            run = run_context(context, what="replicate", account="")
            report = replicate_archive(
                open_archive(archive_root(as_text("archive", self.archive))),
                open_archive(copy),
                progress=log_progress(self.log),
                stop=self._stop.arm(),
            )
        summary = conclude(report, run, self.log)
        announce(context, delivery_asset(copy), summary, CHANGES)
        return summary

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Tell OpenLineage which archive the copy is of."""
        from mailroom.operators.lineage import archive_dataset, lineage, place_dataset

        archive = archive_dataset(None, as_text("archive", self.archive))
        return lineage([archive], [place_dataset(required_text("copy", self.copy))])

    def on_kill(self) -> None:
        """Let the objects under way be copied and recorded, then stop."""
        self._stop.press()
