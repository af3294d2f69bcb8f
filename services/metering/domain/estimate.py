"""A forecast of a migration's cost before it is started."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from typing import Final

from contracts.messages.metering import CostEstimate, EstimateCost, PriceList
from services.metering.domain.cost import GB, Usage, bill, total

# The temporary volume of the cost model; points: one after the full copy, one after the cutover's round.
VOLUME_BYTES: Final = 40 * 10**9
_POINTS: Final = 2
_EXACT: Final = Context(prec=80)


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What a forecast assumes where the request says nothing."""

    rate_bit_s: int
    overhead_s: int


def estimate(request: EstimateCost, used_bytes: int, prices: PriceList, assumed: Assumptions) -> CostEstimate:
    """used_bytes: on the source's disks. The volume exists while everything is copied once, and for the overhead."""
    rate_bit_s = 0 if request.duration_s else request.rate_bit_s or assumed.rate_bit_s
    duration_s = request.duration_s or -(-used_bytes * 8 // rate_bit_s) + assumed.overhead_s
    if request.traffic_mode is not None:
        prices = prices.model_copy(update={"traffic_mode": request.traffic_mode})
    with localcontext(_EXACT):
        gb_hours = Decimal(VOLUME_BYTES) / GB * duration_s / 3600
        used_gb = Decimal(used_bytes) / GB
    items = bill(Usage(gb_hours=gb_hours, points=_POINTS, used_gb=used_gb, is_copied=True), prices)
    return CostEstimate(
        server_id=request.server_id,
        used_bytes=used_bytes,
        rate_bit_s=rate_bit_s,
        duration_s=duration_s,
        traffic_mode=prices.traffic_mode,
        currency=prices.currency,
        amount=total(items),
        items=items,
    )
