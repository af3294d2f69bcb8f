"""The billing rules: what follows from a task's facts and a price list. Decimal numbers throughout.

Rules: section "Billing" of the service's overview. Times are exact to the microsecond, a GB has 10^9 bytes, an
item's amount is rounded half up to six decimals, and a total is the sum of the rounded items.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Final

from contracts.messages.metering import CostItem, CostTotal, PriceList, TaskCost
from services.metering.domain.facts import Attachment, TaskFacts

GB: Final = 10**9
# Enough for any product of quantities and prices within their bounds, so that rounding happens at one place only.
_EXACT: Final = Context(prec=80)
_SMALLEST: Final = Decimal("0.000001")
_FIXED: Final = "a fixed bandwidth is not billed by traffic"
_PRIVATE: Final = "priced by whoever runs the line"
_NOT_YET: Final = "billed when the full copy has ended"
_UNKNOWN_SIZE: Final = "the size in use on the source is not known"


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What is billed. gb_hours: volume size times its time. is_copied: the full copy has ended."""

    gb_hours: Decimal
    points: int
    used_gb: Decimal
    is_copied: bool


def cost_of(facts: TaskFacts, prices: PriceList, *, now: datetime) -> TaskCost:
    """The cost until now. now: UTC; a volume that exists is billed until then."""
    items = bill(usage_of(facts, now=now), prices)
    return TaskCost(
        task_id=facts.task_id,
        server_id=facts.server_id,
        project_id=facts.project_id,
        phase=facts.phase,
        as_of=now,
        is_final=facts.ended_at is not None and _are_gone(facts),
        currency=prices.currency,
        amount=total(items),
        items=items,
    )


def usage_of(facts: TaskFacts, *, now: datetime) -> Usage:
    """What a task has used until now."""
    with localcontext(_EXACT):
        gb_hours = sum((_gb_hours(facts, volume, now) for volume in facts.attachments), Decimal(0))
        used_gb = Decimal(facts.source_used_bytes) / GB
    return Usage(gb_hours=gb_hours, points=len(facts.points), used_gb=used_gb, is_copied=facts.copied_at is not None)


def bill(usage: Usage, prices: PriceList) -> tuple[CostItem, ...]:
    """The lines of a bill; what is free is listed too."""
    return (
        _item("volume", usage.gb_hours, "GB-hour", prices.volume_gb_hour),
        _item("snapshot", Decimal(usage.points), "snapshot", prices.snapshot),
        _traffic(usage, prices),
    )


def total(items: Iterable[CostItem]) -> Decimal:
    """The sum of amounts that are rounded already."""
    with localcontext(_EXACT):
        return plain(sum((item.amount for item in items), Decimal(0)))


def totals(costs: Iterable[TaskCost], *, by_project: bool) -> tuple[CostTotal, ...]:
    """Sums by currency, or by project and currency, in their order."""
    sums: dict[tuple[str, str], CostTotal] = {}
    for cost in costs:
        key = (cost.project_id if by_project else "", cost.currency)
        known = sums.get(key) or CostTotal(project_id=key[0], currency=key[1], amount=Decimal(0), tasks=0)
        with localcontext(_EXACT):
            amount = plain(known.amount + cost.amount)
        changes = {
            "amount": amount,
            "tasks": known.tasks + 1,
            "running_tasks": known.running_tasks + (not cost.is_final),
        }
        sums[key] = known.model_copy(update=changes)
    return tuple(sums[key] for key in sorted(sums))


def plain(number: Decimal) -> Decimal:
    """The number without trailing zeros and without an exponent: 0.196, 240."""
    with localcontext(_EXACT):
        short = number.normalize()
        exponent = short.as_tuple().exponent
        return short.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else short


def _traffic(usage: Usage, prices: PriceList) -> CostItem:
    free = {"fixed_bandwidth": _FIXED, "private_line": _PRIVATE}.get(prices.traffic_mode, "")
    if not free and not usage.used_gb:
        free = _UNKNOWN_SIZE
    if not free and not usage.is_copied:
        return _item("traffic", Decimal(0), "GB", prices.traffic_gb, note=_NOT_YET)
    quantity = usage.used_gb if usage.is_copied else Decimal(0)
    return _item("traffic", quantity, "GB", Decimal(0) if free else prices.traffic_gb, note=free)


def _item(what: str, quantity: Decimal, unit: str, unit_price: Decimal, *, note: str = "") -> CostItem:
    with localcontext(_EXACT):
        amount = (quantity * unit_price).quantize(_SMALLEST, rounding=ROUND_HALF_UP)
        shown = quantity.quantize(_SMALLEST, rounding=ROUND_HALF_UP)
    return CostItem.model_validate(
        {
            "what": what,
            "quantity": plain(shown),
            "unit": unit,
            "unit_price": plain(unit_price),
            "amount": plain(amount),
            "note": note,
        }
    )


def _are_gone(facts: TaskFacts) -> bool:
    """Whether the end of every volume is known: the target's word may come after the task's, with an earlier time."""
    last = max((volume.attached_at for volume in facts.attachments), default=None)
    return last is None or any(at >= last for at in facts.releases)


def _gb_hours(facts: TaskFacts, volume: Attachment, now: datetime) -> Decimal:
    """A target has one volume at a time: the next one's attachment ends the last, even if nobody saw it go."""
    ends = [at for at in facts.releases if at >= volume.attached_at]
    ends += [other.attached_at for other in facts.attachments if other.attached_at > volume.attached_at]
    ends += [facts.ended_at] if facts.ended_at is not None else []
    lasted = max(min(ends, default=now) - volume.attached_at, timedelta(0))
    microseconds = lasted // timedelta(microseconds=1)
    return Decimal(volume.size_bytes) / GB * microseconds / (3600 * 10**6)
