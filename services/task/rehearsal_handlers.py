"""Requests for rehearsals: each is answered after its commit and applied once per key."""

from __future__ import annotations

from contracts.envelope import Envelope
from contracts.messages.reply import Accepted
from contracts.messages.task import RehearseTask
from services.task.changes import TaskChanges, keyed
from services.task.domain.ports import Clock
from services.task.domain.rehearsals import rehearse
from services.task.domain.saga import Cause


class RehearsalHandlers:
    """A rehearsal moves no task on: it is a note in its history."""

    def __init__(self, changes: TaskChanges, clock: Clock) -> None:
        self._changes = changes
        self._clock = clock

    async def rehearse(self, request: RehearseTask, envelope: Envelope) -> Accepted:
        """Ask for one of the newest point."""
        cause = keyed(envelope, request.idempotency_key, request.task_id)
        reason = Cause(event="user: rehearse", actor=envelope.actor, at=self._clock())
        await self._changes.change(envelope.account, request.task_id, cause, lambda task: rehearse(task, reason))
        return Accepted(id=request.task_id)
