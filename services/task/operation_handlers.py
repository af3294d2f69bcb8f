"""Requests of users that move a task on: operations by their words, and the deletion of many."""

from __future__ import annotations

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.items import ItemOutcome
from contracts.messages.reply import Accepted
from contracts.messages.task import ActOnTask, TaskAction
from contracts.messages.task_settings import DeleteTasks, OperateTask, TasksDeleted
from services.task.changes import TaskChanges, keyed
from services.task.domain.operations import Operation, operate, operation_of
from services.task.domain.ports import Clock, Tasks
from services.task.domain.saga import Cause, act
from services.task.domain.task import Task
from services.task.domain.verification import verification_wish
from services.task.start_guard import StartGuard


class OperationHandlers:
    """Each request is answered after its commit and applied once per key."""

    def __init__(self, changes: TaskChanges, tasks: Tasks, guard: StartGuard, clock: Clock) -> None:
        self._changes = changes
        self._tasks = tasks
        self._guard = guard
        self._clock = clock

    async def act(self, request: ActOnTask, envelope: Envelope) -> Accepted:
        """Start, stop, sync, launch, cut over, verify, finish, delete."""
        cause = keyed(envelope, request.idempotency_key, request.task_id)
        wish = verification_wish(request) if request.action is TaskAction.VERIFY else None
        if request.action is TaskAction.START:
            await self._refuse_start(cause, request.task_id)

        def decide(task: Task) -> Task:
            return act(
                task,
                request.action,
                self._cause(request.action, envelope),
                has_consent=request.has_consent,
                overwrite_target=request.overwrite_target,
                is_continuous=request.is_continuous,
                verification=wish,
            )

        await self._changes.change(envelope.account, request.task_id, cause, decide)
        return Accepted(id=request.task_id)

    async def operate(self, request: OperateTask, envelope: Envelope) -> Accepted:
        """What the v3 contract calls an operation."""
        operation = operation_of(request.operation)
        cause = keyed(envelope, request.idempotency_key, request.task_id)
        if operation in {Operation.START, Operation.RESTART}:
            await self._refuse_start(cause, request.task_id)

        def decide(task: Task) -> Task:
            return operate(task, operation, request, self._cause(operation, envelope))

        await self._changes.change(envelope.account, request.task_id, cause, decide)
        return Accepted(id=request.task_id)

    async def delete_many(self, request: DeleteTasks, envelope: Envelope) -> TasksDeleted:
        """Each one is deleted or refused for itself; a refused one holds up no other."""
        return TasksDeleted(
            results=tuple([await self._delete(task_id, request, envelope) for task_id in request.task_ids])
        )

    async def _delete(self, task_id: str, request: DeleteTasks, envelope: Envelope) -> ItemOutcome:
        single = ActOnTask(idempotency_key=request.idempotency_key, task_id=task_id, action=TaskAction.DELETE)
        try:
            await self.act(single, envelope)
        except MigrationError as error:
            return ItemOutcome(id=task_id, failure=error.failure)
        return ItemOutcome(id=task_id)

    def _cause(self, word: str, envelope: Envelope) -> Cause:
        return Cause(event=f"user: {word}", actor=envelope.actor, at=self._clock())

    async def _refuse_start(self, cause: Envelope, task_id: str) -> None:
        task = await self._tasks.load(cause.account, task_id)
        # A repeated start has happened, whatever has become of server and balance since.
        if not await self._tasks.was_applied(task.account, task.id, cause.id):
            await self._guard.refuse(task, cause)
