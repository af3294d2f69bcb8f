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
