"""Since when nothing has moved, by the reports of the tasks' own sources. Kept in memory: after a restart a task
counts as moving until it has been quiet for as long again."""

from __future__ import annotations

from datetime import datetime

from contracts.base import Model
from contracts.transfer import TransferProgress
from services.notification.domain.watch import Watch

Key = tuple[str, str]


class Mark(Model):
    """Where a transfer was when it moved last. began_at: which transfer. Seconds of a monotonic clock. in_step_at_s:
    until when the target has everything, by the source's own word; None while the source does not know."""

    server_id: str
    began_at: datetime | None
    moved_at_s: float
    position: tuple[str, int, int, int] = ("", 0, 0, 0)
    in_step_at_s: float | None = None


class Movement:
    """One mark per task that copies; reports about any other task are not kept."""

    def __init__(self) -> None:
        self._marks: dict[Key, Mark] = {}

    def watch(self, account: str, watch: Watch, *, now_s: float) -> float:
        """Seconds of quiet; a transfer that has just begun starts to count now."""
        mark = self._marks.get((account, watch.task_id))
        if not watch.is_copying:
            self._marks.pop((account, watch.task_id), None)
            return 0.0
        if mark is None or mark.began_at != watch.copying_since:
            mark = Mark(server_id=watch.server_id, began_at=watch.copying_since, moved_at_s=now_s)
            self._marks[account, watch.task_id] = mark
        return now_s - mark.moved_at_s

    def lag_s(self, account: str, task_id: str, *, now_s: float) -> float | None:
        """Age of the oldest change that the target has not, as the source says while it is told of changes."""
        mark = self._marks.get((account, task_id))
        return None if mark is None or mark.in_step_at_s is None else now_s - mark.in_step_at_s

    def forget_all_but(self, keys: set[Key]) -> None:
        """Tasks that have ended, or are another replica's memory."""
        for key in self._marks.keys() - keys:
            del self._marks[key]

    def heard(self, account: str, agent_id: str, progress: TransferProgress, *, now_s: float) -> None:
        """A report; only the task's own source is believed."""
        mark = self._marks.get((account, progress.task_id))
        if mark is None or mark.server_id != agent_id:
            return
        position = (progress.stage, progress.bytes_done, progress.files_done, progress.round_number)
        changes: dict[str, object] = {"in_step_at_s": None if progress.lag_s is None else now_s - progress.lag_s}
        # A source that has nothing to send does not stall.
        if not progress.is_stalled and (position != mark.position or progress.lag_s == 0):
            changes |= {"position": position, "moved_at_s": now_s}
        self._marks[account, progress.task_id] = mark.model_copy(update=changes)
