"""The settings of the audit service: its signing key and how often it signs, besides what every service has."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from shared.settings import ServiceSettings, service_config


class AuditSettings(ServiceSettings):
    """Prefix ``SMS_AUDIT_``.

    signing_key_file: signs checkpoints; made at the first start, to be kept apart from the store, whose owner must not
    be able to sign. All replicas need the same. checkpoint_interval_s: between the checkpoints of one trace.
    """

    model_config = service_config("audit")

    service_name: str = Field(default="audit")
    signing_key_file: Path = Field(default=Path("keys/audit.signing"))
    checkpoint_interval_s: float = Field(default=3600, gt=0)
