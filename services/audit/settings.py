"""The settings of the audit service: those that every service has."""

from __future__ import annotations

from pydantic import Field

from shared.settings import ServiceSettings, service_config


class AuditSettings(ServiceSettings):
    """Prefix ``SMS_AUDIT_``."""

    model_config = service_config("audit")

    service_name: str = Field(default="audit")
