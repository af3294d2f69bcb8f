"""From an inventory to the disks, volumes and networks of the wire."""

from __future__ import annotations

import ipaddress
from typing import Final

from contracts.inventory import BtrfsVolume, Disk, FileSystem, Mount, NetworkInterface, SourceInventory
from contracts.messages.source import DiskSummary
from services.gateway.domain.wire.machine import (
    BtrfsFileSystem,
    BtrfsSubvolume,
    LogicalVolume,
    PhysicalVolume,
    ServerDisk,
    ServerNetwork,
    VolumeGroup,
)

_STYLES: Final = {"mbr": "MBR", "gpt": "GPT"}
_BOOT_MOUNTS: Final = ("/boot", "/boot/efi", "/efi")
_DEFAULT_MTU: Final = 1500


def disks_of(inventory: SourceInventory, summaries: tuple[DiskSummary, ...]) -> list[ServerDisk]:
    """Every disk with its partitions; what it is for and how full it is are the registry's words."""
    known = {summary.name: summary for summary in summaries}
    volumes = volumes_of(inventory)
    return [
        ServerDisk.model_construct(
            name=disk.name,
            partition_style=_STYLES.get(disk.table),
            device_use=known[disk.name].use if disk.name in known else "NORMAL",
            size=disk.size_bytes,
            used_size=known[disk.name].used_bytes if disk.name in known else 0,
            physical_volumes=volumes[disk.name],
            os_disk=disk.is_system,
            inode_size=_number(_first_file_system(disk), "inode_size"),
        )
        for disk in inventory.disks
    ]


def volumes_of(inventory: SourceInventory) -> dict[str, list[PhysicalVolume]]:
    """The partitions of each disk, by the disk's name; a disk that is one file system is its own volume."""
    mounts = {mount.volume: mount for mount in inventory.mounts if mount.volume}
    found: dict[str, list[PhysicalVolume]] = {}
    for disk in inventory.disks:
        parts = [(one.number, one.name, one.size_bytes, one.file_system) for one in disk.partitions]
        if disk.file_system is not None:
            parts.append((1, disk.name, disk.size_bytes, disk.file_system))
        found[disk.name] = [
            _volume(number, name, size, file_system, mounts.get(name)) for number, name, size, file_system in parts
        ]
    return found


def volume_groups_of(inventory: SourceInventory) -> list[VolumeGroup]:
    """The volume groups that the agent told of."""
    return [
        VolumeGroup.model_construct(
            name=group.name,
            size=group.size_bytes,
            free_size=group.free_bytes,
            components=";".join(group.components),
            logical_volumes=[
                LogicalVolume.model_construct(
                    name=volume.name,
                    file_system=volume.file_system.kind if volume.file_system else None,
                    block_size=volume.file_system.block_size or None if volume.file_system else None,
                    inode_size=_number(volume.file_system, "inode_size"),
                    inode_nums=volume.file_system.inodes_used or None if volume.file_system else None,
                    device_use=volume.use,
                    mount_point=volume.mount_point or None,
                    size=volume.size_bytes,
                    used_size=volume.used_bytes,
                    free_size=volume.free_bytes,
                )
                for volume in group.logical_volumes
            ],
        )
        for group in inventory.volume_groups
    ]


def btrfs_of(inventory: SourceInventory) -> list[BtrfsFileSystem]:
    """The Btrfs file systems: those told as such, otherwise those that were found on disks."""
    if inventory.btrfs:
        return [_btrfs(volume) for volume in inventory.btrfs]
    mounts = {mount.volume: mount for mount in inventory.mounts if mount.volume}
    found = []
    for disk in inventory.disks:
        parts = [(part.name, part.file_system) for part in disk.partitions]
        for name, volume in [*parts, (disk.name, disk.file_system)]:
            if volume is not None and volume.kind == "btrfs":
                found.append(_plain_btrfs(name, volume, mounts.get(name)))
    return found


def networks_of(inventory: SourceInventory) -> list[ServerNetwork]:
    """The network cards."""
    return [_network(card) for card in inventory.network_interfaces]


def _volume(number: int, name: str, size: int, file_system: FileSystem | None, mount: Mount | None) -> PhysicalVolume:
    known = file_system or FileSystem(kind="")
    return PhysicalVolume.model_construct(
        device_use=_use(known, mount),
        file_system=known.kind or None,
        index=number,
        mount_point=mount.mount_point if mount else None,
        name=name,
        size=size,
        used_size=mount.used_bytes if mount else known.used_bytes,
        inode_size=_number(known, "inode_size"),
        inode_nums=known.inodes_used or None,
        uuid=known.uuid or None,
        size_per_cluster=known.block_size or None,
    )


def _use(file_system: FileSystem, mount: Mount | None) -> str:
    if mount is not None and mount.mount_point == "/":
        return "OS"
    if mount is not None and mount.mount_point in _BOOT_MOUNTS:
        return "BOOT"
    if file_system.kind.lower() == "lvm2_member":
        return "VOLUME_GROUP"
    return "BTRFS" if file_system.kind == "btrfs" else "NORMAL"


def _number(file_system: FileSystem | None, parameter: str) -> int | None:
    text = file_system.parameters.get(parameter, "") if file_system else ""
    return int(text) if text.isascii() and text.isdecimal() else None


def _first_file_system(disk: Disk) -> FileSystem | None:
    return disk.file_system or next((part.file_system for part in disk.partitions if part.file_system), None)


def _btrfs(volume: BtrfsVolume) -> BtrfsFileSystem:
    return BtrfsFileSystem.model_construct(
        name=volume.name,
        label=volume.label,
        uuid=volume.uuid,
        device=";".join(volume.devices),
        size=volume.size_bytes,
        nodesize=volume.node_size,
        sectorsize=volume.sector_size,
        data_profile=volume.data_profile,
        system_profile=volume.system_profile,
        metadata_profile=volume.metadata_profile,
        global_reserve1=volume.global_reserve,
        g_vol_used_size=volume.used_bytes,
        default_subvolid=volume.default_subvolume_id,
        default_subvol_name=volume.default_subvolume_name,
        default_subvol_mountpath=volume.default_mount_point,
        subvolumn=[
            BtrfsSubvolume.model_construct(
                uuid=one.uuid,
                is_snapshot="true" if one.is_snapshot else "false",
                subvol_id=one.id,
                parent_id=one.parent_id,
                subvol_name=one.name,
                subvol_mount_path=one.mount_point,
            )
            for one in volume.subvolumes
        ],
    )


def _plain_btrfs(name: str, volume: FileSystem, mount: Mount | None) -> BtrfsFileSystem:
    return BtrfsFileSystem.model_construct(
        name=volume.label or name,
        label=volume.label,
        uuid=volume.uuid,
        device=name,
        size=volume.size_bytes,
        nodesize=_number(volume, "node_size") or 0,
        sectorsize=_number(volume, "sector_size") or 0,
        g_vol_used_size=mount.used_bytes if mount else volume.used_bytes,
        default_subvol_mountpath=mount.mount_point if mount else "",
    )


def _network(card: NetworkInterface) -> ServerNetwork:
    plain, six = _addresses(card)
    return ServerNetwork.model_construct(
        name=card.name,
        ip=str(plain.ip) if plain else "",
        ipv6=str(six.ip) if six else None,
        netmask=str(plain.netmask) if plain else "",
        gateway=card.gateway,
        mtu=card.mtu or _DEFAULT_MTU,
        mac=card.mac,
    )


def _addresses(card: NetworkInterface) -> tuple[ipaddress.IPv4Interface | None, ipaddress.IPv6Interface | None]:
    """The first address of each family; an agent's word that is no address is passed over."""
    four: ipaddress.IPv4Interface | None = None
    six: ipaddress.IPv6Interface | None = None
    for text in card.addresses:
        try:
            address = ipaddress.ip_interface(text)
        except ValueError:
            continue
        if isinstance(address, ipaddress.IPv4Interface):
            four = four or address
        elif not address.is_link_local:
            six = six or address
    return four, six
