"""Commands: acknowledged at once, carried out once, and never out of order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from nats.aio.msg import Msg
from pydantic import ValidationError

from agents.session.state import Applied, SessionState
from agents.session.statuses import Statuses
from contracts.errors import Failure, MigrationError
from contracts.errors.agent import COMMAND_FAILED, COMMAND_UNREADABLE, STALE_COMMAND
from contracts.messages.agent import AgentCommand, AgentResult, CommandAcknowledged

_logger: Final = logging.getLogger("sms.agent.session")


@dataclass(frozen=True)
class Verb:
    """What a verb's data looks like and who carries it out."""

    model: type[AgentCommand]
    handler: Callable[[Any], Awaitable[None]]


class CommandDesk:
    """Decides over each command, and starts what is to be done.

    A task's commands carry an epoch that only grows. The newest that was accepted is on disk before its
    acknowledgement leaves: after a restart an older one is still refused, and the same one, repeated by the
    task service, is carried out again only if it had not ended.
    """

    def __init__(self, state: SessionState, statuses: Statuses, verbs: dict[str, Verb], *, agent_version: str) -> None:
        self._state = state
        self._statuses = statuses
        self._verbs = verbs
        self._agent_version = agent_version
        self._running: dict[tuple[str, int, str], asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def receive(self, verb: str, raw: Msg) -> CommandAcknowledged:
        """The acknowledgement of a command; the work has been started when it was accepted."""
        known = self._verbs.get(verb)
        if known is None:
            return self._unreadable(verb, raw, "the verb is not known")
        try:
            command = known.model.model_validate_json(raw.data)
        except ValidationError as error:
            # Only the place and the kind of the error: the data may hold keys.
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            return self._unreadable(verb, raw, f"{where}: {first['type']}")
        async with self._one_at_a_time:
            failure = await self._decide(verb, command, known)
        return CommandAcknowledged(task_id=command.task_id, epoch=command.epoch, failure=failure)

    async def stop(self) -> None:
        """Cancel what runs; after the next start a repeated command begins it again."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _decide(self, verb: str, command: AgentCommand, known: Verb) -> Failure | None:
        if command.IS_ORDERED and (command.task_id, command.epoch, verb) in self._running:
            return None
        if not command.task_id or not command.IS_ORDERED:
            self._start(verb, command, known)
            return None
        applied = await self._state.applied(command.task_id)
        if applied is not None and self._is_older(verb, command, applied):
            return STALE_COMMAND.failure(
                verb=verb, task_id=command.task_id, epoch=command.epoch, applied_epoch=applied.epoch
            )
        is_repeated = applied is not None and applied.epoch == command.epoch
        if is_repeated and applied is not None and applied.is_done:
            if applied.result is not None:
                await self._statuses.repeat_result(applied.result, command.task_id)
            return None
        if not is_repeated:
            await self._state.accept(command.task_id, command.epoch, verb)
        self._start(verb, command, known)
        return None

    @staticmethod
    def _is_older(verb: str, command: AgentCommand, applied: Applied) -> bool:
        # Two different commands of one epoch cannot both be the newest: the first one has it.
        return command.epoch < applied.epoch or (command.epoch == applied.epoch and verb != applied.verb)

    def _start(self, verb: str, command: AgentCommand, known: Verb) -> None:
        key = (command.task_id, command.epoch, verb)
        task = asyncio.create_task(self._carry_out(verb, command, known), name=f"command-{verb}")
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key, None))

    async def _carry_out(self, verb: str, command: AgentCommand, known: Verb) -> None:
        _logger.info("command %s of task %s, epoch %d, begins", verb, command.task_id, command.epoch)
        try:
            await known.handler(command)
        except MigrationError as error:
            await self._report(verb, command, error.failure)
        except Exception as error:
            # The edge of a command: the task service must learn that it has ended.
            _logger.exception("command %s failed", verb)
            await self._report(verb, command, COMMAND_FAILED.failure(verb=verb, reason=type(error).__name__))
        await self._state.mark_done(command.task_id, command.epoch, verb)
        _logger.info("command %s of task %s, epoch %d, has ended", verb, command.task_id, command.epoch)

    async def _report(self, verb: str, command: AgentCommand, failure: Failure) -> None:
        result = AgentResult(task_id=command.task_id, epoch=command.epoch, verb=verb, failure=failure)
        await self._statuses.keep(result)

    def _unreadable(self, verb: str, raw: Msg, reason: str) -> CommandAcknowledged:
        failure = COMMAND_UNREADABLE.failure(verb=verb, reason=reason, agent_version=self._agent_version)
        try:
            named = AgentCommand.model_validate_json(raw.data)
        except ValidationError:
            return CommandAcknowledged(task_id="", epoch=0, failure=failure)
        return CommandAcknowledged(task_id=named.task_id, epoch=named.epoch, failure=failure)
