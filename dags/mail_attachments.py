"""### Attachments to object storage

Delivers the attachments you choose from the archive to a bucket or folder, each one once, however
often it runs. Nothing is ever overwritten, names are made safe, and where each came from is kept
beside it. It reads the archive, not the mail server: run it after a fetch or a mirror.

**On a schedule:** copy this file under another `dag_id`, give `destination` a default, and set
`schedule=[mailbox_asset("imap_default")]` (from `mailroom.operators.assets`) to run it whenever that
account brought something new.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from mailroom.operators.attachments import AttachmentsToObjectStorageOperator
from mailroom.operators.form import OPEN_SECTION, archive_field, optional_text

with DAG(
    dag_id="mail_attachments",
    description="Deliver attachments of archived mail to object storage, each once",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["mailroom"],
    doc_md=__doc__,
    params={
        "destination": Param(
            type="string",
            title="Where to?",
            description_md="A path, or a URL such as s3://aws_default@bucket/invoices, with the connection "
            "to the store before the @.",
            section=OPEN_SECTION,
            examples=["s3://aws_default@bucket/invoices"],
            minLength=1,
        ),
        "name": optional_text(
            title="Which attachments?",
            description_md="A pattern of the file name, such as `*.pdf`. Empty: all.",
        ),
        "account": optional_text(
            title="Of which account?",
            description_md="Id of the mail connection. Empty: all accounts in the archive.",
            examples=["imap_default", "pop3_default"],
        ),
        "template": optional_text(
            title="Name at the destination",
            description_md="Such as {date:%Y/%m}/{filename}. Empty: the usual one.",
            section="Where they go",
        ),
        "on_collision": Param(
            "number",
            type="string",
            enum=["number", "skip", "fail"],
            values_display={"number": "Number the new one", "skip": "Leave it out", "fail": "Fail"},
            title="Where a name is taken",
            description_md="Nothing is ever overwritten.",
            section="Where they go",
        ),
        "manifest": Param(
            "none",
            type="string",
            enum=["none", "jsonl", "parquet"],
            values_display={"none": "None", "jsonl": "JSON lines", "parquet": "Parquet"},
            title="Manifest",
            description_md="An object beside them with a row for each: message, part, path, checksum, rule.",
            section="Where they go",
        ),
        "object_options": optional_text(
            title="Asked of S3 for each object",
            description_md="Such as `ServerSideEncryption=aws:kms`, `SSEKMSKeyId=alias/mail` or "
            "`StorageClass=STANDARD_IA`; several one a line. Empty: what the bucket does by itself.",
            section="Where they go",
            examples=["ServerSideEncryption=aws:kms", "StorageClass=STANDARD_IA"],
        ),
        "customer_key_conn_id": optional_text(
            title="Key of your own (SSE-C)",
            description_md="Id of the connection whose password is the key that S3 encrypts each object "
            "with: 32 octets in base64. Whoever loses it has lost the objects. Empty: none.",
            section="Where they go",
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Only say what would be delivered",
            section="Where they go",
        ),
        "name_regex": optional_text(
            title="Name as a regular expression",
            description_md="Such as `inv-[0-9]+\\.pdf`, to be found in the name; case does not count. "
            "Empty: any.",
            section="Which attachments",
        ),
        "content_type": optional_text(
            title="MIME type",
            description_md="A pattern such as `application/pdf` or `image/*`. Empty: any.",
            section="Which attachments",
        ),
        "detected_type": optional_text(
            title="Content looks like",
            description_md="A pattern of the MIME type that the content has, whatever the mail says; "
            "CSV is `text/plain`. Empty: any.",
            section="Which attachments",
        ),
        "min_size_kb": Param(
            None,
            type=["null", "number"],
            title="At least (kB)",
            description_md="Small pictures in signatures are seldom of use. Empty: any size.",
            section="Which attachments",
            minimum=0,
        ),
        "max_size_mb": Param(
            None,
            type=["null", "number"],
            title="At most (MB)",
            description_md="Empty: any size.",
            section="Which attachments",
            minimum=0,
        ),
        "inline": Param(
            False,
            type="boolean",
            title="Pictures inside the text too",
            section="Which attachments",
        ),
        "disposition": Param(
            "any",
            type="string",
            enum=["any", "attachment", "inline"],
            values_display={"any": "Both", "attachment": "Attached", "inline": "Inline"},
            title="Attached or inline",
            description_md="What the mail says of them.",
            section="Which attachments",
        ),
        "position": optional_text(
            title="Position in the message",
            description_md="Such as `1` for the first, `1-3`, or `2-`. Empty: all.",
            section="Which attachments",
        ),
        "unzip": Param(
            False,
            type="boolean",
            title="Out of zip archives",
            description_md="Choose from what is in zip archives, as if it were attached.",
            section="Which attachments",
        ),
        "unzip_conn_id": optional_text(
            title="Password of zip archives",
            description_md="Id of the connection that has it. Empty: none.",
            section="Which attachments",
        ),
        "sender": optional_text(
            title="From",
            description_md="A pattern of the address, such as `*@supplier.example`. Empty: anybody.",
            section="Of which messages",
        ),
        "recipient": optional_text(
            title="To",
            description_md="A pattern of an address in To or Cc. Empty: anybody.",
            section="Of which messages",
        ),
        "subject": optional_text(
            title="Subject",
            description_md="A pattern such as `*invoice*`. Empty: any.",
            section="Of which messages",
        ),
        "folder": optional_text(
            title="Folder",
            description_md="A name or pattern such as `Invoices/*`. Empty: any.",
            section="Of which messages",
        ),
        "since": optional_text(
            format="date",
            title="Dated since",
            description_md="On this day or later. Empty: all.",
            section="Of which messages",
        ),
        "until": optional_text(
            format="date",
            title="Dated before",
            description_md="Before this day. Empty: all.",
            section="Of which messages",
        ),
        "unwrap": Param(
            False,
            type="boolean",
            title="Unwrap journal reports and certified mail",
            description_md="They count as the message they carry: its sender, subject and date.",
            section="Of which messages",
        ),
        "require_auth": optional_text(
            title="Really from",
            description_md="Such as `dkim=supplier.com` or `dmarc=pass`. Attachments of other mail go to "
            "quarantine. Empty: nothing is required.",
            section="Of which messages",
        ),
        "quarantine": optional_text(
            title="Quarantine",
            description_md="Folder below the destination for these. Empty: quarantine.",
            section="Of which messages",
        ),
        "authserv_id": optional_text(
            title="Name of your mail server in Authentication-Results",
            description_md="Such as `mx.google.com`, or `-` for Exchange Online. Empty: learned from "
            "the mail, where that is safe.",
            section="Of which messages",
        ),
        "verify_dkim": Param(
            False,
            type="boolean",
            title="Check signatures anew",
            description_md="With keys from the DNS, instead of taking the receiving server's word for DKIM.",
            section="Of which messages",
        ),
        "rules_file": optional_text(
            title="Rules in a file",
            description_md="Path of a YAML or JSON file with the same rules, where workers can read it. "
            "Empty: none.",
            section="Several rules",
            examples=["/opt/airflow/finance.yaml"],
        ),
        "rules": Param(
            None,
            type=["null", "array"],
            title="Several rules at once",
            description_md="Instead of the fields above: a list such as "
            '`[{"rule": "invoices", "name": "*.pdf", "destination": "s3://aws_default@bucket/invoices"}, '
            '{"template": "rest/{filename}"}]`. The first rule that holds takes an attachment.',
            section="Several rules",
            items={"type": "object"},
        ),
        "on_success": optional_text(
            title="When delivered",
            description_md="What happens to the message on the server: `seen`, `flag`, `answered`, "
            "`keyword:Paid`, `label:Paid` (Gmail only) or `move:Processed`; several one a line. Needs an "
            "account of type IMAP. Empty: nothing.",
            section="Afterwards, on the server",
            examples=["seen", "move:Processed"],
        ),
        "on_failure": optional_text(
            title="When it could not be delivered",
            description_md="Likewise, such as `move:Errors`. Empty: nothing.",
            section="Afterwards, on the server",
            examples=["flag", "move:Errors"],
        ),
        "archive": archive_field(),
    },
):
    AttachmentsToObjectStorageOperator(
        task_id="deliver",
        destination="{{ params.destination }}",
        archive="{{ params.archive }}",
        account="{{ params.account }}",
        name="{{ params.name }}",
        name_regex="{{ params.name_regex }}",
        content_type="{{ params.content_type }}",
        detected_type="{{ params.detected_type }}",
        min_size="{{ params.min_size_kb ~ 'k' if params.min_size_kb else None }}",
        max_size="{{ params.max_size_mb ~ 'M' if params.max_size_mb else None }}",
        sender="{{ params.sender }}",
        recipient="{{ params.recipient }}",
        subject="{{ params.subject }}",
        folder="{{ params.folder }}",
        since="{{ params.since }}",
        until="{{ params.until }}",
        inline="{{ params.inline }}",
        disposition="{{ params.disposition if params.disposition != 'any' else None }}",
        position="{{ params.position }}",
        unzip="{{ params.unzip }}",
        unzip_conn_id="{{ params.unzip_conn_id }}",
        unwrap="{{ params.unwrap }}",
        require_auth="{{ params.require_auth }}",
        quarantine="{{ params.quarantine }}",
        authserv_id="{{ params.authserv_id }}",
        rules="{{ params.rules }}",
        template="{{ params.template }}",
        on_collision="{{ params.on_collision }}",
        manifest="{{ params.manifest }}",
        object_options="{{ params.object_options }}",
        customer_key_conn_id="{{ params.customer_key_conn_id }}",
        verify_dkim="{{ params.verify_dkim }}",
        rules_file="{{ params.rules_file }}",
        on_success="{{ params.on_success }}",
        on_failure="{{ params.on_failure }}",
        dry_run="{{ params.dry_run }}",
    )
