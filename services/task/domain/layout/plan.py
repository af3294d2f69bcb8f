"""The plan: which disks the target gets, in which order, and what is copied into which file system."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from contracts.inventory import Disk, FileSystem, SourceInventory
from contracts.layout import CopyVolume, TargetDisk, TargetLayout, TargetPartition, TargetVolumeGroup
from services.task.domain.layout.arrays import without_arrays
from services.task.domain.layout.disks import Moving, boot_disk, disk_of_mount, disk_of_source
from services.task.domain.layout.options import LayoutOptions, target_disk_name
from services.task.domain.layout.subvolumes import nested_volumes, planned_subvolumes
from services.task.domain.layout.volume_groups import (
    Placement,
    group_notes,
    moving_groups,
    physical_volumes,
    placements,
    planned_group,
)
from services.task.domain.layout.volumes import MovingVolume, depth, moving_volumes


def plan_layout(inventory: SourceInventory, options: LayoutOptions | None = None) -> TargetLayout:
    """Keep every identifier of the source; move only what does not fit where it was.

    The disk with the root file system is the first one (vda): firmware starts from it. Raises MigrationError
    (SMS.LAYOUT.*) for what a target cannot be given.
    """
    options = options or LayoutOptions()
    source_disks = inventory.disks
    collapsed = without_arrays(inventory)
    inventory = collapsed.inventory
    mounted = moving_volumes(inventory, is_data_only=options.is_data_only)
    nested, left_out = nested_volumes(inventory, mounted)
    volumes = (*mounted, *nested)
    by_volume = _by_volume(mounted)
    groups = moving_groups(inventory, by_volume)
    moving = Moving(
        volumes=by_volume,
        physical=physical_volumes(groups, options.seed),
        boot_disk="" if options.is_data_only else boot_disk(inventory, by_volume),
    )
    disks: list[TargetDisk] = []
    places: dict[str, Placement] = {}
    notes = list(collapsed.notes)
    for origin in _origins(inventory, mounted, moving):
        name = target_disk_name(len(disks))
        if isinstance(origin, MovingVolume):
            disk = disk_of_mount(origin.mount, name, options)
            places[origin.mount.mount_point] = Placement(disk=name, partition=1)
        else:
            disk = disk_of_source(origin, name, moving, options)
            places.update(_placements(disk, volumes))
            notes += _notes(origin, disk)
        disks.append(disk)
    planned = [planned_group(group, disks, by_volume, options) for group in groups]
    for source, group in zip(groups, planned, strict=True):
        where = placements(group)
        places.update({each.mount.mount_point: where[each.volume] for each in volumes if each.volume in where})
        notes += group_notes(source, group)
    moved = {disk.source_disk for disk in disks}
    notes += [*(_left_out(disk) for disk in inventory.disks if disk.name not in moved), *left_out]
    system_disk = _system_disk(disks, places, moving)
    return TargetLayout(
        firmware=inventory.firmware,
        disks=tuple(_as_system(disk, places) if disk.name == system_disk else disk for disk in disks),
        volumes=_copy_volumes(volumes, places, [disk.name for disk in disks], moving_file_systems(disks, planned)),
        source_disks=source_disks,
        notes=tuple(notes),
        volume_groups=tuple(planned),
        subvolumes=planned_subvolumes(inventory, volumes, places),
    )


def moving_file_systems(
    disks: Iterable[TargetDisk], groups: Iterable[TargetVolumeGroup]
) -> dict[tuple[str, int, str], FileSystem]:
    """Every file system that is made, by its placement: disk, partition (0 for the whole disk), logical volume."""
    made: dict[tuple[str, int, str], FileSystem] = {}
    for disk in disks:
        if disk.format_as is not None:
            made[disk.name, 0, ""] = disk.format_as
        made.update({(disk.name, p.number, ""): p.format_as for p in disk.partitions if p.format_as is not None})
    for group in groups:
        where = placements(group)
        for volume in group.logical_volumes:
            place = where[f"{group.name}/{volume.name}"]
            if volume.format_as is not None:
                made[place.disk, place.partition, place.logical_volume] = volume.format_as
    return made


def _by_volume(mounted: Iterable[MovingVolume]) -> dict[str, MovingVolume]:
    """What is mounted of each device; of several subvolumes the one nearest to the root."""
    ordered = sorted(mounted, key=lambda volume: depth(volume.mount.mount_point), reverse=True)
    return {volume.volume: volume for volume in ordered if volume.volume}


def _origins(
    inventory: SourceInventory, volumes: tuple[MovingVolume, ...], moving: Moving
) -> list[Disk | MovingVolume]:
    """What each target disk comes from, the one that boots first, then in the source's order."""
    disks = [disk for disk in inventory.disks if _moves(disk, moving)]
    unknown = [volume for volume in volumes if not volume.volume]
    disks.sort(key=lambda disk: disk.name != moving.boot_disk and "/" not in _mount_points(disk, moving))
    unknown.sort(key=lambda volume: (depth(volume.mount.mount_point), volume.mount.mount_point))
    if unknown and unknown[0].mount.mount_point == "/":
        return [unknown[0], *disks, *unknown[1:]]
    return [*disks, *unknown]


def _mount_points(disk: Disk, moving: Moving) -> set[str]:
    names = [disk.name, *(partition.name for partition in disk.partitions)]
    return {moving.volumes[name].mount.mount_point for name in names if name in moving.volumes}


def _moves(disk: Disk, moving: Moving) -> bool:
    holds_swap = any(each is not None and each.kind == "swap" for each in _file_systems(disk))
    holds_group = any(name in moving.physical for name in (disk.name, *(part.name for part in disk.partitions)))
    return bool(_mount_points(disk, moving)) or holds_group or (holds_swap and not disk.is_removable)


def _file_systems(disk: Disk) -> list[FileSystem | None]:
    return [disk.file_system, *(partition.file_system for partition in disk.partitions)]


def _placements(disk: TargetDisk, volumes: Iterable[MovingVolume]) -> dict[str, Placement]:
    numbers = {partition.source_volume: partition.number for partition in disk.partitions}
    numbers.setdefault(disk.source_disk, 0)
    return {
        each.mount.mount_point: Placement(disk=disk.name, partition=numbers[each.volume])
        for each in volumes
        if each.volume in numbers
    }


def _system_disk(disks: Iterable[TargetDisk], places: Mapping[str, Placement], moving: Moving) -> str:
    named = next((disk.name for disk in disks if disk.source_disk and disk.source_disk == moving.boot_disk), "")
    return named or (places["/"].disk if "/" in places else "")


def _as_system(disk: TargetDisk, places: Mapping[str, Placement]) -> TargetDisk:
    """Mark the disk that boots; some firmware wants one active partition in an MBR."""
    partitions = disk.partitions
    if disk.table == "mbr" and not any(partition.is_active for partition in partitions):
        here = [
            places[point].partition for point in ("/boot", "/") if point in places and places[point].disk == disk.name
        ]
        boot_number = here[0] if here else 0
        partitions = tuple(_activated(partition, boot_number) for partition in partitions)
    return disk.model_copy(update={"is_system": True, "partitions": partitions})


def _activated(partition: TargetPartition, number: int) -> TargetPartition:
    if partition.number != number or partition.kind != "primary":
        return partition
    return partition.model_copy(update={"is_active": True})


def _copy_volumes(
    volumes: Iterable[MovingVolume],
    places: Mapping[str, Placement],
    disk_order: list[str],
    made: Mapping[tuple[str, int, str], FileSystem],
) -> tuple[CopyVolume, ...]:
    def order(volume: MovingVolume) -> tuple[int, int, str]:
        point = volume.mount.mount_point
        return disk_order.index(places[point].disk), depth(point), point

    copied: list[CopyVolume] = []
    counted: set[Placement] = set()
    for index, volume in enumerate(sorted(volumes, key=order)):
        mount = volume.mount
        place = places[mount.mount_point]
        is_first = place not in counted
        counted.add(place)
        copied.append(
            CopyVolume(
                index=index,
                mount_point=mount.mount_point,
                source_path=mount.host_path,
                target_disk=place.disk,
                target_partition=place.partition,
                logical_volume=place.logical_volume,
                kind=made[place.disk, place.partition, place.logical_volume].kind,
                estimated_bytes=mount.used_bytes if is_first else 0,
                estimated_files=mount.files if is_first else 0,
                mount_options=mount.options,
                subvolume=volume.subvolume,
                is_nested=volume.is_nested,
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
