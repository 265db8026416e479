"""Accounts and folders that an archive knows: a typing error must not find nothing, in silence.

Here: the questions, and the one sentence about what is not there.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from mailroom.exceptions import ConfigurationError
from mailroom.policy.folders import no_such_folder

if TYPE_CHECKING:
    from mailroom.archive import Archive

__all__ = [
    "check_account_known",
    "check_account_remembered",
    "check_folder_known",
    "is_account_known",
    "unknown_account",
]

READERS = {"fetch", "mirror", "import"}
"""Runs that bring mail of an account into the archive, where it has any."""


def check_account_known(archive: Archive, account: str) -> None:
    """Refuse an account that the archive has no mail of, and name those that it has.

    One that a run has read to its end and found empty is known as well.

    :raises ConfigurationError: where there is no archive, or it has no such account.
    :raises StoreUnavailable: where the archive cannot be read.
    """
    archive.require()
    if not is_account_known(archive, account):
        others = (
            rows["account"].unique().to_pylist() for rows in archive.scan_table("locations", ["account"])
        )
        raise unknown_account(account, sorted({*chain.from_iterable(others)}))


def is_account_known(archive: Archive, account: str) -> bool:
    """Say whether the archive has mail of an account, or a run has read it to its end and found none.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    if _has_rows(archive, "locations", account):
        return True
    of_runs = {"account": account, "outcome": "succeeded"}
    runs = archive.scan_table("runs", ["what", "account", "outcome"], equal=of_runs)
    return any(READERS & set(rows["what"].to_pylist()) for rows in runs)


def check_account_remembered(archive: Archive, account: str) -> None:
    """Refuse an account that the archive has no mail of and never had, as far as the audit tells.

    :raises ConfigurationError: where there is no archive, or it has no such account.
    :raises StoreUnavailable: where the archive cannot be read.
    """
    if not _has_rows(archive, "audit", account):
        check_account_known(archive, account)


def _has_rows(archive: Archive, table: str, account: str) -> bool:
    return any(rows.num_rows for rows in archive.scan_table(table, ["account"], equal={"account": account}))


def check_folder_known(archive: Archive, account: str, folder: str) -> None:
    """Refuse a folder that an account has and had no mail in, and name those that it has.

    :param folder: its name as it stands.
    :raises ConfigurationError: where there is no such folder.
    :raises StoreUnavailable: where the archive cannot be read.
    """
    known = set(archive.last_folders(account))
    for table in archive.scan_table("locations", ["account", "folder"], equal={"account": account}):
        known.update(table["folder"].unique().to_pylist())
    if folder not in known:
        raise ConfigurationError(no_such_folder([folder], sorted(known)))


def unknown_account(account: str, known: list[str], hint: str = "") -> ConfigurationError:
    """Return the error about an account that is not among those of an archive.

    :param hint: what else to do about it.
    """
    names = ", ".join(map(repr, known)) or "none"
    return ConfigurationError(
        f"The archive has no mail of an account {account!r}; it has these accounts: {names}{hint}."
    )
