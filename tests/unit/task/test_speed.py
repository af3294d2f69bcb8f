from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import MigrationError
from contracts.speed_limit import SpeedLimit, SpeedLimits, SpeedPeriod, limit_at, minute_of, spans_of
from services.task.domain.speed import checked_limit, checked_periods, over_speed

MBIT = 1_000_000


def period(start: str, end: str, rate: int = 100, percent: float | None = None) -> SpeedPeriod:
    return SpeedPeriod(start=start, end=end, rate_mbit_s=rate, over_speed_percent=percent)


def at(limits: SpeedLimits, time: str) -> int | None:
    return limit_at(limits, minute_of(time)).rate_bit_s


def test_each_period_holds_from_its_first_minute_to_the_one_before_its_end() -> None:
    limits = SpeedLimits(
        otherwise=SpeedLimit(rate_bit_s=5 * MBIT), periods=(period("08:00", "18:00", 50), period("18:00", "20:00", 0))
    )
    found = [at(limits, time) for time in ("07:59", "08:00", "17:59", "18:00", "19:59", "20:00")]
    assert found == [5 * MBIT, 50 * MBIT, 50 * MBIT, None, None, 5 * MBIT]


def test_a_period_may_run_over_midnight() -> None:
    limits = SpeedLimits(periods=(period("22:00", "06:00", 10),))
    assert [at(limits, time) for time in ("21:59", "22:00", "00:00", "05:59", "06:00")] == [
        None,
        10 * MBIT,
        10 * MBIT,
        10 * MBIT,
        None,
    ]


@pytest.mark.parametrize("end", ["23:59", "24:00"])
def test_the_whole_day_leaves_no_minute_out(end: str) -> None:
    limits = SpeedLimits(periods=(period("00:00", end, 7),))
    assert {limit_at(limits, minute).rate_bit_s for minute in range(24 * 60)} == {7 * MBIT}


def test_periods_that_overlap_are_refused_with_both_and_the_time() -> None:
    with pytest.raises(MigrationError) as refused:
        checked_periods((period("22:00", "06:00"), period("05:00", "07:00")))
    assert refused.value.code == "SMS.TASK.SPEED_OVERLAP"
    assert all(word in refused.value.failure.cause for word in ("22:00–06:00", "05:00–07:00", "05:00"))


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (period("8:00", "09:00"), "8:00"),
        (period("08:60", "09:00"), "08:60"),
        (period("08:00", "24:01"), "24:01"),
        (period("08:00", "08:00"), "08:00–08:00"),
        (period("08:00", "09:00", 1001), "1001"),
        (period("08:00", "09:00", -1), "-1"),
        (period("08:00", "09:00", 1, -0.1), "-0.1"),
        (period("٠٨:00", "09:00"), "٠٨:00"),
    ],
)
def test_a_period_that_means_nothing_is_refused(wrong: SpeedPeriod, word: str) -> None:
    with pytest.raises(MigrationError, match=r"SMS\.TASK\.SETTING_INVALID") as refused:
        checked_periods((wrong,))
    assert word in refused.value.failure.cause


@given(st.lists(st.tuples(st.integers(0, 1439), st.integers(0, 1440)).filter(lambda pair: pair[0] != pair[1])))
def test_accepted_periods_never_leave_two_limits_for_one_minute(pairs: list[tuple[int, int]]) -> None:
    periods = [period(f"{a // 60:02}:{a % 60:02}", f"{b // 60:02}:{b % 60:02}") for a, b in pairs]
    covered = [minute for one in periods for start, end in spans_of(one) for minute in range(start, end)]
    try:
        checked_periods(periods)
    except MigrationError as refused:
        is_empty_period = any(a == b for a, b in pairs)
        assert len(covered) != len(set(covered)) or is_empty_period or len(periods) > 48
        assert refused.failure.remedy  # noqa: PT017
        return
    assert len(covered) == len(set(covered))


def test_only_a_rate_above_limit_and_threshold_stops_a_task_and_the_failure_has_all_figures() -> None:
    limits = SpeedLimits(periods=(period("08:00", "18:00", 100, 20),))
    noon, night = minute_of("12:00"), minute_of("02:00")
    assert over_speed(limits, 120 * MBIT, noon, task_id="t1") is None
    assert over_speed(limits, 900 * MBIT, night, task_id="t1") is None
    failure = over_speed(limits, 121 * MBIT, noon, task_id="t1")
    assert failure is not None
    assert failure.is_resumable
    assert all(figure in failure.cause for figure in ("121.0", "100", "20 %"))


def test_a_limit_without_threshold_never_stops_a_task() -> None:
    limits = SpeedLimits(otherwise=SpeedLimit(rate_bit_s=MBIT))
    assert over_speed(limits, 900 * MBIT, 0, task_id="t1") is None


def test_no_limit_is_written_as_nought() -> None:
    assert checked_limit(0) is None
    assert checked_limit(8) == 8
    with pytest.raises(MigrationError, match=r"SMS\.TASK\.SETTING_INVALID"):
        checked_limit(-1)
