"""What the registry refuses."""

from __future__ import annotations

from typing import Final

from contracts.errors.code import ErrorCode

QUOTA: Final = ErrorCode(
    code="SMS.REGISTRY.QUOTA",
    cause="Account {account} has {count} source servers; {limit} are allowed, so {hostname} was not registered.",
    remedy="Delete migrated servers (`sms server list`, `sms server delete ID`), then restart the agent.",
    exit_code=4,
    is_resumable=True,
)
CLASH: Final = ErrorCode(
    code="SMS.AGENT.CLASH",
    cause="{count} running agents claim to be server {server_id}; 1 may. All of them are refused for {refuse_s} s.",
    remedy="The machine was probably cloned together with the agent's state folder. On the copy stop the agent, "
    "remove that folder (default /var/lib/sms-agent) and start it again with an access key: it becomes a server of "
    "its own.",
    exit_code=4,
    is_resumable=True,
)
SERVER_NOT_FOUND: Final = ErrorCode(
    code="SMS.REGISTRY.SERVER_NOT_FOUND",
    cause="There is no source server {server_id}.",
    remedy="List the servers with `sms server list`.",
    http_status=404,
    exit_code=3,
)
SERVER_BUSY: Final = ErrorCode(
    code="SMS.REGISTRY.SERVER_BUSY",
    cause="Task {task_id} of server {server_id} is in phase {phase}; a server can be deleted when it has no task "
    "or its task has ended (FINISHED or DELETED).",
    remedy="End the task with `sms task finish {task_id}` or `sms task delete {task_id}`, then delete the server.",
    exit_code=4,
)
