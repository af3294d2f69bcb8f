"""Failures of what users set on a task, and of operations that this version does not have."""

from contracts.errors.code import ErrorCode

TASK_SETTING_INVALID = ErrorCode(
    code="SMS.TASK.SETTING_INVALID",
    http_status=400,
    exit_code=2,
    cause="The task's {setting} cannot be {value}: {reason}.",
    remedy="Set it to {expected}.",
)
TASK_SETTING_UNKNOWN = ErrorCode(
    code="SMS.TASK.SETTING_UNKNOWN",
    http_status=400,
    exit_code=2,
    cause="A task has no setting {key}.",
    remedy="The settings are {known}.",
)
TASK_SPEED_OVERLAP = ErrorCode(
    code="SMS.TASK.SPEED_OVERLAP",
    http_status=400,
    exit_code=2,
    cause="The periods {one} and {other} overlap, so two limits would hold at {time}.",
    remedy="Let one end where the other begins; outside all periods the task's own limit holds.",
)
TASK_OVER_SPEED = ErrorCode(
    code="SMS.TASK.OVER_SPEED",
    is_resumable=True,
    cause="The copy ran at {measured_mbit_s} Mbit/s; the limit is {limit_mbit_s} Mbit/s, and {over_percent} % above "
    "it are allowed.",
    remedy="Find out what sends besides the task, or raise limit or threshold with `sms task limit {task_id}`; then "
    "resume it with `sms task start {task_id}`.",
)
TASK_OVER_SPEED_REPORTED = ErrorCode(
    code="SMS.TASK.OVER_SPEED_REPORTED",
    is_resumable=True,
    cause="{actor} reported that the copy runs above its limit of {limit_mbit_s} Mbit/s.",
    remedy="Find out what sends besides the task, or raise the limit with `sms task limit {task_id}`; then resume it "
    "with `sms task start {task_id}`.",
)
TASK_NOT_OFFERED = ErrorCode(
    code="SMS.TASK.NOT_OFFERED",
    exit_code=4,
    cause="This version does not offer {what}.",
    remedy="{instead}",
)
TASK_OPERATION_UNKNOWN = ErrorCode(
    code="SMS.TASK.OPERATION_UNKNOWN",
    http_status=400,
    exit_code=2,
    cause="There is no operation {operation} on a task.",
    remedy="The operations are {known}.",
)
TASK_NOTHING_TO_SKIP = ErrorCode(
    code="SMS.TASK.NOTHING_TO_SKIP",
    exit_code=4,
    cause="Task {task_id} is not verifying: it is in phase {phase} ({step}).",
    remedy="Only a running verification can be skipped; look at `sms task show {task_id}`.",
)
