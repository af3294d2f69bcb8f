"""What a cutover did, from the source's answer and the steps that followed: pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from contracts.cutover import CutoverPhase, CutoverReport, CutoverWork
from contracts.messages.agent import AgentResult
from contracts.messages.cutover import TaskCutOver
from services.task.domain.phases import Leg, Step
from services.task.domain.task import Task

_AFTER_THE_SOURCE: Final = {
    Step.DETACH: "detach",
    Step.TAKE_POINT: "point",
    Step.CREATE_LAYER: "layer",
    Step.PLAN: "plan",
    Step.ADAPT: "adaptation",
    Step.LAUNCH: "launch",
}


def learn_cutover(task: Task, result: AgentResult, at: datetime) -> dict[str, Any]:
    """The fields that an agent's answer sets besides, when it belongs to a cutover."""
    if task.step is Step.SYNC and task.leg is Leg.CUTTING_OVER:
        return _synced(task, result, at)
    return _released(task, result) if task.step in {Step.RELEASE_SOURCE, Step.STOP_SOURCE} else {}


def _synced(task: Task, result: AgentResult, at: datetime) -> dict[str, Any]:
    work = result.cutover
    if work is None:
        return {}
    is_owed = result.failure is None and bool(task.cutover_settings.before or task.cutover_settings.after)
    report = CutoverReport(work=work, synced_at=at)
    return {"cutover": report, "is_source_held": is_owed, "round_number": task.round_number + len(work.rounds)}


def _released(task: Task, result: AgentResult) -> dict[str, Any]:
    learned: dict[str, Any] = {"is_source_held": False}
    if task.cutover is not None and result.cutover is not None:
        work = task.cutover.work.model_copy(update={"after": result.cutover.after})
        learned["cutover"] = task.cutover.model_copy(update={"work": work})
    return learned


def launched(task: Task, at: datetime) -> CutoverReport | None:
    """The report of a cutover whose target runs since `at`; what lies between its parts is named too."""
    report = task.cutover
    if report is None or report.synced_at is None:
        return report
    work = report.work
    waited_s = max(0.0, (at - report.synced_at).total_seconds())
    phases = [*_on_the_source(work), *_after_the_source(task, at)]
    downtime_s = work.downtime_s + waited_s
    phases.append(CutoverPhase(name="other", seconds=max(0.0, downtime_s - sum(each.seconds for each in phases))))
    return report.model_copy(
        update={
            "phases": tuple(each.model_copy(update={"seconds": round(each.seconds, 3)}) for each in phases),
            "downtime_s": round(downtime_s, 3),
            "boot_s": task.boot_s,
            "launched_at": at,
        }
    )


def _on_the_source(work: CutoverWork) -> list[CutoverPhase]:
    return [
        CutoverPhase(name="commands before", seconds=work.before_s),
        CutoverPhase(name="freeze", seconds=work.freeze_s),
        CutoverPhase(name="last round", seconds=work.last_round_s),
    ]


def _after_the_source(task: Task, at: datetime) -> list[CutoverPhase]:
    """The last run of each step, as far as it began after the last round."""
    report = task.cutover
    phases: list[CutoverPhase] = []
    for step, name in _AFTER_THE_SOURCE.items():
        run = task.steps.get(step)
        if run is None or report is None or report.synced_at is None or run.began_at < report.synced_at:
            continue
        phases.append(CutoverPhase(name=name, seconds=((run.ended_at or at) - run.began_at).total_seconds()))
    return phases


def cut_over(task: Task) -> TaskCutOver | None:
    """The event of a transition with which a cutover was done; None for any other."""
    report, entry = task.cutover, task.last_entry
    if report is None or entry is None or report.downtime_s is None or report.launched_at != entry.at:
        return None
    return TaskCutOver(
        task_id=task.id,
        server_id=task.server_id,
        server_name=task.server_name,
        downtime_s=report.downtime_s,
        boot_s=report.boot_s,
        phases=report.phases,
    )
