"""Settings of a task: speed limits, configuration keys, consistency results, the log of its agent."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query, Response

from contracts.errors import MigrationError
from contracts.errors.task import TASK_NOT_FOUND
from contracts.messages.reply import Accepted
from contracts.messages.server_log import CollectServerLog
from contracts.messages.task_settings import (
    ConfigureTask,
    SetSpeedLimits,
    ShowConfiguration,
    ShowSpeedLimits,
    TaskConfiguration,
    TaskSpeedLimits,
)
from services.gateway.api.call import ApiCall
from services.gateway.api.router import ApiRouter
from services.gateway.domain.mapping.task_settings import (
    config_body,
    consistency_table,
    consistency_texts,
    migrate_type,
    period_of,
    setting_of,
    speed_limit,
)
from services.gateway.domain.wire.task_settings import (
    BatchGetConsistencyResultReq,
    ConfigurationRequestBody,
    ShowConfigSettingResponse,
    ShowConsistencyResultResponse,
    ShowsSpeedLimitsResponse,
    SpeedLimit,
    UploadLogRequestBody,
)
from services.gateway.domain.wire.tasks import TaskDone
from services.gateway.routes.tasks_handlers import task_of

router = ApiRouter(tag="tasks")

_CSV: Final = {"content-disposition": 'attachment; filename="consistency-results.csv"'}


@router.get(
    "/v3/tasks/{task_id}/speed-limit",
    action="sms:task:get",
    resource="task:{task_id}",
    operation_id="shows_speed_limits",
)
async def shows_speed_limits(call: ApiCall, task_id: str) -> ShowsSpeedLimitsResponse:
    """The limits by the time of the day, by the source's clock."""
    found = await call.ask("task", "speed-limits", ShowSpeedLimits(task_id=task_id), TaskSpeedLimits)
    return ShowsSpeedLimitsResponse(speed_limit=[speed_limit(period) for period in found.limits.periods])


@router.post(
    "/v3/tasks/{task_id}/speed-limit",
    action="sms:task:update",
    resource="task:{task_id}",
    operation_id="update_speed",
)
async def update_speed(call: ApiCall, task_id: str, body: SpeedLimit) -> TaskDone:
    """Replace the limits by the time of the day; a running copy obeys within a second."""
    periods = tuple(period_of(entry) for entry in body.speed_limit)
    message = SetSpeedLimits(idempotency_key=call.idempotency_key, task_id=task_id, periods=periods)
    return TaskDone(id=(await call.ask("task", "set-speed-limits", message, Accepted)).id)


@router.get(
    "/v3/tasks/{task_id}/configuration-setting",
    action="sms:task:get",
    resource="task:{task_id}",
    operation_id="show_config_setting",
)
async def show_config_setting(
    call: ApiCall, task_id: str, config_key: Annotated[str, Query(max_length=64)] = ""
) -> ShowConfigSettingResponse:
    """One key that was set, or all."""
    message = ShowConfiguration(task_id=task_id, key=config_key)
    found = await call.ask("task", "configuration", message, TaskConfiguration)
    return ShowConfigSettingResponse(
        task_id=found.task_id,
        migrate_type=migrate_type(found.migration_type),
        configurations=[config_body(setting) for setting in found.settings],
    )


@router.post(
    "/v3/tasks/{task_id}/configuration-setting",
    action="sms:task:update",
    resource="task:{task_id}",
    operation_id="upload_special_configuration_setting",
)
async def upload_special_configuration_setting(call: ApiCall, task_id: str, body: ConfigurationRequestBody) -> TaskDone:
    """Set keys; an empty value removes one. All of them are set, or none."""
    settings = tuple(setting_of(entry) for entry in body.configurations)
    message = ConfigureTask(idempotency_key=call.idempotency_key, task_id=task_id, settings=settings)
    return TaskDone(id=(await call.ask("task", "configure", message, Accepted)).id)


@router.get(
    "/v3/tasks/{task_id}/consistency-result",
    action="sms:task:get",
    resource="task:{task_id}",
    operation_id="show_consistency_result",
)
async def show_consistency_result(call: ApiCall, task_id: str) -> ShowConsistencyResultResponse:
    """What the last verification found, directory by directory; an empty list before the first."""
    task = await task_of(call, task_id)
    return ShowConsistencyResultResponse(task_id=task.id, result_list=consistency_texts(task))


@router.post("/v3/tasks/consistency-results/export", action="sms:task:list", operation_id="export_consistency_results")
async def export_consistency_results(call: ApiCall, body: BatchGetConsistencyResultReq) -> Response:
    """The results of many tasks as a CSV file. X-Language: zh-cn or en-us."""
    tasks = []
    for one in body.task_info:
        await call.require("sms:task:get", f"task:{one.task_id}")
        task = await task_of(call, one.task_id)
        if one.source_id and one.source_id != task.server_id:
            raise MigrationError(TASK_NOT_FOUND, task_id=one.task_id)
        tasks.append(task)
    table = consistency_table(tasks, call.language)
    return Response(table, media_type="text/csv; charset=utf-8", headers=_CSV)


@router.post(
    "/v3/tasks/{task_id}/log", action="sms:task:collect_log", resource="task:{task_id}", operation_id="collect_log"
)
async def collect_log(call: ApiCall, task_id: str, body: UploadLogRequestBody) -> TaskDone:
    """Have the task's source agent send its log; it is read with the operations on the server's logs."""
    task = await task_of(call, task_id)
    message = CollectServerLog(server_id=task.server_id, idempotency_key=call.idempotency_key)
    await call.ask("registry", "collect-log", message, Accepted)
    return TaskDone(id=task.id)
