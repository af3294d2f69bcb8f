"""How a wave and what was done with it are shown."""

from __future__ import annotations

from typing import Any

from cli.output import print_fields, print_json, print_table, size
from cli.task_options import parse_options
from contracts.messages.wave import WaveOutcome, WaveView


def rate(text: str) -> int:
    """Bit/s of ``100M``; 0 for no limit. Raises MigrationError SMS.CLI.USAGE."""
    return parse_options([f"rate-limit={text}"]).rate_limit_bit_s or 0


def wave_json(wave: WaveView) -> dict[str, Any]:
    """A wave with the stable keys of the command line."""
    return wave.model_dump(mode="json")


def print_wave(wave: WaveView) -> None:
    """Fields first, then a row for each server."""
    print_fields(
        {
            "id": wave.id,
            "name": wave.name,
            "state": wave.state.value,
            "last action": wave.last_action,
            "progress": f"{wave.percent} %, {size(wave.bytes_done)} of {size(wave.bytes_total)}",
            "servers": ", ".join(f"{count} {phase}" for phase, count in wave.counts.items()),
            "tags": ", ".join(f"{key}={value}" if value else key for key, value in wave.tags.items()),
            "template": wave.template_id,
            "project": wave.project_id,
            "at once": wave.max_running,
            "rate limit": f"{wave.rate_limit_bit_s / 1e6:g} Mbit/s" if wave.rate_limit_bit_s else "",
        }
    )
    print_table(
        ("server", "name", "task", "phase", "step", "percent", "error", "cause"),
        (
            (row.server_id, row.server_name, row.task_id, "waits" if row.is_waiting else row.phase, row.step,
             row.percent, row.failure.code if row.failure else "", row.failure.cause if row.failure else "")
            for row in wave.rows
        ),
    )  # fmt: skip


def print_outcome(outcome: WaveOutcome, *, is_json: bool) -> None:
    """What became of each server."""
    if is_json:
        print_json({"id": outcome.wave_id, "items": [item.model_dump(mode="json") for item in outcome.items]})
        return
    print_table(
        ("server", "task", "outcome", "error", "cause", "remedy"),
        (
            (item.server_id, item.task_id, item.outcome, item.failure.code if item.failure else "",
             item.failure.cause if item.failure else "", item.failure.remedy if item.failure else "")
            for item in outcome.items
        ),
    )  # fmt: skip
