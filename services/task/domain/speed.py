"""Limits of the sending rate: what is accepted as one, and when a measured rate is too high. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final

from contracts.errors import Failure, MigrationError
from contracts.errors.task_settings import TASK_OVER_SPEED, TASK_SETTING_INVALID, TASK_SPEED_OVERLAP
from contracts.speed_limit import SpeedLimit, SpeedLimits, SpeedPeriod, limit_at, minute_of, spans_of

MBIT: Final = 1_000_000
HIGHEST_MBIT_S: Final = 1000
_MOST_PERIODS: Final = 48
_HIGHEST_PERCENT: Final = 1000.0


def checked_periods(periods: Sequence[SpeedPeriod]) -> tuple[SpeedPeriod, ...]:
    """The periods in the order of the day. Raises MigrationError SMS.TASK.SETTING_INVALID, SMS.TASK.SPEED_OVERLAP."""
    if len(periods) > _MOST_PERIODS:
        raise _invalid("number of speed limits", len(periods), "there are too many", f"at most {_MOST_PERIODS}")
    for period in periods:
        _check(period)
    ordered = tuple(sorted(periods, key=lambda period: minute_of(period.start)))
    for one, other in combinations(ordered, 2):
        for start, end in spans_of(one):
            for other_start, other_end in spans_of(other):
                first = max(start, other_start)
                if first < min(end, other_end):
                    time = f"{first // 60:02}:{first % 60:02}"
                    raise MigrationError(TASK_SPEED_OVERLAP, one=_name(one), other=_name(other), time=time)
    return ordered


def checked_percent(percent: float | None) -> float | None:
    """Raises MigrationError SMS.TASK.SETTING_INVALID."""
    if percent is not None and not 0 <= percent <= _HIGHEST_PERCENT:
        raise _invalid("over-speed threshold", percent, "it is out of range", f"0 to {_HIGHEST_PERCENT:g} %")
    return percent


def checked_limit(rate_bit_s: int | None) -> int | None:
    """None for no limit, as 0 is. Raises MigrationError SMS.TASK.SETTING_INVALID for a negative one."""
    if rate_bit_s is not None and rate_bit_s < 0:
        raise _invalid("speed limit", rate_bit_s, "it is negative", "0 for no limit, or bits per second")
    return rate_bit_s or None


def over_speed(limits: SpeedLimits, wire_rate_bit_s: float, minute: int, *, task_id: str) -> Failure | None:
    """Why a task must stop; None while its rate is within the limit and the threshold above it."""
    held = limit_at(limits, minute)
    if held.rate_bit_s is None or held.over_speed_percent is None:
        return None
    if wire_rate_bit_s <= held.rate_bit_s * (1 + held.over_speed_percent / 100):
        return None
    return TASK_OVER_SPEED.failure(
        measured_mbit_s=round(wire_rate_bit_s / MBIT, 1),
        limit_mbit_s=mbit_s(held),
        over_percent=f"{held.over_speed_percent:g}",
        task_id=task_id,
    )


def mbit_s(limit: SpeedLimit) -> str:
    """A limit as users read it, without its unit."""
    return "no" if limit.rate_bit_s is None else f"{limit.rate_bit_s / MBIT:g}"


def _check(period: SpeedPeriod) -> None:
    for text in (period.start, period.end):
        try:
            minute_of(text)
        except ValueError as error:
            raise _invalid("speed limit's time", text, "it is no time of the day", "HH:MM, 00:00 to 24:00") from error
    if minute_of(period.start) == minute_of(period.end):
        raise _invalid("speed limit's period", _name(period), "it is empty", "a start and another end")
    if not 0 <= period.rate_mbit_s <= HIGHEST_MBIT_S:
        raise _invalid(
            "speed limit", f"{period.rate_mbit_s} Mbit/s", "it is out of range", f"0 (no limit) to {HIGHEST_MBIT_S}"
        )
    checked_percent(period.over_speed_percent)


def _name(period: SpeedPeriod) -> str:
    return f"{period.start}–{period.end}"


def _invalid(setting: str, value: object, reason: str, expected: str) -> MigrationError:
    return MigrationError(TASK_SETTING_INVALID, setting=setting, value=value, reason=reason, expected=expected)
