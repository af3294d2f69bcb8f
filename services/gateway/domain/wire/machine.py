"""Disks, volumes and networks of a machine: the same models in what agents send and in what servers show."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from services.gateway.domain.wire.base import WireRequest

# No control characters: these texts end in lists, logs and consoles.
_PRINTABLE: Final = r"^[^\x00-\x1f\x7f]*$"
Text = Annotated[str, Field(max_length=255, pattern=_PRINTABLE)]
Path = Annotated[str, Field(max_length=4096, pattern=_PRINTABLE)]
Size = Annotated[int, Field(ge=0, le=1 << 60)]
Number = Annotated[int, Field(ge=0, le=1 << 40)]


class PhysicalVolume(WireRequest):
    """A partition. index: from 1. inode_size: bytes; inode_nums: how many inodes are in use."""

    device_use: Text | None = None
    file_system: Text | None = None
    index: Annotated[int, Field(ge=0, le=4096)] | None = None
    mount_point: Path | None = None
    name: Text | None = None
    size: Size = 0
    used_size: Size | None = None
    inode_size: Number | None = None
    inode_nums: Number | None = None
    uuid: Text | None = None
    size_per_cluster: Number | None = None


class ServerDisk(WireRequest):
    """A disk. partition_style: MBR or GPT. device_use: NORMAL, OS, BOOT, VOLUME_GROUP or BTRFS."""

    name: Text
    partition_style: Text | None = None
    device_use: Text | None = None
    size: Size
    used_size: Size = 0
    physical_volumes: Annotated[list[PhysicalVolume], Field(max_length=256)] = []
    os_disk: bool | None = None
    relation_name: Text | None = None
    inode_size: Number | None = None


class LogicalVolume(WireRequest):
    """A logical volume of a volume group."""

    name: Text
    block_count: Number | None = None
    block_size: Number | None = None
    file_system: Text | None = None
    inode_size: Number | None = None
    inode_nums: Number | None = None
    device_use: Text | None = None
    mount_point: Path | None = None
    size: Size = 0
    used_size: Size = 0
    free_size: Size = 0


class VolumeGroup(WireRequest):
    """components: device names of the physical volumes, separated by commas or semicolons."""

    name: Text | None = None
    size: Size = 0
    free_size: Size | None = None
    components: Path | None = None
    logical_volumes: Annotated[list[LogicalVolume], Field(max_length=256)] = []


class BtrfsSubvolume(WireRequest):
    """A subvolume or snapshot ("true" in is_snapshot)."""

    uuid: Text = ""
    is_snapshot: Text = "false"
    subvol_id: Text = ""
    parent_id: Text = ""
    subvol_name: Path = ""
    subvol_mount_path: Path = ""


class BtrfsFileSystem(WireRequest):
    """device: the devices, separated by commas or semicolons."""

    name: Text = ""
    label: Text = ""
    uuid: Text = ""
    device: Path = ""
    size: Size = 0
    nodesize: Number = 0
    sectorsize: Number = 0
    data_profile: Text = ""
    system_profile: Text = ""
    metadata_profile: Text = ""
    global_reserve1: Text = ""
    g_vol_used_size: Size = 0
    default_subvolid: Text = ""
    default_subvol_name: Path = ""
    default_subvol_mountpath: Path = ""
    subvolumn: Annotated[list[BtrfsSubvolume], Field(max_length=1024)] = []


class ServerNetwork(WireRequest):
    """A network card. netmask: dotted or a prefix length; mtu in bytes."""

    name: Text
    ip: Text = ""
    ipv6: Text | None = None
    netmask: Text = ""
    gateway: Text = ""
    mtu: Annotated[int, Field(ge=0, le=65536)] | None = None
    mac: Text = ""
    id: Text | None = None
