"""Our own views of servers, tasks and the installation: everything that there is to know, with our own words."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import Query

from contracts.api_views import InstallationStatus, PointList, ServiceStatus
from contracts.errors import MigrationError
from contracts.messages.cutover import SetCutover, ShowCutover, TaskCutover
from contracts.messages.feasibility import CheckServer, FeasibilityDetails
from contracts.messages.registry import ListServers, ServerDetails, ServerList, ShowServer
from contracts.messages.reply import Accepted, HealthReply, HealthRequest
from contracts.messages.task import (
    ActOnTask,
    CreateTask,
    ListTasks,
    PlanTask,
    RehearseTask,
    ShowHistory,
    ShowTask,
    TaskDetails,
    TaskHistory,
    TaskList,
    TaskPlan,
)
from contracts.messages.verification import ShowVerification, TaskVerification
from contracts.permissions import BUS_USERS
from services.gateway.api.call import ApiCall, Call
from services.gateway.api.router import ApiRouter
from services.gateway.domain.wire.details import CutoverBody, NewTask, TaskAct
from services.gateway.routes.tasks_handlers import tasks_page

router = ApiRouter(tag="details")

_SELF: Final = "gateway"
_OTHERS: Final = tuple(user.name for user in BUS_USERS.values() if user.has_streams and user.name != _SELF)
# The agent has 25 s to look at its server.
_CHECKED_WITHIN_S: Final = 29.0

Page = Annotated[int, Query(ge=1, le=1000)]


@router.get("/v3/source-details", action="sms:server:list", operation_id="list_server_details")
async def list_server_details(call: ApiCall, limit: Page = 1000, after: str = "") -> ServerList:
    """Source servers as the command line lists them. after: the last id of the page before."""
    return await call.ask("registry", "list", ListServers(limit=limit, after=after), ServerList)


@router.get(
    "/v3/sources/{source_id}/details",
    action="sms:server:get",
    resource="server:{source_id}",
    operation_id="show_server_details",
)
async def show_server_details(call: ApiCall, source_id: str) -> ServerDetails:
    """A source server with its whole inventory and every check with its remedy."""
    return await call.ask("registry", "show", ShowServer(server_id=source_id), ServerDetails)


@router.post(
    "/v3/sources/{source_id}/check",
    action="sms:server:check",
    resource="server:{source_id}",
    operation_id="check_server",
)
async def check_server(call: ApiCall, source_id: str) -> FeasibilityDetails:
    """Check again whether a server can be migrated, with what its agent sees now."""
    request = CheckServer(server_id=source_id)
    return await call.ask("feasibility", "check", request, FeasibilityDetails, timeout_s=_CHECKED_WITHIN_S)


@router.get("/v3/task-details", action="sms:task:list", operation_id="list_task_details")
async def list_task_details(call: ApiCall, server_id: str = "", limit: Page = 1000, after: str = "") -> TaskList:
    """Tasks as the command line lists them. after: the last id of the page before."""
    return await tasks_page(call, ListTasks(server_id=server_id, limit=limit, after=after))


@router.post("/v3/task-details", action="sms:task:create", operation_id="create_task_with_options", status=201)
async def create_task_with_options(call: ApiCall, body: NewTask) -> Accepted:
    """Create a task with all that our own options can say."""
    fields = body.model_dump() | {"idempotency_key": call.idempotency_key}
    return await call.ask("task", "create", CreateTask.model_validate(fields), Accepted)


@router.post("/v3/tasks/plan", action="sms:task:plan", operation_id="plan_task")
async def plan_task(call: ApiCall, body: PlanTask) -> TaskPlan:
    """The layout that a task would have; nothing is created."""
    return await call.ask("task", "plan", body, TaskPlan)


@router.get(
    "/v3/tasks/{task_id}/details", action="sms:task:get", resource="task:{task_id}", operation_id="show_task_details"
)
async def show_task_details(call: ApiCall, task_id: str) -> TaskDetails:
    """A task with phase, progress per volume, layout, target, rounds and verification."""
    return await _task(call, task_id)


@router.post("/v3/tasks/{task_id}/act", action="sms:task:act", resource="task:{task_id}", operation_id="act_on_task")
async def act_on_task(call: ApiCall, task_id: str, body: TaskAct) -> Accepted:
    """Ask for one of our own actions, with the consents that it needs."""
    fields = body.model_dump() | {"idempotency_key": call.idempotency_key, "task_id": task_id}
    return await call.ask("task", "act", ActOnTask.model_validate(fields), Accepted)


@router.post(
    "/v3/tasks/{task_id}/rehearse",
    action="sms:task:rehearse",
    resource="task:{task_id}",
    operation_id="rehearse_task",
)
async def rehearse_task(call: ApiCall, task_id: str) -> Accepted:
    """Boot a throw-away layer over the newest point, without a network; its verdict is in the task's details."""
    request = RehearseTask(idempotency_key=call.idempotency_key, task_id=task_id)
    return await call.ask("task", "rehearse", request, Accepted)


@router.put(
    "/v3/tasks/{task_id}/cutover-settings",
    action="sms:command:set",
    resource="task:{task_id}",
    operation_id="set_cutover_settings",
)
async def set_cutover_settings(call: ApiCall, task_id: str, body: CutoverBody) -> Accepted:
    """Set the commands that run as root on the source around a cutover's last round, and the freeze."""
    fields = body.model_dump() | {"idempotency_key": call.idempotency_key, "task_id": task_id}
    return await call.ask("task", "set-cutover", SetCutover.model_validate(fields), Accepted)


@router.get(
    "/v3/tasks/{task_id}/cutover-settings",
    action="sms:command:get",
    resource="task:{task_id}",
    operation_id="show_cutover_settings",
)
async def show_cutover_settings(call: ApiCall, task_id: str) -> TaskCutover:
    """What a cutover of the task does on the source."""
    return await call.ask("task", "show-cutover", ShowCutover(task_id=task_id), TaskCutover)


@router.get(
    "/v3/tasks/{task_id}/history", action="sms:task:get", resource="task:{task_id}", operation_id="show_task_history"
)
async def show_task_history(call: ApiCall, task_id: str) -> TaskHistory:
    """Every transition of a task."""
    return await call.ask("task", "history", ShowHistory(task_id=task_id), TaskHistory)


@router.get(
    "/v3/tasks/{task_id}/verification",
    action="sms:task:get",
    resource="task:{task_id}",
    operation_id="show_verification",
)
async def show_verification(call: ApiCall, task_id: str) -> TaskVerification:
    """The signed report of the last verification; `sms task verify --report FILE` checks it anywhere."""
    return await call.ask("task", "verification", ShowVerification(task_id=task_id), TaskVerification)


@router.get(
    "/v3/tasks/{task_id}/points", action="sms:task:get", resource="task:{task_id}", operation_id="list_task_points"
)
async def list_task_points(call: ApiCall, task_id: str) -> PointList:
    """The points of a task's replica, oldest first."""
    points = (await _task(call, task_id)).task.target.points
    return PointList(count=len(points), points=points)


@router.get("/v3/status", action="sms:service:get", operation_id="show_status")
async def show_status(call: ApiCall) -> InstallationStatus:
    """Whether each service answers and its store and bus work."""
    found = await asyncio.gather(*(_status(call, name) for name in _OTHERS))
    services = tuple(sorted((*found, ServiceStatus(name=_SELF, is_healthy=True)), key=lambda one: one.name))
    return InstallationStatus(is_healthy=all(one.is_healthy for one in services), services=services)


async def _task(call: Call, task_id: str) -> TaskDetails:
    return await call.ask("task", "show", ShowTask(task_id=task_id), TaskDetails)


async def _status(call: Call, name: str) -> ServiceStatus:
    try:
        reply = await call.ask(name, "health", HealthRequest(), HealthReply)
    except MigrationError:
        return ServiceStatus(name=name, is_healthy=False)
    return ServiceStatus(name=name, is_healthy=reply.is_healthy, pending_outbox=reply.pending_outbox)
