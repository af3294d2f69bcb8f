"""Inventories of servers on LVM and RAID, as the agent reports them."""

from __future__ import annotations

from contracts.inventory import (
    Disk,
    FileSystem,
    Firmware,
    LogicalVolume,
    Mount,
    OperatingSystem,
    Partition,
    PhysicalVolume,
    RaidArray,
    SourceInventory,
    VolumeGroup,
)
from services.task.domain.layout.options import GIB, MIB

EXTENT = 4 * MIB
GROUP_UUID = "GGGGGG-aaaa-bbbb-cccc-dddd-eeee-000001"


def uuid(kind: str, number: int) -> str:
    return f"{kind * 6}-aaaa-bbbb-cccc-dddd-eeee-{number:06}"


def partition(name: str, start_mib: int, size_mib: int, holds: str, **fields: object) -> Partition:
    number = int(name.lstrip("abcdefghijklmnopqrstuvwxyz"))
    values: dict[str, object] = {
        "number": number,
        "name": name,
        "start_bytes": start_mib * MIB,
        "size_bytes": size_mib * MIB,
        "type_id": {"lvm2_member": "8e", "linux_raid_member": "fd", "swap": "82"}.get(holds, "83"),
        "part_uuid": f"1234abcd-{number:02x}",
        "file_system": FileSystem(kind=holds, uuid=f"uuid-of-{name}") if holds else None,
    }
    return Partition.model_validate(values | fields)


def disk(name: str, *partitions: Partition, size: int = 21 * GIB, **fields: object) -> Disk:
    values = {"name": name, "device": f"/dev/{name}", "size_bytes": size, "table": "mbr", "identifier": "1234abcd"}
    return Disk.model_validate(values | {"partitions": partitions} | fields)


def mount(point: str, volume: str, kind: str = "xfs", *layers: str, used: int = 500 * MIB) -> Mount:
    return Mount(mount_point=point, host_path=point, kind=kind, volume=volume, used_bytes=used, layers=layers)


def physical(volume: str, number: int, size_mib: int, start: int = MIB) -> PhysicalVolume:
    return PhysicalVolume(volume=volume, uuid=uuid("P", number), size_bytes=size_mib * MIB, data_start_bytes=start)


def logical(name: str, number: int, size: int, holds: str = "xfs", **fields: object) -> LogicalVolume:
    values: dict[str, object] = {
        "name": name,
        "size_bytes": size,
        "uuid": uuid("L", number),
        "segment_types": ("linear",),
        "file_system": FileSystem(kind=holds, uuid=f"uuid-of-{name}", size_bytes=size) if holds else None,
    }
    return LogicalVolume.model_validate(values | fields)


def group(physicals: tuple[PhysicalVolume, ...], *volumes: LogicalVolume, name: str = "centos") -> VolumeGroup:
    return VolumeGroup(
        name=name,
        size_bytes=sum(one.size_bytes for one in physicals),
        uuid=GROUP_UUID,
        extent_bytes=EXTENT,
        physical_volumes=physicals,
        logical_volumes=volumes,
    )


def server(
    disks: tuple[Disk, ...],
    mounts: tuple[Mount, ...],
    *groups: VolumeGroup,
    arrays: tuple[RaidArray, ...] = (),
    firmware: Firmware = "BIOS",
) -> SourceInventory:
    return SourceInventory(
        hostname="source",
        architecture="x86_64",
        firmware=firmware,
        operating_system=OperatingSystem(id="centos"),
        disks=disks,
        mounts=mounts,
        volume_groups=groups,
        arrays=arrays,
    )


def array(name: str, members: tuple[str, ...], size: int, holds: str, level: str = "raid1") -> RaidArray:
    return RaidArray(
        name=name,
        size_bytes=size,
        level=level,
        metadata="1.2",
        uuid="11111111-2222-3333-4444-555555555555",
        label=f"host:{name}",
        members=members,
        file_system=FileSystem(kind=holds, uuid=f"uuid-of-{name}", size_bytes=size),
    )


# /boot on a partition, everything else in a group: what installers of RHEL and CentOS make.
CENTOS = server(
    (disk("sda", partition("sda1", 1, 1024, "xfs"), partition("sda2", 1025, 19 * 1024, "lvm2_member")),),
    (mount("/", "centos/root", "xfs", "lvm"), mount("/boot", "sda1")),
    group(
        (physical("sda2", 1, 19 * 1024),),
        logical("swap", 1, 2 * GIB, "swap"),
        logical("root", 2, 16 * GIB),
    ),
)

# Two mirrors over two disks, the second of them under a group.
MIRRORED = server(
    tuple(
        disk(
            name,
            partition(f"{name}1", 1, 1024, "linux_raid_member"),
            partition(f"{name}2", 1025, 19 * 1024, "linux_raid_member"),
            is_system=True,
        )
        for name in ("sda", "sdb")
    ),
    (mount("/", "centos/root", "xfs", "lvm", "raid"), mount("/boot", "md0", "ext4", "raid")),
    group((physical("md1", 1, 19 * 1024 - 1),), logical("root", 2, 16 * GIB)),
    arrays=(
        array("md0", ("sda1", "sdb1"), 1023 * MIB, "ext4"),
        array("md1", ("sda2", "sdb2"), (19 * 1024 - 1) * MIB, "lvm2_member"),
    ),
)
