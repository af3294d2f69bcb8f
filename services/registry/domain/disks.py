"""The disks of a server as a list shows them, and what a user wants of them on the target."""

from __future__ import annotations

from typing import Final

from contracts.errors import MigrationError
from contracts.errors.registry import DISK_SIZE, DISK_UNKNOWN
from contracts.inventory import Disk, FileSystem, SourceInventory
from contracts.messages.source import DeviceUse, DiskSummary, DiskWish

_BOOT_MOUNTS: Final = ("/boot", "/boot/efi", "/efi")
_VOLUME_GROUP_KINDS: Final = frozenset({"lvm2_member", "LVM2_member"})
MIB: Final = 1 << 20


def summaries(inventory: SourceInventory) -> tuple[DiskSummary, ...]:
    """One entry per disk; used_bytes counts what is known of mounted file systems, of those over several disks at the
    first of them, and never more than fits on it."""
    return tuple(
        DiskSummary(
            name=disk.name,
            size_bytes=disk.size_bytes,
            used_bytes=_used_bytes(disk, inventory),
            use=use_of(disk, inventory),
            target_bytes=disk.size_bytes,
        )
        for disk in inventory.disks
    )


def use_of(disk: Disk, inventory: SourceInventory) -> DeviceUse:
    """What the disk is for: the system, its boot files, a volume group, Btrfs, or data."""
    if disk.is_system:
        return "OS"
    kinds = {volume.kind for volume in _file_systems(disk)}
    if kinds & _VOLUME_GROUP_KINDS:
        return "VOLUME_GROUP"
    if "btrfs" in kinds:
        return "BTRFS"
    names = {disk.name, *(partition.name for partition in disk.partitions)}
    boots = any(mount.volume in names and mount.mount_point in _BOOT_MOUNTS for mount in inventory.mounts)
    return "BOOT" if boots else "NORMAL"


def with_wishes(
    server_id: str, known: tuple[DiskSummary, ...], wishes: tuple[DiskWish, ...]
) -> tuple[DiskSummary, ...]:
    """Raises MigrationError for a disk that the server has not, and for a size that its data do not fit into."""
    wanted = {wish.name: wish for wish in wishes}
    if unknown := sorted(set(wanted) - {disk.name for disk in known}):
        names = ", ".join(disk.name for disk in known) or "none"
        raise MigrationError(DISK_UNKNOWN, server_id=server_id, disk=unknown[0][:80], disks=names)
    return tuple(_with_wish(disk, wanted.get(disk.name)) for disk in known)


def keep_wishes(newer: tuple[DiskSummary, ...], known: tuple[DiskSummary, ...]) -> tuple[DiskSummary, ...]:
    """A newer inventory forgets no wish that still makes sense."""
    wishes = {disk.name: disk for disk in known if disk.is_left_out or disk.target_bytes != disk.size_bytes}
    return tuple(
        disk.model_copy(
            update={
                "is_left_out": wishes[disk.name].is_left_out,
                "target_bytes": max(wishes[disk.name].target_bytes, disk.used_bytes),
            }
        )
        if disk.name in wishes
        else disk
        for disk in newer
    )


def _with_wish(disk: DiskSummary, wish: DiskWish | None) -> DiskSummary:
    if wish is None:
        return disk
    size_bytes = wish.size_bytes or disk.size_bytes
    if wish.is_wanted and size_bytes < disk.used_bytes + MIB:
        raise MigrationError(DISK_SIZE, disk=disk.name, size_bytes=size_bytes, used_bytes=disk.used_bytes)
    return disk.model_copy(update={"is_left_out": not wish.is_wanted, "target_bytes": size_bytes})


def _used_bytes(disk: Disk, inventory: SourceInventory) -> int:
    names = {disk.name, *(partition.name for partition in disk.partitions)}
    below = _first_below(inventory)
    mounted = {
        mount.volume: mount.used_bytes
        for mount in inventory.mounts
        if mount.volume and below.get(mount.volume, mount.volume) in names
    }
    unmounted = sum(
        volume.used_bytes for name, volume in _named_file_systems(disk) if name not in mounted and volume.used_bytes
    )
    return min(sum(mounted.values()) + unmounted, disk.size_bytes)


def _first_below(inventory: SourceInventory) -> dict[str, str]:
    """The partition or disk where an array or logical volume begins to count, by its name: the first of those below."""
    arrays = {array.name: array.members[0] for array in inventory.arrays if array.members}
    groups = {
        f"{group.name}/{volume.name}": group.physical_volumes[0].volume
        for group in inventory.volume_groups
        for volume in group.logical_volumes
        if group.physical_volumes
    }
    return arrays | {name: arrays.get(volume, volume) for name, volume in groups.items()}


def _file_systems(disk: Disk) -> list[FileSystem]:
    return [volume for _, volume in _named_file_systems(disk)]


def _named_file_systems(disk: Disk) -> list[tuple[str, FileSystem]]:
    own = [(disk.name, disk.file_system)] if disk.file_system else []
    return own + [(part.name, part.file_system) for part in disk.partitions if part.file_system]
