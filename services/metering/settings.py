"""Settings of the metering service: prefix ``SMS_METERING_``."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from shared.settings import ServiceSettings, service_config


class MeteringSettings(ServiceSettings):
    """price_file: JSON, a PriceList (contracts/messages/metering.py); None for the list that comes with the program.

    estimate_rate_bit_s and estimate_overhead_s: what a forecast of the duration assumes, the second for everything
    but the copy (disks made, launch, check by a person).
    """

    model_config = service_config("metering")

    service_name: str = Field(default="metering")
    price_file: Path | None = Field(default=None)
    estimate_rate_bit_s: int = Field(default=100_000_000, ge=1)
    estimate_overhead_s: int = Field(default=1800, ge=0)
