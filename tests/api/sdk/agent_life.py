"""The life of an agent that speaks HTTP, through the official SDK: registration, polls, certificate, reports."""

from __future__ import annotations

import time
from collections.abc import Callable

from huaweicloudsdksms.v3 import (
    CommandBody,
    ConsistencyResult,
    NetWork,
    NetworkCheckInfoRequestBody,
    PhysicalVolume,
    PostSourceServerBody,
    PutCopyStateReq,
    PutDiskInfoReq,
    RegisterServerRequest,
    ServerDisk,
    SetConsistencyResultRequestBody,
    ShowCertKeyRequest,
    ShowCertKeyResponse,
    ShowCommandRequest,
    ShowCommandResponse,
    ShowPassphraseRequest,
    SmsClient,
    UpdateCommandResultRequest,
    UpdateConsistencyResultRequest,
    UpdateCopyStateRequest,
    UpdateDiskInfoRequest,
    UpdateNetworkCheckInfoRequest,
    UpdateTaskSpeedReq,
    UpdateTaskSpeedRequest,
)

# SDK operations that these functions call.
OPERATIONS = frozenset(
    {
        "register_server",
        "update_disk_info",
        "update_copy_state",
        "show_command",
        "update_command_result",
        "update_task_speed",
        "show_cert_key",
        "show_passphrase",
        "update_consistency_result",
        "update_network_check_info",
    }
)
GIB = 1 << 30
_IDLE = {"TASK_NOT_STARTED", "TASK_HAS_STOPPED", "TASK_HAS_FINISHED", "UPLOAD_LOG"}


def machine(name: str, *, mac: str = "52:54:00:12:34:56", **changed: object) -> PostSourceServerBody:
    """A small Debian server with one disk, as an agent would describe it."""
    values: dict[str, object] = {
        "ip": "192.0.2.10",
        "name": name,
        "hostname": f"{name}.example",
        "os_type": "LINUX",
        "os_version": "DEBIAN_11_7_64BIT",
        "firmware": "BIOS",
        "cpu_quantity": 2,
        "memory": 2048,
        "disks": [disk()],
        "btrfs_list": [],
        "volume_groups": [],
        "networks": [
            NetWork(name="eth0", ip="192.0.2.10", netmask="255.255.255.0", gateway="192.0.2.1", mtu=1500, mac=mac)
        ],
        "has_rsync": True,
        "paravirtualization": True,
        "raw_devices": "",
        "boot_loader": "GRUB",
        "agent_version": "25.2.0",
        "kernel_version": "5.10.0-23-amd64",
        "oem_system": False,
        "has_tc": True,
        "platform": "vmware",
    }
    return PostSourceServerBody(**(values | changed))


def disk(*, used_size: int = 2 * GIB) -> ServerDisk:
    root = PhysicalVolume(
        device_use="OS",
        file_system="ext4",
        index=1,
        mount_point="/",
        name="/dev/vda1",
        size=9 * GIB,
        used_size=used_size,
        inode_size=256,
        inode_nums=40_000,
        uuid="3f8e6b1c-1111-2222-3333-444455556666",
        size_per_cluster=4096,
    )
    return ServerDisk(
        name="/dev/vda",
        partition_style="MBR",
        device_use="OS",
        size=10 * GIB,
        used_size=used_size,
        physical_volumes=[root],
        os_disk=True,
    )


def register(client: SmsClient, body: PostSourceServerBody) -> str:
    return client.register_server(RegisterServerRequest(body=body)).id


def report_disks(client: SmsClient, server_id: str, *disks: ServerDisk) -> None:
    body = PutDiskInfoReq(disks=list(disks), volumegroups=[], btrfs_list=[])
    client.update_disk_info(UpdateDiskInfoRequest(source_id=server_id, body=body))


def report_state(client: SmsClient, server_id: str, state: str, cycle: str = "replicating") -> None:
    body = PutCopyStateReq(copystate=state, migrationcycle=cycle)
    client.update_copy_state(UpdateCopyStateRequest(source_id=server_id, body=body))


def command(client: SmsClient, server_id: str) -> ShowCommandResponse:
    return client.show_command(ShowCommandRequest(server_id=server_id))


def await_command(
    client: SmsClient, server_id: str, name: str, *, after: str | None = None, timeout_s: float = 30
) -> ShowCommandResponse:
    """Poll until this command comes; another one is a mistake, but for the one that it comes after."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = command(client, server_id)
        if found.command_name == name:
            return found
        if found.command_name not in (*_IDLE, after) or time.monotonic() > deadline:
            raise AssertionError(f"waited for {name}, found {found.command_name}")
        time.sleep(0.2)


def report_result(client: SmsClient, server_id: str, name: str, result: str = "success", **detail: object) -> None:
    body = CommandBody(command_name=name, result=result, result_detail=detail)
    client.update_command_result(UpdateCommandResultRequest(server_id=server_id, body=body))


def report_progress(
    client: SmsClient, task_id: str, percent: int, *, name: str = "MIGRATE_LINUX_FILE", total: int = 2 * GIB
) -> None:
    body = UpdateTaskSpeedReq(
        subtask_name=name,
        progress=percent,
        replicatesize=total * percent // 100,
        totalsize=total,
        process_trace=f"copied {percent}%",
        migrate_speed=320.5,
        compress_rate=2.0,
        remain_time=100 - percent,
        total_cpu_usage=12.5,
        agent_cpu_usage=3.5,
        total_mem_usage=900.0,
        agent_mem_usage=120.0,
        total_disk_io=80.0,
        agent_disk_io=75.0,
        need_migration_test=False,
        agent_time="2026-01-01 09:30:00",
    )
    client.update_task_speed(UpdateTaskSpeedRequest(task_id=task_id, body=body))


def fetch_certificate(client: SmsClient, task_id: str) -> ShowCertKeyResponse:
    return client.show_cert_key(ShowCertKeyRequest(task_id=task_id, enable_ca_cert=True))


def fetch_passphrase(client: SmsClient, task_id: str) -> str:
    return client.show_passphrase(ShowPassphraseRequest(task_id=task_id)).passphrase


def report_consistency(client: SmsClient, task_id: str, *, files: int = 1200, different: int = 0) -> None:
    result = ConsistencyResult(
        dir_check="/etc",
        num_total_files=files,
        num_different_files=different,
        num_target_miss_files=0,
        num_target_more_files=0,
    )
    body = SetConsistencyResultRequestBody(consistency_result=[result])
    client.update_consistency_result(UpdateConsistencyResultRequest(task_id=task_id, body=body))


def report_network(client: SmsClient, task_id: str) -> None:
    body = NetworkCheckInfoRequestBody(
        domain_connectivity=True,
        destination_connectivity=True,
        network_delay=1.5,
        network_jitter=0.2,
        migration_speed=812.0,
        loss_percentage=0.0,
        cpu_usage=11.0,
        mem_usage=32.0,
        evaluation_result="6",
    )
    answer = client.update_network_check_info(UpdateNetworkCheckInfoRequest(task_id=task_id, body=body))
    assert answer.task_id == task_id


def begin_life(client: SmsClient, name: str) -> str:
    """Register, report the disks again, say where the migration stands, poll: there is nothing to do yet."""
    server_id = register(client, machine(name))
    assert register(client, machine(name)) == server_id
    report_disks(client, server_id, disk(used_size=3 * GIB))
    report_state(client, server_id, "waiting", "setting")
    assert command(client, server_id).command_name == "TASK_NOT_STARTED"
    return server_id


def copy(client: SmsClient, server_id: str, task_id: str) -> ShowCertKeyResponse:
    """Carry START out: fetch the certificate and the passphrase, report the network and progress, succeed."""
    started = await_command(client, server_id, "START")
    assert started.command_param.task_id == task_id
    certificate = fetch_certificate(client, task_id)
    assert fetch_passphrase(client, task_id) == fetch_passphrase(client, task_id)
    report_network(client, task_id)
    for percent in (10, 60, 100):
        report_progress(client, task_id, percent)
    report_consistency(client, task_id)
    report_result(client, server_id, "START")
    return certificate


def verify(client: SmsClient, server_id: str, task_id: str) -> None:
    """Carry a verification out, with a result that no copy has reported: the same words signed in the same second are
    the same request, which is answered as the first time and does nothing more."""
    await_command(client, server_id, "SYNC")
    report_consistency(client, task_id, files=1201)
    report_result(client, server_id, "SYNC")


def end_life(client: SmsClient, server_id: str, until_ended: Callable[[], bool], *, timeout_s: float = 30) -> None:
    """Carry DELETE out when it comes; until_ended: whether the task has ended."""
    deadline = time.monotonic() + timeout_s
    while not until_ended():
        if command(client, server_id).command_name == "DELETE":
            report_result(client, server_id, "DELETE")
        assert time.monotonic() < deadline, "the task has not ended"
        time.sleep(0.2)
    assert command(client, server_id).command_name == "TASK_HAS_FINISHED"
