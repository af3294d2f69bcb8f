"""Settings come from the environment under the service's prefix and are checked at start."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from shared.settings import ServiceSettings, service_config


class TaskSettings(ServiceSettings):
    model_config = service_config("task")
    service_name: str = Field(default="task")


def test_values_come_from_the_prefixed_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seed_file = tmp_path / "seed"
    seed_file.write_text("SUAXYZ\n")
    monkeypatch.setenv("SMS_TASK_BUS_URL", "tls://a:1, tls://b:2")
    monkeypatch.setenv("SMS_TASK_BUS_SEED_FILE", str(seed_file))
    monkeypatch.setenv("SMS_TASK_REDELIVERY_DELAYS_S", "[1, 2]")
    settings = TaskSettings()
    assert settings.bus_addresses() == ["tls://a:1", "tls://b:2"]
    assert settings.max_deliver == 3
    assert settings.inbox_prefix == "_INBOX_task"
    seed = settings.bus_seed()
    assert seed is not None
    assert seed.get_secret_value() == "SUAXYZ"
    assert "SUAXYZ" not in f"{settings!r} {seed}"


def test_no_login_is_asked_for_without_a_seed_file() -> None:
    assert TaskSettings().bus_seed() is None


@pytest.mark.parametrize(("name", "value"), [("ACK_WAIT_S", "0"), ("LOG_LEVEL", "LOUD"), ("SERVICE_NAME", "a.b")])
def test_a_wrong_value_is_refused_at_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"SMS_TASK_{name}", value)
    with pytest.raises(ValidationError):
        TaskSettings()
