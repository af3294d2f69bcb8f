"""From what an agent of HTTP says of its machine to an inventory, as an agent on the bus would send it."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from typing import Final

from contracts.errors import MigrationError
from contracts.errors.http_agent import NETWORK_ADDRESS
from contracts.inventory import (
    BootLoader,
    BtrfsSubvolume,
    BtrfsVolume,
    Disk,
    FileSystem,
    LogicalVolume,
    Mount,
    NetworkInterface,
    OperatingSystem,
    Partition,
    PhysicalVolume,
    SourceInventory,
    VolumeGroup,
)
from services.gateway.domain.wire import machine
from services.gateway.domain.wire.agents import PostSourceServerBody, PutDiskInfoReq

MIB: Final = 1 << 20
_FIRST_PARTITION_BYTES: Final = MIB
_LAST_PRIMARY: Final = 4
_OS_VERSION: Final = re.compile(
    r"(?P<id>[A-Za-z]+)[ _-]*(?P<major>\d+)?(?:[._](?P<minor>\d+)(?![\dB]))?(?:_(?P<bits>32|64)BIT)?.*"
)
# What the vendor's agents call file systems, in the words of blkid.
_KINDS: Final = {"lvm": "lvm2_member", "lvm2": "lvm2_member", "fat32": "vfat", "fat16": "vfat", "linux-swap": "swap"}
_TABLES: Final = {"MBR": "mbr", "GPT": "gpt"}


def inventory_of(body: PostSourceServerBody) -> SourceInventory:
    """The machine. Raises MigrationError SMS.AGENT.ADDRESS_INVALID.

    Where a partition begins is not said: partitions lie one behind the other, which is all that the plan of a target
    needs of the source's own layout.
    """
    mounts = [mount for disk in body.disks or () for mount in _mounts(disk)]
    mounts += [mount for group in body.volume_groups or () for mount in _mounts_of_group(group)]
    return SourceInventory(
        hostname=body.hostname or body.name,
        architecture="aarch64" if "ARM" in body.os_version.upper() else "x86_64",
        firmware=body.firmware or "BIOS",
        operating_system=operating_system(body),
        kernel_release=body.kernel_version or "",
        boot_loader=BootLoader(kind=_boot_loader(body.boot_loader)),
        cpu_count=body.cpu_quantity or 1,
        memory_bytes=(body.memory or 0) * MIB,
        disks=tuple(_disk(disk, body) for disk in body.disks or ()),
        mounts=tuple(mounts),
        network_interfaces=_networks(body),
        is_live=True,
        agent_version=body.agent_version,
        fingerprint=_fingerprint(body),
        volume_groups=tuple(_group(group) for group in body.volume_groups or ()),
        btrfs=tuple(_btrfs(volume) for volume in body.btrfs_list or ()),
        raw_devices=body.raw_devices or "",
        has_rsync=body.has_rsync,
        has_tc=body.has_tc,
        is_paravirtual=body.paravirtualization,
        is_oem=bool(body.oem_system),
        platform=body.platform or "",
        start_type=body.start_type or "",
    )


def with_disks(body: PostSourceServerBody, newer: PutDiskInfoReq) -> PostSourceServerBody:
    """The machine with the disks as they are now; what was left out stays."""
    named = {"disks": newer.disks, "volume_groups": newer.volumegroups, "btrfs_list": newer.btrfs_list}
    return body.model_copy(update={name: value for name, value in named.items() if value is not None})


def operating_system(body: PostSourceServerBody) -> OperatingSystem:
    """``UBUNTU_20_4_64BIT`` and ``CentOS 7.6`` are both taken apart; what cannot be is a name only."""
    family = "windows" if body.os_type == "WINDOWS" else "linux"
    found = _OS_VERSION.fullmatch(body.os_version)
    if found is None or found["major"] is None:
        return OperatingSystem.model_validate({"family": family, "name": body.os_version})
    identifier = found["id"].lower()
    minor = found["minor"]
    if minor is not None and identifier == "ubuntu":
        minor = minor.zfill(2)
    version = found["major"] if minor is None else f"{found['major']}.{minor}"
    return OperatingSystem.model_validate(
        {
            "family": family,
            "id": identifier,
            "name": body.os_version,
            # Only Ubuntu's os-release has the minor number in it.
            "version_id": version if identifier == "ubuntu" else found["major"],
            "version": version,
            "bits": int(found["bits"] or 64),
        }
    )


def _disk(disk: machine.ServerDisk, body: PostSourceServerBody) -> Disk:
    name = _base(disk.name)
    whole = [volume for volume in disk.physical_volumes if _base(volume.name or "") == name]
    partitions: list[Partition] = []
    start = _FIRST_PARTITION_BYTES
    table = _TABLES.get((disk.partition_style or "").upper(), "none")
    for number, volume in enumerate((one for one in disk.physical_volumes if one not in whole), start=1):
        partitions.append(_partition(number, volume, start, table=table, disk_name=name))
        start += volume.size
    holds_root = any(volume.mount_point == "/" for volume in disk.physical_volumes)
    is_system = bool(disk.os_disk) or holds_root or disk.device_use == "OS"
    return Disk.model_validate(
        {
            "name": name,
            "device": disk.name if disk.name.startswith("/") else f"/dev/{name}",
            "size_bytes": disk.size,
            "table": table,
            "identifier": _identifier(name, body, table),
            "partitions": tuple(partitions),
            "file_system": _file_system(whole[0]) if whole else None,
            "is_system": is_system,
            "has_boot_code": is_system and body.firmware != "UEFI",
        }
    )


def _partition(number: int, volume: machine.PhysicalVolume, start: int, *, table: str, disk_name: str) -> Partition:
    number = volume.index or number
    return Partition.model_validate(
        {
            "number": number,
            "name": _base(volume.name or f"{disk_name}{number}"),
            "start_bytes": start,
            "size_bytes": volume.size,
            "kind": "logical" if table == "mbr" and number > _LAST_PRIMARY else "primary",
            "is_active": volume.device_use == "BOOT" and table == "mbr",
            "file_system": _file_system(volume),
        }
    )


def _file_system(volume: machine.PhysicalVolume | machine.LogicalVolume) -> FileSystem | None:
    kind = (volume.file_system or "").strip().lower()
    if not kind:
        return None
    is_physical = isinstance(volume, machine.PhysicalVolume)
    block_size = volume.size_per_cluster if isinstance(volume, machine.PhysicalVolume) else volume.block_size
    return FileSystem(
        kind=_KINDS.get(kind, kind),
        uuid=(volume.uuid or "") if isinstance(volume, machine.PhysicalVolume) and is_physical else "",
        size_bytes=volume.size,
        block_size=block_size or 0,
        used_bytes=volume.used_size or 0,
        free_bytes=max(volume.size - (volume.used_size or 0), 0),
        inodes_used=volume.inode_nums or 0,
        parameters={"inode_size": str(volume.inode_size)} if volume.inode_size else {},
    )


def _mounts(disk: machine.ServerDisk) -> list[Mount]:
    return [
        Mount(
            mount_point=volume.mount_point,
            host_path=volume.mount_point,
            kind=_KINDS.get((volume.file_system or "").lower(), (volume.file_system or "").lower()),
            source=volume.name or "",
            volume=_base(volume.name or ""),
            size_bytes=volume.size,
            used_bytes=volume.used_size or 0,
            free_bytes=max(volume.size - (volume.used_size or 0), 0),
            files=volume.inode_nums or 0,
        )
        for volume in disk.physical_volumes
        if volume.mount_point and volume.mount_point.startswith("/")
    ]


def _mounts_of_group(group: machine.VolumeGroup) -> list[Mount]:
    return [
        Mount(
            mount_point=volume.mount_point,
            host_path=volume.mount_point,
            kind=(volume.file_system or "").lower(),
            source=f"/dev/{group.name}/{_base(volume.name)}",
            volume=f"{group.name}/{_base(volume.name)}",
            size_bytes=volume.size,
            used_bytes=volume.used_size,
            free_bytes=volume.free_size,
            layers=("lvm",),
        )
        for volume in group.logical_volumes
        if volume.mount_point and volume.mount_point.startswith("/")
    ]


def _group(group: machine.VolumeGroup) -> VolumeGroup:
    return VolumeGroup(
        name=group.name or "",
        size_bytes=group.size,
        free_bytes=group.free_size or 0,
        components=_names(group.components or ""),
        logical_volumes=tuple(
            LogicalVolume(
                name=volume.name,
                size_bytes=volume.size,
                used_bytes=volume.used_size,
                free_bytes=volume.free_size,
                mount_point=volume.mount_point or "",
                use=volume.device_use or "NORMAL",
                file_system=_file_system(volume),
            )
            for volume in group.logical_volumes
        ),
        physical_volumes=tuple(PhysicalVolume(volume=_base(name)) for name in _names(group.components or "")),
    )


def _btrfs(volume: machine.BtrfsFileSystem) -> BtrfsVolume:
    return BtrfsVolume(
        uuid=volume.uuid,
        name=volume.name,
        label=volume.label,
        devices=_names(volume.device),
        size_bytes=volume.size,
        used_bytes=volume.g_vol_used_size,
        node_size=volume.nodesize,
        sector_size=volume.sectorsize,
        data_profile=volume.data_profile,
        system_profile=volume.system_profile,
        metadata_profile=volume.metadata_profile,
        global_reserve=volume.global_reserve1,
        default_subvolume_id=volume.default_subvolid,
        default_subvolume_name=volume.default_subvol_name,
        default_mount_point=volume.default_subvol_mountpath,
        subvolumes=tuple(
            BtrfsSubvolume(
                id=one.subvol_id,
                name=one.subvol_name,
                parent_id=one.parent_id,
                uuid=one.uuid,
                mount_point=one.subvol_mount_path,
                is_snapshot=one.is_snapshot.lower() == "true",
            )
            for one in volume.subvolumn
        ),
    )


def _networks(body: PostSourceServerBody) -> tuple[NetworkInterface, ...]:
    """The card with the machine's own address comes first; an address that no card has is given to the first."""
    own = [_address(body.ip, "IPv4 address", 4), _address(body.ipv6, "IPv6 address", 6)]
    if not any(own):
        raise MigrationError(NETWORK_ADDRESS, text="", what="address of the server")
    cards = [_card(network) for network in body.networks]
    missing = [one for one in own if one and not any(one in _plain(card) for card in cards)]
    if missing:
        first = cards[0] if cards else NetworkInterface(name="eth0")
        cards[:1] = [first.model_copy(update={"addresses": (*missing, *first.addresses)})]
    cards.sort(key=lambda card: not any(one in _plain(card) for one in own if one))
    return tuple(cards)


def _card(network: machine.ServerNetwork) -> NetworkInterface:
    addresses = []
    four = _address(network.ip, "IPv4 address of a network card", 4)
    if four:
        addresses.append(f"{four}/{_prefix_length(network.netmask)}")
    for text in re.split(r"[,;\s]+", network.ipv6 or ""):
        six = _address(text.partition("/")[0], "IPv6 address of a network card", 6)
        if six:
            addresses.append(f"{six}/{text.partition('/')[2] or '64'}")
    return NetworkInterface(
        name=network.name,
        mac=network.mac,
        addresses=tuple(addresses),
        gateway=network.gateway,
        mtu=network.mtu or 0,
    )


def _address(text: str | None, what: str, version: int) -> str:
    if not text:
        return ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise MigrationError(NETWORK_ADDRESS, text=text[:64], what=what) from error
    if address.version != version:
        raise MigrationError(NETWORK_ADDRESS, text=text[:64], what=what)
    return str(address)


def _prefix_length(netmask: str) -> int:
    try:
        return ipaddress.ip_network(f"0.0.0.0/{netmask or '24'}").prefixlen
    except ValueError as error:
        raise MigrationError(NETWORK_ADDRESS, text=netmask[:64], what="network mask") from error


def _plain(card: NetworkInterface) -> list[str]:
    return [address.partition("/")[0] for address in card.addresses]


def _boot_loader(text: str | None) -> str:
    return "grub2" if (text or "").upper().startswith("GRUB") else ""


def _base(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]


def _names(text: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"[,;\s]+", text) if part)


def _identifier(name: str, body: PostSourceServerBody, table: str) -> str:
    """Agents of HTTP do not say it, and a target needs one: derived, so that it is the same at every report."""
    digest = hashlib.sha256(f"{body.hostname or body.name}\n{name}".encode()).hexdigest()
    if table == "gpt":
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
    return digest[:8] if table == "mbr" else ""


def _fingerprint(body: PostSourceServerBody) -> dict[str, str]:
    macs = sorted({network.mac.lower() for network in body.networks if network.mac})
    return {"mac_set": hashlib.sha256("\n".join(macs).encode()).hexdigest()} if macs else {}
