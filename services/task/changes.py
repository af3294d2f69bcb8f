"""One way to change a task: load, decide, save, tell the lane; again when somebody else was faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from contracts.envelope import Envelope
from services.task.domain.instructions import ServiceCommand
from services.task.domain.ports import Lane, Tasks
from services.task.domain.task import Task
from shared.store import AlreadyAppliedError, ConflictError

Decide = Callable[[Task], Task | None]
_ATTEMPTS: Final = 5


class TaskChanges:
    """Writes of users and agents on tasks that exist."""

    def __init__(self, tasks: Tasks, lane: Lane) -> None:
        self._tasks = tasks
        self._lane = lane

    async def change(
        self, account: str, task_id: str, cause: Envelope, decide: Decide, *, besides: Sequence[ServiceCommand] = ()
    ) -> Task:
        """The task after what `decide` made of it, or as it is when that is None or was done before.

        Raises what `decide` raises, MigrationError SMS.TASK.NOT_FOUND, ConflictError.
        """
        for attempt in range(_ATTEMPTS):
            task = await self._tasks.load(account, task_id)
            if await self._tasks.was_applied(account, task_id, cause.id):
                return task
            changed = decide(task)
            if changed is None:
                return task
            try:
                await self._tasks.change(changed, cause, besides=besides)
            except AlreadyAppliedError:
                return task
            except ConflictError:
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            if changed.epoch != task.epoch:
                self._lane.notice(changed)
            return changed
        raise AssertionError("the last attempt returns or raises")


def keyed(envelope: Envelope, idempotency_key: str, task_id: str) -> Envelope:
    """The request's key stands for the message id: a repeated request is another message with the same key."""
    return Envelope(
        type=envelope.type,
        version=envelope.version,
        source=envelope.source,
        account=envelope.account,
        id=f"request:{idempotency_key}",
        actor=envelope.actor,
        correlation_id=task_id,
        subject=envelope.subject,
        traceparent=envelope.traceparent,
    )
