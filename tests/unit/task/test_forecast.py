from __future__ import annotations

from datetime import timedelta

import pytest

from contracts.forecast import Convergence
from contracts.messages.forecast import ConvergenceChanged
from contracts.messages.task import TaskAction
from contracts.transfer import CopySummary, FollowedRound, TransferProgress
from services.task.domain.forecast import (
    convergence_event,
    converges,
    finish_s,
    followed_convergence,
    forecast,
    settled_round_s,
    write_rate,
)
from services.task.domain.phases import Step
from services.task.domain.saga import act, succeed
from services.task.domain.task import StepRun, Task
from tests.unit.task.saga_world import START, cause, learned, new_task

MB = 1_000_000


def a_round(number: int, began_s: float, *, mb: float, seconds: float) -> CopySummary:
    return CopySummary(
        round_number=number, began_at=START + timedelta(seconds=began_s), bytes_content=int(mb * MB), seconds=seconds
    )


def test_the_write_rate_is_what_a_round_found_changed_since_the_one_before_began() -> None:
    full, first = a_round(0, 0, mb=10_000, seconds=1000), a_round(1, 1000, mb=500, seconds=60)
    assert write_rate((full, first)) == pytest.approx(0.5 * MB)
    assert write_rate((full,)) is None


def test_rounds_come_down_to_what_looking_and_writing_leave() -> None:
    assert settled_round_s(10, 0, 10 * MB) == 10
    assert settled_round_s(10, 5 * MB, 10 * MB) == 20
    assert settled_round_s(10, 10 * MB, 10 * MB) is None
    # The same by walking the rounds themselves.
    seconds = 1000.0
    for _ in range(100):
        seconds = 10 + seconds * 0.5
    assert seconds == pytest.approx(20)


def test_a_verdict_does_not_waver_with_the_measurement() -> None:
    def said(converging: bool) -> Convergence:
        return Convergence(converges=converging, write_rate_bytes_s=1, link_rate_bytes_s=1, at=START)

    assert converges(None, 1, before=None) is None
    assert converges(79, 100, before=said(False)) is True
    assert converges(90, 100, before=said(True)) is True
    assert converges(90, 100, before=said(False)) is False
    assert converges(101, 100, before=said(True)) is False


def test_the_time_to_finish_counts_the_rounds_that_follow() -> None:
    progress = TransferProgress(task_id="t1", stage="copying", seconds=500, seconds_left=500)
    assert finish_s(progress, None, None, None) == 500, "only what runs is known"
    # 1000 s, then 505, 257.5, 133.75, 71.9, 40.9, 25.5, 17.7, 13.9, 11.9, 10.97
    expected = 500 + sum(
        (505, 257.5, 133.75, 71.875, 40.9375, 25.46875, 17.734375, 13.8671875, 11.93359375, 10.966796875)
    )
    assert finish_s(progress, 5, 1, 2) == pytest.approx(expected, abs=0.1)
    assert finish_s(progress, 5, 2, 2) is None, "never"


def test_a_forecast_says_both_rates_lag_and_downtime() -> None:
    steps = {
        step: StepRun(began_at=START, ended_at=START + timedelta(seconds=4), has_succeeded=True)
        for step in (Step.DETACH, Step.LAUNCH)
    }
    rounds = (a_round(0, 0, mb=10_000, seconds=1000), a_round(1, 1000, mb=1000, seconds=100))
    task = new_task().model_copy(update={"rounds": rounds, "steps": steps})
    found = forecast(task, None, START + timedelta(seconds=1200))
    assert found is not None
    assert (found.write_rate_bytes_s, found.link_rate_bytes_s) == (1 * MB, 10 * MB)
    assert found.converges is True
    assert found.lag_s == 200
    told = TransferProgress(task_id="t1", stage="copying", lag_s=0.4)
    following = forecast(task, told, START + timedelta(seconds=1200))
    assert following is not None
    assert following.lag_s == 0.4, "a sync that goes on finishes no round"
    assert found.downtime_s == pytest.approx(100 / 0.9 + 8, abs=0.1)
    assert forecast(new_task(), None, START) is None


def with_round(task: Task, begun: TaskAction, minute: float, *, mb: float) -> tuple[Task, ConvergenceChanged | None]:
    """The task after one more round of 60 s, and what the round's end has told."""
    told = None
    task = act(task, begun, cause(minute), has_consent=True, overwrite_target=False)
    while task.step is not None:
        extra = learned(task, cause(minute).at)
        if task.step in {Step.COPY, Step.SYNC}:
            extra = {"rounds": (*task.rounds, a_round(task.round_number, minute * 60, mb=mb, seconds=60))}
        task = succeed(task, cause(minute), **extra)
        told = convergence_event(task) or told
        minute += 0.01
    return task, told


def test_it_is_told_once_when_a_sync_stops_converging_and_once_when_it_converges_again() -> None:
    task, told = with_round(new_task(), TaskAction.START, 0, mb=600)
    said = [told]
    for minute, mb in ((1, 60), (2, 900), (3, 900), (4, 30), (5, 30)):
        task, told = with_round(task, TaskAction.SYNC, minute, mb=mb)
        said.append(told)
    assert [event.converges if event else None for event in said] == [None, None, False, None, True, None]
    assert said[2] is not None
    assert (said[2].write_rate_bytes_s, said[2].link_rate_bytes_s) == (15 * MB, 15 * MB)


def test_a_sync_that_goes_on_is_said_to_fall_behind_by_two_rounds_and_to_catch_up_by_one() -> None:
    def followed(after_s: float, seconds: float, mb: float) -> FollowedRound:
        return FollowedRound(after_s=after_s, seconds=seconds, bytes_content=int(mb * MB))

    task = new_task()
    short, large_file = followed(0.3, 0.2, 1), followed(0.3, 60, 600)
    assert followed_convergence(task, short, large_file, START) is None, "one large file is no trend"
    assert followed_convergence(task, large_file, followed(60, 5, 50), START) is None, "it was not said before"
    behind = followed_convergence(task, followed(10, 12, 120), followed(12, 15, 150), START)
    assert behind == Convergence(converges=False, write_rate_bytes_s=12.5 * MB, link_rate_bytes_s=10 * MB, at=START)
    task = task.model_copy(update={"convergence": behind})
    assert followed_convergence(task, followed(12, 15, 150), followed(15, 18, 180), START) is None, "it was said"
    ahead = followed_convergence(task, followed(15, 18, 180), followed(18, 0.1, 0), START)
    assert ahead == Convergence(converges=True, write_rate_bytes_s=0, link_rate_bytes_s=10 * MB, at=START)
    for nothing in (followed(0, 5, 1), followed(5, 0, 1)):
        assert followed_convergence(task, followed(12, 15, 150), nothing, START) is None
