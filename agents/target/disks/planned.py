"""The block devices of a plan: partitions, whole disks and logical volumes, each made when it is first asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from agents.target.disks.joined import JoinedDevice
from agents.target.disks.loop import LoopDevice
from agents.target.disks.volume_groups import windows
from contracts.inventory import FileSystem
from contracts.layout import CopyVolume, TargetDisk, TargetLayout, TargetLogicalVolume, TargetVolumeGroup, dm_name

BlockDevice = LoopDevice | JoinedDevice


class FormattedDevice(NamedTuple):
    """A device and what it holds. name: what errors call it. mapper_name: what the device-mapper of the migrated system
    calls a logical volume."""

    device: BlockDevice
    file_system: FileSystem
    name: str
    size_bytes: int
    partition: int = 0
    part_uuid: str = ""
    mapper_name: str = ""


class PlannedDevices:
    """Devices live until `close`, and beyond it while they are mounted."""

    def __init__(self, raw_path: Callable[[str], Path], *, is_read_only: bool = False) -> None:
        """raw_path: where a disk's bytes are, by its name."""
        self._raw_path = raw_path
        self._is_read_only = is_read_only
        self._partitions: dict[tuple[str, int], LoopDevice] = {}
        self._logical: dict[str, BlockDevice] = {}

    def of_volume(self, layout: TargetLayout, volume: CopyVolume) -> BlockDevice:
        """Of a file system that is copied."""
        for group in layout.volume_groups:
            for logical in group.logical_volumes:
                if volume.logical_volume == f"{group.name}/{logical.name}":
                    return self._of_logical_volume(layout, group, logical)
        disk = next(each for each in layout.disks if each.name == volume.target_disk)
        return self._of_partition(disk, volume.target_partition)

    def plain(self, disk: TargetDisk) -> list[FormattedDevice]:
        """Every file system and swap area on the disk itself and on its partitions."""
        return [
            FormattedDevice(
                self._of_partition(disk, number), held, f"{disk.name}{number or ''}", size, number, part_uuid
            )
            for number, size, part_uuid, held in _held(disk)
            if held is not None and held.kind != "lvm2_member"
        ]

    def logical(self, layout: TargetLayout) -> list[FormattedDevice]:
        """Every file system and swap area on a logical volume."""
        found = []
        for group in layout.volume_groups:
            for volume in group.logical_volumes:
                if volume.format_as is not None:
                    device = self._of_logical_volume(layout, group, volume)
                    size = sum(one.size_bytes for one in windows(group, volume))
                    mapper_name = dm_name(group.name, volume.name)
                    name = f"{group.name}/{volume.name}"
                    found.append(FormattedDevice(device, volume.format_as, name, size, mapper_name=mapper_name))
        return found

    @contextlib.contextmanager
    def physical(self, layout: TargetLayout, group: TargetVolumeGroup) -> Iterator[list[Path]]:
        """The group's physical volumes as devices of their own, for as long as the context lasts."""
        disks = {disk.name: disk for disk in layout.disks}
        with contextlib.ExitStack() as stack:
            found = [self._window(disks[one.disk], one.partition) for one in group.physical_volumes]
            yield [stack.enter_context(device).path for device in found]

    def sync(self) -> None:
        """Write their dirty pages to the disks."""
        for device in (*self._partitions.values(), *self._logical.values()):
            device.sync()

    def close(self) -> None:
        """Let go of all of them. May be repeated."""
        for device in (*self._partitions.values(), *self._logical.values()):
            device.close()
        self._partitions.clear()
        self._logical.clear()

    def _of_partition(self, disk: TargetDisk, number: int) -> LoopDevice:
        key = (disk.name, number)
        if key not in self._partitions:
            self._partitions[key] = self._window(disk, number)
        return self._partitions[key]

    def _of_logical_volume(
        self, layout: TargetLayout, group: TargetVolumeGroup, volume: TargetLogicalVolume
    ) -> BlockDevice:
        name = f"{group.name}/{volume.name}"
        if name not in self._logical:
            disks = {disk.name: disk for disk in layout.disks}
            pieces = [
                (self._window(disks[one.physical.disk], one.physical.partition, one.offset_bytes, one.size_bytes), one)
                for one in windows(group, volume)
            ]
            # What is in one piece is a part of its physical volume (docs/decisions/0042).
            self._logical[name] = (
                pieces[0][0]
                if len(pieces) == 1
                else JoinedDevice(
                    [(loop, one.size_bytes) for loop, one in pieces], label=name, is_read_only=self._is_read_only
                )
            )
        return self._logical[name]

    def _window(self, disk: TargetDisk, number: int, offset_bytes: int = 0, size_bytes: int = 0) -> LoopDevice:
        """A partition or disk (number 0), or a part of it."""
        start, size = offset_bytes, size_bytes
        if number:
            part = next(each for each in disk.partitions if each.number == number)
            start, size = part.start_bytes + offset_bytes, size_bytes or part.size_bytes - offset_bytes
        path = self._raw_path(disk.name)
        return LoopDevice(path, offset_bytes=start, size_bytes=size, is_read_only=self._is_read_only)


def _held(disk: TargetDisk) -> list[tuple[int, int, str, FileSystem | None]]:
    """(partition number, size in bytes, PARTUUID, what is made on it), with number 0 for the whole disk."""
    whole = (0, disk.size_bytes, "", disk.format_as)
    return [whole, *((each.number, each.size_bytes, each.part_uuid, each.format_as) for each in disk.partitions)]
