"""Follows a task until it is where the user wants it: a bar per disk, or a line every 10 s."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol
from urllib.parse import quote

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from cli.api_answers import Reply
from cli.failures import UNAVAILABLE_EXIT_CODE, exit_code_of
from cli.output import cell, duration, err, size
from contracts.errors import MigrationError
from contracts.errors.cli import TASK_ENDED_EARLY, USAGE
from contracts.layout import TargetLayout
from contracts.messages.task import Phase, TaskDetails, TaskView
from contracts.transfer import TransferProgress

DONE: Final = frozenset({Phase.LAUNCHED, Phase.FINISHED})
_LINE_EVERY_S = 10.0
_ANSWER_WITHIN_S = 5.0
_ENDED: Final = frozenset({Phase.PAUSED, Phase.FAILED, Phase.FINISHED, Phase.DELETED})
# A short phase may begin and end between two looks.
_PASSED: Final = {
    Phase.PREPARING: frozenset({Phase.COPYING, Phase.LAUNCHING, Phase.LAUNCHED}),
    Phase.COPYING: frozenset({Phase.LAUNCHING, Phase.LAUNCHED}),
    Phase.LAUNCHING: frozenset({Phase.LAUNCHED}),
}


def goal_of(until: str) -> frozenset[Phase]:
    """The phases that --until waits for. Raises MigrationError SMS.CLI.USAGE for an unknown one."""
    if not until:
        return DONE
    try:
        return frozenset({Phase(until.upper())})
    except ValueError as error:
        known = ", ".join(Phase)
        raise MigrationError(
            USAGE, reason=f"--until needs one of {known}, not {until!r}.", command="sms task watch"
        ) from error


def details_path(task_id: str) -> str:
    """Where the API shows the whole task."""
    return f"/v3/tasks/{quote(task_id, safe='')}/details"


class Reader(Protocol):
    """What is needed of an `ApiClient`."""

    async def get(self, path: str, reply: type[Reply], *, timeout_s: float) -> Reply:
        """Read; an answer that has not changed since the last look costs next to nothing."""
        ...


class Watch:
    """Follows one task. goal: the phases to wait for. after: only a later version of the task counts as there.

    patience_s: for how long the service may be away.
    """

    def __init__(
        self,
        api: Reader,
        task_id: str,
        goal: frozenset[Phase],
        *,
        is_quiet: bool = False,
        after: int = -1,
        poll_s: float = 0.5,
        patience_s: float = 60.0,
    ) -> None:
        self._api = api
        self._task_id = task_id
        self._goal = goal
        self._after = after
        self._is_quiet = is_quiet
        self._poll_s = poll_s
        self._patience_s = patience_s

    async def run(self) -> TaskView:
        """Returns the task once it is there. Raises MigrationError with the task's failure when it will not be."""
        if self._is_quiet:
            return await self._follow(lambda _task: None)
        if not err.is_terminal:
            return await self._follow(_Lines().show)
        with _Bars() as bars:
            return await self._follow(bars.show)

    async def _follow(self, show: Callable[[TaskView], None]) -> TaskView:
        while True:
            task = await self._look()
            show(task)
            if self._is_there(task):
                return task
            self._raise_if_ended(task)
            await asyncio.sleep(self._poll_s)

    async def _look(self) -> TaskView:
        """The task as it is now. A service that is away for a while ends no watch: the task goes on too."""
        give_up_at = time.monotonic() + self._patience_s
        while True:
            try:
                found = await self._api.get(details_path(self._task_id), TaskDetails, timeout_s=_ANSWER_WITHIN_S)
            except MigrationError as error:
                if exit_code_of(error.failure) != UNAVAILABLE_EXIT_CODE or time.monotonic() > give_up_at:
                    raise
                await asyncio.sleep(self._poll_s)
            else:
                return found.task

    def _is_there(self, task: TaskView) -> bool:
        if task.version <= self._after:
            return False
        if task.phase is Phase.LAUNCHED:
            # A verification or a finish is running: LAUNCHED is where it began.
            return Phase.LAUNCHED in self._goal and not task.step and task.error is None
        if task.phase is Phase.READY and task.step:
            return False  # the network is being measured
        return task.phase in self._goal or any(task.phase in _PASSED.get(goal, ()) for goal in self._goal)

    def _raise_if_ended(self, task: TaskView) -> None:
        if task.version <= self._after or task.step:
            return
        if task.error is not None and task.phase in {Phase.PAUSED, Phase.FAILED, Phase.LAUNCHED}:
            raise MigrationError(task.error)
        if task.phase in _ENDED:
            wanted = " or ".join(sorted(self._goal))
            raise MigrationError(TASK_ENDED_EARLY, task_id=self._task_id, phase=task.phase, wanted=wanted)


class _Lines:
    """For a log: one line when phase or step change, else one every 10 s."""

    def __init__(self) -> None:
        self._last = ("", "")
        self._next_at = 0.0

    def show(self, task: TaskView) -> None:
        now = time.monotonic()
        here = (str(task.phase), task.step)
        if here == self._last and now < self._next_at:
            return
        self._last, self._next_at = here, now + _LINE_EVERY_S
        line = f"{time.strftime('%H:%M:%S')} {' '.join(part for part in here if part)}"
        if task.progress is not None and task.step:
            line += f"  {progress_text(task.progress, task.layout)}"
        err.print(cell(line))


class _Bars:
    """For a terminal: one bar per disk of the target, and above them what is being done."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True),
            console=err,
        )
        self._bars: dict[str, TaskID] = {}
        self._last = ("", "")

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, task: TaskView) -> None:
        here = (str(task.phase), task.step)
        if here != self._last:
            self._last = here
            self._end_bars()
            self._progress.print(cell(f"{time.strftime('%H:%M:%S')} {' '.join(part for part in here if part)}"))
        if task.progress is None or not task.step:
            return
        for disk, (done, total) in by_disk(task.progress, task.layout).items():
            if disk not in self._bars:
                self._bars[disk] = self._progress.add_task(f"{task.step.lower()} {disk}", total=total or None)
            self._progress.update(self._bars[disk], completed=done, total=max(total, done) or None)

    def _end_bars(self) -> None:
        """The next step starts with bars of its own; those of the last one stay as they are."""
        for bar in self._bars.values():
            self._progress.stop_task(bar)
        self._bars.clear()


def by_disk(progress: TransferProgress, layout: TargetLayout) -> dict[str, tuple[int, int]]:
    """Bytes done and in all, per disk of the target, in copying order."""
    disk_of = {volume.index: volume.target_disk for volume in layout.volumes}
    disks: dict[str, tuple[int, int]] = {}
    for volume in progress.volumes:
        disk = disk_of.get(volume.volume, volume.mount_point)
        done, total = disks.get(disk, (0, 0))
        disks[disk] = (done + volume.bytes_done, total + volume.bytes_total)
    return disks


def progress_text(progress: TransferProgress, layout: TargetLayout) -> str:
    """One line: every disk, then rate and time left of all."""
    disks = ", ".join(
        f"{disk} {100 * done // max(total, done, 1)} % ({size(done)} of {size(max(total, done))})"
        for disk, (done, total) in by_disk(progress, layout).items()
    )
    stalled = ", stalled" if progress.is_stalled else ""
    if progress.lag_s is not None:
        return f"{disks}, {size(progress.smoothed_rate_bytes_s)}/s, {progress.lag_s:.1f} s behind{stalled}"
    return f"{disks}, {size(progress.smoothed_rate_bytes_s)}/s, {duration(progress.seconds_left)} left{stalled}"


def changes_text(progress: TransferProgress) -> str:
    """How a sync finds out what has changed; "" while it is not one."""
    if not progress.round_number:
        return ""
    walked = [f"{volume.mount_point} ({volume.walked_because})" for volume in progress.volumes if volume.walked_because]
    return f"found by walking {', '.join(walked)}" if walked else "told by the source's kernel"
