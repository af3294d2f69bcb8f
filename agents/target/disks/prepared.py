"""A target's disks from attaching to detaching: the one object that owns loop devices, exports and mounts."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from agents.target.disks.export import Qcow2Export, share_folder, unshare_folder
from agents.target.disks.fat import FatFolder
from agents.target.disks.format import make_file_system
from agents.target.disks.mounts import bind_folder, mount_volume, remove_empty_folders, unmount_below
from agents.target.disks.planned import FormattedDevice, PlannedDevices
from agents.target.disks.programs import run_program
from agents.target.disks.subvolumes import make_subvolumes, mount_subvolume
from agents.target.disks.table import write_table
from agents.target.disks.volume_groups import make_volume_group
from agents.target.rooted import open_in_root
from contracts.errors import MigrationError
from contracts.errors.disks import DISK_MISSING, DISK_TOO_SMALL
from contracts.layout import CopyVolume, TargetDisk, TargetLayout
from contracts.messages.agent import AttachedDisk


class PreparedDisks:
    """Disks of one replica or launch layer, reached from this process's private mount namespace.

    Every method may be repeated and continues after a failure. After a kill of the process nothing is left:
    the namespace takes the mounts with it, the kernel the loop devices, and the exports die with their parent.
    """

    def __init__(self, work_folder: Path, *, is_read_only: bool = False) -> None:
        """work_folder: a folder of this object's own for mount points and exports. is_read_only: nothing can write to
        the disks, neither the kernel for a file system that is mounted to be read only."""
        self._folder = work_folder
        self._is_read_only = is_read_only
        self._attached: dict[str, AttachedDisk] = {}
        self.exports: dict[str, Qcow2Export] = {}
        self._devices = PlannedDevices(self.raw_path, is_read_only=is_read_only)
        self._fats: dict[int, FatFolder] = {}

    def attach(self, disks: Sequence[AttachedDisk]) -> None:
        """Make the disks reachable as raw files or devices. Raises MigrationError SMS.DISK.EXPORT_FAILED."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for disk in disks:
            if self._attached.get(disk.name) == disk:
                continue
            if disk.format == "qcow2":
                share_folder(self._folder / "exports")
                self.exports[disk.name] = Qcow2Export(
                    Path(disk.path), self._folder / "exports" / f"{disk.name}.raw", is_read_only=self._is_read_only
                )
            self._attached[disk.name] = disk

    def raw_path(self, name: str) -> Path:
        """The whole disk as a raw file or block device. Raises MigrationError SMS.DISK.MISSING."""
        if name in self.exports:
            return self.exports[name].path
        if name not in self._attached:
            attached = ", ".join(sorted(self._attached)) or "none"
            raise MigrationError(DISK_MISSING, disk=name, attached=attached)
        return Path(self._attached[name].path)

    def partition_and_format(self, layout: TargetLayout) -> None:
        """Wipe the disks and make the plan's tables and file systems. Raises MigrationError SMS.DISK.*."""
        self.release()
        # What a killed process kept of an earlier format must not be taken for this one's files.
        shutil.rmtree(self._folder / "fat", ignore_errors=True)
        for disk in layout.disks:
            self._check_size(disk)
        for disk in layout.disks:
            if disk.table != "none":
                write_table(self.raw_path(disk.name), disk)
            for each in self._devices.plain(disk):
                make_file_system(each.device.path, each.file_system, name=each.name, size_bytes=each.size_bytes)
                place = (disk.name, each.partition)
                inside = [one for one in layout.subvolumes if (one.target_disk, one.target_partition) == place]
                if inside:
                    make_subvolumes(each.device.path, inside)
        for group in layout.volume_groups:
            with self._devices.physical(layout, group) as devices:
                make_volume_group(group, devices)
        for each in self._devices.logical(layout):
            make_file_system(each.device.path, each.file_system, name=each.name, size_bytes=each.size_bytes)
        self._devices.sync()

    def _check_size(self, disk: TargetDisk) -> None:
        with self.raw_path(disk.name).open("rb") as file:
            size_bytes = file.seek(0, os.SEEK_END)
        if size_bytes < disk.size_bytes:
            raise MigrationError(DISK_TOO_SMALL, disk=disk.name, size_bytes=size_bytes, needed_bytes=disk.size_bytes)

    def devices(self, layout: TargetLayout) -> list[FormattedDevice]:
        """Every formatted file system and swap area of the plan."""
        plain = [each for disk in layout.disks for each in self._devices.plain(disk)]
        return [*plain, *self._devices.logical(layout)]

    def mount_volumes(self, layout: TargetLayout) -> dict[int, Path]:
        """Mount every copied file system by itself, at ``<work folder>/volumes/<index>``; by volume index."""
        unmount_below(self._folder / "volumes")
        mounted = {}
        for volume in layout.volumes:
            if volume.kind == "vfat":
                mounted[volume.index] = self.fat_folder(layout, volume).open()
                continue
            directory = self._folder / "volumes" / str(volume.index)
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _mount(self._devices.of_volume(layout, volume).path, str(directory), volume)
            mounted[volume.index] = directory
        return mounted

    def mount_tree(self, layout: TargetLayout) -> Path:
        """Mount the file systems as the system sees them, below ``<work folder>/tree``.

        A mount point that is missing is made, or its volume is left away when nothing may be written.
        """
        tree = self._folder / "tree"
        unmount_below(tree)
        tree.mkdir(mode=0o700, parents=True, exist_ok=True)
        mounted = [each for each in layout.volumes if not each.is_nested]
        for volume in sorted(mounted, key=lambda each: each.mount_point.rstrip("/").count("/")):
            if self._is_read_only and not _is_directory(tree, volume.mount_point):
                continue
            device = self._devices.of_volume(layout, volume)
            with _mount_point(tree, volume.mount_point) as directory:
                if volume.kind == "vfat":
                    bind_folder(self.fat_folder(layout, volume).open(), directory, is_read_only=self._is_read_only)
                else:
                    _mount(device.path, directory, volume, is_read_only=self._is_read_only)
        return tree

    def fat_folders(self) -> dict[int, FatFolder]:
        """The folders of the volumes that `mount_volumes` could not mount, by volume index."""
        return dict(self._fats)

    def fat_folder(self, layout: TargetLayout, volume: CopyVolume) -> FatFolder:
        """The folder that stands for a volume with a FAT file system."""
        if volume.index not in self._fats:
            device = self._devices.of_volume(layout, volume)
            planned = next(each for each in self.devices(layout) if each.device is device)
            folder = self._folder / "fat" / str(volume.index)
            self._fats[volume.index] = FatFolder(device.path, planned.file_system, folder, name=planned.name)
        return self._fats[volume.index]

    def check_file_systems(self, layout: TargetLayout) -> dict[str, str]:
        """Read-only fsck of every copied file system, which must be unmounted: complaints by mount point."""
        complaints = {}
        # Subvolumes share a file system.
        volumes = {
            (volume.target_disk, volume.target_partition, volume.logical_volume): volume
            for volume in reversed(layout.volumes)
        }
        for volume in volumes.values():
            device = self._devices.of_volume(layout, volume).path
            commands = {
                "xfs": ["xfs_repair", "-n", str(device)],
                "btrfs": ["btrfs", "check", "--readonly", str(device)],
                "vfat": ["fsck.vfat", "-n", str(device)],
            }
            command = commands.get(volume.kind, ["e2fsck", "-f", "-n", str(device)])
            try:
                run_program(command, disk=volume.mount_point, timeout_s=3600)
            except MigrationError as error:
                complaints[volume.mount_point] = error.failure.cause
        return complaints

    def unmount(self) -> None:
        """Unmount volumes and tree, which writes everything to the disks. Raises MigrationError SMS.DISK.BUSY."""
        for name in ("tree", "volumes"):
            unmount_below(self._folder / name)
        for fat in self._fats.values():
            fat.close()
        self._fats.clear()

    def release(self) -> None:
        """Unmount, and let go of the loop devices; the disks stay attached."""
        self.unmount()
        self._devices.close()

    def detach(self) -> None:
        """Undo everything; what was written is on the disks afterwards. Raises MigrationError SMS.DISK.BUSY."""
        self.release()
        for export in self.exports.values():
            export.close()
        self.exports.clear()
        self._attached.clear()
        unshare_folder(self._folder / "exports")
        for name in ("volumes", "tree", "exports", "fat"):
            remove_empty_folders(self._folder / name)
        remove_empty_folders(self._folder)


def _mount(device: Path, directory: str, volume: CopyVolume, *, is_read_only: bool = False) -> None:
    if volume.kind == "btrfs":
        mount_subvolume(device, directory, volume, is_read_only=is_read_only)
    else:
        mount_volume(device, directory, volume.kind, mount_point=volume.mount_point, is_read_only=is_read_only)


def _is_directory(tree: Path, mount_point: str) -> bool:
    root = os.open(tree, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(open_in_root(root, mount_point, os.O_PATH | os.O_DIRECTORY))
    except (FileNotFoundError, NotADirectoryError):
        return False
    finally:
        os.close(root)
    return True


@contextlib.contextmanager
def _mount_point(tree: Path, mount_point: str) -> Iterator[str]:
    """The directory of a mount point inside the tree, made when it is missing.

    The tree is hostile: its symbolic links are followed inside it only, and the directory is then held open,
    so that it cannot be replaced before the mount.
    """
    names = [name for name in mount_point.split("/") if name]
    if not names:
        yield str(tree)
        return
    descriptors = [os.open(tree, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]
    try:
        for depth, name in enumerate(names, start=1):
            path = "/".join(names[:depth])
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=descriptors[-1])
            descriptors.append(open_in_root(descriptors[0], path, os.O_PATH | os.O_DIRECTORY))
        yield f"/proc/self/fd/{descriptors[-1]}"
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
