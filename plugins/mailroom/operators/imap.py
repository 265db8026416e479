"""Mirror the folders of an IMAP account into the archive (RFC 9051, RFC 3501)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from mailroom.hooks.archive import archive_of_account
from mailroom.hooks.errors import airflow_errors
from mailroom.hooks.imap import ImapHook
from mailroom.model import DEFAULT_CONNECTIONS, MAX_CONNECTIONS, Announced
from mailroom.operators.arguments import (
    as_choice,
    as_count,
    as_date,
    as_flag,
    as_fraction,
    as_names,
    as_octets,
    as_patterns,
    as_results,
    as_text,
    required_text,
)
from mailroom.operators.assets import announce, announce_folders, mailbox_asset, with_alias
from mailroom.operators.links import FoldersLink
from mailroom.operators.missed import leave_to_whole, missed_before
from mailroom.operators.run import StopSwitch, conclude, log_progress, run_context, utc_now

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context, ObjectStoragePath, XComArg

    from mailroom.policy.mirror import MirrorSelection

__all__ = ["ImapMirrorOperator"]

CHANGES = (
    "added",
    "recognised",
    "flags",
    "expunged",
    "not_listed",
    "deleted_folders",
    "renamed_folders",
    "pushed",
)
"""The counts that make an asset event."""

HOW_IT_STANDS = frozenset({"folders", "unchanged", "unfetchable", "superseded", "waiting", "failed"})
"""The counts that each mirror makes anew of the account as it is, so that two of them do not add up."""

DEFAULT_MAX_GONE = 0.25
"""How much of an account may be recorded as gone in one run before the run stops and asks."""


class ImapMirrorOperator(BaseOperator):
    """Bring the archive in step with an IMAP account: new messages, flags, moves, deletions.

    Nothing changes on the server, not even the marks of what is read, unless ``two_way`` is set: then
    what was asked for on the archive's side (``Archive.changes``, ``mailroom flag`` and so on) is done
    there first. What the server loses stays in the archive, with the fact that it is gone.

    :param imap_conn_id: connection of type ``imap``; its id names the account in the archive.
    :param archive: root of the archive; by default the one the connection or the configuration names.
    :param folders: patterns of folder names to read, ``*`` and ``?`` as in a shell.
    :param exclude: patterns of folder names to leave out.
    :param since: only messages received on this day or later; for a first run over many years.
    :param until: only messages received before this day.
    :param larger_than: only messages of more octets, such as ``10M``.
    :param order: ``oldest`` or ``newest`` first.
    :param other_namespaces: whether to read shared folders and other users' folders too.
    :param max_gone: stop where more than this share of the account seems to have gone, within the last 7
        days or 4 runs and this run together; 1 allows it.
    :param windowed: patterns of folders that show only a part of their messages to IMAP, where the mirror
        does not see that by itself; what they do not list is never taken for gone.
    :param all_drafts: whether to archive every state of a draft that the server shows; by default only
        the newest of those with one Message-ID.
    :param lane: only those of the chosen folders that are called exactly so: one of the lists that
        ``ImapLanesOperator`` returns, while other tasks mirror the others. What is gone is then left to a
        mirror of the whole account after them, and so is the account's asset event: lanes that end at one
        moment would get in each other's way. Each folder's event comes from its lane.
    :param after_lanes: what the mirrors with a ``lane`` before this one returned, ``mirror.output``: the
        account's event then tells of them and this one together.
    :param two_way: whether changes that wait are done on the server before it is mirrored.
    :param connections: how many may be open at once; more than one are opened only where the server is
        far away, and given up where it refuses them.
    """

    template_fields: Sequence[str] = (
        "imap_conn_id",
        "archive",
        "folders",
        "exclude",
        "since",
        "until",
        "larger_than",
        "order",
        "other_namespaces",
        "max_gone",
        "windowed",
        "all_drafts",
        "lane",
        "after_lanes",
        "connections",
        "two_way",
    )
    ui_color = "#e6f4ea"
    operator_extra_links = (FoldersLink(),)

    def __init__(
        self,
        *,
        imap_conn_id: str = ImapHook.default_conn_name,
        archive: str | ObjectStoragePath | None = None,
        folders: Sequence[str] | str = ("*",),
        exclude: Sequence[str] | str = (),
        since: date | str | None = None,
        until: date | str | None = None,
        larger_than: int | str | None = None,
        order: str = "oldest",
        other_namespaces: bool | str = False,
        max_gone: float | str = DEFAULT_MAX_GONE,
        windowed: Sequence[str] | str = (),
        all_drafts: bool | str = False,
        lane: Sequence[str] | str | None = None,
        after_lanes: XComArg | Sequence[Mapping[str, Any]] | str | None = None,  # Any: counts and names
        connections: int | str = DEFAULT_CONNECTIONS,
        two_way: bool | str = False,
        outlets: Any = None,  # Any: as Airflow takes it
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        super().__init__(outlets=with_alias(outlets), **kwargs)
        self.imap_conn_id = imap_conn_id
        self.archive = archive
        self.folders = folders
        self.exclude = exclude
        self.since = since
        self.until = until
        self.larger_than = larger_than
        self.order = order
        self.other_namespaces = other_namespaces
        self.max_gone = max_gone
        self.windowed = windowed
        self.all_drafts = all_drafts
        self.lane = lane
        self.after_lanes = after_lanes
        self.connections = connections
        self.two_way = two_way
        self._stop = StopSwitch()

    def execute(self, context: Context) -> dict[str, Any]:
        """Mirror, and return counts.

        :raises AirflowFailException: an argument or the connection is wrong, or sign-in was refused.
        :raises AirflowException: the server or the store cannot be reached, or messages failed.
        """
        from mailroom.services.two_way import mirror_account, mirror_both_ways

        with airflow_errors():
            account = required_text("imap_conn_id", self.imap_conn_id)
            run = run_context(context, what="mirror", account=account, announces=Announced.MAILBOX)
            archive = archive_of_account(account, as_text("archive", self.archive))
            selection, lanes = self._selection(), as_results("after_lanes", self.after_lanes)
            mirror = mirror_both_ways if as_flag("two_way", self.two_way) else mirror_account
            report = mirror(
                ImapHook(account).get_conn,
                archive,
                run,
                selection=selection,
                now=utc_now,
                progress=log_progress(self.log),
                stop=self._stop.arm(),
                connections=as_count(
                    "connections", self.connections, default=DEFAULT_CONNECTIONS, most=MAX_CONNECTIONS
                ),
            )
        summary = conclude(report, run, self.log)
        with airflow_errors():
            if selection.lane is not None:
                leave_to_whole(archive, run)
                announce_folders(context, account, report.by_folder)
                return summary
            with missed_before(archive, run, has_lanes=bool(lanes)) as missed:
                together = with_lanes(summary, lanes)
                announce(context, mailbox_asset(account), together, CHANGES, missed.account)
                announce_folders(context, account, missed.with_folders(report.by_folder))
        return summary

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Tell OpenLineage where the mail came from and went to."""
        from mailroom.operators.lineage import archive_dataset, lineage, mailbox_dataset

        account = required_text("imap_conn_id", self.imap_conn_id)
        archive = archive_dataset(account, as_text("archive", self.archive))
        return lineage([mailbox_dataset(account)], [archive])

    def on_kill(self) -> None:
        """Let the batch in hand be committed, then stop."""
        self._stop.press()

    def _selection(self) -> MirrorSelection:
        from mailroom.policy.mirror import MirrorSelection

        return MirrorSelection(
            folders=as_patterns("folders", self.folders, default=("*",)),
            exclude=as_patterns("exclude", self.exclude),
            since=as_date("since", self.since),
            until=as_date("until", self.until),
            larger_than=as_octets("larger_than", self.larger_than),
            order=as_choice("order", self.order, ("oldest", "newest")) or "oldest",
            other_namespaces=as_flag("other_namespaces", self.other_namespaces),
            max_gone=as_fraction("max_gone", self.max_gone, default=DEFAULT_MAX_GONE),
            windowed=as_patterns("windowed", self.windowed),
            all_drafts=as_flag("all_drafts", self.all_drafts),
            lane=as_names("lane", self.lane),
        )


def with_lanes(summary: Mapping[str, Any], lanes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a mirror did and what the mirrors in lanes before it did, in one.

    >>> with_lanes({"folders": 5, "added": 1}, [{"folders": 2, "added": 30}, {"folders": 3, "added": 9}])
    {'folders': 5, 'added': 40}

    :param summary: the counts of the mirror after the lanes.
    :param lanes: the counts of each lane that ended well.
    """
    together = dict(summary)
    for lane in lanes:
        for name, count in lane.items():
            if type(count) is int and name not in HOW_IT_STANDS:
                together[name] = together.get(name, 0) + count
    return together
