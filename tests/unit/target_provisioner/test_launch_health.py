"""When a started machine counts as healthy, as failed, or is waited for."""

from __future__ import annotations

import pytest

from contracts.errors import Failure
from contracts.messages.target_provisioner import HealthCheck
from services.target_provisioner.domain.launch_health import judge
from services.target_provisioner.domain.provider import MachineState

CODES = ("BOOT_LOADER", "NO_ROOT", "EMERGENCY_MODE", "KERNEL_PANIC", "STOPPED")


def state(boot_state: str, *, seconds: float = 5, code: str = "") -> MachineState:
    return MachineState.model_validate(
        {
            "layer_id": "l1",
            "is_running": True,
            "boot_state": boot_state,
            "failure_code": code,
            "console_path": "/m/console.log",
            "console_line": "grub rescue>",
            "seconds": seconds,
        }
    )


def test_a_booting_machine_is_waited_for_until_its_time_is_over() -> None:
    check = HealthCheck(timeout_s=60)
    assert judge(state("booting", seconds=59), check) == "wait"
    failure = judge(state("booting", seconds=60), check)
    assert isinstance(failure, Failure)
    assert failure.code == "SMS.LAUNCH.TIMEOUT"
    assert "60 s" in failure.cause
    assert "no login" in failure.cause


def test_a_login_without_the_port_times_out_and_names_the_port() -> None:
    failure = judge(state("login", seconds=400), HealthCheck(tcp_port=8080, http_path="/health"))
    assert isinstance(failure, Failure)
    assert "HTTP 200 for /health on port 8080" in failure.cause


def test_a_healthy_machine_is_healthy_even_when_late() -> None:
    assert judge(state("healthy", seconds=900), HealthCheck()) == "healthy"


@pytest.mark.parametrize("code", CODES)
def test_a_failure_is_told_at_once_with_its_code_and_console(code: str) -> None:
    failure = judge(state("failed", code=f"SMS.LAUNCH.{code}"), HealthCheck())
    assert isinstance(failure, Failure)
    assert failure.code == f"SMS.LAUNCH.{code}"
    assert failure.is_resumable
    assert "grub rescue>" in failure.cause
    assert "/m/console.log" in failure.remedy
