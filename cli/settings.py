"""What the command line reads from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class CommandLineSettings(BaseSettings):
    """data: the data folder (SMS_DATA). nats_server: another bus server program than the installed one."""

    model_config = SettingsConfigDict(frozen=True, env_prefix="SMS_", extra="ignore", env_ignore_empty=True)

    data: Path = Field(default=Path(".sms"))
    nats_server: str = Field(default="")
