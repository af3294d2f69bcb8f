"""Requests that set something on a task, or report something into it, and the questions about it.

None of them moves the task on: each is a note in its history.
"""

from __future__ import annotations

from typing import Any

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.task import TASK_NOT_FOUND
from contracts.messages.cutover import SetCutover, ShowCutover, TaskCutover
from contracts.messages.reply import Accepted
from contracts.messages.task_settings import (
    ConfigureTask,
    RecordConsistency,
    RecordNetworkCheck,
    SetSpeedLimits,
    ShowConfiguration,
    ShowSpeedLimits,
    TaskConfiguration,
    TaskSpeedLimits,
    UpdateTask,
)
from services.task.changes import Decide, TaskChanges, keyed
from services.task.domain.configuration import checked_key, configured
from services.task.domain.ports import Clock, Tasks
from services.task.domain.saga import Cause, note
from services.task.domain.speed import checked_limit, checked_periods
from services.task.domain.task import Task
from services.task.domain.wishes import changed_attributes, checked_name, checked_priority
from services.task.speed_telling import SpeedTelling


class SettingHandlers:
    """Each write is answered after its commit and applied once per key."""

    def __init__(self, changes: TaskChanges, tasks: Tasks, telling: SpeedTelling, clock: Clock) -> None:
        self._changes = changes
        self._tasks = tasks
        self._telling = telling
        self._clock = clock

    async def update(self, request: UpdateTask, envelope: Envelope) -> Accepted:
        """Name, priority, the limit outside all periods, whether copies are verified, and what is only kept."""
        changes: dict[str, Any] = {}
        if request.name is not None:
            changes["name"] = checked_name(request.name)
        if request.priority is not None:
            changes["priority"] = checked_priority(request.priority)
        if request.checks_consistency is not None:
            changes["checks_consistency"] = request.checks_consistency
        has_limit = request.rate_limit_bit_s is not None
        limit = checked_limit(request.rate_limit_bit_s)

        def decide(task: Task) -> Task:
            learned = dict(changes)
            if has_limit:
                learned["options"] = task.options.model_copy(update={"rate_limit_bit_s": limit})
            if request.attributes is not None:
                learned["attributes"] = changed_attributes(task.attributes, request.attributes)
            return note(task, self._cause("update", envelope), **learned)

        task = await self._change(request.task_id, request.idempotency_key, envelope, decide)
        if has_limit:
            self._telling.tell_soon(task)
        return Accepted(id=request.task_id)

    async def set_speed_limits(self, request: SetSpeedLimits, envelope: Envelope) -> Accepted:
        """Written down first; then the source is told until it has acknowledged."""
        periods = checked_periods(request.periods)

        def decide(task: Task) -> Task:
            return note(task, self._cause("speed limits", envelope), speed_periods=periods)

        self._telling.tell_soon(await self._change(request.task_id, request.idempotency_key, envelope, decide))
        return Accepted(id=request.task_id)

    async def speed_limits(self, request: ShowSpeedLimits, envelope: Envelope) -> TaskSpeedLimits:
        """All periods in the order of the day, and what holds outside them."""
        task = await self._tasks.load(envelope.account, request.task_id)
        return TaskSpeedLimits(task_id=task.id, limits=task.speed_limits)

    async def configure(self, request: ConfigureTask, envelope: Envelope) -> Accepted:
        """All settings of the request, or none."""

        def decide(task: Task) -> Task:
            settings = configured(task.configuration, request.settings)
            return note(task, self._cause("configuration", envelope), configuration=settings)

        await self._change(request.task_id, request.idempotency_key, envelope, decide)
        return Accepted(id=request.task_id)

    async def configuration(self, request: ShowConfiguration, envelope: Envelope) -> TaskConfiguration:
        """One setting, or all that were made."""
        task = await self._tasks.load(envelope.account, request.task_id)
        key = checked_key(request.key) if request.key else None
        settings = tuple(setting for setting in task.configuration if key in {None, setting.key})
        return TaskConfiguration(task_id=task.id, migration_type=task.migration_type, settings=settings)

    async def set_cutover(self, request: SetCutover, envelope: Envelope) -> Accepted:
        """What a cutover does on the source; one that runs goes on as it began."""

        def decide(task: Task) -> Task:
            return note(task, self._cause("cutover settings", envelope), cutover_settings=request.settings)

        await self._change(request.task_id, request.idempotency_key, envelope, decide)
        return Accepted(id=request.task_id)

    async def show_cutover(self, request: ShowCutover, envelope: Envelope) -> TaskCutover:
        """The settings with their commands."""
        task = await self._tasks.load(envelope.account, request.task_id)
        return TaskCutover(task_id=task.id, settings=task.cutover_settings)

    async def record_network_check(self, request: RecordNetworkCheck, envelope: Envelope) -> Accepted:
        """The newest one is kept."""

        def decide(task: Task) -> Task:
            _refuse_foreign(task, request.server_id)
            check = request.check.model_copy(update={"taken_at": self._clock()})
            return note(task, self._cause("network check", envelope), network_check=check)

        await self._change(request.task_id, request.idempotency_key, envelope, decide)
        return Accepted(id=request.task_id)

    async def record_consistency(self, request: RecordConsistency, envelope: Envelope) -> Accepted:
        """Replaces what was known."""

        def decide(task: Task) -> Task:
            _refuse_foreign(task, request.server_id)
            cause = self._cause("consistency result", envelope)
            return note(task, cause, consistency=request.results, consistency_at=cause.at)

        await self._change(request.task_id, request.idempotency_key, envelope, decide)
        return Accepted(id=request.task_id)

    async def _change(self, task_id: str, key: str, envelope: Envelope, decide: Decide) -> Task:
        return await self._changes.change(envelope.account, task_id, keyed(envelope, key, task_id), decide)

    def _cause(self, what: str, envelope: Envelope) -> Cause:
        return Cause(event=f"user: {what}", actor=envelope.actor, at=self._clock())


def _refuse_foreign(task: Task, server_id: str) -> None:
    if server_id and task.server_id != server_id:
        raise MigrationError(TASK_NOT_FOUND, task_id=task.id)
