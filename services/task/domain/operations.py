"""The operations on a task by their words: the v3 contract's and ours, and which of them this version has. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from contracts.errors import MigrationError
from contracts.errors.task import TASK_NOT_ALLOWED
from contracts.errors.task_settings import TASK_NOT_OFFERED, TASK_OPERATION_UNKNOWN, TASK_OVER_SPEED_REPORTED
from contracts.messages.task import TaskAction
from contracts.messages.task_settings import OperateTask
from services.task.domain.phases import Leg
from services.task.domain.saga import Cause, act, allowed_actions, measure, skip
from services.task.domain.speed import mbit_s
from services.task.domain.task import Task


class Operation(StrEnum):
    """What the word of a request may be. restart: start of a task that rests with a failure or was stopped."""

    START = "start"
    RESTART = "restart"
    STOP = "stop"
    SYNC = "sync"
    LAUNCH = "launch"
    CUTOVER = "cutover"
    VERIFY = "verify"
    SKIP = "skip"
    FINISH = "finish"
    STOP_FOR_SPEED = "error_for_overspeed"
    CHECK_NETWORK = "network_check"


# What the v3 contract has besides, by what a user can do instead.
NOT_OFFERED: Final = {
    "test": "Look at the launched target: it runs on an isolated network until the cutover.",
    "clone_test": "Look at the launched target: it runs on an isolated network until the cutover.",
    "migration_test": "Start the task: the first launch is on an isolated network and disturbs nobody.",
    "clear": "Finish the task with the operation finish: it releases points and layers.",
}
_ACTIONS: Final = {
    Operation.START: TaskAction.START,
    Operation.RESTART: TaskAction.START,
    Operation.STOP: TaskAction.STOP,
    Operation.STOP_FOR_SPEED: TaskAction.STOP,
    Operation.SYNC: TaskAction.SYNC,
    Operation.LAUNCH: TaskAction.LAUNCH,
    Operation.CUTOVER: TaskAction.CUTOVER,
    Operation.VERIFY: TaskAction.VERIFY,
    Operation.FINISH: TaskAction.FINISH,
}
_CAN_RESTART: Final = frozenset({Leg.PAUSED, Leg.FAILED})


def operation_of(word: str) -> Operation:
    """Raises MigrationError SMS.TASK.NOT_OFFERED, SMS.TASK.OPERATION_UNKNOWN."""
    if word in NOT_OFFERED:
        raise MigrationError(TASK_NOT_OFFERED, what=f"the operation {word}", instead=NOT_OFFERED[word])
    try:
        return Operation(word)
    except ValueError as error:
        raise MigrationError(TASK_OPERATION_UNKNOWN, operation=word[:64], known=", ".join(Operation)) from error


def operate(task: Task, operation: Operation, request: OperateTask, cause: Cause) -> Task:
    """Do what a user asks in these words. Raises MigrationError SMS.TASK.* when it is not possible now."""
    if request.checks_consistency is not None:
        task = task.model_copy(update={"checks_consistency": request.checks_consistency})
    if operation is Operation.SKIP:
        return skip(task, cause)
    if operation is Operation.CHECK_NETWORK:
        return measure(task, cause)
    if operation is Operation.RESTART and task.leg not in _CAN_RESTART:
        raise MigrationError(
            TASK_NOT_ALLOWED,
            phase=task.phase.value,
            step=task.step or "at rest",
            action=operation.value,
            task_id=task.id,
            allowed=", ".join(allowed_actions(task)) or "nothing",
        )
    reported = None
    if operation is Operation.STOP_FOR_SPEED:
        reported = TASK_OVER_SPEED_REPORTED.failure(
            actor=cause.actor or "a user", limit_mbit_s=mbit_s(task.speed_limits.otherwise), task_id=task.id
        )
    return act(
        task,
        _ACTIONS[operation],
        cause,
        has_consent=request.has_consent,
        overwrite_target=request.overwrite_target,
        stopped_by=reported,
    )
