"""How a measurement of the network looks on the command line."""

from __future__ import annotations

from cli.output import duration, print_fields, size
from contracts.task_settings import NetworkCheck


def print_network_check(check: NetworkCheck) -> None:
    """Everything that was measured, and what it means."""
    limit = f" (the task's limit: {check.limit_mbit_s:g} Mbit/s)" if check.limit_mbit_s else ""
    forecast = ""
    if check.forecast_s is not None:
        forecast = f"{size(check.bytes_to_copy)} take {duration(check.forecast_s)}, less when they can be compressed"
    print_fields(
        {
            "network": check.verdict,
            "delay": f"{check.delay_ms:g} ms, jitter {check.jitter_ms:g} ms",
            "bandwidth": f"{check.bandwidth_mbit_s:g} Mbit/s{limit}",
            "loss": f"{check.loss_percent:g} % of the segments were sent again",
            "full copy": forecast,
            "measured at": check.taken_at.isoformat() if check.taken_at else "",
        }
    )
