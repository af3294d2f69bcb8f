"""Settings of the feasibility service: prefix ``SMS_FEASIBILITY_``."""

from __future__ import annotations

from pydantic import Field

from shared.settings import ServiceSettings, service_config


class FeasibilitySettings(ServiceSettings):
    """supports_uefi: targets of this installation boot by UEFI. is_strict: a release that the compatibility table
    does not name is refused instead of warned about."""

    model_config = service_config("feasibility")

    service_name: str = Field(default="feasibility")
    supports_uefi: bool = Field(default=True)
    is_strict: bool = Field(default=False)
