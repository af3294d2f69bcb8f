"""Source servers on the wire: bodies of users, and what lists and details show.

Times are Unix milliseconds, sizes bytes; memory is in bytes in a list and in MB in one server's details.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.gateway.domain.wire.base import WireReply, WireRequest
from services.gateway.domain.wire.machine import (
    BtrfsFileSystem,
    PhysicalVolume,
    ServerDisk,
    ServerNetwork,
    Size,
    Text,
    VolumeGroup,
)

ShortText = Annotated[str, Field(max_length=64)]
Identifier = Annotated[str, Field(max_length=128)]


class EnvironmentCheck(WireReply):
    """result: OK, WARN or ERROR. params: the facts that decided; error_params: the same with their names."""

    id: int
    params: list[str] | None = None
    name: str
    result: str
    error_code: str | None = None
    error_or_warn: str | None = None
    error_params: str | None = None


class TargetServerOfTask(WireReply):
    """The target of a task."""

    vm_id: str
    name: str | None = None


class CurrentTask(WireReply):
    """The task of a server in a list and in its details."""

    id: str
    name: str
    type: str
    state: str
    start_date: int | None = None
    migrate_speed: float
    compress_rate: float | None = None
    remain_seconds: int | None = None
    estimate_complete_time: int | None = None
    start_target_server: bool = True
    exist_server: bool = False
    use_public_ip: bool = False
    target_server: TargetServerOfTask | None = None
    log_collect_status: str = "INIT"
    subtask_info: str | None = None


class DiskInTarget(WireReply):
    """A disk that is proposed for the target."""

    name: str
    size: int
    device_use: str
    used_size: int
    physical_volumes: list[PhysicalVolume] | None = None


class InitTargetServer(WireReply):
    """What is proposed for the target."""

    disks: list[DiskInTarget]
    volume_groups: list[VolumeGroup]


class ListedServer(WireReply):
    """A source server in a list. checks: those that did not pass."""

    id: str
    ip: str
    ipv6: str | None = None
    name: str
    enterprise_project_id: str = "0"
    add_date: int
    os_type: str
    os_version: str
    oem_system: bool
    state: str
    connected: bool
    cpu_quantity: int
    memory: int
    current_task: CurrentTask | None = None
    checks: list[EnvironmentCheck]
    init_target_server: InitTargetServer
    replicatesize: int
    totalsize: int
    stage_action_time: int
    state_action_time: int
    last_visit_time: int
    migration_cycle: str
    is_consistency_result_exist: bool
    has_tc: bool | None = None
    start_type: str
    migproject_id: str | None = None
    tags: dict[str, str]


class ListServersResponse(WireReply):
    """count: all that the filters let through, whatever limit and offset."""

    count: int
    source_servers: list[ListedServer]


class ShowServerResponse(WireReply):
    """One source server with its machine."""

    id: str
    ip: str
    ipv6: str | None = None
    name: str
    hostname: str
    enterprise_project_id: str = "0"
    add_date: int
    os_type: str
    os_version: str
    oem_system: bool
    state: str
    connected: bool
    firmware: str
    init_target_server: InitTargetServer
    cpu_quantity: int
    memory: int
    current_task: CurrentTask | None = None
    disks: list[ServerDisk]
    volume_groups: list[VolumeGroup]
    btrfs_list: list[BtrfsFileSystem]
    networks: list[ServerNetwork]
    checks: list[EnvironmentCheck]
    migration_cycle: str
    state_action_time: int
    replicatesize: int
    totalsize: int
    last_visit_time: int
    stage_action_time: int
    agent_version: str
    has_tc: bool | None = None
    start_type: str
    migproject_id: str | None = None
    tags: dict[str, str]
    kernel_version: str | None = None
    is_consistency_result_exist: bool


class ShowOverviewResponse(WireReply):
    """How many servers are in each state. total and quota are ours: how many there are, and may be."""

    waiting: int = 0
    replicate: int = 0
    syncing: int = 0
    stopped: int = 0
    deleting: int = 0
    cutovering: int = 0
    unavailable: int = 0
    stopping: int = 0
    skipping: int = 0
    finished: int = 0
    initialize: int = 0
    error: int = 0
    cloning: int = 0
    clearing: int = 0
    cleared: int = 0
    clearfailed: int = 0
    premigready: int = 0
    premiging: int = 0
    premiged: int = 0
    premigfailed: int = 0
    unconfigured: int = 0
    connected: int = 0
    total: int = 0
    quota: int = 0


class PutVolume(WireRequest):
    """Whether a volume is wanted on the target; adjust_size 0: as it is."""

    id: Text = ""
    need_migration: bool = True
    adjust_size: Size = 0


class PutDisk(WireRequest):
    """Whether a disk is wanted on the target; id: its name."""

    id: Text
    need_migration: bool = True
    adjust_size: Size = 0
    physical_volumes: Annotated[list[PutVolume], Field(max_length=256)] = []


class PutVolumeGroup(WireRequest):
    """A volume group of the source; sizes of logical volumes are planned with their task."""

    id: Text
    need_migration: bool = True
    adjust_size: Size = 0
    logical_volumes: Annotated[list[PutVolume], Field(max_length=256)] = []


class PutSourceServerBody(WireRequest):
    """What is left out stays."""

    name: str | None = None
    migprojectid: Identifier | None = None
    disks: Annotated[list[PutDisk], Field(max_length=64)] | None = None
    volume_groups: Annotated[list[PutVolumeGroup], Field(max_length=64)] | None = None


class DeleteIds(WireRequest):
    """Ids of things to delete."""

    ids: Annotated[list[Identifier], Field(min_length=1, max_length=1000)]


class DeletedItem(WireReply):
    """What became of one thing of a bulk deletion."""

    id: str
    deleted: bool
    error_code: str | None = None
    error_msg: str | None = None


class DeleteServersResponse(WireReply):
    """One entry per id, in the order of the request."""

    servers: list[DeletedItem]


class PutCopyStateReq(WireRequest):
    """Where an agent says that its migration stands."""

    copystate: ShortText
    migrationcycle: ShortText | None = None


class Tag(WireRequest):
    """A key and its value."""

    key: str
    value: str = ""


class PutTagsReq(WireRequest):
    """Tags to set or replace."""

    tags: Annotated[list[Tag], Field(min_length=1, max_length=20)]


class DeleteTagsReq(WireRequest):
    """Keys of tags to remove."""

    keys: Annotated[list[str], Field(min_length=1, max_length=20)]


class Done(WireReply):
    """Nothing but that it was done."""
