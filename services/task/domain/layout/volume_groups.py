"""LVM volume groups on the target: the source's names and UUIDs, every logical volume linear."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.layout import STORAGE_UNSUPPORTED, VOLUME_GROUP_TOO_SMALL
from contracts.inventory import FileSystem, LogicalVolume, PhysicalVolume, SourceInventory, VolumeGroup
from contracts.layout import (
    TargetDisk,
    TargetLogicalVolume,
    TargetPhysicalVolume,
    TargetVolumeGroup,
    VolumeSegment,
)
from services.task.domain.layout.file_systems import derived_lvm_uuid, file_system_of_mount
from services.task.domain.layout.options import MIB, LayoutOptions
from services.task.domain.layout.volumes import MovingVolume

_NAME: Final = re.compile(r"[A-Za-z0-9+_][A-Za-z0-9+_.-]{0,126}")
_USUAL_EXTENT_BYTES: Final = 4 * MIB
_SMALLEST_EXTENT_BYTES: Final = 4096
# LVM's label and a metadata area that holds its text many times; older versions left 192 KiB.
_LEAST_START_BYTES: Final = MIB // 16
# Volumes that hold no data of their own, or more than there are extents for.
_NOT_MADE: Final = frozenset({"thin", "thin-pool", "cache-pool", "snapshot", "vdo-pool"})
_LINEAR: Final = ("linear",)
Moving = Mapping[str, MovingVolume]


class Placement(Model):
    """Where a file system goes: partition 0 is the whole disk; logical_volume (``group/volume``) begins there."""

    disk: str
    partition: int
    logical_volume: str = ""


def moving_groups(inventory: SourceInventory, moving: Moving) -> tuple[VolumeGroup, ...]:
    """The groups with something that is mounted, or swap. Raises MigrationError for one that cannot be made again."""
    groups = [group for group in inventory.volume_groups if any(_moves(group, one, moving) for one in _made(group))]
    known = {disk.name for disk in inventory.disks}
    known |= {partition.name for disk in inventory.disks for partition in disk.partitions}
    names = [group.name for group in inventory.volume_groups]
    for group in groups:
        is_twice = names.count(group.name) > 1
        if problem := "LVM with two groups of one name" if is_twice else _problem(group, known):
            point = next((v.mount.mount_point for n, v in moving.items() if n.startswith(f"{group.name}/")), "swap")
            raise MigrationError(STORAGE_UNSUPPORTED, mount_point=point, device=group.name, layer=problem)
    return tuple(groups)


def _problem(group: VolumeGroup, known: set[str]) -> str:
    """Names become device names and pieces of a metadata text; a part that is missing cannot be made again."""
    odd = [name for name in (group.name, *(one.name for one in group.logical_volumes)) if not _NAME.fullmatch(name)]
    if odd:
        return f"LVM with the name {odd[0][:40]!r}"
    missing = [volume.uuid or volume.volume for volume in group.physical_volumes if volume.volume not in known]
    if missing or not group.physical_volumes:
        return f"LVM with a physical volume on no partition or disk: {', '.join(missing) or 'none is known'}"
    return ""


def physical_volumes(groups: Iterable[VolumeGroup], seed: str) -> dict[str, FileSystem]:
    """What is made on partitions and disks, by their names on the source."""
    return {
        held.volume: FileSystem(kind="lvm2_member", uuid=held.uuid or derived_lvm_uuid(seed, group.name, held.volume))
        for group in groups
        for held in group.physical_volumes
    }


def _made(group: VolumeGroup) -> list[LogicalVolume]:
    return [one for one in group.logical_volumes if not one.origin and not set(one.segment_types) & _NOT_MADE]


def _moves(group: VolumeGroup, volume: LogicalVolume, moving: Moving) -> bool:
    is_swap = volume.file_system is not None and volume.file_system.kind == "swap"
    return is_swap or f"{group.name}/{volume.name}" in moving


def planned_group(
    group: VolumeGroup, disks: Sequence[TargetDisk], moving: Moving, options: LayoutOptions
) -> TargetVolumeGroup:
    """The group on the target's disks. Raises MigrationError SMS.LAYOUT.VOLUME_GROUP_TOO_SMALL."""
    extent_bytes = group.extent_bytes if group.extent_bytes >= _SMALLEST_EXTENT_BYTES else _USUAL_EXTENT_BYTES
    physical = tuple(_placed(group, held, disks, extent_bytes, options.seed) for held in group.physical_volumes)
    made = _made(group)
    sizes = [-(-one.size_bytes // extent_bytes) for one in made]
    rooms = [one.extent_count for one in physical]
    if sum(sizes) > sum(rooms):
        raise MigrationError(
            VOLUME_GROUP_TOO_SMALL,
            group=group.name,
            size_bytes=sum(rooms) * extent_bytes,
            needed_bytes=sum(sizes) * extent_bytes,
        )
    segments = allocated(sizes, rooms)
    return TargetVolumeGroup(
        name=group.name,
        uuid=group.uuid or derived_lvm_uuid(options.seed, group.name),
        extent_bytes=extent_bytes,
        physical_volumes=physical,
        logical_volumes=tuple(
            TargetLogicalVolume(
                name=one.name,
                uuid=one.uuid or derived_lvm_uuid(options.seed, group.name, "volume", one.name),
                segments=each,
                format_as=_format(group, one, moving, options.seed),
            )
            for one, each in zip(made, segments, strict=True)
            if each
        ),
    )


def _placed(
    group: VolumeGroup, held: PhysicalVolume, disks: Sequence[TargetDisk], extent_bytes: int, seed: str
) -> TargetPhysicalVolume:
    disk, number, size_bytes = next(
        (disk.name, number, size_bytes)
        for disk in disks
        for name, number, size_bytes in (
            *((part.source_volume, part.number, part.size_bytes) for part in disk.partitions),
            (disk.source_disk, 0, disk.size_bytes),
        )
        if name == held.volume
    )
    start_bytes = held.data_start_bytes if held.data_start_bytes >= _LEAST_START_BYTES else MIB
    return TargetPhysicalVolume(
        disk=disk,
        partition=number,
        uuid=held.uuid or derived_lvm_uuid(seed, group.name, held.volume),
        size_bytes=size_bytes,
        data_start_bytes=start_bytes,
        extent_count=max(0, size_bytes - start_bytes) // extent_bytes,
    )


def _format(group: VolumeGroup, volume: LogicalVolume, moving: Moving, seed: str) -> FileSystem | None:
    copied = moving.get(f"{group.name}/{volume.name}")
    if copied is not None and volume.file_system is None:
        planned = file_system_of_mount(copied.mount, seed=seed)
        return planned.model_copy(update={"size_bytes": volume.size_bytes})
    return volume.file_system if _moves(group, volume, moving) else None


def allocated(sizes: Sequence[int], rooms: Sequence[int]) -> list[tuple[VolumeSegment, ...]]:
    """Extents for each size, in one piece wherever that goes: the largest first, each on the first physical volume
    with room for it; what finds no room in one piece takes what the others leave. The sum of sizes must fit."""
    used = [0] * len(rooms)
    found: dict[int, tuple[VolumeSegment, ...]] = {}
    largest_first = sorted(range(len(sizes)), key=lambda index: -sizes[index])
    for index in largest_first:
        place = next((p for p, room in enumerate(rooms) if room - used[p] >= sizes[index]), None)
        if place is not None:
            found[index] = _taken(used, [(place, sizes[index])])
    for index in largest_first:
        if index not in found:
            missing, pieces = sizes[index], []
            for place in sorted(range(len(rooms)), key=lambda p: used[p] - rooms[p]):
                count = min(missing, rooms[place] - used[place])
                pieces.append((place, count))
                missing -= count
            found[index] = _taken(used, pieces)
    return [found[index] for index in range(len(sizes))]


def _taken(used: list[int], pieces: Iterable[tuple[int, int]]) -> tuple[VolumeSegment, ...]:
    segments = []
    for place, count in pieces:
        if count > 0:
            segments.append(VolumeSegment(physical_volume=place, start_extent=used[place], extent_count=count))
            used[place] += count
    return tuple(segments)


def placements(group: TargetVolumeGroup) -> dict[str, Placement]:
    """Where each logical volume begins, by ``group/volume``."""
    found = {}
    for volume in group.logical_volumes:
        first = group.physical_volumes[volume.segments[0].physical_volume]
        name = f"{group.name}/{volume.name}"
        found[name] = Placement(disk=first.disk, partition=first.partition, logical_volume=name)
    return found


def group_notes(source: VolumeGroup, group: TargetVolumeGroup) -> list[str]:
    """What is not as it was."""
    notes = []
    made = {volume.name: volume for volume in group.logical_volumes}
    for volume in source.logical_volumes:
        name = f"{source.name}/{volume.name}"
        planned = made.get(volume.name)
        kind = volume.file_system.kind if volume.file_system is not None else ""
        if volume.origin:
            notes.append(f"{name} is a snapshot of {volume.origin}; it is not copied")
        elif planned is None:
            notes.append(f"{name} ({', '.join(volume.segment_types) or 'empty'}) is not made on the target")
        elif planned.format_as is None:
            notes.append(f"{name} ({kind or 'unknown content'}) is not mounted; it is left empty on the target")
        if planned is not None and volume.segment_types and volume.segment_types != _LINEAR:
            notes.append(f"{name} is {', '.join(volume.segment_types)}; it becomes linear")
    return notes
