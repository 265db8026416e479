"""Open the archive that an operator, a connection or the configuration names.

A root is a path, a ``file://`` URL, or the URL of an object store with the Airflow connection
to use before the ``@``: ``s3://aws_default@bucket/mail``. Such a URL becomes Airflow's
``ObjectStoragePath``, signed in; the archive takes all it needs from there. Nothing is created
by opening.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow.sdk.configuration import conf

from mailroom.exceptions import ConfigurationError
from mailroom.hooks.connection import archive_of_connection, connection_of, seal_key_of_connection

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from mailroom.archive import Archive
    from mailroom.archive.reading.copy_marks import CopyMarks

__all__ = [
    "archive_of_account",
    "archive_of_named_account",
    "archive_root",
    "copy_marks",
    "object_path",
    "open_archive",
]

log = logging.getLogger(__name__)

LOCAL_SCHEMES = ("", "file", "local")


def archive_root(*named: str | None) -> str:
    """Return the first root that is named, else ``[mailroom] archive_root``, else a folder in AIRFLOW_HOME.

    :param named: what the operator says, then what the mail connection says.
    """
    for root in (*named, conf.get("mailroom", "archive_root", fallback="")):
        if root and root.strip():
            return str(root).strip()
    home = os.path.expanduser(os.environ.get("AIRFLOW_HOME") or "~/airflow")
    log.info("No archive is named, so mail is kept in the folder mailroom of AIRFLOW_HOME on this machine")
    return os.path.join(home, "mailroom")


def archive_of_account(conn_id: str, named: str | None) -> Archive:
    """Return the archive an account is kept in: the one named, its connection's, or the configured one.

    :raises ConfigurationError: there is no such connection, or its root or key for seals is wrong.
    """
    connection = connection_of(conn_id)
    archive = open_archive(archive_root(named, archive_of_connection(connection)))
    key = seal_key_of_connection(connection)
    if key is not None:
        archive.use_seal_key(key)
    return archive


def archive_of_named_account(account: str | None, named: str | None) -> Archive:
    """Return the archive that is named, else the account's, else the configured one.

    :param account: id of a mail connection, where the work is about one account.
    :raises ConfigurationError: there is no such connection, or the root is wrong.
    """
    if account is None or named is not None:
        return open_archive(archive_root(named))
    return archive_of_account(account, None)


def open_archive(root: str) -> Archive:
    """Return the archive below ``root``.

    :raises ConfigurationError: the root is no absolute path or URL, or names a connection that is not there.
    """
    from mailroom.archive import Archive

    return Archive(object_path(root))


def copy_marks(root: str, source: str, target: str) -> CopyMarks:
    """Return what copies of one account to another left in step, kept below ``root``.

    :raises ConfigurationError: the root is no absolute path or URL, or names a connection that is not there.
    :raises StoreUnavailable: the store cannot be read.
    """
    from mailroom.archive.reading.copy_marks import CopyMarks

    return CopyMarks.at(object_path(root), source, target)


def object_path(root: str) -> str | ObjectStoragePath:
    """Return where ``root`` is: a local path as it is, or a path in an object store, signed in.

    :raises ConfigurationError: as for ``open_archive``.
    """
    parts = urlsplit(root)
    if len(parts.scheme) <= 1 or parts.scheme in LOCAL_SCHEMES:
        if not (os.path.isabs(root) or parts.scheme):
            raise ConfigurationError(
                f"'{root}' is not an absolute path; workers share no current folder, so write the whole path "
                "or a URL such as s3://aws_default@bucket/mail."
            )
        return root
    if not parts.netloc.rpartition("@")[2]:
        raise ConfigurationError(
            f"'{root}' names no bucket; write {parts.scheme}://connection@bucket/folder."
        )
    return _object_storage_path(root, conn_id=parts.netloc.rpartition("@")[0])


def _object_storage_path(root: str, conn_id: str) -> ObjectStoragePath:
    from airflow.sdk import ObjectStoragePath

    if conn_id:
        # Airflow takes a connection that does not exist for anonymous access, and only logs it.
        connection_of(conn_id)
    try:
        return ObjectStoragePath(root)
    except (ImportError, ValueError) as error:
        scheme = urlsplit(root).scheme
        raise ConfigurationError(
            f"No storage for {scheme}:// is installed; install it with pip install 'airflow-mailroom[s3]', "
            "[gcs] or [azure], or correct the URL."
        ) from error
