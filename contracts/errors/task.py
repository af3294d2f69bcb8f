"""Failures of the task service."""

from contracts.errors.code import ErrorCode

TASK_NOT_FOUND = ErrorCode(
    code="SMS.TASK.NOT_FOUND",
    http_status=404,
    exit_code=3,
    cause="There is no task {task_id}.",
    remedy="List the tasks with `sms task list`.",
)
TASK_SERVER_BUSY = ErrorCode(
    code="SMS.TASK.SERVER_BUSY",
    exit_code=4,
    cause="Server {server_id} already has task {task_id}, which has not ended.",
    remedy="Go on with `sms task show {task_id}`, or end it with `sms task finish {task_id}` or "
    "`sms task delete {task_id}`.",
)
TASK_NOT_FEASIBLE = ErrorCode(
    code="SMS.TASK.NOT_FEASIBLE",
    exit_code=4,
    cause="Server {server_id} did not pass the feasibility check: {checks}.",
    remedy="Read causes and remedies with `sms server check {server_id}`, mend them and check again.",
)
TASK_NOT_CHECKED = ErrorCode(
    code="SMS.TASK.NOT_CHECKED",
    exit_code=4,
    cause="Server {server_id} has not been checked yet.",
    remedy="Wait a few seconds, or run `sms server check {server_id}`.",
)
TASK_BLOCK_LEVEL = ErrorCode(
    code="SMS.TASK.BLOCK_LEVEL",
    exit_code=2,
    cause="Block-level migration is not offered by this version.",
    remedy="Create the task with `--type file`.",
)
TASK_NOT_ALLOWED = ErrorCode(
    code="SMS.TASK.NOT_ALLOWED",
    exit_code=4,
    cause="A task in phase {phase} ({step}) cannot be asked to {action}.",
    remedy="Look at `sms task show {task_id}`; allowed now: {allowed}.",
)
TASK_NO_CONSENT = ErrorCode(
    code="SMS.TASK.NO_CONSENT",
    exit_code=2,
    cause="The target's disks {disks} will be wiped, and nobody has agreed to that.",
    remedy="Read `sms task show {task_id}` and start again with `--yes`.",
)
TASK_OVERWRITES_TARGET = ErrorCode(
    code="SMS.TASK.OVERWRITES_TARGET",
    exit_code=4,
    cause="Task {task_id} has been cut over: another round discards what was written on the target since then.",
    remedy="If that is what you want, repeat with `--overwrite-target`.",
)
TASK_NO_POINT = ErrorCode(
    code="SMS.TASK.NO_POINT",
    exit_code=4,
    cause="Task {task_id} has no point that could be launched: the first copy has not ended.",
    remedy="Resume the copy with `sms task start {task_id}`.",
)
TASK_STOPPED = ErrorCode(
    code="SMS.TASK.STOPPED",
    is_resumable=True,
    cause="The task was stopped by {actor} during {step}.",
    remedy="Resume it with `sms task start {task_id}`; nothing that was copied is copied again.",
)
TASK_DISCONNECTED = ErrorCode(
    code="SMS.TASK.DISCONNECTED",
    exit_code=4,
    cause="Server {server_id} is not connected.",
    remedy="Start the agent on the source (`systemctl status sms-agent`), then try again.",
)
TASK_NOT_VERIFIED = ErrorCode(
    code="SMS.TASK.NOT_VERIFIED",
    http_status=404,
    exit_code=3,
    cause="Task {task_id} has not been verified yet.",
    remedy="Verify it with `sms task verify {task_id}`.",
)
