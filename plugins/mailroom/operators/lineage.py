"""What OpenLineage is told: from which mailbox to which archive, from which archive to which place.

Belongs here: names of datasets as the naming of OpenLineage has them, and the value that its
provider asks an operator for. Does not belong here: when it asks. Nothing of it is imported unless it does;
no host, user or credentials are told, and folders rather than each mail.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from mailroom.hooks.archive import archive_root
from mailroom.hooks.connection import archive_of_connection, connection_of

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

__all__ = ["DatasetName", "archive_dataset", "lineage", "mailbox_dataset", "place_dataset"]


class DatasetName(NamedTuple):
    """A dataset by what OpenLineage knows it by."""

    namespace: str
    name: str


def mailbox_dataset(conn_id: str) -> DatasetName:
    """Return the dataset of an account; its asset has the same name.

    >>> mailbox_dataset("imap_default")
    DatasetName(namespace='mailroom', name='imap_default')
    """
    return DatasetName("mailroom", conn_id)


def place_dataset(root: str) -> DatasetName:
    """Return the dataset of a folder or prefix; the connection in it is left out.

    >>> place_dataset("s3://aws_default@bucket/in/voices/")
    DatasetName(namespace='s3://bucket', name='in/voices')
    >>> place_dataset("/srv/mail")
    DatasetName(namespace='file', name='/srv/mail')
    """
    parts = urlsplit(root)
    if len(parts.scheme) <= 1:
        return DatasetName("file", root.rstrip("/") or "/")
    path = parts.path.rstrip("/")
    if parts.scheme in ("file", "local"):
        return DatasetName("file", unquote(path) or "/")
    return DatasetName(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", path.lstrip("/") or "/")


def archive_dataset(account: str | None, named: str | None) -> DatasetName:
    """Return the dataset of the archive that an operator works on.

    :param account: id of the mail connection that may name it.
    :param named: root that the operator names, or None.
    """
    of_connection = None
    if named is None and account is not None:
        of_connection = archive_of_connection(connection_of(account))
    return place_dataset(archive_root(named, of_connection))


def lineage(inputs: Iterable[DatasetName], outputs: Iterable[DatasetName]) -> OperatorLineage[Any, Any]:
    """Return what the provider of OpenLineage takes."""
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(
        inputs=[Dataset(namespace=one.namespace, name=one.name) for one in inputs],
        outputs=[Dataset(namespace=one.namespace, name=one.name) for one in outputs],
    )
