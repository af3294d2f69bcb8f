"""Migration tasks on the wire. Sizes in bytes, memory in MB, rates in Mbit/s, times in Unix milliseconds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from services.gateway.domain.wire.base import WireReply, WireRequest
from services.gateway.domain.wire.task_settings import ConfigBody, NetworkCheckInfo

Text = Annotated[str, Field(max_length=255)]
Size = Annotated[int, Field(ge=0, le=1 << 60)]
TaskType = Literal["MIGRATE_FILE", "MIGRATE_BLOCK"]
Mbit = Annotated[int, Field(ge=0, le=1000)]


class PhysicalVolumes(WireRequest):
    """A partition of the target. name: the source's. size: what it is to have."""

    name: Text | None = None
    size: Size | None = None


class TargetDisks(WireRequest):
    """A disk of the target. name: ``disk N`` in the order of the source's disks, or the source disk's name."""

    name: Text | None = None
    size: Size | None = None
    physical_volumes: Annotated[list[PhysicalVolumes], Field(max_length=256)] | None = None


class SourceServerByTask(WireRequest):
    """Whose task it is."""

    id: Text


class TargetServerByTask(WireRequest):
    """The target. vm_id: of a server that exists; empty for one that is made. Volume groups are the source's."""

    name: Text | None = None
    vm_id: Text | None = None
    disks: Annotated[list[TargetDisks], Field(max_length=64)] | None = None


class PostTask(WireRequest):
    """A new task. speed_limit in Mbit/s, 0 for none; over_speed_threshold in %.

    The disks of a new target are made for the task: with auto_start, or a start, the caller agrees that they are
    partitioned and formatted. migproject_id is ours: the migration project whose defaults hold.
    """

    name: Text
    type: TaskType
    start_target_server: bool | None = None
    auto_start: bool | None = None
    os_type: Literal["WINDOWS", "LINUX"] = "LINUX"
    source_server: SourceServerByTask
    target_server: TargetServerByTask
    migration_ip: Text | None = None
    region_name: Text | None = None
    region_id: Text | None = None
    project_name: Text | None = None
    project_id: Text | None = None
    priority: int | None = None
    vm_template_id: Text | None = None
    clonevm_template_id: Text | None = None
    use_public_ip: bool | None = None
    use_ipv6: bool | None = None
    syncing: bool | None = None
    exist_server: bool | None = None
    start_network_check: bool | None = None
    speed_limit: Mbit | None = None
    over_speed_threshold: float | None = None
    is_need_consistency_check: bool | None = None
    need_migration_test: bool | None = None
    migproject_id: Text | None = None


class CreateTaskResponse(WireReply):
    """The new task."""

    id: str


class PutTargetServer(WireRequest):
    """What may change of a target. disks: refused, since the layout is made with the task."""

    name: Text | None = None
    disks: list[TargetDisks] | None = None


class PutTaskReq(WireRequest):
    """New values of a task. priority and is_need_consistency_check are ours; the rest is the vendor's.

    What the vendor's service writes here itself (ids of disks, snapshots and clones) is refused.
    """

    name: Text | None = None
    type: TaskType | None = None
    region_id: Text | None = None
    region_name: Text | None = None
    exist_server: bool | None = None
    migration_ip: Text | None = None
    use_ipv6: bool | None = None
    use_public_ip: bool | None = None
    speed_limit: Mbit | None = None
    project_name: Text | None = None
    project_id: Text | None = None
    enterprise_project: Text | None = None
    image_disk_id: str | None = None
    vm_template_id: Text | None = None
    target_disk_ids: str | None = None
    snapshot_ids: str | None = None
    cutovered_snapshot_ids: str | None = None
    target_server: PutTargetServer | None = None
    priority: int | None = None
    is_need_consistency_check: bool | None = None


class TaskDone(WireReply):
    """The task that was changed."""

    id: str


class UpdateTaskStatusReq(WireRequest):
    """An operation by its word. has_consent and overwrite_target are ours.

    has_consent: the caller agrees that the target's disks are partitioned and formatted; a client that does not know
    the field agrees by asking for the start of a task whose disks it has named. overwrite_target: a round after the
    cutover discards what was written on the target.
    """

    operation: Annotated[str, Field(max_length=64)]
    template_id: Text | None = None
    switch_hce: bool | None = None
    is_need_consistency_check: bool | None = None
    has_consent: bool = True
    overwrite_target: bool = False


class DeleteTasksReq(WireRequest):
    """Tasks to delete."""

    ids: Annotated[list[Text], Field(min_length=1, max_length=1000)]


class DeletedTask(WireReply):
    """One of many. error_code and error_msg are left out when its deletion has begun."""

    id: str
    error_code: str | None = None
    error_msg: str | None = None


class DeleteTasksResponse(WireReply):
    """What became of each, in the order of the request."""

    tasks: list[DeletedTask]


class SubTask(WireReply):
    """A step in the v3 vocabulary. id: its place, from 1. user_op: the operation that led to it."""

    id: int
    name: str
    progress: int
    start_date: int | None = None
    end_date: int | None = None
    migrate_speed: float | None = None
    user_op: str | None = None
    process_trace: str | None = None


class TaskSourceServer(WireReply):
    """Whose task it is."""

    id: str
    ip: str
    name: str
    os_type: str
    os_version: str | None = None
    oem_system: bool | None = None
    state: str | None = None
    migration_cycle: str | None = None


class TargetPartition(WireReply):
    """A partition of the target. relation_name: the source's."""

    name: str
    index: int
    size: int
    device_use: str
    file_system: str | None = None
    mount_point: str | None = None
    uuid: str | None = None
    relation_name: str | None = None


class TargetDisk(WireReply):
    """A disk of the target. relation_name: the source's."""

    id: int
    name: str
    size: int
    device_use: str
    disk_index: str
    os_disk: bool
    partition_style: str
    relation_name: str | None = None
    physical_volumes: list[TargetPartition]


class TaskTargetServer(WireReply):
    """The target as it is planned. disks is left out of a list."""

    id: str
    vm_id: str
    name: str
    os_type: str
    os_version: str | None = None
    disks: list[TargetDisk] | None = None


class Usage(WireReply):
    """How busy source and agent are: % of the CPU, MB, Mbit/s."""

    total_cpu_usage: float | None = None
    agent_cpu_usage: float | None = None
    total_mem_usage: float | None = None
    agent_mem_usage: float | None = None
    total_disk_io: float | None = None
    agent_disk_io: float | None = None


class TaskBody(Usage):
    """What list and show have in common. total_time in seconds. error_json: an object as text.

    subtask_info: the running sub-task and its progress. syncing is false: continuous synchronisation is not offered.
    """

    id: str
    name: str
    type: str
    os_type: str
    state: str
    priority: int
    speed_limit: int | None = None
    migrate_speed: float | None = None
    compress_rate: float | None = None
    start_target_server: bool = True
    error_json: str | None = None
    estimate_complete_time: int | None = None
    create_date: int
    total_time: int | None = None
    migration_ip: str | None = None
    enterprise_project_id: str | None = None
    source_server: TaskSourceServer
    target_server: TaskTargetServer
    sub_tasks: list[SubTask]
    syncing: bool = False
    network_check_info: NetworkCheckInfo | None = None
    need_migration_test: bool = False
    subtask_info: str | None = None


class ListedTask(TaskBody):
    """A task of a list."""

    special_config: list[ConfigBody]


class ListTasksResponse(WireReply):
    """count: all that match, whatever the page."""

    count: int
    tasks: list[ListedTask]


class ShowTaskResponse(TaskBody):
    """One task. start_date, finish_date: of the whole task. target_snapshot_id: the newest point of its replica."""

    region_id: str | None = None
    region_name: str | None = None
    project_id: str | None = None
    project_name: str | None = None
    vm_template_id: str | None = None
    connected: bool
    start_date: int | None = None
    finish_date: int | None = None
    remain_seconds: int | None = None
    target_snapshot_id: str | None = None
