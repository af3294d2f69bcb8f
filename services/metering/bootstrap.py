"""The only place that builds metering's adapters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from services.metering.adapters import records
from services.metering.adapters.price_file import load_prices
from services.metering.domain.estimate import Assumptions
from services.metering.handlers import EventHandlers
from services.metering.request_handlers import RequestHandlers
from services.metering.settings import MeteringSettings
from services.metering.subscriptions import subscribe
from shared.service import ServiceContext

COLLECTIONS: Final = records.COLLECTIONS


def _now() -> datetime:
    return datetime.now(UTC)


async def wire(context: ServiceContext) -> None:
    """Keep the price list, build the parts and declare the subscriptions."""
    settings = context.settings if isinstance(context.settings, MeteringSettings) else MeteringSettings()
    facts, accounts = records.FactRecords(context.store), records.AccountRecords(context.store)
    await accounts.keep_installation_prices(load_prices(settings.price_file), _now())
    assumed = Assumptions(rate_bit_s=settings.estimate_rate_bit_s, overhead_s=settings.estimate_overhead_s)
    subscribe(context.bus, EventHandlers(facts, accounts, _now), RequestHandlers(facts, accounts, _now, assumed))
