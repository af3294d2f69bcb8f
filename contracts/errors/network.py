"""Failures of a measurement of the network."""

from contracts.errors.code import ErrorCode

NETWORK_UNREACHABLE = ErrorCode(
    code="SMS.NETWORK.UNREACHABLE",
    http_status=503,
    is_resumable=True,
    cause="The source of task {task_id} does not reach the target: {reason}.",
    remedy="Check route and firewall between them, then run `sms task check {task_id}` again.",
)
