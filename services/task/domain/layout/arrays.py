"""RAID arrays become plain partitions: what keeps a target's disk from failing is under the disk, at its provider
(docs/decisions/0041)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from contracts.base import Model
from contracts.inventory import Disk, Mount, Partition, RaidArray, SourceInventory, VolumeGroup

_BOOT_MOUNTS: Final = ("/boot", "/boot/efi", "/efi", "/")
# Types of partitions for members of arrays, and what takes their place: for physical volumes, swap and the rest.
_MEMBER_TYPES: Final = {
    "fd": {"lvm2_member": "8e", "swap": "82", "": "83"},
    "A19D880F-05FC-4D3B-A006-743F0F84911E": {
        "lvm2_member": "E6D6D379-F507-44C2-A23C-238F2A3DF928",
        "swap": "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F",
        "": "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
    },
}


class Collapsed(Model):
    """The inventory as if there had never been an array, and what to tell the user of it."""

    inventory: SourceInventory
    notes: tuple[str, ...] = ()


def without_arrays(inventory: SourceInventory) -> Collapsed:
    """One member of each array takes its place, with its content and size; the others are gone.

    Arrays that are used like disks, and those whose members are not known, stay: what is on them cannot be planned.
    """
    order = _disks_by_use(inventory)
    keepers: dict[str, str] = {}
    contents: dict[str, RaidArray] = {}
    gone: set[str] = set()
    notes = []
    for array in inventory.arrays:
        members = [name for disk in order for name in _volumes(disk) if name in array.members]
        if not members or array.is_partitioned:
            continue
        keepers[array.name] = members[0]
        contents[members[0]] = array
        gone |= set(members[1:])
        listed = ", ".join(array.members)
        notes.append(f"{array.name} ({array.level} of {listed}) becomes a plain volume in the place of {members[0]}")
    if not keepers:
        return Collapsed(inventory=inventory)
    changed = {
        "disks": tuple(_disk(disk, contents, gone) for disk in inventory.disks),
        "mounts": tuple(_mount(mount, keepers) for mount in inventory.mounts),
        "volume_groups": tuple(_group(group, keepers) for group in inventory.volume_groups),
    }
    return Collapsed(inventory=inventory.model_copy(update=changed), notes=tuple(notes))


def _disks_by_use(inventory: SourceInventory) -> list[Disk]:
    """Those first that the target gets anyhow, so that mirrors need no disks of their own."""
    points = {mount.volume: mount.mount_point for mount in inventory.mounts if mount.volume}

    def rank(disk: Disk) -> int:
        mounted = {points[name] for name in _volumes(disk) if name in points}
        return 0 if mounted & set(_BOOT_MOUNTS) else 1 if mounted else 2

    return sorted(inventory.disks, key=rank)


def _volumes(disk: Disk) -> tuple[str, ...]:
    return (disk.name, *(partition.name for partition in disk.partitions))


def _disk(disk: Disk, contents: Mapping[str, RaidArray], gone: set[str]) -> Disk:
    array = contents.get(disk.name)
    whole = disk.file_system if disk.name not in gone else None
    partitions = tuple(
        _partition(partition, contents.get(partition.name))
        for partition in disk.partitions
        if partition.name not in gone
    )
    return disk.model_copy(
        update={
            "partitions": partitions,
            "file_system": array.file_system if array is not None else whole,
            "size_bytes": _size(disk.size_bytes, array),
        }
    )


def _partition(partition: Partition, array: RaidArray | None) -> Partition:
    if array is None:
        return partition
    content = array.file_system
    types = _MEMBER_TYPES.get(partition.type_id, {})
    type_id = types.get(content.kind if content is not None else "", types.get("", partition.type_id))
    size_bytes = _size(partition.size_bytes, array)
    return partition.model_copy(update={"file_system": content, "size_bytes": size_bytes, "type_id": type_id})


def _size(member_bytes: int, array: RaidArray | None) -> int:
    """A mirror's member is as large as the mirror, and its superblock; others are smaller than their array."""
    return max(member_bytes, array.size_bytes) if array is not None else member_bytes


def _mount(mount: Mount, keepers: Mapping[str, str]) -> Mount:
    layers = tuple(layer for layer in mount.layers if layer != "raid")
    is_below = mount.volume in keepers or "/" in mount.volume
    return mount.model_copy(
        update={
            "volume": keepers.get(mount.volume, mount.volume),
            "layers": layers if is_below else mount.layers,
        }
    )


def _group(group: VolumeGroup, keepers: Mapping[str, str]) -> VolumeGroup:
    physical = tuple(
        volume.model_copy(update={"volume": keepers.get(volume.volume, volume.volume)})
        for volume in group.physical_volumes
    )
    return group.model_copy(update={"physical_volumes": physical})
