"""What the target's disks will look like, and which tree of the source is copied into which file system."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contracts.base import Model
from contracts.inventory import Disk, FileSystem, Firmware, PartitionKind, TableKind


class TargetPartition(Model):
    """A partition to be made. format_as: the file system to make with the source's identifiers and features;
    None leaves the partition empty. A kind of lvm2_member: a physical volume of one of the layout's volume groups.
    source_volume: name of the source's partition, disk or RAID array that it stands for."""

    number: int
    start_bytes: int
    size_bytes: int
    type_id: str
    part_uuid: str = ""
    label: str = ""
    kind: PartitionKind = "primary"
    is_active: bool = False
    attributes: int = 0
    format_as: FileSystem | None = None
    source_volume: str = ""


class TargetDisk(Model):
    """A disk to be made. name: vda, vdb, …, in the order in which the target sees them."""

    name: str
    size_bytes: int
    table: TableKind
    identifier: str = ""
    partitions: tuple[TargetPartition, ...] = ()
    format_as: FileSystem | None = None
    is_system: bool = False
    source_disk: str = ""


# What LVM allows, so that no name can become a path, an option or a piece of a metadata text.
LvmName = Annotated[str, Field(pattern=r"^[A-Za-z0-9+_][A-Za-z0-9+_.-]*$", max_length=127)]
LvmUuid = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{6}(-[A-Za-z0-9]{4}){5}-[A-Za-z0-9]{6}$")]


class TargetPhysicalVolume(Model):
    """Where a physical volume lies: partition 0 is the whole disk. data_start_bytes: of its first extent, from its own
    start; extent_count: how many follow."""

    disk: str
    partition: int
    uuid: LvmUuid
    size_bytes: int
    data_start_bytes: int
    extent_count: int


class VolumeSegment(Model):
    """Extents that follow each other. physical_volume: its position in the group, from 0."""

    physical_volume: int
    start_extent: int
    extent_count: int


class TargetLogicalVolume(Model):
    """A logical volume to be made: its segments one behind the other. format_as: as for a partition."""

    name: LvmName
    uuid: LvmUuid
    segments: tuple[VolumeSegment, ...]
    format_as: FileSystem | None = None


class TargetVolumeGroup(Model):
    """An LVM volume group with the source's names and UUIDs; all its logical volumes are linear."""

    name: LvmName
    uuid: LvmUuid
    extent_bytes: int
    physical_volumes: tuple[TargetPhysicalVolume, ...]
    logical_volumes: tuple[TargetLogicalVolume, ...]


def dm_name(group: str, volume: str) -> str:
    """What the device-mapper calls a logical volume: ``/dev/mapper/`` and this."""
    return f"{group.replace('-', '--')}-{volume.replace('-', '--')}"


class CopyVolume(Model):
    """One file system that is copied. index: its number on the data channel.

    mount_point: where the migrated system mounts it. source_path: directory on the source machine under which
    the agent finds that mount (the --root prefix included). target_disk and target_partition (0 = whole disk)
    say where it goes; logical_volume (``group/volume``) when it goes onto one, whose first extent is there.
    estimated_bytes: used bytes at inventory; of several subvolumes of one file system the first has them all.
    subvolume: of a Btrfs, its path from the top level; "" for the top level and for other file systems. is_nested: the
    system does not mount it: it is seen in the subvolume around it.
    """

    index: int
    mount_point: str
    source_path: str
    target_disk: str
    target_partition: int
    kind: str
    estimated_bytes: int = 0
    estimated_files: int = 0
    mount_options: tuple[str, ...] = ()
    logical_volume: str = ""
    subvolume: str = ""
    is_nested: bool = False


class TargetSubvolume(Model):
    """A subvolume to be made in a Btrfs of the target. target_disk, target_partition, logical_volume: as in CopyVolume.
    path: from the top level. is_default: what a mount that names no subvolume shows."""

    target_disk: str
    target_partition: int
    path: str
    is_default: bool = False
    logical_volume: str = ""


class TargetLayout(Model):
    """The whole plan, made once per task by the task service and shown to the user before anything is wiped.

    volumes are in copying order: those of the system disk first. source_disks: the source's disks as they were
    planned from, for the adaptation's device references. subvolumes: outer ones before those inside them.
    """

    firmware: Firmware
    disks: tuple[TargetDisk, ...]
    volumes: tuple[CopyVolume, ...]
    source_disks: tuple[Disk, ...] = ()
    notes: tuple[str, ...] = ()
    volume_groups: tuple[TargetVolumeGroup, ...] = ()
    subvolumes: tuple[TargetSubvolume, ...] = ()
