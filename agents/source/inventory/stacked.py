"""What lies between disks and file systems: running RAID arrays and LVM2 volume groups, without any tool.

The kernel tells of arrays and active logical volumes, the disks tell of the groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from agents.source.inventory.block_devices import SYS, natural_key, place_of_folder, read_attribute
from agents.source.inventory.disks import volume_at
from agents.source.inventory.lvm_metadata import volume_groups
from agents.source.inventory.mounts import mounts_by_volume, with_figures
from agents.source.inventory.superblocks import recognise
from agents.source.inventory.superblocks.containers import read_lvm_metadata
from agents.source.inventory.volume_reader import open_volume
from contracts.inventory import Disk, FileSystem, LogicalVolume, Mount, RaidArray, VolumeGroup

_DEV: Final = Path("/dev")
_LEVELS: Final = ("linear", "raid")
# dm/uuid of a logical volume: LVM-, the group's and the volume's UUID; parts of a volume have a suffix.
_LVM_PREFIX: Final = "LVM-"
_LVM_UUID_CHARACTERS: Final = 64


def read_arrays(disks: Mapping[str, Disk], mounts: tuple[Mount, ...], sys: Path = SYS) -> tuple[RaidArray, ...]:
    """The arrays that run on these disks, by their key as in `Place`."""
    by_volume = mounts_by_volume(mounts)
    found = []
    for folder in _devices_on(disks, "md*", sys):
        level = read_attribute(folder / "md/level")
        if not level.startswith(_LEVELS):
            continue
        members = tuple(_members(folder, disks))
        superblock = _superblock(members, disks.values())
        found.append(
            RaidArray(
                name=folder.name,
                size_bytes=int(read_attribute(folder / "size") or "0") * 512,
                level=level,
                metadata=read_attribute(folder / "md/metadata_version"),
                uuid=superblock.uuid if superblock is not None else "",
                label=superblock.label if superblock is not None else "",
                members=members,
                file_system=with_figures(by_volume.get(folder.name), _holds(_DEV / folder.name)),
                is_partitioned=any(folder.glob(f"{folder.name}p*")),
            )
        )
    return tuple(found)


def read_volume_groups(
    disks: Mapping[str, Disk], arrays: tuple[RaidArray, ...], mounts: tuple[Mount, ...], sys: Path = SYS
) -> tuple[VolumeGroup, ...]:
    """The groups that lie on the disks and arrays; a disk that cannot be read tells of none."""
    texts: dict[str, str] = {}
    identifiers: dict[str, str] = {}
    for disk in disks.values():
        held = [(part.name, part.start_bytes, part.size_bytes, part.file_system) for part in disk.partitions]
        held.append((disk.name, 0, disk.size_bytes, disk.file_system))
        members = [one for one in held if _is_physical_volume(one[3])]
        identifiers |= {name: content.uuid for name, _, _, content in members if content is not None}
        if members:
            with suppress(OSError), open_volume(Path(disk.device)) as reader:
                texts |= {name: read_lvm_metadata(reader.window(start, size)) for name, start, size, _ in members}
    for array in arrays:
        if array.file_system is not None and _is_physical_volume(array.file_system):
            identifiers[array.name] = array.file_system.uuid
            with suppress(OSError), open_volume(_DEV / array.name) as reader:
                texts[array.name] = read_lvm_metadata(reader)
    active = _active_volumes(disks, sys)
    by_volume = mounts_by_volume(mounts)
    return tuple(_with_contents(group, active, by_volume) for group in volume_groups(texts, identifiers))


def _is_physical_volume(content: FileSystem | None) -> bool:
    return content is not None and content.kind == "lvm2_member"


def _devices_on(disks: Mapping[str, Disk], pattern: str, sys: Path) -> Iterator[Path]:
    for folder in sorted((sys / "block").glob(pattern), key=lambda entry: natural_key(entry.name)):
        below = place_of_folder(folder.resolve()).disks
        if below and set(below) <= set(disks):
            yield folder


def _members(array: Path, disks: Mapping[str, Disk]) -> Iterator[str]:
    for slave in sorted((array / "slaves").iterdir(), key=lambda entry: natural_key(entry.name)):
        place = place_of_folder(slave.resolve())
        disk = disks.get(place.disk)
        name = volume_at(disk, place.offset_bytes) if disk is not None and not place.layers else ""
        if name:
            yield name


def _superblock(members: tuple[str, ...], disks: Iterable[Disk]) -> FileSystem | None:
    for disk in disks:
        held = [(disk.name, disk.file_system), *((part.name, part.file_system) for part in disk.partitions)]
        for name, content in held:
            if name in members and content is not None and content.kind == "linux_raid_member":
                return content
    return None


def _holds(device: Path) -> FileSystem | None:
    with suppress(OSError), open_volume(device) as reader:
        return recognise(reader)
    return None


def _active_volumes(disks: Mapping[str, Disk], sys: Path) -> dict[str, Path]:
    """Devices of logical volumes by their UUID without hyphens."""
    found = {}
    for folder in _devices_on(disks, "dm-*", sys):
        identifier = read_attribute(folder / "dm/uuid").removeprefix(_LVM_PREFIX)
        if len(identifier) == _LVM_UUID_CHARACTERS:
            found[identifier[_LVM_UUID_CHARACTERS // 2 :]] = _DEV / folder.name
    return found


def _with_contents(group: VolumeGroup, active: Mapping[str, Path], mounts: Mapping[str, Mount]) -> VolumeGroup:
    def filled(volume: LogicalVolume) -> LogicalVolume:
        device = active.get(volume.uuid.replace("-", ""))
        mount = mounts.get(f"{group.name}/{volume.name}")
        update: dict[str, object] = {"file_system": with_figures(mount, _holds(device) if device is not None else None)}
        if mount is not None:
            update |= {
                "mount_point": mount.mount_point,
                "used_bytes": mount.used_bytes,
                "free_bytes": mount.free_bytes,
            }
        return volume.model_copy(update=update)

    return group.model_copy(update={"logical_volumes": tuple(filled(one) for one in group.logical_volumes)})
