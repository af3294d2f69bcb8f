"""From the registry's source servers to the wire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from contracts.feasibility import Check, FeasibilityReport
from contracts.messages.source import (
    CheckSummary,
    DiskSummary,
    ServerOverview,
    ServerTask,
    SourceServer,
    SourceServerDetails,
)
from services.gateway.domain.mapping.machine import btrfs_of, disks_of, networks_of, volume_groups_of, volumes_of
from services.gateway.domain.wire.machine import VolumeGroup
from services.gateway.domain.wire.sources import (
    CurrentTask,
    DiskInTarget,
    EnvironmentCheck,
    InitTargetServer,
    ListedServer,
    ShowOverviewResponse,
    ShowServerResponse,
    TargetServerOfTask,
)

MIB: Final = 1 << 20
# Sub-tasks of the v3 contract by the step of ours that stands for each.
_SUB_TASKS: Final = {
    "PROVISION": "CREATE_CLOUD_SERVER",
    "BOOT_HELPER": "ATTACH_AGENT_IMAGE",
    "CREATE_AUTHORITY": "SSL_CONFIG",
    "PREPARE_TARGET": "FORMAT_DISK_LINUX_FILE",
    "COPY": "MIGRATE_LINUX_FILE",
    "SYNC": "SYNC_LINUX_FILE",
    "ADAPT": "CONFIGURE_LINUX_FILE",
    "FINISH": "DETTACH_AGENT_IMAGE",
}


# With it a row says when the transfer will end, which depends on the time of the list. No text that somebody has typed
# can look like it: its quotes are escaped.
_TIME_LEFT: Final = '"seconds_left":'
_ROWS_KEPT: Final = 8192
_ANY_TIME: Final = datetime.min.replace(tzinfo=UTC)


def milliseconds(moment: datetime) -> int:
    """Unix time in milliseconds, as the wire has all times."""
    return int(moment.timestamp() * 1000)


def listed(server: SourceServer, now: datetime) -> ListedServer:
    """A server of a list."""
    return ListedServer(
        id=server.id,
        ip=server.ip,
        ipv6=server.ipv6 or None,
        name=server.name,
        add_date=milliseconds(server.registered_at),
        os_type=server.os_family.upper(),
        os_version=os_version(server),
        oem_system=server.is_oem,
        state=server.state,
        connected=server.is_connected,
        cpu_quantity=server.cpu_count,
        memory=server.memory_bytes,
        current_task=current_task(server, now),
        checks=[_summary(check) for check in server.checks],
        init_target_server=InitTargetServer(
            disks=[_proposed(disk) for disk in server.disks if not disk.is_left_out], volume_groups=[]
        ),
        replicatesize=server.task.bytes_done if server.task else 0,
        totalsize=server.task.bytes_total if server.task else 0,
        stage_action_time=milliseconds(server.cycle_changed_at),
        state_action_time=milliseconds(server.state_changed_at),
        last_visit_time=milliseconds(server.connection_changed_at),
        migration_cycle=server.migration_cycle,
        is_consistency_result_exist=server.has_consistency_result,
        has_tc=server.has_tc,
        start_type=server.start_type,
        migproject_id=server.project_id or None,
        tags=server.tags,
    )


def listing(count: int, servers: Sequence[str], now: datetime) -> str:
    """The JSON of a ListServersResponse; servers: as of `ServerTexts`.

    Most servers are the same text in every list, and reading and writing a thousand of them takes 75 ms.
    """
    rows = (_fresh(text, now) if _TIME_LEFT in text else _kept(text) for text in servers)
    return f'{{"count":{count},"source_servers":[{",".join(rows)}]}}'


def shown(details: SourceServerDetails, now: datetime) -> ShowServerResponse:
    """A server with its machine and every check."""
    server, inventory = details.server, details.inventory
    groups = volume_groups_of(inventory)
    return ShowServerResponse(
        id=server.id,
        ip=server.ip,
        ipv6=server.ipv6 or None,
        name=server.name,
        hostname=server.hostname,
        add_date=milliseconds(server.registered_at),
        os_type=server.os_family.upper(),
        os_version=os_version(server),
        oem_system=server.is_oem,
        state=server.state,
        connected=server.is_connected,
        firmware=server.firmware,
        init_target_server=_proposal(details, groups),
        cpu_quantity=server.cpu_count,
        memory=server.memory_bytes // MIB,
        current_task=current_task(server, now),
        disks=disks_of(inventory, server.disks),
        volume_groups=groups,
        btrfs_list=btrfs_of(inventory),
        networks=networks_of(inventory),
        checks=checks_of(details.feasibility),
        migration_cycle=server.migration_cycle,
        state_action_time=milliseconds(server.state_changed_at),
        replicatesize=server.task.bytes_done if server.task else 0,
        totalsize=server.task.bytes_total if server.task else 0,
        last_visit_time=milliseconds(server.connection_changed_at),
        stage_action_time=milliseconds(server.cycle_changed_at),
        agent_version=server.agent_version,
        has_tc=server.has_tc,
        start_type=server.start_type,
        migproject_id=server.project_id or None,
        tags=server.tags,
        kernel_version=inventory.kernel_release or None,
        is_consistency_result_exist=server.has_consistency_result,
    )


def overview(found: ServerOverview) -> ShowOverviewResponse:
    """Counts by state."""
    known = ShowOverviewResponse.model_fields
    states = {state: count for state, count in found.states.items() if state in known}
    return ShowOverviewResponse(
        **states,
        unconfigured=found.unconfigured,
        connected=found.connected,
        total=found.count,
        quota=found.quota,
    )


def checks_of(report: FeasibilityReport | None) -> list[EnvironmentCheck]:
    """Every check of the last report, numbered from 1."""
    return [_check(number, check) for number, check in enumerate(report.checks, start=1)] if report else []


def current_task(server: SourceServer, now: datetime) -> CurrentTask | None:
    """The server's task with the newest figures."""
    task = server.task
    if task is None:
        return None
    left = task.seconds_left
    return CurrentTask(
        id=task.id,
        name=task.name or server.name,
        type="MIGRATE_FILE",
        state=task.state or "READY",
        start_date=milliseconds(task.started_at) if task.started_at else None,
        migrate_speed=task.rate_mbit_s,
        compress_rate=round(task.compression_ratio, 2),
        remain_seconds=left,
        estimate_complete_time=None if left is None else milliseconds(now + timedelta(seconds=left)),
        # The target bears the task's id.
        target_server=TargetServerOfTask(vm_id=task.id, name=server.name),
        subtask_info=_sub_task(task),
    )


def os_version(server: SourceServer) -> str:
    """As the vendor writes it: ``DEBIAN_12_64BIT``, ``UBUNTU_22_04_64BIT``."""
    if not server.os_id:
        return server.os_name
    words = [server.os_id.upper().replace("-", "_")]
    if server.os_version:
        words.append("_".join(server.os_version.split(".")[:2]))
    return "_".join((*words, f"{server.os_bits}BIT"))


def _sub_task(task: ServerTask) -> str | None:
    name = _SUB_TASKS.get(task.sub_task)
    return f"{name} {task.percent}%" if name else None


def _fresh(text: str, now: datetime) -> str:
    return listed(SourceServer.model_validate_json(text), now).model_dump_json(exclude_none=True)


# By the text, which says everything that a row shows: so there is nothing to forget, and no account sees another's.
@lru_cache(maxsize=_ROWS_KEPT)
def _kept(text: str) -> str:
    return _fresh(text, _ANY_TIME)


def _summary(check: CheckSummary) -> EnvironmentCheck:
    return EnvironmentCheck(id=check.id, name=check.name, result=check.result, error_code=check.code or None)


def _check(number: int, check: Check) -> EnvironmentCheck:
    facts = [f"{name}={value}" for name, value in check.looked_at.items()]
    return EnvironmentCheck(
        id=number,
        params=list(check.looked_at.values()),
        name=check.name,
        result=check.result,
        error_code=check.code or None,
        error_or_warn=check.cause or None,
        error_params=", ".join(facts) if check.code else None,
    )


def _proposal(details: SourceServerDetails, groups: list[VolumeGroup]) -> InitTargetServer:
    volumes = volumes_of(details.inventory)
    disks = [
        _proposed(disk).model_copy(update={"physical_volumes": volumes.get(disk.name, [])})
        for disk in details.server.disks
        if not disk.is_left_out
    ]
    return InitTargetServer(disks=disks, volume_groups=groups)


def _proposed(disk: DiskSummary) -> DiskInTarget:
    return DiskInTarget(name=disk.name, size=disk.target_bytes, device_use=disk.use, used_size=disk.used_bytes)
