"""What the command line reads from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class CommandLineSettings(BaseSettings):
    """data: the data folder (SMS_DATA). nats_server: another bus server program than the installed one.
    power_down_s: how long a target machine may take to power down when SMS stops (SMS_POWER_DOWN_S).
    api_patience_s: for how long a gateway may be away before a command gives up (SMS_API_PATIENCE_S).
    xdg_config_home: where users keep their configuration, by the name that all programs know it by."""

    model_config = SettingsConfigDict(frozen=True, env_prefix="SMS_", extra="ignore", env_ignore_empty=True)

    data: Path = Field(default=Path(".sms"))
    nats_server: str = Field(default="")
    # A Debian guest needs 5 to 20 s without KVM; one that does not listen must not be waited for for ever.
    power_down_s: float = Field(default=30, ge=0, le=120)
    # A gateway or service that was killed is back within two seconds: asking again hides that from the user.
    api_patience_s: float = Field(default=8, ge=0, le=600)
    xdg_config_home: str = Field(default="", validation_alias="XDG_CONFIG_HOME")

    def configuration_folder(self) -> Path:
        """The user's folder for configuration; a relative one is ignored, as its specification demands."""
        named = Path(self.xdg_config_home)
        return named if named.is_absolute() else Path.home() / ".config"
