"""What happens to a task when something has happened: pure, by the tables of `phases`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from contracts.errors import Failure, MigrationError
from contracts.errors.task import (
    TASK_NO_CONSENT,
    TASK_NO_POINT,
    TASK_NOT_ALLOWED,
    TASK_OVERWRITES_TARGET,
    TASK_STOPPED,
)
from contracts.errors.task_settings import TASK_NOTHING_TO_SKIP
from contracts.messages.task import HistoryEntry, TaskAction
from services.task.domain.cutover import launched
from services.task.domain.forecast import changed_convergence
from services.task.domain.phases import (
    ACTIONS,
    FAILS_AT_REST,
    FINAL,
    LEGS,
    NEEDS_POINT,
    RESUME_IN,
    SKIPS,
    SOURCE_IS_BUSY,
    Leg,
    Step,
    first_step,
    next_place,
)
from services.task.domain.task import StepRun, Task, VerificationWish

# A transfer begins with certificates that still hold for at least this long (they hold for an hour).
CERTIFICATE_RESERVE: Final = timedelta(minutes=30)
_KEY_STEPS: Final = frozenset({Step.SOURCE_KEY, Step.SOURCE_CERTIFICATE, Step.TARGET_KEY, Step.TARGET_CERTIFICATE})


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why a transition happens: for the history and the audit."""

    event: str
    actor: str
    at: datetime


def act(
    task: Task,
    action: TaskAction,
    cause: Cause,
    *,
    has_consent: bool,
    overwrite_target: bool,
    is_continuous: bool = False,
    stopped_by: Failure | None = None,
    verification: VerificationWish | None = None,
) -> Task:
    """Do what a user asks. is_continuous: of a sync, as in ActOnTask. stopped_by: why a stop happens when it is not
    simply the user's wish. verification: what is to be read, everything if it is not said; what follows a copy by
    itself always reads everything.

    Raises MigrationError SMS.TASK.* when the phase or the options forbid it.
    """
    leg = _leg_of_action(task, action)
    _refuse_without_consent(task, action, has_consent=has_consent, overwrite_target=overwrite_target)
    changes: dict[str, Any] = {"operation": action.value}
    if task.leg in {Leg.PAUSED, Leg.FAILED}:
        changes["launch_failure"] = task.failure
    if action is TaskAction.CUTOVER:
        changes |= {"is_cutting_over": True, "cutover": None, "is_source_held": False}
    changes["verification_wish"] = verification or VerificationWish()
    if action is TaskAction.SYNC:
        changes |= {"is_cutting_over": False, "is_following": is_continuous}
    if action in {TaskAction.LAUNCH, TaskAction.CUTOVER}:
        changes["is_following"] = False
    has_ended = bool(task.rounds) and task.rounds[-1].round_number == task.round_number
    if leg in {Leg.SYNCING, Leg.CUTTING_OVER} and (action is not TaskAction.START or has_ended):
        changes["round_number"] = task.round_number + 1
    if action is TaskAction.STOP:
        changes["resume_leg"] = _resume_leg(task)
        wish = TASK_STOPPED.failure(actor=cause.actor or "a user", step=task.step or task.leg, task_id=task.id)
        stopped = stopped_by or wish
        return _enter(task, leg, first_step(leg), cause, failure=stopped, **changes)
    if action is TaskAction.START and task.leg is Leg.WAITING:
        changes["started_at"] = cause.at
    failure = None
    if leg is Leg.LAUNCHED:
        leg, failure = _home(task)
    return _enter(task, leg, first_step(leg), cause, failure=failure, **changes)


def skip(task: Task, cause: Cause) -> Task:
    """Do not wait for the verification that runs: no report of it comes.

    Raises MigrationError SMS.TASK.NOTHING_TO_SKIP.
    """
    leg = SKIPS.get((task.leg, task.step)) if task.step else None
    if leg is None:
        raise MigrationError(TASK_NOTHING_TO_SKIP, task_id=task.id, phase=task.phase.value, step=task.step or "at rest")
    return _enter(task, leg, first_step(leg), cause, failure=None, operation="skip")


def measure(task: Task, cause: Cause) -> Task:
    """Measure the network before the task is started. Raises MigrationError SMS.TASK.NOT_ALLOWED."""
    if task.leg is not Leg.WAITING:
        raise _not_allowed(task, "network_check")
    return _enter(task, Leg.MEASURING, first_step(Leg.MEASURING), cause, failure=None, operation="network_check")


def allowed_actions(task: Task) -> tuple[TaskAction, ...]:
    """What a user may ask for now."""
    return tuple(action for action in TaskAction if _target_leg(task, action) is not None)


def succeed(task: Task, cause: Cause, **learned: Any) -> Task:
    """The running step has ended well; learned: the fields of the task that its answer sets."""
    if task.step is None:
        raise ValueError("no step is running")
    leg, step = next_place(task.leg, task.step, is_checked_first=task.checks_consistency)
    if task.step is Step.VERIFY:
        learned["consistency_at"] = cause.at
    if task.step is Step.RELEASE_SOURCE:
        learned["is_source_held"] = False
    known = task.model_copy(update=learned)
    if (verdict := changed_convergence(known, cause.at)) is not None:
        learned["convergence"] = verdict
    while step is not None and _is_needless(known, leg, step, cause.at):
        leg, step = next_place(leg, step)
    if task.step is Step.LAUNCH and task.is_cutting_over:
        learned |= {"is_cut_over": True, "is_cutting_over": False, "cutover": launched(known, cause.at)}
    if leg in FINAL:
        learned["finished_at"] = cause.at
    failure = task.failure if leg is Leg.PAUSED else None
    if leg is Leg.LAUNCHED:
        leg, failure = _home(known)
    return _enter(task, leg, step, cause, failure=failure, **learned)


def fail(task: Task, failure: Failure, cause: Cause, *, source_has_stopped: bool) -> Task:
    """The running step has failed, or something that it needs is gone.

    A failure that can be mended rests in PAUSED, any other in FAILED; where the source still sends, it is
    stopped first.
    """
    if task.step is None:
        raise ValueError("no step is running")
    if task.leg is Leg.STOPPING:
        return _enter(task, Leg.PAUSED, None, cause, failure=task.failure)
    if task.leg is Leg.DELETING:
        return _enter(task, Leg.FAILED, None, cause, failure=failure, resume_leg=Leg.DELETING)
    resume_leg = _resume_leg(task)
    is_held = task.is_source_held and task.leg is Leg.CUTTING_OVER
    if is_held:
        # The source is given back to its users and goes on writing: what was copied is no longer the last word.
        resume_leg = Leg.CUTTING_OVER
    if is_held or (task.step in SOURCE_IS_BUSY and not source_has_stopped):
        return _enter(task, Leg.STOPPING, first_step(Leg.STOPPING), cause, failure=failure, resume_leg=resume_leg)
    if task.leg is Leg.MEASURING:
        return _enter(task, Leg.WAITING, None, cause, failure=failure)
    if task.leg in FAILS_AT_REST:
        return _enter(task, _home(task)[0], None, cause, failure=failure)
    rest = Leg.PAUSED if failure.is_resumable else Leg.FAILED
    return _enter(task, rest, None, cause, failure=failure, resume_leg=resume_leg)


def is_renewal_due(task: Task, at: datetime) -> bool:
    """Whether a transfer runs with certificates in the second half of their life."""
    return task.step in SOURCE_IS_BUSY and not _certificates_hold(task, at)


def note(task: Task, cause: Cause, **learned: Any) -> Task:
    """A transition that changes neither leg nor step: what runs goes on, under the same epoch."""
    version = task.version + 1
    entry = HistoryEntry(
        version=version,
        at=cause.at,
        event=cause.event,
        from_phase=task.phase,
        to_phase=task.phase,
        step=task.step or "",
        failure=task.failure,
        actor=cause.actor,
        is_note=True,
    )
    return task.model_copy(update={**learned, "version": version, "last_entry": entry})


def _home(task: Task) -> tuple[Leg, Failure | None]:
    """Where a task with a point rests: launched, or failed as long as no launch has been good."""
    if task.target.machine is None and task.launch_failure is not None:
        return Leg.PAUSED if task.launch_failure.is_resumable else Leg.FAILED, task.launch_failure
    return Leg.LAUNCHED, None


def _leg_of_action(task: Task, action: TaskAction) -> Leg:
    leg = _target_leg(task, action)
    if leg is None:
        if action in NEEDS_POINT and not task.target.points:
            raise MigrationError(TASK_NO_POINT, task_id=task.id)
        raise _not_allowed(task, action.value)
    return leg


def _not_allowed(task: Task, action: str) -> MigrationError:
    return MigrationError(
        TASK_NOT_ALLOWED,
        phase=task.phase.value,
        step=task.step or "at rest",
        action=action,
        task_id=task.id,
        allowed=", ".join(allowed_actions(task)) or "nothing",
    )


def _target_leg(task: Task, action: TaskAction) -> Leg | None:
    if action is TaskAction.START and task.leg in {Leg.PAUSED, Leg.FAILED}:
        return task.resume_leg
    if action in NEEDS_POINT and not task.target.points:
        return None
    return ACTIONS.get((task.leg, action))


def _refuse_without_consent(task: Task, action: TaskAction, *, has_consent: bool, overwrite_target: bool) -> None:
    if action is TaskAction.START and not task.target.is_formatted and not has_consent:
        disks = ", ".join(disk.name for disk in task.layout.disks)
        raise MigrationError(TASK_NO_CONSENT, disks=disks, task_id=task.id)
    discards = action in {TaskAction.SYNC, TaskAction.CUTOVER, TaskAction.LAUNCH}
    if discards and task.is_cut_over and not overwrite_target:
        raise MigrationError(TASK_OVERWRITES_TARGET, task_id=task.id)


def _is_needless(task: Task, leg: Leg, step: Step, at: datetime) -> bool:
    """Whether a step is passed by."""
    if step in _KEY_STEPS:
        return _certificates_hold(task, at)
    if step is Step.RELEASE_SOURCE:
        return not task.is_source_held
    is_wanted = task.choices.checks_network and task.network_check is None
    return step is Step.CHECK_NETWORK and leg is Leg.PREPARING and not is_wanted


def _resume_leg(task: Task) -> Leg:
    if task.step is not None and (task.leg, task.step) in RESUME_IN:
        return RESUME_IN[task.leg, task.step]
    return task.leg


def _certificates_hold(task: Task, at: datetime) -> bool:
    source, target = task.channel.source, task.channel.target
    if source is None or target is None:
        return False
    return min(source.not_after, target.not_after) - at > CERTIFICATE_RESERVE


def _enter(task: Task, leg: Leg, step: Step | None, cause: Cause, *, failure: Failure | None, **changes: Any) -> Task:
    """The one place where leg and step are set: every transition has a version, an epoch and a history entry."""
    version = task.version + 1
    entry = HistoryEntry(
        version=version,
        at=cause.at,
        event=cause.event,
        from_phase=task.phase,
        to_phase=LEGS[leg].phase,
        step=step or "",
        failure=failure,
        actor=cause.actor,
    )
    return task.model_copy(
        update={
            **changes,
            "leg": leg,
            "step": step,
            "version": version,
            "epoch": task.epoch + 1,
            "steps": _step_runs(task.model_copy(update=changes), step, cause.at, has_succeeded=failure is None),
            "failure": failure,
            "last_entry": entry,
        }
    )


def _step_runs(task: Task, begun: Step | None, at: datetime, *, has_succeeded: bool) -> dict[str, StepRun]:
    runs = dict(task.steps)
    if task.step is not None:
        ended = runs[task.step]
        runs[task.step] = ended.model_copy(update={"ended_at": at, "has_succeeded": has_succeeded})
    if begun is not None:
        runs[begun] = StepRun(began_at=at, operation=task.operation)
    return runs
