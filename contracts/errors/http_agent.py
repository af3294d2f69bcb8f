"""Codes of agents that speak HTTP: what they fetch and report through the API."""

from __future__ import annotations

from typing import Final

from contracts.errors.code import ErrorCode

NO_CERTIFICATE: Final = ErrorCode(
    code="SMS.AGENT.NO_CERTIFICATE",
    cause="Task {task_id} has no certificate for its source yet: none was issued, or it waits for a command.",
    remedy="Fetch it when the command START or SYNC has come.",
    exit_code=4,
)
KEY_DELIVERED: Final = ErrorCode(
    code="SMS.AGENT.KEY_DELIVERED",
    cause="Certificate {issue} of task {task_id} was handed out at {taken_at}, and each is handed out once.",
    remedy="If the agent has lost its key, stop the task, wait until its certificate is less than half an hour from "
    "its end, then start it again: a new key is made. Was it not the agent that fetched it, delete the task.",
    exit_code=4,
)
KEY_UNREADABLE: Final = ErrorCode(
    code="SMS.AGENT.KEY_UNREADABLE",
    cause="A secret of task {task_id} cannot be opened with the gateway's sealing key {key_file}.",
    remedy="Restore that file from the backup that the store belongs to; without it stop the task and start it again.",
    http_status=500,
)
COMMAND_NOT_OPEN: Final = ErrorCode(
    code="SMS.AGENT.COMMAND_NOT_OPEN",
    cause="The report is about {reported}; the command that is to be carried out is {open_command}.",
    remedy="Ask for the command again (`GET /v3/sources/{server_id}/command`) and report on that one.",
    exit_code=4,
)
REPORTED_FAILURE: Final = ErrorCode(
    code="SMS.AGENT.REPORTED_FAILURE",
    cause="The agent of server {server_id} has failed at {command} and says: {detail}",
    remedy="Mend what the agent names on its machine, then resume with `sms task start {task_id}`.",
    is_resumable=True,
)
NO_CONSISTENCY_RESULT: Final = ErrorCode(
    code="SMS.AGENT.NO_CONSISTENCY_RESULT",
    cause="The agent of server {server_id} ended the verification of task {task_id} and reported 0 directories.",
    remedy="The agent has to report what it found (`POST /v3/tasks/{task_id}/consistency-result`) before it says that "
    "the command has ended; then verify again.",
    is_resumable=True,
)
NETWORK_ADDRESS: Final = ErrorCode(
    code="SMS.AGENT.ADDRESS_INVALID",
    cause="'{text}' is no {what}.",
    remedy="Register the server with one address in ip or ipv6 that is written as usual.",
    http_status=400,
    exit_code=2,
)
