"""The plan: which disks the target gets, in which order, and what is copied into which file system."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from contracts.inventory import Disk, FileSystem, SourceInventory
from contracts.layout import CopyVolume, TargetDisk, TargetLayout, TargetPartition
from services.task.domain.layout.disks import disk_of_mount, disk_of_source
from services.task.domain.layout.options import LayoutOptions, target_disk_name
from services.task.domain.layout.volumes import MovingVolume, depth, moving_volumes


def plan_layout(inventory: SourceInventory, options: LayoutOptions | None = None) -> TargetLayout:
    """Keep every identifier of the source; move only what does not fit where it was.

    The disk with the root file system is the first one (vda): firmware starts from it. Raises MigrationError
    (SMS.LAYOUT.*) for what a target cannot be given.
    """
    options = options or LayoutOptions()
    volumes = moving_volumes(inventory, is_data_only=options.is_data_only)
    moving = {volume.volume: volume for volume in volumes if volume.volume}
    disks: list[TargetDisk] = []
    placements: dict[str, tuple[str, int]] = {}
    notes: list[str] = []
    for origin in _origins(inventory, volumes):
        name = target_disk_name(len(disks))
        if isinstance(origin, MovingVolume):
            disk = disk_of_mount(origin.mount, name, options)
            placements[origin.mount.mount_point] = (name, 1)
        else:
            disk = disk_of_source(origin, name, moving, options)
            placements.update(_placements(disk, moving))
            notes += _notes(origin, disk)
        disks.append(disk)
    moved = {disk.source_disk for disk in disks}
    notes += [_left_out(disk) for disk in inventory.disks if disk.name not in moved]
    system_disk = placements.get("/", ("", 0))[0]
    return TargetLayout(
        firmware=inventory.firmware,
        disks=tuple(_as_system(disk, placements) if disk.name == system_disk else disk for disk in disks),
        volumes=_copy_volumes(volumes, placements, [disk.name for disk in disks], moving_file_systems(disks)),
        source_disks=inventory.disks,
        notes=tuple(notes),
    )


def moving_file_systems(disks: Iterable[TargetDisk]) -> dict[tuple[str, int], FileSystem]:
    """Every file system that is made, by (disk name, partition number; 0 for the whole disk)."""
    made: dict[tuple[str, int], FileSystem] = {}
    for disk in disks:
        if disk.format_as is not None:
            made[disk.name, 0] = disk.format_as
        made.update({(disk.name, p.number): p.format_as for p in disk.partitions if p.format_as is not None})
    return made


def _origins(inventory: SourceInventory, volumes: tuple[MovingVolume, ...]) -> list[Disk | MovingVolume]:
    """What each target disk comes from, the one that boots first, then in the source's order."""
    by_volume = {volume.volume: volume.mount.mount_point for volume in volumes if volume.volume}
    disks = [disk for disk in inventory.disks if _moves(disk, by_volume)]
    unknown = [volume for volume in volumes if not volume.volume]
    disks.sort(key=lambda disk: "/" not in _mount_points(disk, by_volume))
    unknown.sort(key=lambda volume: (depth(volume.mount.mount_point), volume.mount.mount_point))
    if unknown and unknown[0].mount.mount_point == "/":
        return [unknown[0], *disks, *unknown[1:]]
    return [*disks, *unknown]


def _mount_points(disk: Disk, by_volume: Mapping[str, str]) -> set[str]:
    names = [disk.name, *(partition.name for partition in disk.partitions)]
    return {by_volume[name] for name in names if name in by_volume}


def _moves(disk: Disk, by_volume: Mapping[str, str]) -> bool:
    holds_swap = any(each is not None and each.kind == "swap" for each in _file_systems(disk))
    return bool(_mount_points(disk, by_volume)) or (holds_swap and not disk.is_removable)


def _file_systems(disk: Disk) -> list[FileSystem | None]:
    return [disk.file_system, *(partition.file_system for partition in disk.partitions)]


def _placements(disk: TargetDisk, moving: Mapping[str, MovingVolume]) -> dict[str, tuple[str, int]]:
    numbers = {partition.source_volume: partition.number for partition in disk.partitions}
    numbers.setdefault(disk.source_disk, 0)
    return {moving[name].mount.mount_point: (disk.name, number) for name, number in numbers.items() if name in moving}


def _as_system(disk: TargetDisk, placements: Mapping[str, tuple[str, int]]) -> TargetDisk:
    """Mark the disk that boots; some firmware wants one active partition in an MBR."""
    partitions = disk.partitions
    if disk.table == "mbr" and not any(partition.is_active for partition in partitions):
        boot_number = next((placements[p][1] for p in ("/boot", "/") if placements.get(p, ("",))[0] == disk.name), 0)
        partitions = tuple(_activated(partition, boot_number) for partition in partitions)
    return disk.model_copy(update={"is_system": True, "partitions": partitions})


def _activated(partition: TargetPartition, number: int) -> TargetPartition:
    if partition.number != number or partition.kind != "primary":
        return partition
    return partition.model_copy(update={"is_active": True})


def _copy_volumes(
    volumes: Iterable[MovingVolume],
    placements: Mapping[str, tuple[str, int]],
    disk_order: list[str],
    made: Mapping[tuple[str, int], FileSystem],
) -> tuple[CopyVolume, ...]:
    def order(volume: MovingVolume) -> tuple[int, int, str]:
        point = volume.mount.mount_point
        return disk_order.index(placements[point][0]), depth(point), point

    copied = []
    for index, volume in enumerate(sorted(volumes, key=order)):
        mount = volume.mount
        disk, partition = placements[mount.mount_point]
        copied.append(
            CopyVolume(
                index=index,
                mount_point=mount.mount_point,
                source_path=mount.host_path,
                target_disk=disk,
                target_partition=partition,
                kind=made[disk, partition].kind,
                estimated_bytes=mount.used_bytes,
                estimated_files=mount.files,
                mount_options=mount.options,
            )
        )
    return tuple(copied)


def _notes(source: Disk, disk: TargetDisk) -> list[str]:
    notes = []
    if source.table == "none" and disk.table == "mbr":
        notes.append(f"{source.name} has no partition table; {disk.name} gets one, so that it can boot")
    formatted = {partition.source_volume for partition in disk.partitions if partition.format_as is not None}
    starts = {partition.number: partition.start_bytes for partition in disk.partitions}
    for partition in source.partitions:
        kind = partition.file_system.kind if partition.file_system is not None else ""
        if partition.number not in starts:
            notes += [f"{partition.name} is left out: no extended partition holds it"]
            continue
        if kind and partition.name not in formatted:
            notes += [f"{partition.name} ({kind}) is not mounted; it is left empty on the target"]
        if partition.number not in starts:
            # What an agent says need not fit together: a logical partition without an extended one has no place.
            notes += [f"{partition.name} ({partition.kind}) has no place in the partition table; it is left out"]
        elif starts[partition.number] != partition.start_bytes:
            notes += [f"{partition.name} moves from byte {partition.start_bytes} to {starts[partition.number]}"]
    if disk.size_bytes != source.size_bytes:
        notes.append(f"{disk.name} has {disk.size_bytes} bytes; {source.name} has {source.size_bytes}")
    return notes


def _left_out(disk: Disk) -> str:
    return f"{disk.name} ({disk.size_bytes} bytes) holds no mounted file system and no swap; it is left out"
