"""All operators: they only store, everything is templated, and wrong input is one sentence."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from airflow.sdk import DAG, BaseOperator, ObjectStoragePath
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from mailroom.archive import Archive
from mailroom.model import MailProtocol
from mailroom.operators.assets import MAILROOM_ALIAS
from mailroom.operators.attachments import AttachmentsToObjectStorageOperator
from mailroom.operators.check import MailCheckOperator
from mailroom.operators.copy import ImapToImapOperator
from mailroom.operators.export import MailExportOperator
from mailroom.operators.forget import ArchiveForgetOperator
from mailroom.operators.forget_approval import ArchiveForgetApprovalOperator
from mailroom.operators.imap import ImapMirrorOperator
from mailroom.operators.import_mail import MailImportOperator
from mailroom.operators.inspect import MailInspectOperator
from mailroom.operators.optimize import ArchiveOptimizeOperator
from mailroom.operators.partitions import MailPartitionsOperator
from mailroom.operators.pop3 import Pop3FetchOperator
from mailroom.operators.replicate import ArchiveReplicateOperator
from mailroom.operators.restore import ImapRestoreOperator
from mailroom.operators.retention import MailRetentionOperator
from mailroom.operators.retention_approval import MailRetentionApprovalOperator
from mailroom.operators.retention_preview import MailRetentionPreviewOperator
from tests.support.archives import archive_messages
from tests.support.imap_server import ImapServer
from tests.support.mail import make_message
from tests.support.pop3_server import Maildrop, Pop3Server

OPERATORS: list[tuple[type[BaseOperator], dict[str, Any]]] = [
    (Pop3FetchOperator, {}),
    (ImapMirrorOperator, {}),
    (MailRetentionOperator, {"conn_id": "office", "older_than": 30}),
    (ImapToImapOperator, {"source_conn_id": "home", "target_conn_id": "new_home"}),
    (ImapRestoreOperator, {}),
    (AttachmentsToObjectStorageOperator, {"destination": "/srv/in"}),
    (MailExportOperator, {"destination": "/srv/out", "format": "eml"}),
    (MailImportOperator, {"source": "/srv/old", "account": "old"}),
    (ArchiveReplicateOperator, {"copy": "/srv/copy"}),
]
"""Those that change a mailbox, or deliver."""

OTHERS: list[tuple[type[BaseOperator], dict[str, Any]]] = [
    (MailCheckOperator, {"conn_id": "office"}),
    (MailInspectOperator, {}),
    (ArchiveForgetOperator, {}),
    (ArchiveOptimizeOperator, {}),
]
each_operator = pytest.mark.parametrize(
    ("operator", "needed"), [*OPERATORS, *OTHERS, (MailPartitionsOperator, {"account": "home"})]
)


@pytest.fixture(autouse=True)
def office(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test a POP3 and an IMAP account that nobody listens for."""
    for name, conn_type in (("OFFICE", "pop3"), ("HOME", "imap"), ("STORE", "aws")):
        values = {
            "conn_type": conn_type,
            "host": "127.0.0.1",
            "port": 9,
            "login": "ana",
            "password": "hunter2",
        }
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(values))


def failure(operator: BaseOperator) -> AirflowException:
    """Execute, and return what it fails with."""
    with pytest.raises(AirflowException) as caught:
        operator.execute(cast(Any, {}))
    assert "hunter2" not in str(caught.value)
    return caught.value


def refusal(operator: BaseOperator) -> str:
    """Execute, and return the sentence of a failure that no retry can mend."""
    error = failure(operator)
    assert isinstance(error, AirflowFailException)
    return str(error)


def own_arguments(operator: type[BaseOperator]) -> list[str]:
    parameters = inspect.signature(operator.__init__).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "outlets"]


@each_operator
def test_every_argument_is_templated(operator: type[BaseOperator], needed: dict[str, Any]) -> None:
    """Whatever a form asks can reach any argument."""
    assert sorted(operator.template_fields) == sorted(own_arguments(operator))


@each_operator
def test_making_one_only_stores(operator: type[BaseOperator], needed: dict[str, Any]) -> None:
    """At parse time templates are not rendered, so nothing can be checked or looked up."""
    values: dict[str, Any] = {name: f"{{{{ params.{name} }}}}" for name in own_arguments(operator)}
    made = operator(task_id="t", **values)
    assert {name: getattr(made, name) for name in values} == values


@each_operator
def test_operator_can_be_copied_and_pickled(operator: type[BaseOperator], needed: dict[str, Any]) -> None:
    """Airflow copies a task before it runs it."""
    made = operator(task_id="t", **needed)
    copy.deepcopy(made)
    pickle.loads(pickle.dumps(made))
    made.prepare_for_execution().on_kill()


@pytest.mark.parametrize(("operator", "needed"), OPERATORS)
def test_operator_announces_through_the_alias(operator: type[BaseOperator], needed: dict[str, Any]) -> None:
    """One alias, so that a DAG can wait for any mailbox."""
    assert MAILROOM_ALIAS in operator(task_id="t", **needed).outlets


@pytest.mark.parametrize(("operator", "needed"), OTHERS)
def test_what_never_announces_has_no_such_outlet(
    operator: type[BaseOperator], needed: dict[str, Any]
) -> None:
    """Airflow shows outlets as what a task makes."""
    assert operator(task_id="t", **needed).outlets == []


@each_operator
def test_arguments_are_documented(operator: type[BaseOperator], needed: dict[str, Any]) -> None:
    """Each argument has its line in the docstring, beside the words it means."""
    assert operator.__doc__
    assert [a for a in own_arguments(operator) if f":param {a}:" not in operator.__doc__] == []


def test_importing_the_operators_loads_no_engine() -> None:
    """DAG files import operators, and are parsed every few seconds."""
    code = (
        "import sys; from mailroom.operators import attachments, check, imap, pop3, restore, retention; "
        "heavy = {'deltalake', 'pyarrow', 'numpy', 'imapclient', 'pandas', 's3fs', 'botocore', 'duckdb'}; "
        "ours = {m for m in sys.modules if m.startswith(('mailroom.services', 'mailroom.archive', "
        "'mailroom.client', 'mailroom.message'))}; "
        "print(sorted(heavy & set(sys.modules)), sorted(ours))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[] []"


def test_rendering_keeps_the_meaning_of_params() -> None:
    """Numbers, flags and lists of a form mean the same, rendered as texts or natively."""
    fields = {
        "older_than": "{{ params.days }}",
        "folders": "{{ params.folders }}",
        "dry_run": "{{ params.dry_run }}",
        "basis": "{{ params.basis }}",
        "max_fraction": "{{ params.share }}",
    }
    params = {"days": 30, "folders": ["INBOX", "A, b"], "dry_run": False, "basis": None, "share": 0.5}
    rules = []
    for is_native in (False, True):
        dag = DAG("d", schedule=None, render_template_as_native_obj=is_native)
        task = MailRetentionOperator(task_id="t", conn_id="office", dag=dag, **fields)
        task.render_template_fields(cast(Any, {"params": params}))
        rules.append(task._policy(MailProtocol.IMAP))
        assert str(task.dry_run) == "False"
    assert rules[0] == rules[1]
    (rule,) = rules[0].rules
    assert (rule.delete_after, rule.folders) == (timedelta(days=30), ("INBOX", "A, b"))


def test_nobody_is_asked_about_nothing() -> None:
    """Where no message is due, or nobody is to be asked, the task is done at once."""
    for values in ({"plan_id": None}, {"plan_id": "None"}, {"plan_id": "p", "ask": "never"}):
        task = MailRetentionApprovalOperator(task_id="t", conn_id="home", **values)
        assert task.execute(cast(Any, {})) is None


def test_nobody_is_asked_about_forgetting_nothing() -> None:
    """Where nothing is to go, or nobody is to be asked, the task is done at once; silence is no."""
    for values in ({"plan_id": None}, {"plan_id": ""}, {"plan_id": "p", "ask": "never"}):
        task = ArchiveForgetApprovalOperator(task_id="t", **values)
        assert task.execute(cast(Any, {})) is None
    assert (task.defaults, task.response_timeout) == (["Reject"], timedelta(days=1))
    assert {"archive", "plan_id", "ask"} < set(task.template_fields)


def test_forgetting_takes_a_plan_or_words(tmp_path: Path) -> None:
    """A plan says already what is to go."""
    task = ArchiveForgetOperator(task_id="t", archive=str(tmp_path), plan_id="p", person="ana@example.org")
    assert "Give plan_id or person" in refusal(task)


def test_the_preview_takes_templates_and_leaves_times_to_a_policy() -> None:
    """Every argument can come from a form; where a policy states the times, there is nothing to count."""
    task = MailRetentionPreviewOperator(task_id="t", conn_id="home", older_than="None")
    assert sorted(task.template_fields) == sorted(own_arguments(MailRetentionPreviewOperator))
    assert task.execute(cast(Any, {})) == []
    wrong = MailRetentionPreviewOperator(task_id="t", conn_id="home", older_than="soon")
    assert "older_than must be" in refusal(wrong)


def test_no_answer_in_time_is_no() -> None:
    """Silence is no consent, and what is asked stands in the operator's own fields."""
    task = MailRetentionApprovalOperator(task_id="t", conn_id="home", plan_id="p")
    assert task.defaults == ["Reject"]
    assert task.response_timeout == timedelta(days=1)
    assert {"conn_id", "archive", "plan_id", "ask", "show_messages"} < set(task.template_fields)


def test_a_plan_that_means_nothing_is_skipped() -> None:
    """The task that carries out an empty plan connects to nobody."""
    task = MailRetentionOperator(task_id="t", conn_id="home", plan_id="")
    with pytest.raises(AirflowSkipException, match="nothing to delete"):
        task.execute(cast(Any, {}))


POLICY = "rules: [{name: trash, folders: ['\\Trash'], delete_after: 7d}]"


@pytest.mark.parametrize("form", ["text", "mapping", "file"])
def test_a_policy_is_a_text_a_mapping_or_a_file(form: str, tmp_path: Path) -> None:
    """All three mean the same."""
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY, encoding="utf-8")
    mapping = {"rules": [{"name": "trash", "folders": ["\\Trash"], "delete_after": "7d"}]}
    given: dict[str, Any] = {"text": POLICY, "mapping": mapping, "file": str(file)}
    task = MailRetentionOperator(task_id="t", conn_id="home", policy=given[form])
    (rule,) = task._policy(MailProtocol.IMAP).rules
    assert (rule.name, rule.folders, rule.delete_after) == ("trash", ("\\Trash",), timedelta(days=7))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"policy": "rules: 7"}, "rules must be a list"),
        ({"policy": "/nowhere/policy.yaml"}, "cannot be read: No such file"),
        ({"policy": POLICY, "older_than": 30}, "leave out older_than"),
        ({"policy": POLICY, "folders": ["INBOX"], "allow_incomplete": True}, "folders and allow_incomplete"),
        ({"policy": POLICY, "include_flagged": "True"}, "leave out include_flagged"),
        ({}, "older_than is missing"),
    ],
)
def test_retention_needs_one_thing_that_says_what_goes(arguments: dict[str, Any], sentence: str) -> None:
    """What cannot be meant is refused before anything is connected."""
    assert sentence in refusal(MailRetentionOperator(task_id="t", conn_id="home", **arguments))


def test_what_is_more_careful_holds_beside_a_policy() -> None:
    """Whoever leaves a folder alone in the form has it left alone, whatever the policy says."""
    beside = {"exclude": "['Contracts/*']", "max_fraction": "0.25", "to_trash": "True", "mark_seen": True}
    text = f"{{exclude: [Sent], max_fraction: 0.5, {POLICY}}}"
    made = MailRetentionOperator(task_id="t", conn_id="home", policy=text, **beside)._policy(
        MailProtocol.IMAP
    )
    assert (made.exclude, made.max_fraction) == (("Sent", "Contracts/*"), 0.25)
    assert (made.to_trash, made.mark_seen) == (True, True)
    as_it_is = MailRetentionOperator(task_id="t", conn_id="home", policy=text)._policy(MailProtocol.IMAP)
    assert (as_it_is.exclude, as_it_is.max_fraction, as_it_is.to_trash) == (("Sent",), 0.5, False)


@pytest.mark.parametrize(
    "folders",
    [{"folder": "Sent"}, {"folders": ["INBOX", "Sent"]}, {"folders": "*"}, {"folders": "['Facturas/2026']"}],
)
def test_pop3_refuses_folders_and_says_use_imap(folders: dict[str, Any]) -> None:
    """POP3 has one folder only; reading INBOX instead in silence would be a lie."""
    assert "IMAP" in refusal(Pop3FetchOperator(task_id="t", pop3_conn_id="office", **folders))


@pytest.mark.parametrize("arguments", [{"folders": ["Sent"]}, {"exclude": ["Trash"]}, {"basis": "internal"}])
def test_retention_by_pop3_refuses_what_pop3_does_not_know(arguments: dict[str, Any]) -> None:
    """Nothing is deleted by a rule that cannot be kept."""
    sentence = refusal(MailRetentionOperator(task_id="t", conn_id="office", older_than=30, **arguments))
    assert "imap" in sentence


@pytest.mark.parametrize(
    ("operator", "word"),
    [
        (Pop3FetchOperator(task_id="t", pop3_conn_id="office", leave_on_server="perhaps"), "leave_on_server"),
        (Pop3FetchOperator(task_id="t", pop3_conn_id="office", delete_after="soon"), "delete_after"),
        (
            Pop3FetchOperator(task_id="t", pop3_conn_id="office", leave_on_server=False, delete_after=3),
            "delete_after",
        ),
        (Pop3FetchOperator(task_id="t", pop3_conn_id="nowhere"), "'nowhere'"),
        (Pop3FetchOperator(task_id="t", pop3_conn_id="home"), "type imap"),
        (Pop3FetchOperator(task_id="t", pop3_conn_id="office", archive="relative"), "absolute"),
        (ImapMirrorOperator(task_id="t", imap_conn_id="office"), "type pop3"),
        (ImapMirrorOperator(task_id="t", imap_conn_id="home", order="random"), "order"),
        (ImapMirrorOperator(task_id="t", imap_conn_id="home", since="yesterday"), "since"),
        (ImapMirrorOperator(task_id="t", imap_conn_id="home", larger_than="big"), "larger_than"),
        (ImapMirrorOperator(task_id="t", imap_conn_id="home", max_gone=2), "max_gone"),
        (MailRetentionOperator(task_id="t", conn_id="store", older_than=30), "pop3 or imap"),
        (MailRetentionOperator(task_id="t", conn_id="home", older_than=""), "older_than"),
        (MailRetentionOperator(task_id="t", conn_id="home", older_than=30, basis="sent"), "basis"),
        (MailRetentionOperator(task_id="t", conn_id="home", older_than=30, dry_run="maybe"), "dry_run"),
        (MailRetentionOperator(task_id="t", conn_id="home", older_than=30, max_fraction=7), "max_fraction"),
        (ImapRestoreOperator(task_id="t", imap_conn_id="office"), "type pop3"),
        (ImapRestoreOperator(task_id="t", imap_conn_id="home", as_of="soon"), "as_of"),
        (ImapRestoreOperator(task_id="t", imap_conn_id="home", query="colour:red"), "colour"),
        (ImapRestoreOperator(task_id="t", imap_conn_id="home", messages=["12"]), "64 hex digits"),
        (ImapRestoreOperator(task_id="t", imap_conn_id="home", read_back="twice"), "read_back"),
        (ImapRestoreOperator(task_id="t", imap_conn_id="home", archive="/nowhere/mail"), "no archive"),
        (MailCheckOperator(task_id="t", conn_id="store"), "pop3 or imap"),
        (MailCheckOperator(task_id="t", conn_id="home", read="maybe"), "read"),
        (MailCheckOperator(task_id="t", conn_id="home", allow_new="maybe"), "allow_new"),
        (AttachmentsToObjectStorageOperator(task_id="t", destination=""), "destination"),
        (AttachmentsToObjectStorageOperator(task_id="t", destination="/x", account="nowhere"), "'nowhere'"),
        (
            AttachmentsToObjectStorageOperator(task_id="t", destination="/x", rules=[{"colour": "*"}]),
            "colour",
        ),
        (AttachmentsToObjectStorageOperator(task_id="t", destination="/x", min_size="big"), "min_size"),
        (AttachmentsToObjectStorageOperator(task_id="t", destination="/x", on_success="seen"), "account"),
        (
            AttachmentsToObjectStorageOperator(task_id="t", destination="/x", object_options="StorageClass"),
            "object_options",
        ),
        (
            AttachmentsToObjectStorageOperator(task_id="t", destination="/x", customer_key_conn_id="nokey"),
            "'nokey'",
        ),
        (
            AttachmentsToObjectStorageOperator(
                task_id="t", destination="/x", account="office", on_failure="move:E"
            ),
            "POP3",
        ),
        (
            AttachmentsToObjectStorageOperator(
                task_id="t", destination="/x", account="home", on_success="burn"
            ),
            "move:FOLDER",
        ),
        (
            AttachmentsToObjectStorageOperator(
                task_id="t", destination="/x", rules="[{'name': '*'}]", name="*"
            ),
            "name would be overlooked",
        ),
        (
            AttachmentsToObjectStorageOperator(
                task_id="t", destination="/x", rules=[{"name": "*"}], unzip=True, unwrap="true"
            ),
            "unzip, unwrap would be overlooked",
        ),
        (
            AttachmentsToObjectStorageOperator(task_id="t", destination="/x", rules_file="/nowhere.yaml"),
            "'/nowhere.yaml' cannot be read",
        ),
        (
            AttachmentsToObjectStorageOperator(task_id="t", rules=[{"destination": "/x"}, {}]),
            "destination is missing",
        ),
        (MailExportOperator(task_id="t", destination="", format="eml", archive="/x"), "destination"),
        (MailExportOperator(task_id="t", destination="/x", format="pst", archive="/x"), "format"),
        (MailExportOperator(task_id="t", destination="/x", format="", archive="/x"), "format"),
        (
            MailExportOperator(task_id="t", destination="/x", format="eml", archive="/x", as_of="then"),
            "as_of",
        ),
        (MailExportOperator(task_id="t", destination="/x", format="eml", account="nowhere"), "'nowhere'"),
        (MailImportOperator(task_id="t", source="", account="a", archive="/x"), "source"),
        (MailImportOperator(task_id="t", source="/nowhere", account="", archive="/x"), "account"),
        (MailImportOperator(task_id="t", source="/x", account="a", archive="/x", format="pst"), "format"),
        (MailImportOperator(task_id="t", source="/nowhere/x", account="a", archive="/x"), "/nowhere/x"),
    ],
)
def test_wrong_input_fails_once_with_a_sentence_that_names_it(operator: BaseOperator, word: str) -> None:
    """No retry, no traceback: the person who wrote the DAG can act on it."""
    sentence = refusal(operator)
    assert word in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    "operator",
    [
        Pop3FetchOperator(task_id="t", pop3_conn_id="office"),
        ImapMirrorOperator(task_id="t", imap_conn_id="home"),
        MailRetentionOperator(task_id="t", conn_id="office", older_than=30),
        MailRetentionOperator(task_id="t", conn_id="home", older_than=30),
        MailCheckOperator(task_id="t", conn_id="home"),
    ],
)
def test_server_that_is_away_is_tried_again(operator: BaseOperator, tmp_path: Any) -> None:
    """A refused connection may be a restart of the server."""
    archive_messages(Archive(tmp_path), [1])
    cast(Any, operator).archive = str(tmp_path)
    error = failure(operator)
    assert not isinstance(error, AirflowFailException)
    assert "127.0.0.1" in str(error)


@pytest.mark.parametrize(
    "operator",
    [
        MailRetentionOperator(task_id="t", conn_id="home", older_than=30),
        MailRetentionOperator(task_id="t", conn_id="home", plan_id="p"),
        MailRetentionPreviewOperator(task_id="t", conn_id="home", older_than=30),
        AttachmentsToObjectStorageOperator(task_id="t", destination="/srv/in"),
        MailExportOperator(task_id="t", destination="/srv/out", format="eml"),
        MailInspectOperator(task_id="t"),
        ImapRestoreOperator(task_id="t", imap_conn_id="home"),
        ArchiveReplicateOperator(task_id="t", copy="/srv/copy"),
        ArchiveOptimizeOperator(task_id="t"),
        ArchiveForgetOperator(task_id="t", account="home"),
    ],
    ids=lambda operator: type(operator).__name__,
)
def test_wrong_root_is_one_sentence_everywhere(operator: BaseOperator, tmp_path: Path) -> None:
    """Else a typing error, or a mirror that has not run yet, is a green task for ever."""
    root = tmp_path / "typo"
    cast(Any, operator).archive = str(root)
    sentence = f"There is no archive at {root}; check the path, or fetch or mirror an account first."
    assert refusal(operator) == sentence
    assert not root.exists()


@pytest.mark.parametrize(
    "operator",
    [
        AttachmentsToObjectStorageOperator(task_id="t", destination="{root}/in", account="typo"),
        MailExportOperator(task_id="t", destination="{root}/out", format="eml", account="typo"),
        MailInspectOperator(task_id="t", account="typo"),
        ImapRestoreOperator(task_id="t", imap_conn_id="home", account="typo"),
    ],
    ids=lambda operator: type(operator).__name__,
)
def test_unknown_account_is_one_sentence_everywhere(operator: BaseOperator, tmp_path: Path) -> None:
    """It names those that the archive has."""
    archive_messages(Archive(tmp_path / "a"), [1])
    made = cast(Any, operator)
    made.archive = str(tmp_path / "a")
    if hasattr(made, "destination"):
        made.destination = made.destination.replace("{root}", str(tmp_path))
    assert refusal(operator) == (
        "The archive has no mail of an account 'typo'; it has these accounts: 'post'."
    )


@pytest.mark.parametrize("kind", ["pop3", "imap"])
def test_empty_account_is_a_known_one(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after its first fetch or mirror finds nothing to do, and no mistake."""
    root, server = str(tmp_path / "a"), Pop3Server(Maildrop()) if kind == "pop3" else ImapServer()
    with server:
        at = server.endpoint()
        said = {
            "conn_type": kind,
            "host": at.host,
            "port": at.port,
            "login": "user",
            "password": "secret",
            "extra": {"security": "plain"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_EMPTY", json.dumps(said))
        reader: BaseOperator = (
            Pop3FetchOperator(task_id="f", pop3_conn_id="empty", archive=root)
            if kind == "pop3"
            else ImapMirrorOperator(task_id="m", imap_conn_id="empty", archive=root)
        )
        reader.execute(cast(Any, {}))
        reader.execute(cast(Any, {}))
        retention = MailRetentionOperator(task_id="r", conn_id="empty", older_than=1, archive=root)
        assert retention.execute(cast(Any, {}))["deleted"] == 0
    task = AttachmentsToObjectStorageOperator(
        task_id="t", destination=str(tmp_path / "in"), account="empty", archive=root
    )
    assert task.execute(cast(Any, {}))["delivered"] == 0
    assert len(Archive(root).read_table("runs")) == 1


def test_forget_that_is_told_nothing_says_so(tmp_path: Path) -> None:
    """A form that was sent empty is no success; the empty plan of an earlier task is one."""
    archive_messages(Archive(tmp_path), [1])
    assert "account, person or older_than" in refusal(
        ArchiveForgetOperator(task_id="t", archive=str(tmp_path))
    )
    task = ArchiveForgetOperator(task_id="t", archive=str(tmp_path), plan_id="")
    assert task.execute(cast(Any, {})) == {}


@pytest.mark.parametrize("place", ["sub", "..", "raw/copy"])
def test_copy_lies_apart_from_its_archive(tmp_path: Path, place: str) -> None:
    """What befalls one folder would befall both."""
    root = tmp_path / "outer" / "a"
    archive_messages(Archive(root), [1])
    task = ArchiveReplicateOperator(task_id="t", archive=str(root), copy=str(root / place))
    assert "lie within each other" in refusal(task)
    copies = MailRetentionOperator(
        task_id="t", conn_id="home", older_than=30, archive=str(root), copies=[str(root / place)]
    )
    assert "lie within each other" in refusal(copies)


@pytest.mark.parametrize("folder", ["raw", "tables", "intents", "search", "certificates", "unannounced"])
def test_nothing_is_exported_into_the_archives_own_folders(tmp_path: Path, folder: str) -> None:
    """What lies there means something to every run."""
    archive_messages(Archive(tmp_path), [1])
    for place in (tmp_path / folder, tmp_path / folder / "x"):
        task = MailExportOperator(task_id="t", archive=str(tmp_path), destination=str(place), format="eml")
        assert "one of its own folders" in refusal(task)


def test_archive_may_be_an_object_storage_path() -> None:
    """DAG authors write ObjectStoragePath, and its connection stays in it."""
    task = Pop3FetchOperator(task_id="t", archive=ObjectStoragePath("s3://store@bucket/mail"))
    task.render_template_fields(cast(Any, {}))
    assert str(task.archive) == "s3://store@bucket/mail"


def test_export_writes_what_its_arguments_say(tmp_path: Path) -> None:
    """Rendered templates are texts, and mean what they say."""
    archive_messages(Archive(tmp_path / "a"), [1, 2])
    task = MailExportOperator(
        task_id="t",
        archive=str(tmp_path / "a"),
        destination=str(tmp_path / "out"),
        format="maildir",
        folders="['IN*']",
        as_of="2026-11-30",
        deleted="False",
    )
    summary = task.execute(cast(Any, {}))
    assert (summary["exported"], summary["folders"], summary["format"]) == (2, 1, "maildir")
    assert len(list((tmp_path / "out" / "post" / "cur").iterdir())) == 2


RULES = [
    {"rule": "pdf", "name": "*.pdf", "destination": "{root}/pdf", "template": "{filename}"},
    {"rule": "rest", "destination": "{root}/rest"},
    {"rule": "never", "name": "*.exe", "destination": "{root}/never"},
]


@pytest.mark.parametrize("how", ["list", "rendered", "file"])
def test_delivery_takes_rules_however_they_come(tmp_path: Path, how: str) -> None:
    """A list, what a template made of one, and a file say the same; each destination has its event."""
    message = make_message(attachments=[("a.pdf", "application/pdf", b"%PDF"), ("b.csv", "text/csv", b"1")])
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.eml").write_bytes(message)
    archive = str(tmp_path / "a")
    MailImportOperator(task_id="i", source=str(tmp_path / "in"), account="x", archive=archive).execute(
        cast(Any, {})
    )
    rules = [{word: value.replace("{root}", str(tmp_path)) for word, value in rule.items()} for rule in RULES]
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    given: dict[str, Any] = {
        "list": {"rules": rules},
        "rendered": {"rules": str(rules)},
        "file": {"rules_file": str(tmp_path / "rules.json"), "rules": "None"},
    }[how]
    events = _Events()
    task = AttachmentsToObjectStorageOperator(task_id="t", archive=archive, name="None", **given)
    summary = task.execute(cast(Any, {"outlet_events": events}))
    delivered = {name: tally["delivered"] for name, tally in summary["rules"].items()}
    assert delivered == {"pdf": 1, "rest": 1, "never": 0}
    assert (tmp_path / "pdf" / "a.pdf").read_bytes() == b"%PDF"
    assert [name.rpartition("/")[2] for name in events.names] == ["pdf", "rest"]


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        ("2026-01-31", "2026-01-31T23:59:59.999999+00:00"),
        ("2026-01-31T12:00", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T12:00:00+02:00"),
        (datetime(2026, 1, 31, tzinfo=UTC), "2026-01-31T00:00:00+00:00"),
    ],
)
def test_restore_takes_moments_as_people_write_them(given: Any, moment: str) -> None:
    """A day alone is its end, and UTC counts where no zone is given."""
    selection = ImapRestoreOperator(task_id="t", as_of=given)._selection()
    assert selection.as_of is not None
    assert selection.as_of.isoformat() == moment


def test_import_takes_what_its_arguments_say(tmp_path: Path) -> None:
    """A second task finds nothing new, and says so."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.eml").write_bytes(make_message())
    values = {"source": str(tmp_path / "in"), "account": "old", "archive": str(tmp_path / "a")}
    first, second = (
        MailImportOperator(task_id="t", folder="", **values).execute(cast(Any, {})) for _ in range(2)
    )
    assert (first["added"], second["added"], second["already"]) == (1, 0, 1)


def test_inspection_takes_what_its_arguments_say(tmp_path: Path) -> None:
    """Once for each message and table; another table is another look."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.eml").write_bytes(make_message(text="see https://a.example/b"))
    archive = str(tmp_path / "a")
    MailImportOperator(task_id="i", source=str(tmp_path / "in"), account="x", archive=archive).execute(
        cast(Any, {})
    )
    rows = [
        MailInspectOperator(task_id="t", archive=archive, what=what).execute(cast(Any, {}))["rows"]
        for what in ("links", "['links', 'envelopes']", "")
    ]
    assert rows == [{"links": 1}, {"envelopes": 0}, {"authentication": 1}]
    with pytest.raises(AirflowFailException, match="not colours"):
        MailInspectOperator(task_id="t", archive=archive, what="colours").execute(cast(Any, {}))


class _Events:
    """Takes asset events as Airflow's context does."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __getitem__(self, alias: object) -> _Events:
        return self

    def add(self, asset: Any, extra: object) -> None:
        self.names.append(asset.uri)
