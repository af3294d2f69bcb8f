"""One target disk for each source disk that moves, and one for each file system of unknown device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.layout import DISK_TOO_SMALL, MBR_LIMIT, PARTITION_TOO_SMALL
from contracts.inventory import Disk, FileSystem, Mount, SourceInventory
from contracts.layout import TargetDisk, TargetPartition
from services.task.domain.layout.file_systems import (
    derived_signature,
    derived_uuid,
    file_system_of_mount,
    needed_bytes,
)
from services.task.domain.layout.options import MIB, TIB, LayoutOptions
from services.task.domain.layout.partitions import FIRST_START_BYTES, Placed, disk_end_bytes, place
from services.task.domain.layout.volumes import MovingVolume

# 32-bit sector numbers.
MBR_LIMIT_BYTES: Final = 2 * TIB
LINUX_TYPE: Final = "83"
LVM_TYPE: Final = "8e"


class Moving(Model):
    """What is made on the source's partitions and disks, by their names: the mounts that are copied, and LVM's
    physical volumes. boot_disk: the name of the disk that the system starts from, "" when it need not start."""

    volumes: Mapping[str, MovingVolume]
    physical: Mapping[str, FileSystem] = {}
    boot_disk: str = ""


def boot_disk(inventory: SourceInventory, volumes: Mapping[str, MovingVolume]) -> str:
    """The name of the disk that holds the root file system; of a root on LVM, that holds /boot or the firmware's
    partition, else the group's first physical volume. "" when none of them is known."""
    by_point = {volume.mount.mount_point: name for name, volume in volumes.items()}
    root = by_point.get("/", "")
    if "/" not in root:
        return _disk_with(inventory, root)
    plain = [by_point[point] for point in ("/boot", "/boot/efi", "/efi") if "/" not in by_point.get(point, "/")]
    loader = by_point.get("/boot", root).partition("/")[0]
    held = [one.volume for group in inventory.volume_groups if group.name == loader for one in group.physical_volumes]
    return next((disk for name in (*plain, *held) if (disk := _disk_with(inventory, name))), "")


def _disk_with(inventory: SourceInventory, name: str) -> str:
    return next(
        (disk.name for disk in inventory.disks if name in (disk.name, *(part.name for part in disk.partitions))), ""
    )


def disk_of_source(disk: Disk, name: str, moving: Moving, options: LayoutOptions) -> TargetDisk:
    """The target's disk for a source disk."""
    if disk.table == "none":
        return _disk_of_whole_file_system(disk, name, moving, options)
    wanted = {
        p.number: options.partition_size_bytes[p.name]
        for p in disk.partitions
        if p.name in options.partition_size_bytes
    }
    placed = place(disk.partitions, wanted)
    partitions = tuple(_partition(each, moving) for each in placed)
    for each in placed:
        if each.source.number in wanted and each.source.name in moving.volumes:
            _check_fits(moving.volumes[each.source.name].mount, each.source.name, each.size_bytes)
    size_bytes = _disk_size(name, disk.name, options, disk.size_bytes, disk_end_bytes(placed, disk.table))
    if disk.table == "mbr":
        _check_mbr(name, max((each.end_bytes for each in placed), default=0))
    is_set = disk.identifier.strip("0-") != ""
    made_up = (
        derived_signature(options.seed, disk.name) if disk.table == "mbr" else derived_uuid(options.seed, disk.name)
    )
    return TargetDisk(
        name=name,
        size_bytes=size_bytes,
        table=disk.table,
        identifier=disk.identifier if is_set else made_up,
        partitions=partitions,
        source_disk=disk.name,
    )


def disk_of_mount(mount: Mount, name: str, options: LayoutOptions) -> TargetDisk:
    """A new disk with one partition for a file system whose device is not known."""
    file_system = file_system_of_mount(mount, seed=options.seed)
    return _disk_with_one_partition(
        name=name,
        size_bytes=_disk_size(name, "", options, FIRST_START_BYTES + file_system.size_bytes, 2 * MIB),
        file_system=file_system,
        identifier=derived_signature(options.seed, "disk", mount.mount_point),
        mount=mount,
    )


def _disk_of_whole_file_system(disk: Disk, name: str, moving: Moving, options: LayoutOptions) -> TargetDisk:
    volume = moving.volumes.get(disk.name)
    physical = moving.physical.get(disk.name)
    file_system = physical or disk.file_system
    if volume is not None:
        planned = file_system_of_mount(volume.mount, seed=options.seed)
        # A plain folder has a kind and a size, but nothing that fstab and boot loader could name.
        has_name = file_system is not None and file_system.uuid
        file_system = file_system if has_name else planned.model_copy(update={"size_bytes": disk.size_bytes})
    is_boot_volume = volume is not None and volume.mount.mount_point in {"/", "/boot"}
    has_to_boot = not options.is_data_only and (is_boot_volume or moving.boot_disk == disk.name)
    if file_system is not None and has_to_boot:
        return _disk_with_one_partition(
            name=name,
            size_bytes=_disk_size(name, disk.name, options, FIRST_START_BYTES + disk.size_bytes, 2 * MIB),
            file_system=file_system,
            identifier=derived_signature(options.seed, disk.name),
            mount=volume.mount if volume is not None else None,
            source_disk=disk.name,
        )
    size_bytes = _disk_size(name, disk.name, options, disk.size_bytes, MIB)
    if volume is not None and size_bytes < disk.size_bytes:
        _check_fits(volume.mount, disk.name, size_bytes)
    return TargetDisk(name=name, size_bytes=size_bytes, table="none", format_as=file_system, source_disk=disk.name)


def _disk_with_one_partition(
    *, name: str, size_bytes: int, file_system: FileSystem, identifier: str, mount: Mount | None, source_disk: str = ""
) -> TargetDisk:
    partition = TargetPartition(
        number=1,
        start_bytes=FIRST_START_BYTES,
        size_bytes=size_bytes - FIRST_START_BYTES,
        type_id=LVM_TYPE if file_system.kind == "lvm2_member" else LINUX_TYPE,
        part_uuid=f"{identifier}-01",
        is_active=mount is None or mount.mount_point == "/",
        format_as=file_system,
        source_volume=source_disk,
    )
    if mount is not None:
        _check_fits(mount, source_disk or name, partition.size_bytes)
    _check_mbr(name, size_bytes)
    return TargetDisk(
        name=name,
        size_bytes=size_bytes,
        table="mbr",
        identifier=identifier,
        partitions=(partition,),
        source_disk=source_disk,
    )


def _partition(placed: Placed, moving: Moving) -> TargetPartition:
    source = placed.source
    volume = moving.volumes.get(source.name)
    physical = moving.physical.get(source.name)
    file_system = physical or source.file_system
    if volume is not None and file_system is None:
        file_system = file_system_of_mount(volume.mount, seed=source.part_uuid)
    is_swap = file_system is not None and file_system.kind == "swap"
    return TargetPartition(
        number=source.number,
        start_bytes=placed.start_bytes,
        size_bytes=placed.size_bytes,
        type_id=source.type_id,
        part_uuid=source.part_uuid,
        label=source.label,
        kind=source.kind,
        is_active=source.is_active,
        attributes=source.attributes,
        format_as=file_system if volume is not None or physical is not None or is_swap else None,
        source_volume=source.name,
    )


def _disk_size(name: str, source_name: str, options: LayoutOptions, usual_bytes: int, needed: int) -> int:
    wanted = options.disk_size_bytes.get(name, options.disk_size_bytes.get(source_name))
    if wanted is None:
        return max(-(-usual_bytes // 512) * 512, needed)
    if wanted < needed:
        raise MigrationError(DISK_TOO_SMALL, disk=name, size_bytes=wanted, needed_bytes=needed)
    return -(-wanted // MIB) * MIB


def _check_fits(mount: Mount, volume: str, size_bytes: int) -> None:
    needed = needed_bytes(mount)
    if size_bytes < needed:
        raise MigrationError(
            PARTITION_TOO_SMALL,
            volume=volume,
            size_bytes=size_bytes,
            used_bytes=mount.used_bytes,
            mount_point=mount.mount_point,
            needed_bytes=needed,
        )


def _check_mbr(name: str, end_bytes: int) -> None:
    if end_bytes > MBR_LIMIT_BYTES:
        raise MigrationError(MBR_LIMIT, disk=name, end_bytes=end_bytes, limit_bytes=MBR_LIMIT_BYTES)
