"""What the target's disks will look like, and which tree of the source is copied into which file system."""

from __future__ import annotations

from contracts.base import Model
from contracts.inventory import Disk, FileSystem, Firmware, PartitionKind, TableKind


class TargetPartition(Model):
    """A partition to be made. format_as: the file system to make with the source's identifiers and features;
    None leaves the partition empty. source_volume: name of the source's partition or disk that it stands for."""

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


class CopyVolume(Model):
    """One file system that is copied. index: its number on the data channel.

    mount_point: where the migrated system mounts it. source_path: directory on the source machine under which
    the agent finds that mount (the --root prefix included). target_disk and target_partition (0 = whole disk)
    say where it goes. estimated_bytes: used bytes at inventory.
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


class TargetLayout(Model):
    """The whole plan, made once per task by the task service and shown to the user before anything is wiped.

    volumes are in copying order: those of the system disk first. source_disks: the source's disks as they were
    planned from, for the adaptation's device references.
    """

    firmware: Firmware
    disks: tuple[TargetDisk, ...]
    volumes: tuple[CopyVolume, ...]
    source_disks: tuple[Disk, ...] = ()
    notes: tuple[str, ...] = ()
