"""Failures of a cutover's work on the source."""

from contracts.errors.code import ErrorCode

CUTOVER_COMMAND_FAILED = ErrorCode(
    code="SMS.CUTOVER.COMMAND_FAILED",
    is_resumable=True,
    cause="The command {name} on the source ended with {exit_code} after {seconds} s (allowed: {timeout_s} s): "
    "{reason}.",
    remedy="Mend it on the source or change it with `sms task cutover-settings {task_id}`, then resume with "
    "`sms task start {task_id}`. The commands for after the cutover have been run.",
)
CUTOVER_COMMANDS_FORBIDDEN = ErrorCode(
    code="SMS.CUTOVER.COMMANDS_FORBIDDEN",
    is_resumable=True,
    cause="The agent on the source runs no commands and freezes nothing for task {task_id}: {reason}.",
    remedy='Let the source\'s operator allow it (`"commands": "allow"` in the agent\'s configuration), or remove '
    "the settings with `sms task cutover-settings {task_id} --clear`; then resume with `sms task start {task_id}`.",
)
CUTOVER_FREEZE_TOO_LONG = ErrorCode(
    code="SMS.CUTOVER.FREEZE_TOO_LONG",
    is_resumable=True,
    cause="The last round of task {task_id} took {seconds} s; the file systems were thawed after {limit_s} s, so it "
    "is not of one moment.",
    remedy="Allow more with `sms task cutover-settings {task_id} --freeze-limit S`, or cut over when the source writes "
    "less; then resume with `sms task start {task_id}`.",
)
