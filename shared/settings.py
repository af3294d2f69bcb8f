"""The settings that every service has; a service's own class adds its fields and its prefix."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.login import service_inbox

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class ServiceSettings(BaseSettings):
    """Read once at start from the environment, prefix ``SMS_<SERVICE>_``.

    A service subclasses it with ``model_config = service_config("task")`` and
    ``service_name: str = Field(default="task")``, the name of its folder and of its bus user. bus_url:
    ``nats://`` or ``tls://``; several addresses are separated by commas.
    bus_ca_file: PEM, needed for ``tls://``. bus_seed_file: holds the nkey seed of the service's bus user.
    store_url: ``sqlite:///path`` or ``mongodb://…``.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    service_name: str
    bus_url: str = Field(default="nats://127.0.0.1:4222")
    bus_ca_file: Path | None = Field(default=None)
    bus_seed_file: Path | None = Field(default=None)
    store_url: str = Field(default="sqlite:///sms.sqlite")
    log_level: LogLevel = Field(default="INFO")
    request_timeout_s: float = Field(default=10, gt=0)
    ack_wait_s: float = Field(default=30, ge=1)
    in_progress_interval_s: float = Field(default=10, gt=0)
    max_ack_pending: int = Field(default=32, ge=1)
    redelivery_delays_s: tuple[float, ...] = Field(default=(1, 2, 5, 10, 20, 30, 60, 60, 60), min_length=1)
    outbox_poll_interval_s: float = Field(default=2, gt=0)
    # Less than the 10 s after which Docker and `sms up` end a process by force.
    stop_timeout_s: float = Field(default=8, gt=0)
    event_loop_stall_limit_s: float = Field(default=60, gt=0)
    stream_max_bytes: int = Field(default=1 << 30, ge=1 << 20)

    @field_validator("service_name")
    @classmethod
    def _is_a_bus_token(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
            raise ValueError(f"not a service name: {name!r}")
        return name

    @property
    def max_deliver(self) -> int:
        """How often a message is tried before it goes to the dead letters."""
        return len(self.redelivery_delays_s) + 1

    @property
    def inbox_prefix(self) -> str:
        """The only prefix under which this service receives replies; the bus's permissions name it."""
        return service_inbox(self.service_name)

    def bus_addresses(self) -> list[str]:
        """bus_url as a list."""
        return [address.strip() for address in self.bus_url.split(",") if address.strip()]

    def bus_seed(self) -> SecretStr | None:
        """The nkey seed, read from its file now; None when the bus asks for no login."""
        if self.bus_seed_file is None:
            return None
        return SecretStr(self.bus_seed_file.read_text(encoding="ascii").strip())


def service_config(service_name: str) -> SettingsConfigDict:
    """The model_config of a service's settings class: ``certificate_issuer`` → ``SMS_CERTIFICATE_ISSUER_``."""
    return SettingsConfigDict(
        frozen=True, extra="ignore", env_prefix=f"SMS_{service_name.upper()}_", env_ignore_empty=True
    )
