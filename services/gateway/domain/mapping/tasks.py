"""From the task service's tasks to the wire."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, Final

from contracts.items import ItemOutcome
from contracts.layout import TargetDisk as PlannedDisk
from contracts.layout import TargetPartition as PlannedPartition
from contracts.messages.source import SourceServer
from contracts.messages.task import SubTask as TaskStep
from contracts.messages.task import TaskView
from contracts.task_settings import NetworkCheck
from services.gateway.domain.mapping.task_settings import config_body
from services.gateway.domain.wire.task_settings import NetworkCheckInfo
from services.gateway.domain.wire.tasks import (
    DeletedTask,
    ListedTask,
    ShowTaskResponse,
    SubTask,
    TargetDisk,
    TargetPartition,
    TaskSourceServer,
    TaskTargetServer,
)

_MB: Final = 1_000_000
_MBIT: Final = 1_000_000
_TYPES: Final = {"file": "MIGRATE_FILE", "block": "MIGRATE_BLOCK"}


def milliseconds(moment: datetime) -> int:
    """Unix time in milliseconds, as the wire has all times."""
    return int(moment.timestamp() * 1000)


def listed(task: TaskView, server: SourceServer | None, now: datetime) -> ListedTask:
    """A task of a list. server: its source, None when it is gone."""
    settings = [config_body(setting) for setting in task.configuration]
    return ListedTask(**_body(task, server, now), target_server=_target(task, server), special_config=settings)


def shown(task: TaskView, server: SourceServer | None, now: datetime) -> ShowTaskResponse:
    """One task with the layout of its target."""
    attributes, progress = task.attributes, task.progress
    target = _target(task, server)
    disks = [_disk(task, disk, number) for number, disk in enumerate(task.layout.disks)]
    return ShowTaskResponse(
        **_body(task, server, now),
        target_server=target.model_copy(update={"disks": disks}),
        region_id=attributes.region_id or None,
        region_name=attributes.region_name or None,
        project_id=attributes.project_id or None,
        project_name=attributes.project_name or None,
        vm_template_id=task.template_id or None,
        connected=bool(server and server.is_connected),
        start_date=_moment(task.started_at),
        finish_date=_moment(task.finished_at),
        remain_seconds=round(progress.seconds_left) if progress and progress.seconds_left is not None else None,
        target_snapshot_id=task.target.points[-1].id if task.target.points else None,
    )


def deleted(outcome: ItemOutcome) -> DeletedTask:
    """What became of one task of many."""
    if outcome.failure is None:
        return DeletedTask(id=outcome.id)
    message = f"{outcome.failure.cause} {outcome.failure.remedy}"
    return DeletedTask(id=outcome.id, error_code=outcome.failure.code, error_msg=message)


def _body(task: TaskView, server: SourceServer | None, now: datetime) -> dict[str, Any]:
    """The fields that list and show have in common."""
    progress, limit = task.progress, task.speed_limits.otherwise.rate_bit_s
    seconds_left = progress.seconds_left if progress else None
    sub_tasks = [_sub_task(step, number) for number, step in enumerate(task.sub_tasks, start=1)]
    running = next((step for step in reversed(sub_tasks) if step.end_date is None), None)
    ended = task.finished_at or now
    return {
        "id": task.id,
        "name": task.name or task.server_name,
        "type": _TYPES[task.migration_type],
        "os_type": task.attributes.os_type,
        "state": task.state,
        "priority": task.priority,
        "speed_limit": limit // _MBIT if limit else 0,
        "migrate_speed": round(progress.smoothed_rate_bytes_s * 8 / _MBIT, 1) if progress else None,
        "compress_rate": round(progress.compression_ratio, 2) if progress else None,
        "error_json": _error_json(task),
        "estimate_complete_time": (
            milliseconds(now + timedelta(seconds=seconds_left)) if seconds_left is not None else None
        ),
        "create_date": milliseconds(task.created_at),
        "total_time": round((ended - task.started_at).total_seconds()) if task.started_at else None,
        "migration_ip": task.attributes.migration_ip or None,
        "enterprise_project_id": task.attributes.enterprise_project_id or None,
        "source_server": _source(task, server),
        "sub_tasks": sub_tasks,
        "network_check_info": network_check_info(task.network_check) if task.network_check else None,
        "subtask_info": f"{running.name} {running.progress}%" if running else None,
        **_usage(task),
    }


def network_check_info(check: NetworkCheck) -> NetworkCheckInfo:
    """A measurement in the wire's words."""
    return NetworkCheckInfo(
        domain_connectivity=check.has_domain_connectivity,
        destination_connectivity=check.has_target_connectivity,
        network_delay=check.delay_ms,
        network_jitter=check.jitter_ms,
        migration_speed=check.bandwidth_mbit_s,
        loss_percentage=check.loss_percent,
        cpu_usage=check.cpu_percent,
        mem_usage=check.memory_percent,
        evaluation_result=check.verdict,
    )


def _usage(task: TaskView) -> dict[str, float]:
    load = task.load
    if load is None:
        return {}
    return {
        "total_cpu_usage": load.total_cpu_percent,
        "agent_cpu_usage": load.agent_cpu_percent,
        "total_mem_usage": round(load.total_memory_bytes / _MB, 1),
        "agent_mem_usage": round(load.agent_memory_bytes / _MB, 1),
        "total_disk_io": round(load.total_disk_bit_s / _MBIT, 1),
        "agent_disk_io": round(load.agent_disk_bit_s / _MBIT, 1),
    }


def _error_json(task: TaskView) -> str | None:
    if task.error is None:
        return None
    error = {
        "error_code": task.error.code,
        "error_msg": f"{task.error.cause} {task.error.remedy}",
        "error_param": list(task.error.parameters.values()),
    }
    return json.dumps(error, ensure_ascii=False)


def _sub_task(step: TaskStep, number: int) -> SubTask:
    return SubTask(
        id=number,
        name=step.name,
        progress=step.progress,
        start_date=_moment(step.started_at),
        end_date=_moment(step.ended_at),
        migrate_speed=step.rate_mbit_s,
        user_op=step.user_operation or None,
        process_trace=step.trace or None,
    )


def _source(task: TaskView, server: SourceServer | None) -> TaskSourceServer:
    if server is None:
        return TaskSourceServer(id=task.server_id, ip="", name=task.server_name, os_type=task.attributes.os_type)
    return TaskSourceServer(
        id=task.server_id,
        ip=server.ip,
        name=server.name,
        os_type=server.os_family.upper(),
        os_version=_os_version(server),
        oem_system=server.is_oem,
        state=server.state,
        migration_cycle=server.migration_cycle,
    )


def _target(task: TaskView, server: SourceServer | None) -> TaskTargetServer:
    return TaskTargetServer(
        id=task.target.id,
        vm_id=task.target.id,
        name=task.attributes.target_name or task.server_name,
        os_type=task.attributes.os_type,
        os_version=_os_version(server) if server else None,
    )


def _os_version(server: SourceServer) -> str:
    return f"{server.os_id}_{server.os_version}_{server.os_bits}bit".upper()


def _use(partition: PlannedPartition, mount_point: str) -> str:
    if partition.format_as is not None and partition.format_as.kind == "lvm2_member":
        return "VOLUME_GROUP"
    return "BOOT" if mount_point in {"/boot", "/boot/efi"} else "NORMAL"


def _disk(task: TaskView, disk: PlannedDisk, number: int) -> TargetDisk:
    plain = [volume for volume in reversed(task.layout.volumes) if not volume.logical_volume]
    mounted = {(v.target_disk, v.target_partition): v.mount_point for v in plain}
    partitions = [
        TargetPartition(
            name=f"{disk.name}{partition.number}",
            index=partition.number,
            size=partition.size_bytes,
            device_use=_use(partition, mounted.get((disk.name, partition.number), "")),
            file_system=partition.format_as.kind if partition.format_as else None,
            mount_point=mounted.get((disk.name, partition.number)),
            uuid=(partition.format_as.uuid if partition.format_as else "") or None,
            relation_name=partition.source_volume or None,
        )
        for partition in disk.partitions
    ]
    return TargetDisk(
        id=number,
        name=disk.name,
        size=disk.size_bytes,
        device_use="OS" if disk.is_system else "NORMAL",
        disk_index=str(number),
        os_disk=disk.is_system,
        partition_style=disk.table.upper(),
        relation_name=disk.source_disk or None,
        physical_volumes=partitions,
    )


def _moment(moment: datetime | None) -> int | None:
    return milliseconds(moment) if moment else None
