"""Settings of the task service: prefix ``SMS_TASK_``."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from shared.settings import ServiceSettings, service_config


class TaskSettings(ServiceSettings):
    """command_timeout_s: how long an agent may take to acknowledge. skip_after_s: how long a step that an absent
    agent must not hold up is waited for. seal_key_file: seals target passwords at rest; made with the first one, to be
    kept with the store's backup but not in it. signing_key_file: signs the reports of verifications; made with the
    first one, its public part beside it. wave_interval_s: how often waves with servers that wait are looked
    at."""

    model_config = service_config("task")

    service_name: str = Field(default="task")
    command_timeout_s: float = Field(default=5, gt=0)
    command_pause_s: float = Field(default=1, gt=0)
    command_pause_max_s: float = Field(default=10, gt=0)
    skip_after_s: float = Field(default=20, gt=0)
    renewal_interval_s: float = Field(default=30, gt=0)
    seal_key_file: Path = Field(default=Path("keys/task.seal"))
    signing_key_file: Path = Field(default=Path("keys/task.signing"))
    wave_interval_s: float = Field(default=3, gt=0)
