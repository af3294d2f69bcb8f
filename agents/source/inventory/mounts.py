"""The mounts of a system, each with the volume that backs it and its figures."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agents.source.inventory.block_devices import Place, place_of
from agents.source.inventory.disks import volume_at
from agents.source.inventory.mount_table import MountEntry, containing, data_mounts, parse_mount_table
from contracts.inventory import Disk, FileSystem, Mount

_BTRFS_SUBVOLUME_INODE = 256


@dataclass(frozen=True, kw_only=True)
class PlacedMount:
    """A line of the mount table with where its data lies. is_folder: the tree is a plain folder of that mount."""

    entry: MountEntry
    host_path: str
    place: Place | None
    is_folder: bool = False


def _device_of(entry: MountEntry) -> str:
    if entry.major or not entry.source.startswith("/dev/"):
        return entry.device
    # Btrfs has an anonymous device number; its source names one of its devices.
    try:
        number = Path(entry.source).stat().st_rdev
    except OSError:
        return entry.device
    return f"{os.major(number)}:{os.minor(number)}"


def _is_bind_in_btrfs(entry: MountEntry) -> bool:
    if entry.kind != "btrfs" or entry.root == "/":
        return False
    try:
        return Path(entry.mount_point).stat().st_ino != _BTRFS_SUBVOLUME_INODE
    except OSError:
        return False


def placed_mounts(root: Path) -> list[PlacedMount]:
    """The data mounts of the system below root, its root first. Raises OSError without /proc, and without any."""
    table = parse_mount_table(Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape"))
    top = PurePosixPath(os.path.realpath(root))
    found = [
        PlacedMount(entry=entry, host_path=entry.mount_point, place=place_of(_device_of(entry)))
        for entry in data_mounts(table, top)
        if not _is_bind_in_btrfs(entry) or PurePosixPath(entry.mount_point) == top
    ]
    if not any(mount.host_path == str(top) for mount in found) and (around := containing(table, top)):
        found.insert(0, PlacedMount(entry=around, host_path=str(top), place=None, is_folder=True))
    if not found:
        # As in a chroot: what its root lies on is mounted outside of it.
        raise OSError(errno.ENODEV, "no file system of this system is mounted there", str(root))
    return found


def inside_point(host_path: str, root: Path) -> str:
    """The mount point as the migrated system sees it."""
    relative = PurePosixPath(host_path).relative_to(os.path.realpath(root))
    return f"/{relative}" if relative.parts else "/"


def _volume_of(place: Place, disks: Mapping[str, Disk]) -> str:
    if place.layers:
        return place.device
    disk = disks.get(place.disk)
    return volume_at(disk, place.offset_bytes) if disk is not None else ""


def describe_mount(mount: PlacedMount, root: Path, disks: dict[str, Disk]) -> Mount:
    """The mount as reported. Figures of network mounts stay 0: a dead server would block statvfs for ever."""
    entry, place = mount.entry, mount.place
    described = Mount(
        mount_point=inside_point(mount.host_path, root),
        host_path=mount.host_path,
        kind=entry.kind,
        source=entry.source,
        volume=_volume_of(place, disks) if place else "",
        root=entry.root,
        options=entry.options,
        is_network=entry.is_network,
        layers=place.layers if place else (),
    )
    return described if entry.is_network else _with_figures(described)


def _with_figures(mount: Mount) -> Mount:
    try:
        figures = os.statvfs(mount.host_path)
    except OSError:
        return mount
    return mount.model_copy(
        update={
            "size_bytes": figures.f_blocks * figures.f_frsize,
            "used_bytes": (figures.f_blocks - figures.f_bfree) * figures.f_frsize,
            "free_bytes": figures.f_bfree * figures.f_frsize,
            "files": max(figures.f_files - figures.f_ffree, 0),
        }
    )


def with_usage(disk: Disk, mounts: tuple[Mount, ...]) -> Disk:
    """The disk with the figures of what is mounted of it in its file systems."""
    by_volume = mounts_by_volume(mounts)
    partitions = tuple(
        partition.model_copy(update={"file_system": with_figures(by_volume.get(partition.name), partition.file_system)})
        for partition in disk.partitions
    )
    whole = with_figures(by_volume.get(disk.name), disk.file_system)
    return disk.model_copy(update={"partitions": partitions, "file_system": whole})


def mounts_by_volume(mounts: tuple[Mount, ...]) -> dict[str, Mount]:
    """The first mount of each volume."""
    return {mount.volume: mount for mount in reversed(mounts) if mount.volume and not mount.is_network}


def with_figures(mount: Mount | None, file_system: FileSystem | None) -> FileSystem | None:
    """What a volume holds, with the figures of its mount."""
    if mount is None:
        return file_system
    if file_system is None:
        # The kernel knows what it mounted, even where the device cannot be read.
        file_system = FileSystem(kind=mount.kind, size_bytes=mount.size_bytes)
    update = {"used_bytes": mount.used_bytes, "free_bytes": mount.free_bytes, "inodes_used": mount.files}
    return file_system.model_copy(update=update)
