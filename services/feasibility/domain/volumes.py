"""The questions about disks and mounts that several rules ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from contracts.inventory import Disk, FileSystem, Mount, SourceInventory

EXTERNAL_TRANSPORTS: Final = frozenset({"usb", "iscsi", "fc"})
SYSTEM_MOUNT_POINTS: Final = ("/", "/boot", "/boot/efi", "/efi", "/usr")


def volumes(inventory: SourceInventory) -> Iterator[tuple[str, FileSystem]]:
    """Every partition, whole disk, array and logical volume that holds something, by name."""
    for disk in inventory.disks:
        if disk.file_system is not None:
            yield disk.name, disk.file_system
        for partition in disk.partitions:
            if partition.file_system is not None:
                yield partition.name, partition.file_system
    for array in inventory.arrays:
        if array.file_system is not None:
            yield array.name, array.file_system
    for group in inventory.volume_groups:
        for volume in group.logical_volumes:
            if volume.file_system is not None:
                yield f"{group.name}/{volume.name}", volume.file_system


def of_kind(inventory: SourceInventory, *kinds: str) -> list[str]:
    """Names of the volumes that hold one of the kinds."""
    return [name for name, file_system in volumes(inventory) if file_system.kind in kinds]


def on_layer(inventory: SourceInventory, *layers: str) -> list[str]:
    """Mount points whose data lies on one of the layers."""
    return [mount.mount_point for mount in inventory.mounts if set(mount.layers) & set(layers)]


def disk_of(inventory: SourceInventory, mount: Mount) -> Disk | None:
    """The disk that backs a mount; None when it is not a single one."""
    for disk in inventory.disks:
        if mount.volume and mount.volume in (disk.name, *(partition.name for partition in disk.partitions)):
            return disk
    return None


def root_mount(inventory: SourceInventory) -> Mount | None:
    """The mount of the root file system."""
    return next((mount for mount in inventory.mounts if mount.mount_point == "/"), None)


def is_external(disk: Disk) -> bool:
    """Storage that does not belong to the machine itself."""
    return disk.is_removable or disk.transport in EXTERNAL_TRANSPORTS


def local_mounts(inventory: SourceInventory) -> list[Mount]:
    """The mounts whose data is on this server."""
    return [mount for mount in inventory.mounts if not mount.is_network]


def described(mount: Mount) -> str:
    """A mount in a sentence."""
    return f"{mount.mount_point} ({mount.kind})"
