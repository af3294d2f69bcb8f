"""Rehearsals: beside the saga, since they need a point and nothing else of the task (docs/decisions/0036). Pure."""

from __future__ import annotations

from typing import Final

from contracts.errors import Failure, MigrationError
from contracts.errors.rehearsal import REHEARSAL_RUNS
from contracts.errors.task import TASK_NO_POINT, TASK_NOT_ALLOWED
from contracts.messages import target_provisioner
from contracts.messages.target_provisioner import ProvisionerEvent, ProvisioningFailed, TargetRehearsed
from contracts.rehearsal import RehearsalReport
from services.task.domain.instructions import ServiceCommand
from services.task.domain.kernel_needs import kernel_needs
from services.task.domain.phases import Leg
from services.task.domain.saga import Cause, allowed_actions, note
from services.task.domain.task import Rehearsal, Task

# What these legs end with removes every point.
_WITHOUT_POINTS: Final = frozenset({Leg.FINISHING, Leg.FINISHED, Leg.DELETING, Leg.DELETED})


def rehearse(task: Task, cause: Cause) -> Task:
    """Ask for a rehearsal of the newest point; neither leg nor step changes.

    Raises MigrationError SMS.TASK.NO_POINT, SMS.TASK.NOT_ALLOWED, SMS.REHEARSAL.RUNS.
    """
    if task.leg in _WITHOUT_POINTS:
        allowed = ", ".join(allowed_actions(task)) or "nothing"
        raise MigrationError(
            TASK_NOT_ALLOWED,
            phase=task.phase.value,
            step=task.step or "at rest",
            action="rehearse",
            task_id=task.id,
            allowed=allowed,
        )
    if not task.target.points:
        raise MigrationError(TASK_NO_POINT, task_id=task.id)
    last = task.rehearsal
    if last is not None and last.report is None:
        raise MigrationError(REHEARSAL_RUNS, task_id=task.id, since=last.begun_at.isoformat(timespec="seconds"))
    return note(task, cause, rehearsal=_next(task, cause, version=task.version + 1))


def rehearse_round(task: Task, cause: Cause) -> Task:
    """After a round's point was taken: rehearse it if the user wants every round rehearsed.

    Part of the transition that took the point, so it adds none of its own. One that still runs is not joined by
    another: the point after it has its turn.
    """
    is_busy = task.rehearsal is not None and task.rehearsal.report is None
    if not task.options.rehearses_rounds or task.round_number == 0 or is_busy:
        return task
    return task.model_copy(update={"rehearsal": _next(task, cause, version=task.version)})


def command_of(task: Task) -> ServiceCommand | None:
    """What the transition that led to the task as it is asks of the provisioner for a rehearsal."""
    rehearsal = task.rehearsal
    if rehearsal is None or rehearsal.begun_version != task.version:
        return None
    message = target_provisioner.RehearseTarget(
        request_id=rehearsal.request_id,
        task_id=task.id,
        target_id=task.target.id,
        point_id=rehearsal.point_id,
        layout=task.layout,
        inventory=task.inventory,
        target_facts=task.target_facts,
        timeout_s=task.options.health_check.timeout_s,
        helper=task.options.helper,
        needs=kernel_needs(task.layout, task.inventory),
    )
    return ServiceCommand("target_provisioner", "rehearse", message)


def answers_rehearsal(task: Task, event: ProvisionerEvent) -> bool:
    """Whether the event is about the rehearsal that runs."""
    last = task.rehearsal
    return last is not None and last.report is None and event.request_id == last.request_id


def rehearsed(task: Task, event: ProvisionerEvent, cause: Cause) -> Task:
    """The running rehearsal has ended; one that could not begin is red. A verdict stops nothing."""
    last = task.rehearsal
    if last is None:
        raise ValueError("nothing is rehearsed")
    if isinstance(event, TargetRehearsed):
        report = event.report
    elif isinstance(event, ProvisioningFailed):
        report = _red(last, event.failure, cause)
    else:
        raise TypeError(f"{event.TYPE} ends no rehearsal")
    codes = " ".join(dict.fromkeys(failure.code for failure in report.failures))
    said = Cause(event=f"rehearsal {report.verdict} {codes}".rstrip(), actor=cause.actor, at=cause.at)
    return note(task, said, rehearsal=last.model_copy(update={"report": report}))


def _next(task: Task, cause: Cause, *, version: int) -> Rehearsal:
    number = task.rehearsal.number + 1 if task.rehearsal is not None else 1
    return Rehearsal(
        number=number,
        request_id=f"{task.id}:REHEARSE:{number}",
        point_id=task.target.points[-1].id,
        begun_version=version,
        begun_at=cause.at,
    )


def _red(rehearsal: Rehearsal, failure: Failure, cause: Cause) -> RehearsalReport:
    seconds = (cause.at - rehearsal.begun_at).total_seconds()
    return RehearsalReport(
        verdict="red",
        failures=(failure,),
        point_id=rehearsal.point_id,
        started_at=rehearsal.begun_at,
        seconds=round(max(0.0, seconds), 1),
    )
