"""What a user does with migration tasks through the official SDK."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdksms.v3 import (
    BatchConsistencyReq,
    BatchGetConsistencyResultReq,
    CollectLogRequest,
    ConfigBody,
    ConfigurationRequestBody,
    CreateTaskRequest,
    DeleteTaskRequest,
    DeleteTasksReq,
    DeleteTasksRequest,
    ExportConsistencyResultsRequest,
    ListTasksRequest,
    PostTask,
    PutTaskReq,
    ShowConfigSettingRequest,
    ShowConsistencyResultRequest,
    ShowsSpeedLimitsRequest,
    ShowTaskRequest,
    ShowTaskResponse,
    SmsClient,
    SourceServerByTask,
    SpeedLimit,
    SpeedLimitlJson,
    TargetServerByTask,
    UpdateSpeedRequest,
    UpdateTaskRequest,
    UpdateTaskStatusReq,
    UpdateTaskStatusRequest,
    UploadLogRequestBody,
    UploadSpecialConfigurationSettingRequest,
)

# SDK operations that these functions call.
OPERATIONS = frozenset(
    {
        "collect_log",
        "create_task",
        "delete_task",
        "delete_tasks",
        "export_consistency_results",
        "list_tasks",
        "show_config_setting",
        "show_consistency_result",
        "show_task",
        "shows_speed_limits",
        "update_speed",
        "update_task",
        "update_task_status",
        "upload_special_configuration_setting",
    }
)


def new_task(server_id: str, name: str = "web", **fields: object) -> PostTask:
    said: dict[str, object] = {
        "type": "MIGRATE_FILE",
        "os_type": "LINUX",
        "source_server": SourceServerByTask(id=server_id),
        "target_server": TargetServerByTask(name="target", vm_id=""),
        "region_name": "here",
        "region_id": "local",
        "project_name": "mine",
        "project_id": "p",
    }
    return PostTask(name=name, **(said | fields))


def create(client: SmsClient, server_id: str, name: str = "web", **fields: object) -> str:
    return str(client.create_task(CreateTaskRequest(body=new_task(server_id, name, **fields))).id)


def show(client: SmsClient, task_id: str) -> ShowTaskResponse:
    return client.show_task(ShowTaskRequest(task_id=task_id))


def ids(client: SmsClient, **filters: object) -> tuple[int, list[str]]:
    """count, and the tasks of the page."""
    found = client.list_tasks(ListTasksRequest(**filters))
    return found.count, [one.id for one in found.tasks]


def operate(client: SmsClient, task_id: str, operation: str) -> None:
    client.update_task_status(UpdateTaskStatusRequest(task_id=task_id, body=UpdateTaskStatusReq(operation=operation)))


def update(client: SmsClient, task_id: str, **changes: object) -> None:
    client.update_task(UpdateTaskRequest(task_id=task_id, body=PutTaskReq(**changes)))


def limit(client: SmsClient, task_id: str, *periods: tuple[str, str, int]) -> None:
    """Replace the limits by the time of the day, in Mbit/s."""
    entries = [SpeedLimitlJson(start=start, end=end, speed=speed) for start, end, speed in periods]
    client.update_speed(UpdateSpeedRequest(task_id=task_id, body=SpeedLimit(speed_limit=entries)))


def limits(client: SmsClient, task_id: str) -> list[tuple[str, str, int]]:
    found = client.shows_speed_limits(ShowsSpeedLimitsRequest(task_id=task_id)).speed_limit
    return [(period.start, period.end, period.speed) for period in found]


def configure(client: SmsClient, task_id: str, **settings: str) -> None:
    entries = [ConfigBody(config_key=key, config_value=value) for key, value in settings.items()]
    body = ConfigurationRequestBody(configurations=entries)
    client.upload_special_configuration_setting(UploadSpecialConfigurationSettingRequest(task_id=task_id, body=body))


def configuration(client: SmsClient, task_id: str) -> dict[str, str]:
    found = client.show_config_setting(ShowConfigSettingRequest(task_id=task_id))
    return {one.config_key: one.config_value for one in found.configurations}


def consistency(client: SmsClient, task_id: str) -> list[dict[str, Any]]:
    """What each known verification found."""
    found = client.show_consistency_result(ShowConsistencyResultRequest(task_id=task_id))
    return [json.loads(text) for text in found.result_list]


def exported(client: SmsClient, language: str, *task_ids: str) -> bytes:
    wanted = [BatchConsistencyReq(task_id=task_id) for task_id in task_ids]
    request = ExportConsistencyResultsRequest(x_language=language, body=BatchGetConsistencyResultReq(task_info=wanted))
    content: list[bytes] = []
    client.export_consistency_results(request).consume_download_stream(lambda stream: content.append(stream.content))
    return b"".join(content)


def collect_log(client: SmsClient, task_id: str) -> None:
    client.collect_log(CollectLogRequest(task_id=task_id, body=UploadLogRequestBody(log_bucket="logs")))


def delete(client: SmsClient, task_id: str) -> None:
    client.delete_task(DeleteTaskRequest(task_id=task_id))


def delete_many(client: SmsClient, *task_ids: str) -> list[dict[str, str]]:
    """What became of each: the SDK's own model of the answer is a text."""
    answer = client.delete_tasks(DeleteTasksRequest(body=DeleteTasksReq(ids=list(task_ids))))
    found: list[dict[str, str]] = json.loads(answer.raw_content)["tasks"]
    return found


def is_gone(client: SmsClient, task_id: str) -> bool:
    """Whether a deleted task has been cleaned up."""
    try:
        show(client, task_id)
    except ClientRequestException as refused:
        return (refused.status_code, refused.error_code) == (404, "SMS.TASK.NOT_FOUND")
    return False


def await_task(
    client: SmsClient, task_id: str, is_there: Callable[[ShowTaskResponse], bool], what: str, *, timeout_s: float
) -> ShowTaskResponse:
    """Poll as a client of the vendor's would. A task that fails on the way is a mistake."""
    deadline = time.monotonic() + timeout_s
    while not is_there(found := show(client, task_id)):
        assert time.monotonic() < deadline, f"no {what} within {timeout_s} s: {found.state} {found.subtask_info}"
        assert found.state not in {"MIGRATE_FAIL", "SYNC_FAIL", "ABORT"}, found.error_json
        time.sleep(0.3)
    return found
