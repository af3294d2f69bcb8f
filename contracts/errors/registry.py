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
NAME_INVALID: Final = ErrorCode(
    code="SMS.REGISTRY.NAME_INVALID",
    cause="'{text}' is no name for a server: it has {characters} characters; 1 to {limit} are allowed, none of them a "
    "control character, and no blank at either end.",
    remedy="Choose another name.",
    http_status=400,
    exit_code=2,
)
TAG_INVALID: Final = ErrorCode(
    code="SMS.REGISTRY.TAG_INVALID",
    cause="'{text}' is no tag {what}: it has {characters} characters; at most {limit} are allowed, which may be "
    "letters, digits, blanks inside, and . : = + @ / _ -, and a key has at least 1.",
    remedy="Choose another {what}.",
    http_status=400,
    exit_code=2,
)
TAG_LIMIT: Final = ErrorCode(
    code="SMS.REGISTRY.TAG_LIMIT",
    cause="Server {server_id} would have {count} tags; {limit} are allowed.",
    remedy="Remove tags that are no longer needed (`sms server untag {server_id} KEY`).",
    exit_code=4,
)
DISK_UNKNOWN: Final = ErrorCode(
    code="SMS.REGISTRY.DISK_UNKNOWN",
    cause="Server {server_id} has no disk {disk}; it has {disks}.",
    remedy="Name disks as `sms server show {server_id}` does.",
    http_status=400,
    exit_code=2,
)
DISK_SIZE: Final = ErrorCode(
    code="SMS.REGISTRY.DISK_SIZE",
    cause="Disk {disk} would have {size_bytes} bytes on the target; {used_bytes} bytes of it are in use.",
    remedy="Choose a size that the data and 1 MiB more fit into, or leave the disk out.",
    http_status=400,
    exit_code=2,
)
DISKS_FIXED: Final = ErrorCode(
    code="SMS.REGISTRY.DISKS_FIXED",
    cause="Server {server_id} has task {task_id}, which is planned already; its disks can be chosen only before.",
    remedy="Delete the task with `sms task delete {task_id}`, choose the disks, then create a new one.",
    exit_code=4,
)
COPY_STATE_UNKNOWN: Final = ErrorCode(
    code="SMS.REGISTRY.COPY_STATE_UNKNOWN",
    cause="'{text}' is no {what} of a source server; these are known: {known}.",
    remedy="Use one of the known words.",
    http_status=400,
    exit_code=2,
)
LOG_AGENT_AWAY: Final = ErrorCode(
    code="SMS.REGISTRY.LOG_AGENT_AWAY",
    cause="The agent of server {server_id} did not take the command to send its log within {seconds} s.",
    remedy="See with `sms server show {server_id}` whether it is connected and of this release; on the server itself "
    "its log is in log/agent.log below its state folder (default /var/lib/sms-agent).",
    exit_code=4,
)
INVENTORY_AGENT_AWAY: Final = ErrorCode(
    code="SMS.REGISTRY.INVENTORY_AGENT_AWAY",
    cause="The agent of server {server_id} did not take the command to look at its server within {seconds} s.",
    remedy="See with `sms server show {server_id}` whether it is connected; start the agent on the server.",
    exit_code=4,
)
INVENTORY_NOT_SENT: Final = ErrorCode(
    code="SMS.REGISTRY.INVENTORY_NOT_SENT",
    cause="The agent of server {server_id} took the command to look at its server, and has not sent what it found "
    "within {seconds} s.",
    remedy="Check again in a minute; `sms server log {server_id}` shows what the agent is busy with.",
    exit_code=4,
)
LOG_NOT_SENT: Final = ErrorCode(
    code="SMS.REGISTRY.LOG_NOT_SENT",
    cause="The agent of server {server_id} took the command to send its log, and has not sent it within {seconds} s.",
    remedy="Ask for the log again with `sms server log {server_id}`.",
    exit_code=4,
)
LOG_REFUSED: Final = ErrorCode(
    code="SMS.REGISTRY.LOG_REFUSED",
    cause="The log that the agent of server {server_id} sent was not taken: {reason}.",
    remedy="An agent of this release sends no such log: look at the server, and install the agent anew.",
    exit_code=4,
)
LOG_NOT_FOUND: Final = ErrorCode(
    code="SMS.REGISTRY.LOG_NOT_FOUND",
    cause="Server {server_id} has no {what}.",
    remedy="Collect one with `sms server log {server_id}`.",
    http_status=404,
    exit_code=3,
)
