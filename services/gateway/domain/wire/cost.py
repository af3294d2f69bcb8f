"""Bodies of cost operations. Amounts are decimal numbers written as text: 0.00049 is no binary fraction."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from services.gateway.domain.wire.base import WireRequest

PriceText = Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,12})?$")]
MoneyText = Annotated[str, Field(pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,6})?$")]


class NewPrices(WireRequest):
    """Unit prices of the account, as `PriceList` of the contracts."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    volume_gb_hour: PriceText
    snapshot: PriceText = "0"
    traffic_gb: PriceText
    traffic_mode: Literal["fixed_bandwidth", "pay_per_use", "private_line"] = "fixed_bandwidth"
    minimum_balance: PriceText = "0"


class NewBalance(WireRequest):
    """What the account has with whoever bills it."""

    amount: MoneyText
