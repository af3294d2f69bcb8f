"""How a task is shown: the v3 words beside our own, and the steps as sub-tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from contracts.layout import TargetLayout
from contracts.messages.agent import AgentProgress
from contracts.messages.task import Phase, RehearsalView, SubTask, TargetView, TaskView
from contracts.task_settings import ConsistencyResult
from contracts.transfer import TransferProgress
from services.task.domain.forecast import forecast
from services.task.domain.phases import Leg, Step
from services.task.domain.saga import allowed_actions
from services.task.domain.task import Task

# The v3 states and sub-task names: design page of the API, "Vocabulary"; phases: architecture page, "States".
_STATES: Final = {
    Phase.READY: "READY",
    Phase.PREPARING: "RUNNING",
    Phase.COPYING: "RUNNING",
    Phase.LAUNCHING: "RUNNING",
    Phase.SYNCING: "SYNCING",
    Phase.CUTTING_OVER: "SYNCING",
    Phase.STOPPING: "ABORTING",
    Phase.PAUSED: "ABORT",
    Phase.DELETING: "DELETING",
    Phase.DELETED: "DELETING",
}
_SUB_TASKS: Final = {
    Step.PROVISION: "CREATE_CLOUD_SERVER",
    Step.BOOT_HELPER: "ATTACH_AGENT_IMAGE",
    Step.CREATE_AUTHORITY: "SSL_CONFIG",
    Step.PREPARE_TARGET: "FORMAT_DISK_LINUX_FILE",
    Step.COPY: "MIGRATE_LINUX_FILE",
    Step.SYNC: "SYNC_LINUX_FILE",
    Step.ADAPT: "CONFIGURE_LINUX_FILE",
    Step.FINISH: "DETTACH_AGENT_IMAGE",
}


_SKIPPING: Final = frozenset({Leg.SKIPPING, Leg.SKIPPING_CHECK})


def v3_state(task: Task) -> str:
    """The task state in the words of the v3 contract."""
    if task.leg in _SKIPPING:
        return "SKIPPING"
    has_synced = task.round_number > 0
    if task.phase in {Phase.LAUNCHED, Phase.FINISHED}:
        return "SYNC_SUCCESS" if has_synced else "MIGRATE_SUCCESS"
    if task.phase is Phase.FAILED:
        return "SYNC_FAIL" if has_synced else "MIGRATE_FAIL"
    return _STATES[task.phase]


def show(task: Task, report: AgentProgress | None, now: datetime | None = None) -> TaskView:
    """A task as its user sees it; report: the newest one of a running transfer. now: for what depends on the time;
    None leaves that out."""
    progress = report.progress if report else None
    return TaskView(
        id=task.id,
        server_id=task.server_id,
        server_name=task.server_name,
        migration_type=task.migration_type,
        state=v3_state(task),
        phase=task.phase,
        step=task.step or "",
        error=task.failure,
        version=task.version,
        created_at=task.created_at,
        started_at=task.started_at,
        finished_at=task.finished_at,
        is_cut_over=task.is_cut_over,
        options=task.options,
        layout=task.layout,
        progress=progress,
        sub_tasks=_sub_tasks(task, report),
        target=_target(task),
        rounds=task.rounds,
        adaptation=task.adaptation,
        verification=task.verification,
        step_seconds=_step_seconds(task),
        template_id=task.template_id,
        project_id=task.project_id,
        placement=task.placement,
        choices=task.choices,
        name=task.name,
        priority=task.priority,
        checks_consistency=task.checks_consistency,
        speed_limits=task.speed_limits,
        configuration=task.configuration,
        attributes=task.attributes,
        network_check=task.network_check,
        consistency=consistency_of(task),
        consistency_at=task.consistency_at,
        load=report.load if report else None,
        cutover=task.cutover,
        forecast=forecast(task, progress, now) if now else None,
        allowed_actions=allowed_actions(task),
        rehearsal=_rehearsal(task),
        adaptation_plan=task.adaptation_plan,
    )


def listed(view: TaskView) -> TaskView:
    """A task of a list: without what only one that is looked at needs."""
    without_paths = {"skipped_paths": (), "changing_paths": ()}
    return view.model_copy(
        update={
            "layout": TargetLayout(firmware=view.layout.firmware, disks=(), volumes=()),
            "adaptation": None,
            "adaptation_plan": None,
            "verification": None,
            "rehearsal": None,
            "rounds": tuple(summary.model_copy(update=without_paths) for summary in view.rounds[-1:]),
        }
    )


def consistency_of(task: Task) -> tuple[ConsistencyResult, ...]:
    """What the last verification found, directory by directory; empty when there was none."""
    if task.consistency or task.verification is None:
        return task.consistency
    return tuple(
        ConsistencyResult(
            directory=found.path,
            files=found.files,
            different=found.different,
            missing=found.missing,
            extra=found.extra,
        )
        for found in task.verification.directories
    )


def _rehearsal(task: Task) -> RehearsalView | None:
    last = task.rehearsal
    if last is None:
        return None
    return RehearsalView(point_id=last.point_id, begun_at=last.begun_at, report=last.report)


def _target(task: Task) -> TargetView:
    target, machine = task.target, task.target.machine
    return TargetView(
        id=target.id,
        provider=target.provider,
        disks=target.disks or target.layer_disks,
        replica_disks=target.replica_disks,
        console=machine.console_path if machine else "",
        ports=machine.ports if machine else (),
        points=target.points,
        is_isolated=machine.is_isolated if machine else True,
        helper=task.helper.kind if task.helper else "",
    )


def _sub_tasks(task: Task, report: AgentProgress | None) -> tuple[SubTask, ...]:
    shown = []
    for step, run in sorted(task.steps.items(), key=lambda item: item[1].began_at):
        name = _SUB_TASKS.get(Step(step))
        if name is None:
            continue
        running = report if run.has_succeeded is None else None
        shown.append(
            SubTask(
                name=(running.sub_task if running else "") or name,
                progress=_percent(running.progress) if running else (100 if run.has_succeeded else 0),
                started_at=run.began_at,
                ended_at=run.ended_at,
                rate_mbit_s=round(running.progress.smoothed_rate_bytes_s * 8 / 1e6, 1) if running else 0.0,
                user_operation=run.operation,
                trace=(running.trace or _trace(running.progress)) if running else "",
            )
        )
    return tuple(shown)


def _trace(progress: TransferProgress) -> str:
    """What a running transfer does, file system by file system."""
    volumes = (
        f"{volume.mount_point}: {volume.bytes_done} of {volume.bytes_total} bytes, "
        f"{volume.files_done} of {volume.files_total} files"
        for volume in progress.volumes
    )
    return "; ".join((progress.stage, *volumes))


def _step_seconds(task: Task) -> dict[str, float]:
    return {
        step: round((run.ended_at - run.began_at).total_seconds(), 3)
        for step, run in task.steps.items()
        if run.ended_at is not None and run.has_succeeded
    }


def _percent(progress: TransferProgress) -> int:
    done = sum(volume.bytes_done for volume in progress.volumes)
    total = sum(volume.bytes_total for volume in progress.volumes)
    # 100 is said by the result alone: the totals are estimates until the walk has ended.
    return min(99, done * 100 // total) if total else 0
