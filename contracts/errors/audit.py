"""Codes of the audit trace."""

from __future__ import annotations

from typing import Final

from contracts.errors.code import ErrorCode

AUDIT_NO_ACCOUNT: Final = ErrorCode(
    code="SMS.AUDIT.NO_ACCOUNT",
    cause="The request to {subject} names no account; a trace belongs to one.",
    remedy="Name the account whose trace you want to see.",
    http_status=400,
    exit_code=2,
)
TRACE_BROKEN: Final = ErrorCode(
    code="SMS.AUDIT.TRACE_BROKEN",
    cause="The trace is broken at record {sequence}: {reason}. Nothing behind that is signed or proven.",
    remedy="Run `sms audit verify`, and compare with the last checkpoint or export that was kept elsewhere.",
    http_status=500,
    exit_code=4,
)
NO_CHECKPOINT: Final = ErrorCode(
    code="SMS.AUDIT.NO_CHECKPOINT",
    cause="There is no checkpoint {number}; the trace has {count}.",
    remedy="List them with `sms audit checkpoints`; `sms audit checkpoints --make` signs the trace as it is now.",
    http_status=404,
    exit_code=3,
)
NOT_UNDER_CHECKPOINT: Final = ErrorCode(
    code="SMS.AUDIT.NOT_UNDER_CHECKPOINT",
    cause="Record {sequence} is not under checkpoint {number}, which covers records 1 to {tree_size}.",
    remedy="Ask for a proof against a later checkpoint; `sms audit checkpoints --make` signs the trace as it is now.",
    http_status=404,
    exit_code=3,
)
BAD_CURSOR: Final = ErrorCode(
    code="SMS.AUDIT.BAD_CURSOR",
    cause="The cursor {cursor!r} is none that an export has answered with.",
    remedy="Begin the export again, without a cursor.",
    http_status=400,
    exit_code=2,
)
