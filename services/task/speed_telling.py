"""Tells a source that sends the limits which its task has now, until it has acknowledged them."""

from __future__ import annotations

import asyncio
import logging

from contracts.errors import MigrationError
from services.task.domain.instructions import speed_command
from services.task.domain.ports import Lane, Tasks
from services.task.domain.task import Task
from shared.telemetry import log


class SpeedTelling:
    """The command of a transfer carries the limits of its time; this is for those that change while it runs.

    Each attempt says what the record says then, so that a later change supersedes an earlier one.
    """

    def __init__(self, tasks: Tasks, lane: Lane, *, pause_s: float) -> None:
        self._tasks = tasks
        self._lane = lane
        self._pause_s = pause_s
        self._telling: dict[str, asyncio.Task[None]] = {}
        self._is_closed = False

    async def close(self) -> None:
        """Say nothing any more; the next start begins anew."""
        self._is_closed = True
        telling = list(self._telling.values())
        for each in telling:
            each.cancel()
        await asyncio.gather(*telling, return_exceptions=True)

    def tell_soon(self, task: Task) -> None:
        """Begin, if the task's source sends; what was being said for the task is dropped."""
        telling = self._telling.pop(task.id, None)
        if telling is not None:
            telling.cancel()
        if self._is_closed or speed_command(task) is None:
            return
        work = asyncio.get_running_loop().create_task(self._tell(task), name=f"speed-{task.id}")
        self._telling[task.id] = work
        work.add_done_callback(lambda done: self._forget(task.id, done))

    async def _tell(self, task: Task) -> None:
        while True:
            command = speed_command(task)
            if command is None:
                return
            if await self._lane.tell(task, command):
                log("speed limits told", task_id=task.id, version=task.version)
                return
            await asyncio.sleep(self._pause_s)
            try:
                task = await self._tasks.load(task.account, task.id)
            except MigrationError as error:
                # The store is away: what is known is said again.
                log("speed limits are told from memory", level=logging.WARNING, task_id=task.id, error=error)

    def _forget(self, task_id: str, done: asyncio.Task[None]) -> None:
        if self._telling.get(task_id) is done:
            del self._telling[task_id]
        if not done.cancelled() and done.exception() is not None:
            log("telling speed limits failed", level=logging.ERROR, task_id=task_id, error=done.exception())
