"""Fields that the forms of several DAGs share, so that one question is asked in one way everywhere.

Here: values for ``params`` of a DAG. Not here: what an answer means (``arguments``). Nothing but Airflow's
``Param`` is imported, for DAG files are parsed every few seconds.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param

__all__ = [
    "OPEN_SECTION",
    "archive_field",
    "copy_on_server_field",
    "days_field",
    "folders_field",
    "imap_account_field",
    "max_gone_field",
    "optional_text",
    "optional_texts",
]

OPEN_SECTION = "Run Parameters"
"""Airflow shows the fields of this section unfolded; all others are folded until somebody opens them."""


def optional_text(title: str, description_md: str, section: str = OPEN_SECTION, **schema: Any) -> Param:
    """Return a field for one text, which may stay empty.

    :param schema: more of its JSON schema, such as ``examples`` or ``format``.
    """
    return Param(
        None,
        type=["null", "string"],
        title=title,
        description_md=description_md,
        section=section,
        **schema,
    )


def optional_texts(title: str, description_md: str, section: str = OPEN_SECTION) -> Param:
    """Return a field for texts, one a line, which may stay empty."""
    return Param(
        [],
        type=["null", "array"],
        items={"type": "string"},
        title=title,
        description_md=description_md,
        section=section,
    )


def archive_field() -> Param:
    """Return the field that asks where the archive is; it may stay empty."""
    return optional_text(
        title="Archive",
        description_md="A path, or a URL such as s3://aws_default@bucket/mail. Empty: the one that the "
        "account's connection names, else the one of the configuration, [mailroom] archive_root.",
        section="The archive",
    )


def imap_account_field() -> Param:
    """Return the field that asks for an IMAP account."""
    return Param(
        "imap_default",
        type="string",
        title="Account",
        description_md="Id of a connection of type IMAP, from Admin > Connections.",
        section=OPEN_SECTION,
        examples=["imap_default"],
        minLength=1,
    )


def folders_field() -> Param:
    """Return the field that asks for folders; all by default."""
    return Param(
        ["*"],
        type="array",
        items={"type": "string"},
        title="Which folders?",
        description_md="Names or patterns, one a line: `INBOX`, `Projects/*`. `*` is every folder.",
        section=OPEN_SECTION,
        minItems=1,
    )


def copy_on_server_field() -> Param:
    """Return the field with the first of the three questions."""
    return Param(
        "keep",
        type="string",
        title="Do you want a copy to stay on the server?",
        description_md="Nothing leaves the server before its exact bytes are safe in the archive.",
        section=OPEN_SECTION,
        enum=["keep", "days", "none"],
        values_display={"keep": "Yes, for good", "days": "Yes, for some days", "none": "No: leave none"},
    )


def days_field() -> Param:
    """Return the field with the second of the three questions."""
    return Param(
        14,
        type="integer",
        title="For how many days?",
        description_md="Only for “Yes, for some days”: counted from when a message was first archived.",
        section=OPEN_SECTION,
        minimum=1,
        maximum=3650,
    )


def max_gone_field() -> Param:
    """Return the field that asks how much of an account may be gone."""
    return Param(
        0.25,
        type="number",
        title="Stop where more than this share is gone",
        description_md="If so much of the account has vanished within seven days or four runs, the run stops "
        "and asks, as the server may have lost it. 1 allows everything.",
        section="Care",
        minimum=0,
        maximum=1,
    )
