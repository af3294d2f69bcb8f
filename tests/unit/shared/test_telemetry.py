"""Log lines: one JSON object each, with the context, without secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from shared import telemetry
from shared.telemetry import bound, log, step


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(telemetry._JsonLines("task"))
    logger = logging.getLogger("sms")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield out
    logger.removeHandler(handler)


def read(lines: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_line_carries_event_fields_service_and_context(lines: io.StringIO) -> None:
    with bound(account="acme", task_id="t1", correlation_id=""):
        log("copy started", disk="vda", total_bytes=7)
    log("outside")
    [inside, outside] = read(lines)
    assert inside["event"] == "copy started"
    assert inside["service"] == "task"
    assert (inside["account"], inside["task_id"], inside["disk"], inside["total_bytes"]) == ("acme", "t1", "vda", 7)
    assert "correlation_id" not in inside
    assert "account" not in outside


def test_secrets_are_masked_by_name_and_by_look(lines: io.StringIO) -> None:
    seed = "SUAM" + "A" * 54
    log(
        "login",
        secret_key="hunter2",  # noqa: S106 - it must not come out
        bus_seed=seed,
        access_key="AK1",
        nested={"password": "x", "list": ["-----BEGIN EC PRIVATE KEY-----\nabc"]},
        text=f"seed {seed} seen",
    )
    assert "hunter2" not in lines.getvalue()
    assert seed not in lines.getvalue()
    assert "abc" not in lines.getvalue()
    [line] = read(lines)
    assert line["access_key"] == "AK1"
    assert line["secret_key"] == telemetry.MASK


async def test_a_step_logs_its_start_outcome_and_seconds(lines: io.StringIO) -> None:
    async with step("format disk", disk="vdb"):
        pass
    with pytest.raises(ValueError, match="broken"), step("copy"):
        raise ValueError("broken")
    started, done, _, failed = read(lines)
    assert (started["event"], started["step"], started["disk"]) == ("step started", "format disk", "vdb")
    assert done["event"] == "step done"
    assert isinstance(done["seconds"], float)
    assert (failed["event"], failed["error"], failed["level"]) == ("step failed", "broken", "WARNING")
