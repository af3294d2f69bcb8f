"""The limit of a task's sending rate by the time of the day, and what it is at a given minute.

Minutes are counted from midnight by the source's own clock: its owner thinks in office hours of the place where
the server stands.
"""

from __future__ import annotations

from typing import Final

from contracts.base import Model

MINUTES_OF_A_DAY: Final = 24 * 60
_LAST_MINUTE: Final = MINUTES_OF_A_DAY - 1


class SpeedPeriod(Model):
    """A limit for a part of every day. start, end: ``HH:MM``; an end before the start runs over midnight, and
    ``23:59`` and ``24:00`` both mean the end of the day.

    rate_mbit_s: 0 to 1000, 0 for no limit. over_speed_percent: how far above the limit the measured rate may be
    before the task is stopped; None never stops it.
    """

    start: str
    end: str
    rate_mbit_s: int = 0
    over_speed_percent: float | None = None


class SpeedLimit(Model):
    """What holds at one moment. rate_bit_s: bits per second on the wire, None for no limit."""

    rate_bit_s: int | None = None
    over_speed_percent: float | None = None


class SpeedLimits(Model):
    """otherwise: what holds outside all periods, which do not overlap."""

    otherwise: SpeedLimit = SpeedLimit()
    periods: tuple[SpeedPeriod, ...] = ()


def minute_of(text: str) -> int:
    """The minute of the day of ``HH:MM``, 24:00 included. Raises ValueError for anything else."""
    hours, colon, minutes = text.partition(":")
    is_written_well = bool(colon) and len(hours) == len(minutes) == 2 and (hours + minutes).isascii()
    if not is_written_well or not (hours + minutes).isdecimal() or int(minutes) > 59:
        raise ValueError(f"not a time of the day: {text!r}")
    minute = int(hours) * 60 + int(minutes)
    if minute > MINUTES_OF_A_DAY:
        raise ValueError(f"not a time of the day: {text!r}")
    return minute


def spans_of(period: SpeedPeriod) -> tuple[tuple[int, int], ...]:
    """The half-open parts of one day that a period covers: two where it runs over midnight."""
    start, end = minute_of(period.start) % MINUTES_OF_A_DAY, minute_of(period.end)
    end = MINUTES_OF_A_DAY if end == _LAST_MINUTE else end
    if start < end:
        return ((start, end),)
    return tuple(span for span in ((start, MINUTES_OF_A_DAY), (0, end)) if span[0] < span[1])


def limit_at(limits: SpeedLimits, minute: int) -> SpeedLimit:
    """What holds at a minute of the day."""
    for period in limits.periods:
        if any(start <= minute < end for start, end in spans_of(period)):
            rate_bit_s = period.rate_mbit_s * 1_000_000 or None
            return SpeedLimit(rate_bit_s=rate_bit_s, over_speed_percent=period.over_speed_percent)
    return limits.otherwise
