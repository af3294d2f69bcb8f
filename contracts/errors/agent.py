"""Codes of an agent's own: its login, its commands, its state on disk."""

from __future__ import annotations

from typing import Final

from contracts.errors.code import ErrorCode

STALE_COMMAND: Final = ErrorCode(
    code="SMS.AGENT.STALE_COMMAND",
    cause="Command {verb} of task {task_id} has epoch {epoch}; the agent has already applied epoch {applied_epoch}.",
    remedy="Nothing is to be done: a newer command has taken its place.",
    exit_code=4,
)
COMMAND_UNREADABLE: Final = ErrorCode(
    code="SMS.AGENT.COMMAND_UNREADABLE",
    cause="The agent (version {agent_version}) cannot read the command {verb}: {reason}.",
    remedy="Install the agent of the same release as the services, then start the task again.",
    is_resumable=True,
)
COMMAND_FAILED: Final = ErrorCode(
    code="SMS.AGENT.COMMAND_FAILED",
    cause="The agent failed at {verb} in a way that it does not know ({reason}).",
    remedy="Look into the agent's log on its machine (`journalctl -u sms-agent`), then start the task again.",
    http_status=500,
    is_resumable=True,
)
NO_CREDENTIAL: Final = ErrorCode(
    code="SMS.AGENT.NO_CREDENTIAL",
    cause="The agent has not enrolled yet (nothing in {state_folder}) and was given no access key and no token.",
    remedy="Start it with --access-key and --secret-key-file; `sms credential create` makes a pair.",
    exit_code=2,
)
LOGIN_DENIED: Final = ErrorCode(
    code="SMS.AGENT.LOGIN_DENIED",
    cause="The bus at {bus_url} has refused the login with {credential_id} for {seconds} s.",
    remedy="Check the access key and the secret key file, and that the key is active (`sms credential list`); that "
    "this machine's clock is within 300 s of the services'; and that identity runs (`sms status`).",
    http_status=401,
    exit_code=5,
)
ALREADY_RUNNING: Final = ErrorCode(
    code="SMS.AGENT.ALREADY_RUNNING",
    cause="Another agent process is working with {state_folder}.",
    remedy="Stop that one first (`systemctl stop sms-agent`), or give this one a state folder of its own.",
    exit_code=4,
)
STATUS_TOO_LARGE: Final = ErrorCode(
    code="SMS.AGENT.STATUS_TOO_LARGE",
    cause="The status {kind} has {size_bytes} bytes; the bus carries {limit_bytes} bytes.",
    remedy="Report this with `sms server show ID --output json`: the server has more disks or mounts than expected.",
    http_status=500,
)
AUTHORITY_UNREADABLE: Final = ErrorCode(
    code="SMS.AGENT.AUTHORITY_UNREADABLE",
    cause="The certificate of the bus's authority cannot be read from {ca_file}: {reason}.",
    remedy="Copy the file that `sms status` names as ca_file to this machine, and give its path with --ca.",
    exit_code=2,
)
