"""The things that paths name in the access matrix: one of each kind in each account, and ids that nobody has."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

import httpx

from tests.api.bench import ApiBench
from tests.api.bodies import body_of

# What each path parameter names. A number or a version names nothing that belongs to an account.
KINDS: Final[Mapping[str, str]] = {
    "source_id": "server",
    "server_id": "server",
    "task_id": "task",
    "id": "template",
    "template_id": "template",
    "mig_project_id": "project",
    "wave_id": "wave",
    "user_id": "user",
    "group_id": "group",
    "policy_id": "policy",
    "access_key": "credential",
    "account_name": "account",
    "channel_id": "channel",
}
FIXED: Final[Mapping[str, str]] = {
    "version": "v3",
    "number": "1",
    "sequence": "1",
    "log_id": "0" * 32,
}
# Path, operation and the field of the answer that holds the new id, dotted where it lies deeper.
MAKERS: Final[Mapping[str, tuple[str, str, str]]] = {
    "template": ("/v3/vm/templates", "create_template", "id"),
    "project": ("/v3/migprojects", "create_migproject", "id"),
    "wave": ("/v3/waves", "create_wave", "id"),
    "task": ("/v3/task-details", "create_task_with_options", "id"),
    "user": ("/v3/users", "create_user", "id"),
    "group": ("/v3/groups", "create_group", "id"),
    "policy": ("/v3/policies", "create_policy", "id"),
    "credential": ("/v3/users/{user_id}/credentials", "create_credential_of_user", "access_key"),
    "channel": ("/v3/notifications", "create_notification", "channel.id"),
}
POLICY: Final = {"Version": "1.1", "Statement": [{"Effect": "Allow", "Action": ["sms:server:get"]}]}

# What the schema alone does not say of a body that fits.
BODIES: Final[Mapping[str, Mapping[str, object]]] = {
    "create_notification": {"url": "http://127.0.0.1:9/hook"},  # nobody listens there
    "create_policy": {"document": POLICY},
    "register_server": {"ip": "192.0.2.77", "networks": []},
    "update_task_status": {"operation": "stop"},
    "upload_special_configuration_setting": {
        "configurations": [{"config_key": "MIGRATE_EXCLUDE_DIR", "config_value": "/srv"}]
    },
}
QUERIES: Final[Mapping[str, Mapping[str, str]]] = {
    "continue_audit_export": {"cursor": "0"},
    "estimate_cost": {"used_bytes": "1"},
}


class Things:
    """clients: by account, of its root user."""

    def __init__(self, api: ApiBench, clients: Mapping[str, httpx.Client]) -> None:
        self._api = api
        self._clients = clients
        self._shared: dict[tuple[str, str], str] = {}

    def shared(self, account: str, kind: str) -> str:
        """The one that all routes use which leave it where it is."""
        if (account, kind) not in self._shared:
            self._shared[account, kind] = self.fresh(account, kind)
        return self._shared[account, kind]

    def fresh(self, account: str, kind: str) -> str:
        """A new one, for a route that may take it away."""
        if kind == "server":
            return self._api.register_server(f"matrix-{uuid.uuid4().hex[:8]}", account=account)
        if kind == "account":
            return account
        path, operation_id, field = MAKERS[kind]
        if kind == "credential":  # a user has two at most
            path = path.format(user_id=self.fresh(account, "user"))
        answer = self._clients[account].post(path, json=body_of(operation_id, **self._given(account, kind)))
        assert answer.status_code < 300, (kind, answer.status_code, answer.text)
        found = answer.json()
        for part in field.split("."):
            found = found[part]
        return str(found)

    def unknown(self, kind: str) -> str:
        """An id that nobody has."""
        return f"s-{uuid.uuid4().hex[:12]}" if kind == "server" else uuid.uuid4().hex

    def _given(self, account: str, kind: str) -> dict[str, object]:
        name = f"matrix-{uuid.uuid4().hex[:8]}"
        return {
            "task": {"server_id": self.fresh(account, "server")} if kind == "task" else {},
            "policy": {"name": name, "document": POLICY},
            "credential": {},
            # Nobody listens there.
            "channel": {"name": name, "url": "http://127.0.0.1:9/hook"},
        }.get(kind, {"name": name})
