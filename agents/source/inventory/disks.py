"""Disks with their partitions and what every partition holds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from agents.source.inventory.block_devices import (
    DiskDevice,
    image_disk,
    local_disk,
    local_disks,
    natural_key,
    partition_name,
)
from agents.source.inventory.partition_tables import is_dynamic_disk, read_partition_table
from agents.source.inventory.superblocks import recognise
from agents.source.inventory.volume_reader import VolumeReader, open_volume
from contracts.inventory import Disk, FileSystem, Partition


def _partition_holds(
    stack: ExitStack, disk: VolumeReader, device: DiskDevice, partition: Partition
) -> FileSystem | None:
    if partition.kind == "extended":
        return None
    volume = disk.window(partition.start_bytes, partition.size_bytes)
    node = device.path.with_name(partition.name)
    if device.transport != "loop" and node.is_block_device():
        # The page caches of a disk and of its partition are not the same: what the running system wrote to the
        # superblock is seen through the partition's own node.
        volume = stack.enter_context(open_volume(node))
    return recognise(volume)


def read_disk(device: DiskDevice) -> Disk:
    """Read one disk. Raises OSError when it cannot be opened."""
    with ExitStack() as stack:
        reader = stack.enter_context(open_volume(device.path))
        table = read_partition_table(reader, sector_sizes=device.sector_sizes)
        is_dynamic = is_dynamic_disk(reader, table)
        own = recognise(reader) if not table.partitions else None
        partitions = []
        for entry in table.partitions:
            named = entry.model_copy(update={"name": partition_name(device.name, entry.number)})
            partitions.append(named.model_copy(update={"file_system": _partition_holds(stack, reader, device, named)}))
    return Disk(
        name=device.name,
        device=str(device.path),
        size_bytes=device.size_bytes,
        sector_size=table.sector_size,
        table="none" if own is not None else table.kind,
        identifier="" if own is not None else table.identifier,
        partitions=tuple(partitions),
        file_system=own,
        has_boot_code=table.has_boot_code,
        transport=device.transport,
        is_removable=device.is_removable,
        is_dynamic=is_dynamic,
    )


def image_name(path: str, taken: set[str]) -> str:
    """What a disk in an image file is called; taken: by others."""
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", Path(path).stem) or "disk"
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}_{number}", number + 1
    return name


def disks_of_mounted_tree(keys: Iterable[str]) -> dict[str, Disk]:
    """The disks that a mounted tree lies on, by their key: the kernel's name, or the path of an image file."""
    found: dict[str, Disk] = {}
    for key in dict.fromkeys(keys):
        if key.startswith("/"):
            device = image_disk(key, image_name(key, {disk.name for disk in found.values()}))
        else:
            device = local_disk(key)
        if device is not None:
            found[key] = read_disk(device)
    return found


def disks_of_live_server(keys: Iterable[str]) -> dict[str, Disk]:
    """All disks of the machine by name; keys that are not among them (an image as root) are added.

    A disk that cannot be read (a card reader, a disk of a foreign cluster) is reported without contents.
    """
    found = {}
    for device in local_disks():
        try:
            found[device.name] = read_disk(device)
        except OSError:
            found[device.name] = Disk(
                name=device.name,
                device=str(device.path),
                size_bytes=device.size_bytes,
                transport=device.transport,
                is_removable=device.is_removable,
            )
    missing = [key for key in keys if key not in found]
    return {**dict(sorted(found.items(), key=lambda item: natural_key(item[0]))), **disks_of_mounted_tree(missing)}


def volume_at(disk: Disk, offset_bytes: int) -> str:
    """The name of the partition that begins there, or the disk's when it has none; "" when none begins there."""
    if disk.file_system is not None or not disk.partitions:
        return disk.name
    names = [partition.name for partition in disk.partitions if partition.start_bytes == offset_bytes]
    return names[-1] if names else ""
