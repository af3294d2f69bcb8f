"""What a measurement of the network means for a task's copy: pure."""

from __future__ import annotations

from typing import Final

from contracts.task_settings import NetworkCheck
from services.task.domain.task import Task

# (verdict, bandwidth at least Mbit/s, loss at most %, delay at most ms): the first that fits. A sender that fills its
# link always has something to send again, on a busy machine's loopback 0.3 %: what that costs is in the bandwidth.
_VERDICTS: Final = (
    ("good", 100.0, 0.5, 100.0),
    ("usable", 10.0, 3.0, 300.0),
)
_POOR: Final = "poor"
_OF_THE_LIMIT: Final = 0.8


def judged(check: NetworkCheck, task: Task) -> NetworkCheck:
    """With the verdict, and how long a full copy takes when nothing of it can be compressed."""
    to_copy = sum(volume.estimated_bytes for volume in task.layout.volumes)
    bytes_s = check.bandwidth_mbit_s * 1e6 / 8
    return check.model_copy(
        update={
            "verdict": verdict(check),
            "bytes_to_copy": to_copy,
            "forecast_s": round(to_copy / bytes_s, 1) if bytes_s > 0 else None,
            "taken_at": task.steps[task.step].began_at if task.step in task.steps else None,
        }
    )


def verdict(check: NetworkCheck) -> str:
    """A limit of the user's own is no fault of the network: what it allows is asked for, and no more."""
    for word, bandwidth_mbit_s, loss_percent, delay_ms in _VERDICTS:
        wanted = min(bandwidth_mbit_s, check.limit_mbit_s * _OF_THE_LIMIT) if check.limit_mbit_s else bandwidth_mbit_s
        if check.bandwidth_mbit_s >= wanted and check.loss_percent <= loss_percent and check.delay_ms <= delay_ms:
            return word
    return _POOR
