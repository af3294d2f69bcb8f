"""How a wave is shown: everything is derived from its tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from contracts.errors import Failure
from contracts.messages.task import Phase
from contracts.messages.wave import WaveFields, WaveRow, WaveState, WaveView
from contracts.transfer import TransferProgress
from services.task.domain.waves import Member, TaskGlance, Wave

_NO_TASK: Final = "NONE"
# 500 rows must fit one message of the bus.
_LONGEST_TEXT: Final = 400
_ARRIVED: Final = frozenset({Phase.LAUNCHED, Phase.FINISHED})
_NEEDS_A_PERSON: Final = frozenset({Phase.PAUSED, Phase.FAILED})


def show_wave(
    wave: Wave, tasks: Mapping[str, TaskGlance], progress: Mapping[str, TransferProgress], *, with_rows: bool
) -> WaveView:
    """tasks by server, progress by task: the newest report of each transfer that runs."""
    waiting = {member.server_id for member in wave.waiting}
    rows = [
        _row(member, tasks.get(member.server_id), progress, is_waiting=member.server_id in waiting)
        for member in wave.members
    ]
    running = any(task.is_running for task in tasks.values())
    return WaveView(
        **{name: getattr(wave, name) for name in WaveFields.model_fields},
        id=wave.id,
        state=state_of(rows, is_running=running or bool(waiting)),
        last_action=wave.order.action.value if wave.order else "",
        percent=sum(row.percent for row in rows) // len(rows) if rows else 0,
        bytes_done=sum(row.bytes_done for row in rows),
        bytes_total=sum(row.bytes_total for row in rows),
        servers=len(rows),
        counts=dict(sorted(Counter(row.phase or _NO_TASK for row in rows).items())),
        rows=tuple(rows) if with_rows else (),
        created_at=wave.created_at,
    )


def state_of(rows: Sequence[WaveRow], *, is_running: bool) -> WaveState:
    """What can be said of all of them."""
    if is_running:
        return WaveState.RUNNING
    if any(row.failure is not None or row.phase in _NEEDS_A_PERSON for row in rows):
        return WaveState.ATTENTION
    if not rows or any(row.phase not in _ARRIVED for row in rows):
        return WaveState.DRAFT
    if all(row.phase == Phase.FINISHED for row in rows):
        return WaveState.FINISHED
    is_cut_over = all(row.is_cut_over or row.phase == Phase.FINISHED for row in rows)
    return WaveState.CUT_OVER if is_cut_over else WaveState.LAUNCHED


def brief(failure: Failure | None) -> Failure | None:
    """A failure for one row of many: its text without the figures apart, and no longer than a row may be."""
    if failure is None:
        return None
    cause, remedy = failure.cause[:_LONGEST_TEXT], failure.remedy[:_LONGEST_TEXT]
    return failure.model_copy(update={"cause": cause, "remedy": remedy, "parameters": {}})


def _row(
    member: Member, task: TaskGlance | None, progress: Mapping[str, TransferProgress], *, is_waiting: bool
) -> WaveRow:
    failure = brief(member.failure or (task.failure if task is not None else None))
    if task is None:
        return WaveRow(server_id=member.server_id, task_id=member.task_id, is_waiting=is_waiting, failure=failure)
    done, total = _bytes(task, progress.get(task.id))
    return WaveRow(
        server_id=member.server_id,
        server_name=task.server_name,
        task_id=task.id,
        phase=task.phase.value,
        step=task.step or "",
        is_waiting=is_waiting,
        is_cut_over=task.is_cut_over,
        percent=_percent(task, done, total),
        bytes_done=done,
        bytes_total=total,
        failure=failure,
    )


def _bytes(task: TaskGlance, progress: TransferProgress | None) -> tuple[int, int]:
    if task.is_running and progress is not None:
        total = max(progress.bytes_total, 0)
        return min(max(progress.bytes_done, 0), total), total
    # A round's summary is there once the round has ended, so that all of it is done.
    total = max((round_.bytes_total for round_ in task.rounds), default=0)
    return total, total


def _percent(task: TaskGlance, done: int, total: int) -> int:
    if task.phase in _ARRIVED:
        return 100
    # 100 is said by the target that runs alone.
    return min(99, done * 100 // total) if total else 0
