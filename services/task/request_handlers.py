"""One coroutine per request of a user: every write is answered after its commit and applied once per key."""

from __future__ import annotations

import uuid
from typing import Final

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.metering import BALANCE_TOO_LOW
from contracts.errors.task import (
    TASK_BLOCK_LEVEL,
    TASK_DISCONNECTED,
    TASK_NOT_CHECKED,
    TASK_NOT_FEASIBLE,
)
from contracts.layout import TargetLayout
from contracts.messages.registry import ServerDetails
from contracts.messages.reply import Accepted
from contracts.messages.task import (
    ActOnTask,
    CreateTask,
    ListTasks,
    PlanTask,
    ShowHistory,
    ShowTask,
    TaskAction,
    TaskDetails,
    TaskHistory,
    TaskList,
    TaskOptions,
    TaskPlan,
)
from services.task.domain.layout import LayoutOptions, plan_layout
from services.task.domain.ports import Balances, Catalogue, Clock, Lane, Servers, Tasks
from services.task.domain.saga import Cause, act
from services.task.domain.task import Target, Task
from services.task.domain.view import show
from services.task.handlers import AnswerHandlers
from shared.store import AlreadyAppliedError, ConflictError

_NAMESPACE: Final = uuid.UUID("8d0b6f64-2f0a-4c5e-9a57-5f1b8f0f6a11")
_ATTEMPTS: Final = 5


class RequestHandlers:
    """What users ask of tasks."""

    def __init__(
        self,
        tasks: Tasks,
        servers: Servers,
        catalogue: Catalogue,
        lane: Lane,
        answers: AnswerHandlers,
        clock: Clock,
        balances: Balances,
    ) -> None:
        self._tasks = tasks
        self._servers = servers
        self._catalogue = catalogue
        self._lane = lane
        self._answers = answers
        self._clock = clock
        self._balances = balances

    async def create(self, request: CreateTask, envelope: Envelope) -> Accepted:
        """Plan the layout and write the task down; nothing is touched before its start."""
        task = await self._new_task(request, await self._servers.show(request.server_id, envelope), envelope)
        try:
            await self._tasks.create(task, envelope)
        except ConflictError:
            await self._tasks.load(envelope.account, task.id)  # the same request, repeated
        return Accepted(id=task.id)

    async def rehearse(self, request: CreateTask, envelope: Envelope) -> None:
        """Refuse what `create`, or the start after it, would refuse; nothing is written."""
        details = await self._servers.show(request.server_id, envelope)
        task = await self._new_task(request, details, envelope)
        await self._refuse_without_balance(task, envelope)
        if not details.server.is_connected:
            raise MigrationError(TASK_DISCONNECTED, server_id=request.server_id)

    async def _new_task(self, request: CreateTask, details: ServerDetails, envelope: Envelope) -> Task:
        if request.migration_type != "file":
            raise MigrationError(TASK_BLOCK_LEVEL)
        _refuse_infeasible(details)
        task_id = uuid.uuid5(_NAMESPACE, f"{envelope.account}/{request.idempotency_key}").hex
        disk_count = len(details.inventory.disks)
        chosen = await self._catalogue.choose(request, envelope.account, disk_count=disk_count)
        return Task(
            id=task_id,
            account=envelope.account,
            server_id=request.server_id,
            server_name=details.server.name,
            migration_type=request.migration_type,
            options=chosen.options,
            layout=_plan(details, chosen.options, seed=task_id),
            inventory=details.inventory,
            created_at=self._clock(),
            target=Target(id=task_id, provider=request.target_provider),
            template_id=chosen.template_id,
            project_id=chosen.project_id,
            placement=chosen.placement,
            choices=chosen.choices,
        )

    async def plan(self, request: PlanTask, envelope: Envelope) -> TaskPlan:
        """The layout that a task would have."""
        details = await self._servers.show(request.server_id, envelope)
        wanted = CreateTask(
            idempotency_key="plan",
            server_id=request.server_id,
            options=request.options,
            template_id=request.template_id,
            project_id=request.project_id,
        )
        disk_count = len(details.inventory.disks)
        chosen = await self._catalogue.choose(wanted, envelope.account, disk_count=disk_count)
        return TaskPlan(layout=_plan(details, chosen.options, seed=request.server_id))

    async def act(self, request: ActOnTask, envelope: Envelope) -> Accepted:
        """Start, stop, sync, launch, cut over, verify, finish, delete."""
        keyed = _keyed(envelope, request)
        for attempt in range(_ATTEMPTS):
            task = await self._tasks.load(envelope.account, request.task_id)
            if await self._tasks.was_applied(task.account, task.id, keyed.id):
                # Asked before the phase is: what was done the first time is what the phase now forbids.
                return Accepted(id=task.id)
            if request.action is TaskAction.START:
                await self._refuse_disconnected(task, envelope)
                await self._refuse_without_balance(task, envelope)
            cause = Cause(event=f"user: {request.action}", actor=envelope.actor, at=self._clock())
            changed = act(
                task,
                request.action,
                cause,
                has_consent=request.has_consent,
                overwrite_target=request.overwrite_target,
            )
            try:
                await self._tasks.change(changed, keyed)
            except AlreadyAppliedError:
                return Accepted(id=task.id)
            except ConflictError:
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            self._lane.notice(changed)
            break
        return Accepted(id=request.task_id)

    async def show(self, request: ShowTask, envelope: Envelope) -> TaskDetails:
        """One task with the newest progress."""
        task = await self._tasks.load(envelope.account, request.task_id)
        return TaskDetails(task=show(task, self._answers.progress_of(task)))

    async def list_tasks(self, request: ListTasks, envelope: Envelope) -> TaskList:
        """Tasks in the order of their ids, without what only `show` needs."""
        page = await self._tasks.page(envelope.account, request.server_id, request.after, request.limit)
        views = (show(task, self._answers.progress_of(task)) for task in page)
        return TaskList(
            count=await self._tasks.count(envelope.account, request.server_id),
            tasks=tuple(
                view.model_copy(
                    update={
                        "layout": TargetLayout(firmware=view.layout.firmware, disks=(), volumes=()),
                        "adaptation": None,
                        "verification": None,
                    }
                )
                for view in views
            ),
        )

    async def history(self, request: ShowHistory, envelope: Envelope) -> TaskHistory:
        """Every transition of a task."""
        await self._tasks.load(envelope.account, request.task_id)
        return TaskHistory(entries=tuple(await self._tasks.history(envelope.account, request.task_id)))

    async def _refuse_disconnected(self, task: Task, envelope: Envelope) -> None:
        details = await self._servers.show(task.server_id, envelope)
        if not details.server.is_connected:
            raise MigrationError(TASK_DISCONNECTED, server_id=task.server_id)

    async def _refuse_without_balance(self, task: Task, envelope: Envelope) -> None:
        """At the first start only: what runs is never held up, and a resumed task may be one that cleans up."""
        balance = await self._balances.check(envelope) if task.started_at is None else None
        if balance is not None and not balance.is_sufficient:
            raise MigrationError(
                BALANCE_TOO_LOW, amount=balance.amount, minimum=balance.minimum, currency=balance.currency
            )


def _plan(details: ServerDetails, options: TaskOptions, *, seed: str) -> TargetLayout:
    layout_options = LayoutOptions.from_pairs(options.layout_options, details.inventory, seed=seed)
    return plan_layout(details.inventory, layout_options)


def _refuse_infeasible(details: ServerDetails) -> None:
    server_id = details.server.id
    if details.feasibility is None:
        raise MigrationError(TASK_NOT_CHECKED, server_id=server_id)
    errors = [check.code for check in details.feasibility.checks if check.result == "ERROR"]
    if errors:
        raise MigrationError(TASK_NOT_FEASIBLE, server_id=server_id, checks=", ".join(errors))


def _keyed(envelope: Envelope, request: ActOnTask) -> Envelope:
    """The request's key stands for the message id: a repeated request is another message with the same key."""
    return Envelope(
        type=envelope.type,
        version=envelope.version,
        source=envelope.source,
        account=envelope.account,
        id=f"request:{request.idempotency_key}",
        actor=envelope.actor,
        correlation_id=request.task_id,
        subject=envelope.subject,
        traceparent=envelope.traceparent,
    )
