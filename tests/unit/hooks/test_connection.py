"""Connections read: every extra, typed and as text, and what is said when one is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import Connection

from mailroom.exceptions import ConfigurationError
from mailroom.hooks.connection import (
    archive_of_connection,
    connection_of,
    endpoint_from_connection,
    protocol_of_connection,
)
from mailroom.model import AuthMethod, Compression, Endpoint, MailProtocol, Security

POP3, IMAP = MailProtocol.POP3, MailProtocol.IMAP
SECRET = "hunter2-hunter2"


def connection(conn_type: str = "imap", *, extra: Any = None, **changes: Any) -> Connection:
    values: dict[str, Any] = {
        "conn_id": "office",
        "conn_type": conn_type,
        "host": "mail.example.org",
        "login": "ana@example.org",
        "password": SECRET,
    }
    text = extra if isinstance(extra, str) or extra is None else json.dumps(extra)
    return Connection(**{**values, "extra": text, **changes})


def endpoint(extra: Any = None, protocol: MailProtocol = IMAP, **changes: Any) -> Endpoint:
    return endpoint_from_connection(connection(protocol.value, extra=extra, **changes), protocol)


def refusal(extra: Any = None, protocol: MailProtocol = IMAP, **changes: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        endpoint(extra, protocol, **changes)
    assert "'office'" in str(caught.value)
    assert SECRET not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("protocol", [POP3, IMAP])
def test_connection_without_extras_is_encrypted_and_verified(protocol: MailProtocol) -> None:
    """Nobody has to say anything to be safe."""
    found = endpoint(None, protocol)
    assert found == Endpoint(
        protocol=protocol,
        host="mail.example.org",
        port={POP3: 995, IMAP: 993}[protocol],
        user="ana@example.org",
        secret=SECRET,
    )
    assert (found.security, found.verify, found.timeout) == (Security.SSL, True, 60.0)


@pytest.mark.parametrize(
    ("protocol", "security", "port"),
    [
        (POP3, "ssl", 995),
        (POP3, "starttls", 110),
        (POP3, "plain", 110),
        (IMAP, "ssl", 993),
        (IMAP, "starttls", 143),
        (IMAP, "plain", 143),
    ],
)
def test_port_follows_protocol_and_security(protocol: MailProtocol, security: str, port: int) -> None:
    """Where no port is given, it is the registered one."""
    found = endpoint({"security": security, "allow_plaintext": security == "plain"}, protocol)
    assert (found.security, found.port) == (Security(security), port)


@pytest.mark.parametrize("extra", [{"security": "plain"}, {"use_ssl": False}])
@pytest.mark.parametrize("allowed", [None, False, "false"])
def test_no_password_goes_to_another_machine_unencrypted(extra: dict[str, Any], allowed: Any) -> None:
    """Somebody has to say so; on this machine nobody is on the way."""
    error = refusal(extra | {"allow_plaintext": allowed})
    assert "unencrypted" in str(error)
    assert "allow_plaintext" in str(error)
    for host in ("localhost", "127.0.0.1", "::1"):
        assert endpoint(extra, host=host).security is Security.PLAIN
    assert endpoint(extra | {"allow_plaintext": True}).security is Security.PLAIN


def test_given_port_is_kept() -> None:
    """A port that is given is taken, whatever the protection."""
    assert endpoint({"security": "plain"}, port=10143, host="localhost").port == 10143


@pytest.mark.parametrize(
    ("extra", "field", "value"),
    [
        ({"verify": False}, "verify", False),
        ({"verify": "false"}, "verify", False),
        ({"verify": "False"}, "verify", False),
        ({"verify": True}, "verify", True),
        ({"verify": " true "}, "verify", True),
        ({"timeout": 30}, "timeout", 30.0),
        ({"timeout": "30"}, "timeout", 30.0),
        ({"timeout": 2.5}, "timeout", 2.5),
        ({"security": "STARTTLS"}, "security", Security.STARTTLS),
        ({"ca_file": "/etc/ssl/office.pem"}, "ca_file", "/etc/ssl/office.pem"),
        ({"auth": "password"}, "auth", AuthMethod.PASSWORD),
    ],
)
def test_extras_are_understood_typed_and_as_text(extra: dict[str, Any], field: str, value: object) -> None:
    """A form sends true and 30, a URI sends 'true' and '30'; both mean the same."""
    assert getattr(endpoint(extra), field) == value


@pytest.mark.parametrize("protocol", [POP3, IMAP])
@pytest.mark.parametrize(
    ("extra", "allowed"),
    [
        ({"verify": "maybe"}, "true or false"),
        ({"verify": 0}, "true or false"),
        ({"verify": "no"}, "true or false"),
        ({"timeout": "soon"}, "seconds"),
        ({"timeout": 0}, "seconds"),
        ({"timeout": -1}, "seconds"),
        ({"timeout": "nan"}, "seconds"),
        ({"timeout": "inf"}, "seconds"),
        ({"timeout": True}, "seconds"),
        ({"timeout": [30]}, "seconds"),
        ({"security": "tls"}, "ssl, starttls, plain"),
        ({"security": True}, "ssl, starttls, plain"),
        ({"auth": "kerberos"}, "password, xoauth2, oauthbearer"),
        ({"ca_file": 7}, "text"),
        ({"auth": "xoauth2", "oauth_token": {"a": 1}}, "text"),
    ],
)
def test_wrong_extra_is_named_with_what_is_allowed(
    protocol: MailProtocol, extra: dict[str, Any], allowed: str
) -> None:
    """Nothing is guessed: the sentence names the field and the allowed values."""
    error = refusal(extra, protocol)
    field = list(extra)[-1]
    assert f"'{field}'" in str(error)
    assert allowed in str(error)
    assert error.facts["field"] == field


@pytest.mark.parametrize("choice", list(Compression))
def test_compression_is_taken_for_imap_and_means_nothing_for_pop3(choice: Compression) -> None:
    """POP3 has no compression, so an account that is read both ways may keep one set of extras."""
    assert endpoint({"compress": choice.value.upper()}, IMAP).compress is choice
    assert endpoint({"compress": choice.value}, POP3).compress is Compression.AUTO
    assert endpoint({}, IMAP).compress is Compression.AUTO


def test_wrong_compression_is_named_with_what_is_allowed() -> None:
    """It is a choice like the others."""
    assert "auto, always, never" in str(refusal({"compress": True}, IMAP))


@pytest.mark.parametrize("value", [None, "", "   "])
def test_empty_extra_counts_as_not_given(value: str | None) -> None:
    """A form that was left empty changes nothing."""
    extra = dict.fromkeys(("security", "verify", "timeout", "auth", "ca_file", "oauth_token"), value)
    assert endpoint(extra) == endpoint(None)


@pytest.mark.parametrize("extra", ["{not json", "[1, 2]", '"text"'])
def test_extras_that_are_no_json_object_are_refused(extra: str) -> None:
    """Airflow reads broken JSON as no extras at all, and a ca_file or timeout would be lost in silence."""
    assert "JSON" in str(refusal(extra))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"host": None}, "host"),
        ({"host": "  "}, "host"),
        ({"login": None}, "login"),
        ({"login": ""}, "login"),
        ({"password": None}, "password"),
        ({"port": 70000}, "port"),
        ({"host": "imaps://mail.example.org"}, "host"),
        ({"host": f"ana:{SECRET}@mail.example.org"}, "host"),
        ({"host": "mail.example.org/INBOX"}, "host"),
        ({"host": "mail.example.org:993"}, "host"),
        ({"host": "mail example"}, "host"),
    ],
)
def test_missing_or_wrong_standard_field_is_named(changes: dict[str, Any], field: str) -> None:
    """What a person left out, or typed into the wrong field, is said before anything is connected."""
    assert refusal(**changes).facts["field"] == field


@pytest.mark.parametrize(("host", "found"), [("::1", "::1"), ("[2001:db8::5]", "2001:db8::5")])
def test_ipv6_host_is_taken_with_or_without_brackets(host: str, found: str) -> None:
    """An address with colons is not a host with a port."""
    assert endpoint(host=host).host == found


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
def test_oauth_takes_the_token_then_the_password_field(auth: str) -> None:
    """A token is the secret; some people keep it in the password field."""
    assert endpoint({"auth": auth, "oauth_token": "tok-1"}).secret == "tok-1"
    assert endpoint({"auth": auth}).secret == SECRET
    assert refusal({"auth": auth}, password=None).facts["field"] == "oauth_token"


def test_password_sign_in_ignores_a_token() -> None:
    """A token that is left over in the extras is not sent as a password."""
    assert endpoint({"oauth_token": "tok-1"}).secret == SECRET


class TestConnectionsOfAirflowsOwnImapProvider:
    """``use_ssl`` and ``ssl_context`` mean what they mean to Airflow's ImapHook."""

    @pytest.mark.parametrize(
        ("extra", "security", "verify", "port"),
        [
            ({"use_ssl": True}, Security.SSL, True, 993),
            ({"use_ssl": False, "allow_plaintext": True}, Security.PLAIN, True, 143),
            ({"use_ssl": "false", "allow_plaintext": "true"}, Security.PLAIN, True, 143),
            ({"use_ssl": True, "ssl_context": "default"}, Security.SSL, True, 993),
            ({"ssl_context": "none"}, Security.SSL, False, 993),
        ],
    )
    def test_they_keep_working(
        self, extra: dict[str, Any], security: Security, verify: bool, port: int
    ) -> None:
        """A connection made for Airflow's provider needs no change."""
        found = endpoint(extra)
        assert (found.security, found.verify, found.port) == (security, verify, port)

    @pytest.mark.parametrize(
        ("extra", "security", "verify"),
        [
            ({"use_ssl": False, "security": "starttls"}, Security.STARTTLS, True),
            ({"use_ssl": False, "security": "ssl"}, Security.SSL, True),
            ({"ssl_context": "none", "verify": True}, Security.SSL, True),
            ({"ssl_context": "default", "verify": "false"}, Security.SSL, False),
        ],
    )
    def test_our_own_extras_win(self, extra: dict[str, Any], security: Security, verify: bool) -> None:
        """Where both are given, the newer and finer setting counts."""
        found = endpoint(extra)
        assert (found.security, found.verify) == (security, verify)

    @pytest.mark.parametrize("extra", [{"use_ssl": "perhaps"}, {"ssl_context": "strict"}])
    def test_wrong_values_are_named(self, extra: dict[str, str]) -> None:
        """They are checked as ours are."""
        assert f"'{next(iter(extra))}'" in str(refusal(extra))

    def test_pop3_knows_none_of_them(self) -> None:
        """A POP3 connection cannot lose its encryption by an extra that is none of its own."""
        assert endpoint({"use_ssl": False, "ssl_context": "none"}, POP3) == endpoint(None, POP3)


def test_uri_connection_reads_like_the_form() -> None:
    """``AIRFLOW_CONN_*`` URIs carry texts only."""
    conn = Connection.from_uri(
        conn_id="office",
        uri="pop3://ana%40example.org:pw@pop.example.org:110/?security=starttls&verify=false&timeout=30",
    )
    found = endpoint_from_connection(conn, POP3)
    assert (found.user, found.host, found.port) == ("ana@example.org", "pop.example.org", 110)
    assert (found.security, found.verify, found.timeout) == (Security.STARTTLS, False, 30.0)


@pytest.mark.parametrize(("made_for", "asked"), [("pop3", IMAP), ("imap", POP3)])
def test_connection_of_the_other_protocol_is_refused(made_for: str, asked: MailProtocol) -> None:
    """Speaking IMAP to port 995 would only time out."""
    with pytest.raises(ConfigurationError, match=rf"type {made_for}.*{asked.value}"):
        endpoint_from_connection(connection(made_for), asked)


def test_protocol_is_the_type_of_the_connection() -> None:
    """Retention works for both, and asks the connection."""
    assert protocol_of_connection(connection("pop3")) is POP3
    assert protocol_of_connection(connection("imap")) is IMAP
    with pytest.raises(ConfigurationError, match="pop3 or imap"):
        protocol_of_connection(connection("http"))


def test_connection_may_name_its_archive() -> None:
    """One root is one trust domain, so an account can bring its own."""
    assert archive_of_connection(connection(extra={"archive": " s3://c@b/p "})) == "s3://c@b/p"
    assert archive_of_connection(connection()) is None


def test_unknown_connection_says_where_to_make_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection id with a slip in it is a user's mistake, not an Airflow error."""
    monkeypatch.setenv("AIRFLOW_CONN_OFFICE", "imap://ana:pw@mail.example.org")
    assert connection_of("office").host == "mail.example.org"
    with pytest.raises(ConfigurationError, match=r"no connection 'ofice'.*Connections"):
        connection_of("ofice")


def test_endpoint_hides_its_secret() -> None:
    """A log line with an endpoint in it leaks nothing."""
    assert SECRET not in repr(endpoint())
