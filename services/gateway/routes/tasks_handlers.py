"""Migration tasks: create, list, show, change, operate, delete."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Query

from contracts.errors import MigrationError
from contracts.errors.api import API_DENIED, API_INVALID_REQUEST
from contracts.errors.registry import SERVER_NOT_FOUND
from contracts.errors.task import TASK_NOT_FOUND
from contracts.items import ItemOutcome
from contracts.messages.reply import Accepted
from contracts.messages.source import FindServers, ShowSourceServer, SourceServer, SourceServerDetails, SourceServerPage
from contracts.messages.task import ActOnTask, ListTasks, Phase, ShowTask, TaskAction, TaskDetails, TaskList, TaskView
from contracts.messages.task_settings import DeleteTasks, OperateTask, TasksDeleted
from services.gateway.api.call import ApiCall, Call
from services.gateway.api.router import ApiRouter
from services.gateway.domain.mapping.new_tasks import create_task as creation
from services.gateway.domain.mapping.new_tasks import update_task as change
from services.gateway.domain.mapping.tasks import deleted, listed, shown
from services.gateway.domain.wire.tasks import (
    CreateTaskResponse,
    DeleteTasksReq,
    DeleteTasksResponse,
    ListTasksResponse,
    PostTask,
    PutTaskReq,
    ShowTaskResponse,
    TaskDone,
    UpdateTaskStatusReq,
)

router = ApiRouter(tag="tasks")

_DEFAULT_LIMIT: Final = 200
_LARGEST_LIMIT: Final = 1000
# Servers are looked up one by one for a small page, and all at once for a large one.
_ONE_BY_ONE: Final = 20
_ENTERPRISE_PROJECTS: Final = ("", "0", "all_granted_eps")
_STATES: Final = (
    "READY",
    "RUNNING",
    "SYNCING",
    "MIGRATE_SUCCESS",
    "SYNC_SUCCESS",
    "MIGRATE_FAIL",
    "SYNC_FAIL",
    "ABORTING",
    "ABORT",
    "SKIPPING",
    "DELETING",
    "RESETING",
    "SYNC_F_ROLLBACKING",
    "SYNC_F_ROLLBACK_SUCCESS",
)


@router.post("/v3/tasks", action="sms:task:create", operation_id="create_task")
async def create_task(call: ApiCall, body: PostTask) -> CreateTaskResponse:
    """Create a task, and start it with auto_start. What this version does not offer is refused by name."""
    message = creation(body, idempotency_key=call.idempotency_key)
    return CreateTaskResponse(id=(await call.ask("task", "create", message, Accepted)).id)


@router.get("/v3/tasks", action="sms:task:list", operation_id="list_tasks")
async def list_tasks(
    call: ApiCall,
    *,
    state: str = "",
    name: Annotated[str, Query(max_length=255)] = "",
    id: Annotated[str, Query(max_length=128)] = "",  # noqa: A002 - the wire's name
    source_server_id: Annotated[str, Query(max_length=128)] = "",
    limit: Annotated[int, Query(ge=0, le=_LARGEST_LIMIT)] = 0,
    offset: Annotated[int, Query(ge=0, le=1 << 31)] = 0,
    enterprise_project_id: Annotated[str, Query(max_length=64)] = "",
) -> ListTasksResponse:
    """Tasks that all given filters let through. name: a part of it. limit 0 stands for 200."""
    if state and state not in _STATES:
        reason = f"it is none of {', '.join(_STATES)}"
        raise MigrationError(API_INVALID_REQUEST, field="query parameter state", reason=reason)
    if enterprise_project_id not in _ENTERPRISE_PROJECTS:
        return ListTasksResponse(count=0, tasks=[])
    wanted = ListTasks(
        server_id=source_server_id,
        task_id=id,
        name=name,
        state=state,
        limit=limit or _DEFAULT_LIMIT,
        offset=offset,
    )
    found = await tasks_page(call, wanted)
    servers = await _servers(call, {task.server_id for task in found.tasks})
    now = datetime.now(UTC)
    return ListTasksResponse(
        count=found.count, tasks=[listed(task, servers.get(task.server_id), now) for task in found.tasks]
    )


@router.post("/v3/tasks/delete", action="sms:task:delete", operation_id="delete_tasks")
async def delete_tasks(call: ApiCall, body: DeleteTasksReq) -> DeleteTasksResponse:
    """Delete tasks, each on its own: what may not go, or is unknown, is reported and keeps no other."""
    ids = tuple(dict.fromkeys(body.ids))
    allowed = await _may_delete(call, ids)
    message = DeleteTasks(idempotency_key=call.idempotency_key, task_ids=allowed)
    results = (await call.ask("task", "delete-many", message, TasksDeleted)).results
    outcomes = {outcome.id: outcome for outcome in results}
    return DeleteTasksResponse(tasks=[deleted(outcomes.get(one) or _denied(call, one)) for one in ids])


@router.get("/v3/tasks/{task_id}", action="sms:task:get", resource="task:{task_id}", operation_id="show_task")
async def show_task(call: ApiCall, task_id: str) -> ShowTaskResponse:
    """One task with its sub-tasks, progress and the layout of its target."""
    task = await task_of(call, task_id)
    servers = await _servers(call, {task.server_id})
    return shown(task, servers.get(task.server_id), datetime.now(UTC))


@router.put("/v3/tasks/{task_id}", action="sms:task:update", resource="task:{task_id}", operation_id="update_task")
async def update_task(call: ApiCall, task_id: str, body: PutTaskReq) -> TaskDone:
    """Rename a task, change its priority, its limit, and what is only kept."""
    message = change(task_id, body, idempotency_key=call.idempotency_key)
    return TaskDone(id=(await call.ask("task", "update", message, Accepted)).id)


@router.delete("/v3/tasks/{task_id}", action="sms:task:delete", resource="task:{task_id}", operation_id="delete_task")
async def delete_task(call: ApiCall, task_id: str) -> TaskDone:
    """Delete a task with its copy and target; it is gone when that has been released."""
    message = ActOnTask(idempotency_key=call.idempotency_key, task_id=task_id, action=TaskAction.DELETE)
    return TaskDone(id=(await call.ask("task", "act", message, Accepted)).id)


@router.post(
    "/v3/tasks/{task_id}/action", action="sms:task:act", resource="task:{task_id}", operation_id="update_task_status"
)
async def update_task_status(call: ApiCall, task_id: str, body: UpdateTaskStatusReq) -> TaskDone:
    """Operate a task by a word: start, stop, restart, sync, launch, cutover, verify, skip, finish, …"""
    message = OperateTask(
        idempotency_key=call.idempotency_key,
        task_id=task_id,
        operation=body.operation,
        has_consent=body.has_consent,
        overwrite_target=body.overwrite_target,
        checks_consistency=body.is_need_consistency_check,
    )
    return TaskDone(id=(await call.ask("task", "operate", message, Accepted)).id)


async def tasks_page(call: Call, wanted: ListTasks) -> TaskList:
    """A whole page, by as many messages as it takes."""
    found = await call.ask("task", "list", wanted, TaskList)
    tasks = list(found.tasks)
    while found.tasks and len(tasks) < min(wanted.limit, found.count - wanted.offset):
        rest = {"after": tasks[-1].id, "offset": 0, "limit": wanted.limit - len(tasks)}
        found = await call.ask("task", "list", wanted.model_copy(update=rest), TaskList)
        tasks += found.tasks
    return found.model_copy(update={"tasks": tuple(tasks)})


async def task_of(call: Call, task_id: str) -> TaskView:
    """A task that is there. Raises MigrationError SMS.TASK.NOT_FOUND, also when it was deleted."""
    task = (await call.ask("task", "show", ShowTask(task_id=task_id), TaskDetails)).task
    if task.phase is Phase.DELETED:
        raise MigrationError(TASK_NOT_FOUND, task_id=task_id)
    return task


async def _servers(call: Call, server_ids: Iterable[str]) -> dict[str, SourceServer]:
    wanted = set(server_ids)
    if len(wanted) <= _ONE_BY_ONE:
        found = await asyncio.gather(*(_server(call, server_id) for server_id in wanted))
        return {server.id: server for server in found if server is not None}
    servers: dict[str, SourceServer] = {}
    offset = 0
    while True:
        message = FindServers(limit=_LARGEST_LIMIT, offset=offset)
        page = (await call.ask("registry", "find", message, SourceServerPage)).servers
        servers |= {server.id: server for server in page if server.id in wanted}
        offset += len(page)
        if not page or len(servers) == len(wanted):
            return servers


async def _server(call: Call, server_id: str) -> SourceServer | None:
    try:
        details = await call.ask("registry", "show-source", ShowSourceServer(server_id=server_id), SourceServerDetails)
    except MigrationError as error:
        if error.code != SERVER_NOT_FOUND.code:
            raise
        return None
    return details.server


async def _may_delete(call: Call, task_ids: tuple[str, ...]) -> tuple[str, ...]:
    """Those that the user's policies let go: one question if it is all of them."""
    if await call.may("sms:task:delete", *(f"task:{one}" for one in task_ids)):
        return task_ids
    return tuple([one for one in task_ids if await call.may("sms:task:delete", f"task:{one}")])


def _denied(call: Call, task_id: str) -> ItemOutcome:
    resource = f"task:{task_id}"
    failure = API_DENIED.failure(user=call.user_name, action="sms:task:delete", resource=resource)
    return ItemOutcome(id=task_id, failure=failure)
