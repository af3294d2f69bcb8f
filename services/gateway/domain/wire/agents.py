"""What agents send and fetch over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from services.gateway.domain.wire.base import WireReply, WireRequest
from services.gateway.domain.wire.machine import (
    BtrfsFileSystem,
    Number,
    Path,
    ServerDisk,
    ServerNetwork,
    Size,
    Text,
    VolumeGroup,
)

Percent = Annotated[float, Field(ge=0, le=100)]
Measure = Annotated[float, Field(ge=0, le=1e15)]
Trace = Annotated[str, Field(max_length=4096)]
Disks = Annotated[list[ServerDisk], Field(max_length=64)]
VolumeGroups = Annotated[list[VolumeGroup], Field(max_length=64)]
BtrfsList = Annotated[list[BtrfsFileSystem], Field(max_length=64)]


class PostSourceServerBody(WireRequest):
    """A machine at its registration. id: of an earlier one. memory in MB. One of ip and ipv6 has to be there."""

    id: Text | None = None
    ip: Text | None = None
    ipv6: Text | None = None
    name: Text
    hostname: Text | None = None
    os_type: Literal["WINDOWS", "LINUX"]
    os_version: Text
    linux_block_check: Path | None = None
    firmware: Literal["BIOS", "UEFI"] | None = None
    cpu_quantity: Annotated[int, Field(ge=0, le=65536)] | None = None
    memory: Number | None = None
    disks: Disks | None = None
    btrfs_list: BtrfsList | None = None
    networks: Annotated[list[ServerNetwork], Field(max_length=128)]
    domain_id: Text | None = None
    has_rsync: bool | None = None
    paravirtualization: bool | None = None
    raw_devices: Path | None = None
    driver_files: bool | None = None
    system_services: bool | None = None
    account_rights: bool | None = None
    boot_loader: Text | None = None
    system_dir: Path | None = None
    volume_groups: VolumeGroups | None = None
    agent_version: Text
    kernel_version: Text | None = None
    migration_cycle: Text | None = None
    state: Text | None = None
    oem_system: bool | None = None
    start_type: Text | None = None
    io_read_wait: float | None = None
    has_tc: bool | None = None
    platform: Text | None = None


class RegisterServerResponse(WireReply):
    """id: of the server, also for its agent's further requests."""

    id: str


class PutDiskInfoReq(WireRequest):
    """The machine's disks as they are now."""

    disks: Disks | None = None
    volumegroups: VolumeGroups | None = None
    btrfs_list: BtrfsList | None = None


class CommandParam(WireReply):
    """What an agent needs for a command. task_id is the vendor's; the others are ours.

    verb: of the bus (copy, sync, verify, …). endpoints: address and port of the target's end, tried in order.
    certificate: the newest issue; one that the agent has not fetched is at ``/v3/tasks/{task_id}/certkey``.
    """

    task_id: str | None = None
    bucket: str | None = None
    verb: str | None = None
    epoch: int | None = None
    endpoints: list[tuple[str, int]] | None = None
    volumes: list[Any] | None = None
    generation: str | None = None
    excludes: list[str] | None = None
    only_paths: list[str] | None = None
    rate_limit_bit_s: int | None = None
    speed_limits: list[Any] | None = None
    round_number: int | None = None
    certificate: int | None = None
    log_id: str | None = None


class ShowCommandResponse(WireReply):
    """The newest command that is not done, or why there is none."""

    command_name: str
    command_param: CommandParam


class CommandBody(WireRequest):
    """How a command has ended."""

    command_name: Text
    result: Literal["success", "fail"]
    result_detail: JsonValue = None


class UpdateTaskSpeedReq(WireRequest):
    """Where a sub-task is. Memory in MB, rates in Mbit/s, remain_time in seconds, agent_time as text."""

    subtask_name: Text
    progress: Annotated[int, Field(ge=0, le=100)]
    replicatesize: Size
    totalsize: Size
    process_trace: Trace
    migrate_speed: Measure | None = None
    compress_rate: Measure | None = None
    remain_time: Number | None = None
    total_cpu_usage: Percent | None = None
    agent_cpu_usage: Percent | None = None
    total_mem_usage: Measure | None = None
    agent_mem_usage: Measure | None = None
    total_disk_io: Measure | None = None
    agent_disk_io: Measure | None = None
    need_migration_test: bool | None = None
    agent_time: Text | None = None


class ShowCertKeyResponse(WireReply):
    """The source's end of the task's channel, PEM. Handed out once: a renewed certificate comes without the key."""

    cert: str
    private_key: str | None = None
    ca: str | None = None


class ShowPassphraseResponse(WireReply):
    """A secret of the task, the same at each request."""

    task_id: str
    passphrase: str


class DirectoryResult(WireRequest):
    """What a comparison found below one directory."""

    dir_check: Path = ""
    num_total_files: Number = 0
    num_different_files: Number = 0
    num_target_miss_files: Number = 0
    num_target_more_files: Number = 0


class SetConsistencyResultRequestBody(WireRequest):
    """A comparison of source and target."""

    consistency_result: Annotated[list[DirectoryResult], Field(min_length=1, max_length=1000)]


class NetworkCheckInfoRequestBody(WireRequest):
    """What an agent has measured of its way to the target. Delays in ms, speed in Mbit/s, the others in percent."""

    domain_connectivity: bool | None = None
    destination_connectivity: bool | None = None
    network_delay: Measure
    network_jitter: Measure
    migration_speed: Measure
    loss_percentage: Percent
    cpu_usage: Percent
    mem_usage: Percent
    evaluation_result: Text


class UpdateNetworkCheckInfoResponse(WireReply):
    """task_id: of the task that the measurement is kept with."""

    task_id: str


class PutAgentLogReq(WireRequest):
    """The newest part of an agent's log, as text. log_id: as the command UPLOAD_LOG says."""

    log_id: Text
    log: Annotated[str, Field(max_length=900_000)]
