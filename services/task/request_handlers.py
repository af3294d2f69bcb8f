"""One coroutine per request of a user: every write is answered after its commit and applied once per key."""

from __future__ import annotations

import uuid
from typing import Final

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.task import (
    TASK_BLOCK_LEVEL,
    TASK_NOT_CHECKED,
    TASK_NOT_FEASIBLE,
)
from contracts.inventory import SourceInventory
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
    TaskView,
)
from contracts.messages.verification import ShowVerification, TaskVerification
from services.task.domain.layout import LayoutOptions, plan_layout
from services.task.domain.ports import Catalogue, Clock, Servers, Signer, Tasks
from services.task.domain.speed import checked_limit, checked_percent
from services.task.domain.task import Target, Task
from services.task.domain.verification import document_of
from services.task.domain.view import listed, show
from services.task.domain.wishes import checked_name, checked_priority, layout_options
from services.task.handlers import AnswerHandlers
from services.task.operation_handlers import OperationHandlers
from services.task.start_guard import StartGuard
from shared.store import ConflictError

# The bus takes 1 MB; envelope and count need little.
_PAGE_BYTES: Final = 900 << 10
_NAMESPACE: Final = uuid.UUID("8d0b6f64-2f0a-4c5e-9a57-5f1b8f0f6a11")


class RequestHandlers:
    """What users ask of tasks."""

    def __init__(
        self,
        tasks: Tasks,
        servers: Servers,
        catalogue: Catalogue,
        operations: OperationHandlers,
        guard: StartGuard,
        answers: AnswerHandlers,
        signer: Signer,
        clock: Clock,
    ) -> None:
        self._tasks = tasks
        self._servers = servers
        self._catalogue = catalogue
        self._operations = operations
        self._guard = guard
        self._answers = answers
        self._signer = signer
        self._clock = clock

    async def create(self, request: CreateTask, envelope: Envelope) -> Accepted:
        """Plan the layout and write the task down; nothing is touched before its start."""
        task = await self._new_task(request, await self._servers.show(request.server_id, envelope), envelope)
        try:
            await self._tasks.create(task, envelope)
        except ConflictError:
            await self._tasks.load(envelope.account, task.id)  # the same request, repeated
        if request.starts_at_once:
            # A second write with a key of its own: a repeated request finds what of the two is missing.
            key = f"{request.idempotency_key}:start"
            start = ActOnTask(idempotency_key=key, task_id=task.id, action=TaskAction.START, has_consent=True)
            await self._operations.act(start, envelope)
        return Accepted(id=task.id)

    async def rehearse(self, request: CreateTask, envelope: Envelope) -> None:
        """Refuse what `create`, or the start after it, would refuse; nothing is written."""
        details = await self._servers.show(request.server_id, envelope)
        task = await self._new_task(request, details, envelope)
        await self._guard.refuse(task, envelope)

    async def _new_task(self, request: CreateTask, details: ServerDetails, envelope: Envelope) -> Task:
        if request.migration_type != "file":
            raise MigrationError(TASK_BLOCK_LEVEL)
        _refuse_infeasible(details)
        task_id = uuid.uuid5(_NAMESPACE, f"{envelope.account}/{request.idempotency_key}").hex
        disk_count = len(details.inventory.disks)
        wanted = request.model_copy(
            update={
                "options": _with_wishes(request, details.inventory),
                "project_id": request.project_id or details.server.project_id,
            }
        )
        chosen = await self._catalogue.choose(wanted, envelope.account, disk_count=disk_count)
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
            name=checked_name(request.name) if request.name else "",
            priority=checked_priority(request.priority),
            checks_consistency=request.checks_consistency,
            over_speed_percent=checked_percent(request.over_speed_percent),
            attributes=request.attributes,
        )

    async def plan(self, request: PlanTask, envelope: Envelope) -> TaskPlan:
        """The layout that a task would have."""
        details = await self._servers.show(request.server_id, envelope)
        wanted = CreateTask(
            idempotency_key="plan",
            server_id=request.server_id,
            options=request.options,
            template_id=request.template_id,
            project_id=request.project_id or details.server.project_id,
        )
        disk_count = len(details.inventory.disks)
        chosen = await self._catalogue.choose(wanted, envelope.account, disk_count=disk_count)
        return TaskPlan(layout=_plan(details, chosen.options, seed=request.server_id), options=chosen.options)

    async def act(self, request: ActOnTask, envelope: Envelope) -> Accepted:
        """Move a task on, for a wave."""
        return await self._operations.act(request, envelope)

    async def show(self, request: ShowTask, envelope: Envelope) -> TaskDetails:
        """One task with the newest progress."""
        task = await self._tasks.load(envelope.account, request.task_id)
        return TaskDetails(task=show(task, self._answers.progress_of(task), self._clock()))

    async def verification(self, request: ShowVerification, envelope: Envelope) -> TaskVerification:
        """The last verification, for whoever was not there."""
        document = document_of(await self._tasks.load(envelope.account, request.task_id))
        return TaskVerification(document=self._signer.sign(document))

    async def list_tasks(self, request: ListTasks, envelope: Envelope) -> TaskList:
        """Tasks in the order of their ids, without what only `show` needs; as many as a message holds."""
        page = await self._tasks.page(envelope.account, request)
        views: list[TaskView] = []
        room_bytes = _PAGE_BYTES
        for task in page:
            view = listed(show(task, self._answers.progress_of(task)))
            room_bytes -= len(view.model_dump_json())
            if room_bytes < 0 and views:
                break
            views.append(view)
        return TaskList(count=await self._tasks.count(envelope.account, request), tasks=tuple(views))

    async def history(self, request: ShowHistory, envelope: Envelope) -> TaskHistory:
        """Every transition of a task."""
        await self._tasks.load(envelope.account, request.task_id)
        return TaskHistory(entries=tuple(await self._tasks.history(envelope.account, request.task_id)))


def _with_wishes(request: CreateTask, inventory: SourceInventory) -> TaskOptions:
    """Sizes that the user wished for count less than those of the options, which name disks as the layout does."""
    sizes = {**layout_options(request.wished_disks, inventory), **request.options.layout_options}
    checked_limit(request.options.rate_limit_bit_s)
    return request.options.model_copy(update={"layout_options": sizes})


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
