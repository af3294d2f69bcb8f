"""Settings of the registry: prefix ``SMS_REGISTRY_``."""

from __future__ import annotations

from pydantic import Field

from shared.settings import ServiceSettings, service_config


class RegistrySettings(ServiceSettings):
    """server_quota: source servers in migration per account, for accounts that have no quota of their own.
    silence_s: how long a server may be silent before it counts as disconnected (heartbeats come every 15 s).
    refuse_s: how long agents that clash or exceed the quota are kept off the bus. log_within_s: how long an agent
    may take to send its log, inventory_within_s: to look at its server; logs_per_server: how many collected logs
    are kept, the newest ones."""

    model_config = service_config("registry")

    service_name: str = Field(default="registry")
    server_quota: int = Field(default=1000, ge=0)
    silence_s: float = Field(default=45, gt=0)
    silence_check_interval_s: float = Field(default=5, gt=0)
    refuse_s: int = Field(default=600, ge=1)
    log_within_s: float = Field(default=120, gt=0)
    inventory_within_s: float = Field(default=20, gt=0)
    logs_per_server: int = Field(default=5, ge=1, le=100)
