"""Whether a started machine is healthy, may become so, or has failed: decided by what the provider saw."""

from __future__ import annotations

from typing import Literal

from contracts.errors import ErrorCode, Failure, launch
from contracts.errors.launch import LAUNCH_STOPPED, LAUNCH_TIMEOUT
from contracts.messages.target_provisioner import HealthCheck
from services.target_provisioner.domain.provider import MachineState

_CODES = {code.code: code for code in vars(launch).values() if isinstance(code, ErrorCode)}


def judge(state: MachineState, check: HealthCheck) -> Failure | Literal["healthy", "wait"]:
    """The failure, or what to do next."""
    if state.boot_state == "healthy":
        return "healthy"
    if state.boot_state == "failed":
        code = _CODES.get(state.failure_code, LAUNCH_STOPPED)
        return _failure(code, state)
    if state.seconds >= check.timeout_s:
        return _failure(LAUNCH_TIMEOUT, state, timeout_s=check.timeout_s, waited_for=_missing(state, check))
    return "wait"


def _missing(state: MachineState, check: HealthCheck) -> str:
    if state.boot_state == "booting":
        return "no login on its serial console"
    wanted = f"HTTP 200 for {check.http_path}" if check.http_path else "an answer"
    return f"a login on its serial console, but not {wanted} on port {check.tcp_port}"


def _failure(code: ErrorCode, state: MachineState, **further: object) -> Failure:
    known: dict[str, object] = {
        "seconds": round(state.seconds),
        "console_line": state.console_line or "(nothing)",
        "console_log": state.console_path,
        "machine_log": state.console_path.replace("console.log", "qemu.log"),
    }
    wanted = {name: value for name, value in (known | further).items() if name in code.parameter_names()}
    return code.failure(**wanted)
