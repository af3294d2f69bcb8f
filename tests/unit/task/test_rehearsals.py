"""Rehearsals stand beside the saga: they move no task on, and no answer to a step ends them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contracts.errors import ErrorCode, MigrationError
from contracts.messages.target_provisioner import PointView, ProvisioningFailed, RehearseTarget, TargetRehearsed
from contracts.messages.task import TaskOptions
from contracts.rehearsal import RehearsalReport
from services.task.domain.instructions import service_command
from services.task.domain.phases import Leg, Step
from services.task.domain.rehearsals import (
    answers_rehearsal,
    command_of,
    rehearse,
    rehearse_round,
    rehearsed,
)
from services.task.domain.task import Task
from tests.unit.task.saga_world import START, cause, new_task

GONE = ErrorCode(code="SMS.TEST.REHEARSAL_GONE", cause="it is gone", remedy="bring it back")


def launched(**changes: object) -> Task:
    task = new_task()
    points = (PointView(id="p1", taken_at=START, layers=2), PointView(id="p2", taken_at=START, layers=3))
    target = task.target.model_copy(update={"points": points})
    return task.model_copy(update={"leg": Leg.LAUNCHED, "target": target, "version": 9, "epoch": 7, **changes})


def green(task: Task) -> TargetRehearsed:
    assert task.rehearsal is not None
    report = RehearsalReport(verdict="green", point_id="p2", started_at=START, seconds=40)
    return TargetRehearsed(request_id=task.rehearsal.request_id, task_id="t1", target_id="t1", report=report)


def test_a_rehearsal_takes_the_newest_point_and_what_runs_goes_on() -> None:
    syncing = launched(leg=Leg.SYNCING, step=Step.SYNC)
    task = rehearse(syncing, cause())
    assert (task.leg, task.step, task.epoch, task.version) == (Leg.SYNCING, Step.SYNC, 7, 10)
    assert task.last_entry is not None
    assert task.last_entry.is_note
    command = command_of(task)
    assert command is not None
    assert isinstance(command.message, RehearseTarget)
    assert (command.verb, command.message.point_id) == ("rehearse", "p2")
    assert command_of(task.model_copy(update={"version": 11})) is None, "said once, by its own transition"


def test_its_verdict_is_kept_and_moves_nothing() -> None:
    task = rehearse(launched(), cause())
    assert answers_rehearsal(task, green(task))
    ended = rehearsed(task, green(task), cause(1))
    assert (ended.leg, ended.step, ended.epoch) == (Leg.LAUNCHED, None, 7)
    assert ended.rehearsal is not None
    assert ended.rehearsal.report is not None
    assert ended.rehearsal.report.verdict == "green"
    assert not answers_rehearsal(ended, green(task)), "a repeated answer changes nothing"


def test_one_that_could_not_begin_is_red_with_the_reason() -> None:
    task = rehearse(launched(), cause())
    assert task.rehearsal is not None
    failed = ProvisioningFailed(
        request_id=task.rehearsal.request_id, task_id="t1", target_id="t1", step="rehearse", failure=GONE.failure()
    )
    ended = rehearsed(task, failed, cause(1))
    assert ended.rehearsal is not None
    report = ended.rehearsal.report
    assert report is not None
    assert (report.verdict, report.failures, report.seconds) == ("red", (GONE.failure(),), 60)
    assert ended.failure is None, "the task itself has not failed"
    assert ended.last_entry is not None
    assert ended.last_entry.event == "rehearsal red SMS.TEST.REHEARSAL_GONE"


@pytest.mark.parametrize("leg", [Leg.FINISHING, Leg.FINISHED, Leg.DELETING, Leg.DELETED])
def test_a_task_that_ends_is_not_rehearsed(leg: Leg) -> None:
    with pytest.raises(MigrationError) as refused:
        rehearse(launched(leg=leg), cause())
    assert refused.value.code == "SMS.TASK.NOT_ALLOWED"


def test_a_task_without_a_point_is_not_rehearsed() -> None:
    with pytest.raises(MigrationError) as refused:
        rehearse(new_task(), cause())
    assert refused.value.code == "SMS.TASK.NO_POINT"


def test_a_second_one_waits_for_the_first_and_has_another_request() -> None:
    first = rehearse(launched(), cause())
    with pytest.raises(MigrationError) as refused:
        rehearse(first, cause(1))
    assert refused.value.code == "SMS.REHEARSAL.RUNS"
    second = rehearse(rehearsed(first, green(first), cause(1)), cause(2))
    assert first.rehearsal is not None
    assert second.rehearsal is not None
    assert first.rehearsal.request_id != second.rehearsal.request_id
    assert second.rehearsal.begun_at - first.rehearsal.begun_at == timedelta(minutes=2)


def test_every_round_is_rehearsed_when_the_user_wants_it() -> None:
    wanted = {"options": TaskOptions(rehearses_rounds=True), "leg": Leg.LAUNCHING, "step": Step.CREATE_LAYER}
    task = rehearse_round(launched(round_number=1, **wanted), cause())
    assert (task.version, task.step) == (9, Step.CREATE_LAYER), "part of the transition that took the point"
    step_command, rehearsal_command = service_command(task), command_of(task)
    assert step_command is not None
    assert step_command.verb == "create-launch-layer"
    assert rehearsal_command is not None
    assert rehearse_round(task, cause(1)).rehearsal == task.rehearsal, "one at a time"
    assert rehearse_round(launched(round_number=0, **wanted), cause()).rehearsal is None
    assert rehearse_round(launched(round_number=1), cause()).rehearsal is None
