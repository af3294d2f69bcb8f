"""The text of the nats-server configuration: pure, every path and key is an argument."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts.login import service_inbox
from contracts.permissions import (
    BUS_USERS,
    CONNECTION_CUTTER,
    CUT_CONNECTION_SUBJECT,
    LIST_CONNECTIONS_SUBJECT,
    BusUser,
)

# 1,000 agents that come back at once wait their turn for a handshake.
_HANDSHAKE_TIMEOUT_S = 10
# How long the bus waits for identity's answer; while identity is away, each login is refused after this time.
_LOGIN_TIMEOUT_S = 10


@dataclass(frozen=True, kw_only=True)
class BusServerSettings:
    """What the configuration of one server is made of.

    listen and advertise: HOST:PORT; advertise is what clients are told ("" for none). public_keys: user nkey by
    user name, for every BUS_USERS entry and CONNECTION_CUTTER. issuer: the account nkey that signs agents' logins.
    """

    server_name: str
    listen: str
    advertise: str
    store_folder: Path
    pid_file: Path
    certificate_file: Path
    key_file: Path
    issuer: str
    public_keys: Mapping[str, str]


def server_configuration(settings: BusServerSettings) -> str:
    """The configuration file. No monitoring port is opened; JetStream syncs every write to disk."""
    advertise = f"client_advertise: {_text(settings.advertise)}\n" if settings.advertise else ""
    users = "\n".join(_user(user, settings.public_keys[name]) for name, user in sorted(BUS_USERS.items()))
    exempt = _list(settings.public_keys[name] for name in (*sorted(BUS_USERS), CONNECTION_CUTTER))
    return f"""\
server_name: {_text(settings.server_name)}
listen: {_text(settings.listen)}
{advertise}pid_file: {_text(str(settings.pid_file))}
max_payload: 1MB
ping_interval: "20s"
ping_max: 2
write_deadline: "10s"
tls {{
  cert_file: {_text(str(settings.certificate_file))}
  key_file: {_text(str(settings.key_file))}
  min_version: "1.3"
  # A client that starts with TLS never sends a proof to a man in the middle who denies that there is any. The server
  # never speaks first: after a delay it would take a client of a busy machine for one that waits to be asked
  # (tests/bus/identity/test_logins.py, 300 logins at once).
  handshake_first: true
  timeout: {_HANDSHAKE_TIMEOUT_S}
}}
jetstream {{
  store_dir: {_text(str(settings.store_folder))}
  # The default is a sync every two minutes: a power cut would lose acknowledged messages.
  sync_interval: always
  max_memory_store: 64MB
  # An agent chooses the reply subject of its statuses, and the stream's acknowledgement is published there: only
  # a strict API refuses that text as a request such as the deletion of a message.
  strict: true
}}
system_account: SYS
accounts {{
  SYS {{ users: [
{_cutter(settings.public_keys[CONNECTION_CUTTER])}
  ] }}
  SMS {{ jetstream: enabled, users: [
{users}
  ] }}
}}
authorization {{
  timeout: {_LOGIN_TIMEOUT_S}
  auth_callout {{
    issuer: {settings.issuer}
    account: SMS
    # Every service stands here, so that none waits for identity at its login.
    auth_users: {exempt}
  }}
}}
"""


def _user(user: BusUser, public_key: str) -> str:
    answers = ', allow_responses: { max: 1, expires: "1m" }' if user.may_answer_anyone else ""
    return _permissions(public_key, user.publishes(), user.subscribes(), answers)


def _cutter(public_key: str) -> str:
    publishes = (LIST_CONNECTIONS_SUBJECT, CUT_CONNECTION_SUBJECT.format(server_id="*"))
    return _permissions(public_key, publishes, (f"{service_inbox(CONNECTION_CUTTER)}.>",), "")


def _permissions(public_key: str, publishes: Iterable[str], subscribes: Iterable[str], answers: str) -> str:
    return (
        f"    {{ nkey: {public_key}, permissions: {{ publish: {{ allow: {_list(publishes)} }}, "
        f"subscribe: {{ allow: {_list(subscribes)} }}{answers} }} }}"
    )


def _list(values: Iterable[str]) -> str:
    return "[" + ", ".join(_text(value) for value in values) + "]"


def _text(value: str) -> str:
    return json.dumps(value)
