"""What the end of a program of the copied system means."""

from __future__ import annotations

from typing import Final

from agents.target.adaptation.inputs import failed, passed
from agents.target.adaptation.sandbox import TIMEOUT_S, SandboxResult
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import SANDBOX_FAILED, SANDBOX_TIMEOUT

_SHOWN_CHARACTERS: Final = 600


def sandbox_check(program: str, result: SandboxResult, *, severity: str) -> AdaptationCheck:
    """Passed, or how it failed. A program that wrote nothing has failed, whatever its status."""
    if result.is_planned:
        return passed(SANDBOX_FAILED, severity)
    output = result.messages[-_SHOWN_CHARACTERS:]
    if result.is_timeout:
        return failed(SANDBOX_TIMEOUT, severity, program=program, timeout_s=round(TIMEOUT_S), output=output)
    if result.status != 0 or not result.output:
        return failed(SANDBOX_FAILED, severity, program=program, status=result.status, output=output)
    return passed(SANDBOX_FAILED, severity)
