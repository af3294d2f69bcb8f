"""What the metering service and its readers refuse."""

from __future__ import annotations

from typing import Final

from contracts.errors.code import ErrorCode

BALANCE_TOO_LOW: Final = ErrorCode(
    code="SMS.COST.BALANCE_TOO_LOW",
    cause="The account has {amount} {currency}; at least {minimum} {currency} are needed to start a migration.",
    remedy="Top the account up and enter its new balance with `sms cost balance --set AMOUNT`, then start again.",
    exit_code=4,
    is_resumable=True,
)
NO_USED_SIZE: Final = ErrorCode(
    code="SMS.COST.NO_USED_SIZE",
    cause="An estimate needs to know how much is to be copied, and {subject} has reported {used_bytes} bytes in use.",
    remedy="Name a source server that has registered, or the size itself, for example `sms cost estimate --used 300G`.",
    http_status=400,
    exit_code=2,
)
COST_NOT_FOUND: Final = ErrorCode(
    code="SMS.COST.NOT_FOUND",
    cause="Nothing has been metered for a task {task_id}.",
    remedy="List the tasks with `sms task list`; a task that was just created is metered within seconds.",
    http_status=404,
    exit_code=3,
)
