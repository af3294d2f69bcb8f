"""Rules about disks and what lies between them and the file systems."""

from __future__ import annotations

import re
from typing import Final

from contracts.errors import feasibility as codes
from contracts.inventory import Disk, SourceInventory
from services.feasibility.domain.rule import Basis, Finding, Rule, listed, passed, refused, warned
from services.feasibility.domain.volumes import (
    SYSTEM_MOUNT_POINTS,
    disk_of,
    is_external,
    of_kind,
    on_layer,
    root_mount,
)

MBR_LIMIT_BYTES: Final = 2 * 1024**4


def check_system_disk(inventory: SourceInventory, _: Basis) -> Finding:
    """One disk holds the root file system; several may where it lies on LVM or an array."""
    system = [disk.name for disk in inventory.disks if disk.is_system]
    root = root_mount(inventory)
    is_joined = root is not None and bool({"lvm", "raid"} & set(root.layers))
    if not system or (len(system) > 1 and not is_joined):
        source = root.source if root else "not mounted"
        return refused(codes.SYSTEM_DISK_UNKNOWN, {"disks": listed(system)}, count=len(system), source=source)
    return passed(disk=listed(system))


def _kind_of_name(disk: Disk) -> str:
    # nvme0n1 and nvme1n1 are of one kind, as sda and sdb are.
    found = re.match(r"nvme|mmcblk|[shvx]+d", disk.name)
    return found.group(0) if found else ""


def check_first_disk(inventory: SourceInventory, _: Basis) -> Finding:
    """The volumes that the system starts from are on the first internal disk of their kind."""
    internal = [disk for disk in inventory.disks if not is_external(disk)]
    for mount in inventory.mounts:
        disk = disk_of(inventory, mount)
        if mount.mount_point not in SYSTEM_MOUNT_POINTS or disk is None or is_external(disk):
            continue
        first = next(other for other in internal if _kind_of_name(other) == _kind_of_name(disk))
        if disk.name != first.name:
            return refused(
                codes.SYSTEM_NOT_ON_FIRST_DISK,
                {"mount_point": mount.mount_point, "disk": disk.name, "first_disk": first.name},
                mount_point=mount.mount_point,
                disk=disk.name,
                first_disk=first.name,
            )
    return passed(disks=listed([disk.name for disk in internal]))


def check_mbr_limit(inventory: SourceInventory, _: Basis) -> Finding:
    """An MBR counts sectors in 32 bits. BIOS starts a system disk without a table through an MBR, too."""
    for disk in inventory.disks:
        needs_mbr = disk.table == "mbr" or (disk.is_system and inventory.firmware == "BIOS" and disk.table != "gpt")
        if needs_mbr and disk.size_bytes > MBR_LIMIT_BYTES:
            return refused(
                codes.MBR_LIMIT,
                {"disk": disk.name, "size_bytes": disk.size_bytes, "table": disk.table},
                disk=disk.name,
                size_bytes=disk.size_bytes,
                limit_bytes=MBR_LIMIT_BYTES,
            )
    return passed(limit_bytes=MBR_LIMIT_BYTES)


def check_external(inventory: SourceInventory, _: Basis) -> Finding:
    """External storage is left out; a system on it cannot be migrated."""
    external = {disk.name: disk for disk in inventory.disks if is_external(disk)}
    mounted = []
    for mount in inventory.mounts:
        disk = disk_of(inventory, mount)
        if disk is None or disk.name not in external:
            continue
        mounted.append(mount.mount_point)
        if mount.mount_point in SYSTEM_MOUNT_POINTS:
            return refused(
                codes.SYSTEM_ON_EXTERNAL_STORAGE,
                {"mount_point": mount.mount_point, "disk": disk.name, "transport": disk.transport},
                mount_point=mount.mount_point,
                disk=disk.name,
                transport=disk.transport or "removable",
            )
    if external:
        return warned(
            codes.EXTERNAL_STORAGE,
            {"disks": listed(list(external))},
            count=len(external),
            disks=listed(list(external)),
            mount_points=listed(mounted),
        )
    return passed(external="none")


def check_mapper(inventory: SourceInventory, _: Basis) -> Finding:
    """Multipath, bcache and other mapped devices are not yet supported."""
    places = [*on_layer(inventory, "multipath", "device_mapper"), *of_kind(inventory, "bcache")]
    if places:
        return refused(codes.MAPPER_UNSUPPORTED, {"mapped": listed(places)}, count=len(places), places=listed(places))
    return passed(mapped="none")


def check_dynamic_disks(inventory: SourceInventory, _: Basis) -> Finding:
    """Windows' dynamic disks arrive as basic ones."""
    dynamic = [disk.name for disk in inventory.disks if disk.is_dynamic]
    if dynamic:
        return warned(codes.DYNAMIC_DISKS, {"dynamic": listed(dynamic)}, count=len(dynamic), disks=listed(dynamic))
    return passed(dynamic="none")


GROUP = "Disks and volumes"

RULES = (
    Rule(id="system_disk", name="System disk", group=GROUP, decide=check_system_disk),
    Rule(id="first_disk", name="System volumes on the first disk", group=GROUP, decide=check_first_disk),
    Rule(id="mbr_limit", name="Size of disks with an MBR", group=GROUP, decide=check_mbr_limit),
    Rule(id="external_storage", name="External storage", group=GROUP, decide=check_external),
    Rule(id="mapped_devices", name="Mapped devices", group=GROUP, decide=check_mapper),
    Rule(id="dynamic_disks", name="Dynamic disks", group=GROUP, severity="WARN", decide=check_dynamic_disks),
)
