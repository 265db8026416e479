"""The configuration of a throwaway Dovecot, in the words of 2.3 and of 2.4.

Only text is made here; ``dovecot.py`` starts the server. Debian 12 and Ubuntu 24.04
ship Dovecot 2.3, Debian 13 ships 2.4, which renamed most settings and refuses the old
ones (https://doc.dovecot.org/latest/installation/upgrade/2.3-to-2.4.html).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DovecotSettings", "render"]

SPECIAL_USE = {
    "Archive": r"\Archive",
    "Drafts": r"\Drafts",
    "Junk": r"\Junk",
    "Sent": r"\Sent",
    "Trash": r"\Trash",
}
"""Folders that carry a special-use attribute once somebody makes them (RFC 6154)."""

CHROOTED = ("anvil", "imap-login", "pop3-login", "ipc", "imap-urlauth-login", "submission-login")


@dataclass(frozen=True, slots=True, kw_only=True)
class DovecotSettings:
    """All that varies between one throwaway server and the next.

    :param owner: user name, uid and gid that mail files belong to.
    :param rootless: whether Dovecot runs as that very user (and ``group``), with no chroot.
    :param storage: ``maildir`` (one directory a level), ``maildir++`` (as Courier lays it) or ``sdbox``.
    :param escape_names: whether a folder name may hold any character (the listescape plugin).
    :param compress: whether IMAP offers COMPRESS=DEFLATE; Dovecot 2.4 always does.
    """

    version: tuple[int, int]
    home: Path
    owner: tuple[str, int, int]
    rootless: bool
    group: str
    ports: dict[str, int]
    storage: str = "maildir"
    separator: str = "/"
    prefix: str = ""
    escape_names: bool = False
    tls: bool = True
    compress: bool = False
    extra: str = ""
    imap_extra: str = ""
    pop3_extra: str = ""


def render(settings: DovecotSettings) -> str:
    """Return the text of ``dovecot.conf`` for the version in ``settings``."""
    body = _body_2_3 if settings.version < (2, 4) else _body_2_4
    return body(settings) + _services(settings) + settings.extra + "\n"


def _common(settings: DovecotSettings) -> str:
    home = settings.home
    name, uid, _ = settings.owner
    text = f"""
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/dovecot.log
listen = 127.0.0.1
first_valid_uid = {min(uid, 500)}
mail_max_userip_connections = 500
mail_fsync = never
auth_failure_delay = 0
shutdown_clients = yes
ssl = {"yes" if settings.tls else "no"}
"""
    if settings.rootless:
        text += f"default_internal_user = {name}\ndefault_internal_group = {settings.group}\n"
        text += f"default_login_user = {name}\n"
    return text


def _namespace(settings: DovecotSettings) -> str:
    boxes = "".join(
        f"  mailbox {name} {{\n    special_use = {use}\n  }}\n" for name, use in SPECIAL_USE.items()
    )
    prefix = f"  prefix = {settings.prefix}\n" if settings.prefix else ""
    return f"namespace inbox {{\n  inbox = yes\n  separator = {settings.separator}\n{prefix}{boxes}}}\n"


# One password file a user: Dovecot looks for changes of a file once a second only, and a new
# user must be able to sign in at once.


def _body_2_3(settings: DovecotSettings) -> str:
    home = settings.home
    _, uid, gid = settings.owner
    layout = ":LAYOUT=fs:INBOX=~/mail/INBOX" if settings.storage == "maildir" else ""
    plugins = "mail_plugins = listescape\n" if settings.escape_names else ""
    compress = "mail_plugins = $mail_plugins imap_zlib\n" if settings.compress else ""
    tls = f"ssl_cert = <{home}/server.pem\nssl_key = <{home}/server.key\n" if settings.tls else ""
    return f"""{_common(settings)}
protocols = imap pop3
disable_plaintext_auth = no
mail_location = {settings.storage.rstrip("+")}:~/mail{layout}
{plugins}{tls}{_namespace(settings)}
passdb {{
  driver = passwd-file
  args = scheme=plain username_format=%u {home}/passwords/%u
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/users/%u
}}
protocol imap {{
{compress}{settings.imap_extra}
}}
protocol pop3 {{
{settings.pop3_extra}
}}
"""


def _body_2_4(settings: DovecotSettings) -> str:
    home = settings.home
    _, uid, gid = settings.owner
    layout = {
        "maildir": "mailbox_list_layout = fs\nmail_inbox_path = ~/mail/INBOX\n",
        "maildir++": "mailbox_list_layout = maildir++\nmail_inbox_path = ~/mail\n",
    }.get(settings.storage, "")
    escape = 'mailbox_list_storage_escape_char = "\\\\"\n' if settings.escape_names else ""
    tls = f"ssl_server_cert_file = {home}/server.pem\nssl_server_key_file = {home}/server.key\n"
    return f"""dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
{_common(settings)}
protocols = imap pop3
auth_allow_cleartext = yes
mail_driver = {settings.storage.rstrip("+")}
mail_path = ~/mail
{layout}{escape}{tls if settings.tls else ""}{_namespace(settings)}
passdb passwd-file {{
  passwd_file_path = {home}/passwords/%{{user}}
  default_password_scheme = plain
}}
userdb static {{
  fields {{
    uid = {uid}
    gid = {gid}
    home = {home}/users/%{{user}}
  }}
}}
protocol imap {{
{settings.imap_extra}
}}
protocol pop3 {{
{settings.pop3_extra}
}}
"""


def _services(settings: DovecotSettings) -> str:
    ports = settings.ports
    text = ""
    for protocol in ("imap", "pop3"):
        tls_port = ports[f"{protocol}s"] if settings.tls else 0
        text += f"""service {protocol}-login {{
  inet_listener {protocol} {{
    port = {ports[protocol]}
  }}
  inet_listener {protocol}s {{
    port = {tls_port}
    ssl = yes
  }}
}}
service {protocol} {{
  process_limit = 1024
}}
"""
    # Without this a wrong password delays every later login from 127.0.0.1, for all tests.
    text += "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n"
    if settings.rootless:
        names = [name for name in CHROOTED if settings.version < (2, 4) or name != "ipc"]
        text += "".join(f"service {name} {{\n  chroot =\n}}\n" for name in names)
    return text
