"""Commands to agents: each is repeated until its agent has acknowledged it, so that an agent may be away for days
and no other task waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from contracts import subjects
from contracts.errors import Failure, MigrationError
from contracts.messages.agent import CommandAcknowledged
from services.task.domain.instructions import AddressedCommand, agent_command
from services.task.domain.phases import MAY_BE_SKIPPED
from services.task.domain.task import Task
from services.task.settings import TaskSettings
from shared.bus import ServiceBus
from shared.telemetry import log

# (task, why): the agent will not carry the command out, or did not answer in the time that the step may wait.
OnRefused = Callable[[Task, Failure], Awaitable[None]]
OnSkipped = Callable[[Task], Awaitable[None]]


class AgentLane:
    """The port Lane. One asyncio task per migration task whose running step waits for an agent."""

    def __init__(self, bus: ServiceBus, settings: TaskSettings) -> None:
        self._bus = bus
        self._settings = settings
        self._saying: dict[str, asyncio.Task[None]] = {}
        self._is_closed = False
        self.on_refused: OnRefused | None = None
        self.on_skipped: OnSkipped | None = None

    async def close(self) -> None:
        """Say nothing any more; the next start says again what is not acknowledged."""
        self._is_closed = True
        saying = list(self._saying.values())
        for each in saying:
            each.cancel()
        await asyncio.gather(*saying, return_exceptions=True)

    def notice(self, task: Task) -> None:
        """Say the running step's command; an older one for the same task is dropped."""
        saying = self._saying.pop(task.id, None)
        if saying is not None and saying is not asyncio.current_task():
            saying.cancel()
        if self._is_closed or agent_command(task) is None:
            return
        work = asyncio.get_running_loop().create_task(self._say(task), name=f"command-{task.id}")
        self._saying[task.id] = work
        work.add_done_callback(lambda done: self._forget(task.id, done))

    async def tell(self, task: Task, command: AddressedCommand) -> bool:
        """Say something once beside the running step; whether the agent has acknowledged it."""
        subject = subjects.agent_command(task.account, command.agent_id, command.message.VERB)
        try:
            answer = await self._bus.request(
                subject,
                command.message,
                CommandAcknowledged,
                self._settings.command_timeout_s,
                account=task.account,
            )
        except MigrationError:
            return False
        return answer.failure is None

    async def _say(self, task: Task) -> None:
        command = agent_command(task)
        if command is None:
            return
        subject = subjects.agent_command(task.account, command.agent_id, command.message.VERB)
        pause_s = self._settings.command_pause_s
        began = asyncio.get_running_loop().time()
        while True:
            with suppress(MigrationError):
                answer = await self._bus.request(
                    subject,
                    command.message,
                    CommandAcknowledged,
                    self._settings.command_timeout_s,
                    account=task.account,
                )
                if answer.failure is not None:
                    log("command refused", level=logging.WARNING, task_id=task.id, code=answer.failure.code)
                    await self._refused(task, answer.failure)
                elif task.step in MAY_BE_SKIPPED:
                    await self._wait_then_skip(task, began + command.takes_s)
                return
            if task.step in MAY_BE_SKIPPED and self._has_waited(began):
                await self._skipped(task)
                return
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, self._settings.command_pause_max_s)

    async def _wait_then_skip(self, task: Task, began: float) -> None:
        """The result normally supersedes this wait."""
        await asyncio.sleep(max(0.0, began + self._settings.skip_after_s - asyncio.get_running_loop().time()))
        await self._skipped(task)

    def _has_waited(self, began: float) -> bool:
        return asyncio.get_running_loop().time() - began >= self._settings.skip_after_s

    async def _refused(self, task: Task, failure: Failure) -> None:
        if self.on_refused is not None:
            await self.on_refused(task, failure)

    async def _skipped(self, task: Task) -> None:
        if self.on_skipped is not None:
            await self.on_skipped(task)

    def _forget(self, task_id: str, done: asyncio.Task[None]) -> None:
        if self._saying.get(task_id) is done:
            del self._saying[task_id]
        if not done.cancelled() and done.exception() is not None:
            log("command lane failed", level=logging.ERROR, task_id=task_id, error=done.exception())
