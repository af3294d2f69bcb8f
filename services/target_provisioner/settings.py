"""Settings of the target provisioner: prefix ``SMS_TARGET_PROVISIONER_``."""

from __future__ import annotations

from pydantic import Field

from shared.settings import ServiceSettings, service_config


class TargetProvisionerSettings(ServiceSettings):
    """host_patience_s: how long the host agent may be away before a command fails; health_interval_s and
    volume_interval_s: how often a starting machine, and each helper's volume, is looked at."""

    model_config = service_config("target_provisioner")

    service_name: str = Field(default="target_provisioner")
    # A command whose handler was killed must go on within 15 s, and comes again only after ack_wait_s.
    ack_wait_s: float = Field(default=10, ge=1)
    in_progress_interval_s: float = Field(default=3, gt=0)
    # Longer than the host agent takes to answer "working" (3 s), short enough to notice that it was killed.
    host_request_timeout_s: float = Field(default=6, gt=0)
    host_patience_s: float = Field(default=60, gt=0)
    health_interval_s: float = Field(default=1, gt=0)
    volume_interval_s: float = Field(default=3, gt=0)
    machine_stop_timeout_s: int = Field(default=60, ge=1)
    command_workers: int = Field(default=16, ge=1)
