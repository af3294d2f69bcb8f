"""Which file systems move: the source's mounts, each with the partition or disk that backs it."""

from __future__ import annotations

from typing import Final

from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.layout import (
    FILE_SYSTEM_UNSUPPORTED,
    NO_ROOT,
    NOTHING_TO_COPY,
    STORAGE_UNSUPPORTED,
    SUBTREE_UNSUPPORTED,
)
from contracts.inventory import FileSystem, Mount, SourceInventory

COPIED_KINDS: Final = ("ext2", "ext3", "ext4", "xfs", "btrfs", "vfat")
# Mounts of these kinds hold nothing that outlives a boot, or show files of another mount.
_PASSING_KINDS: Final = frozenset({"tmpfs", "ramfs", "devtmpfs", "overlay", "squashfs", "iso9660", "udf", "autofs"})
_LAYERS: Final = {"/dev/mapper/": "device mapper", "/dev/dm-": "device mapper", "/dev/md": "software RAID"}
_LAYER_NAMES: Final = {
    "lvm_thin": "a thin pool of LVM",
    "crypt": "encryption",
    "multipath": "multipath",
    "device_mapper": "device mapper",
    "raid": "a software RAID that is used like a disk or whose members are not known",
}
_CONTAINERS: Final = {"lvm2_member": "LVM", "linux_raid_member": "software RAID", "crypto_luks": "LUKS"}


class MovingVolume(Model):
    """A mount that is copied; volume is the name of its partition, disk or logical volume (``group/volume``), "" when
    none is known. subvolume, is_nested: as in CopyVolume."""

    mount: Mount
    volume: str
    subvolume: str = ""
    is_nested: bool = False


def moving_volumes(inventory: SourceInventory, *, is_data_only: bool) -> tuple[MovingVolume, ...]:
    """The mounts to copy, one per file system or subvolume. Raises MigrationError for what a target cannot be given."""
    known = file_systems(inventory)
    snapshots = _snapshots(inventory)
    chosen: dict[tuple[str, str], MovingVolume] = {}
    for mount in sorted(inventory.mounts, key=_whole_file_system_first):
        if mount.is_network or (mount.kind in _PASSING_KINDS and mount.mount_point != "/"):
            continue
        if mount.volume in snapshots:
            continue
        volume = mount.volume if mount.volume in known else ""
        subvolume = mount.root.strip("/") if volume and mount.kind == "btrfs" else ""
        key = (volume or f"mount {mount.mount_point}", subvolume)
        if key in chosen:
            continue  # mounted a second time, or a bind mount of a subtree that is copied with its file system
        _check(mount, volume, known.get(volume))
        chosen[key] = MovingVolume(mount=mount, volume=volume, subvolume=subvolume)
    if not chosen:
        raise MigrationError(NOTHING_TO_COPY, mount_count=len(inventory.mounts))
    if not is_data_only and all(moving.mount.mount_point != "/" for moving in chosen.values()):
        raise MigrationError(NO_ROOT, mount_count=len(inventory.mounts))
    return tuple(chosen.values())


def file_systems(inventory: SourceInventory) -> dict[str, FileSystem | None]:
    """What every disk, partition and logical volume holds, by its name."""
    named: dict[str, FileSystem | None] = {disk.name: disk.file_system for disk in inventory.disks}
    for disk in inventory.disks:
        named.update({partition.name: partition.file_system for partition in disk.partitions})
    for group in inventory.volume_groups:
        named.update({f"{group.name}/{volume.name}": volume.file_system for volume in group.logical_volumes})
    return named


def _snapshots(inventory: SourceInventory) -> set[str]:
    """Their files are those of another volume, at an earlier time."""
    return {
        f"{group.name}/{volume.name}"
        for group in inventory.volume_groups
        for volume in group.logical_volumes
        if volume.origin
    }


def _whole_file_system_first(mount: Mount) -> tuple[bool, int, str]:
    return mount.root != "/", depth(mount.mount_point), mount.mount_point


def depth(mount_point: str) -> int:
    """How many names the path has: parents sort before their children."""
    return len([name for name in mount_point.split("/") if name])


def _check(mount: Mount, volume: str, file_system: FileSystem | None) -> None:
    point = mount.mount_point
    layer = _storage_layer(mount, volume, file_system)
    if layer:
        raise MigrationError(STORAGE_UNSUPPORTED, mount_point=point, device=mount.source or volume, layer=layer)
    if volume and mount.kind not in COPIED_KINDS:
        supported = ", ".join((*COPIED_KINDS, "swap"))
        raise MigrationError(FILE_SYSTEM_UNSUPPORTED, mount_point=point, kind=mount.kind, supported=supported)
    if volume and mount.root not in {"/", ""} and mount.kind != "btrfs":
        raise MigrationError(SUBTREE_UNSUPPORTED, mount_point=point, root=mount.root, volume=volume)


def _storage_layer(mount: Mount, volume: str, file_system: FileSystem | None) -> str:
    """What lies between the file system and its partition that a target cannot have; "" for nothing."""
    layer = next((name for layer, name in _LAYER_NAMES.items() if layer in mount.layers), "")
    if layer:
        return layer
    if "/" in volume and mount.kind == "btrfs":
        return "Btrfs on LVM"
    if not volume and "lvm" in mount.layers:
        return "LVM whose metadata could not be read"
    if not volume:
        return next((name for prefix, name in _LAYERS.items() if mount.source.startswith(prefix)), "")
    if file_system is None:
        return ""
    if int(file_system.parameters.get("devices", "1")) > 1:
        return "Btrfs over several devices"
    return _CONTAINERS.get(file_system.kind, "")
