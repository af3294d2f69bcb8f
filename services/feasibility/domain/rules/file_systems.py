"""Rules about file systems."""

from __future__ import annotations

from typing import Final

from contracts.errors import feasibility as codes
from contracts.inventory import SourceInventory
from services.feasibility.domain.rule import Basis, Finding, Rule, listed, passed, refused, warned
from services.feasibility.domain.volumes import described, local_mounts, of_kind, on_layer, volumes

ALLOWED_KINDS: Final = {"linux": ("ext2", "ext3", "ext4", "vfat", "xfs", "btrfs"), "windows": ("ntfs",)}
# Held by other rules, or holding no files.
_NO_FILE_SYSTEMS: Final = frozenset(
    {
        "swap",
        "swsuspend",
        "lvm2_member",
        "linux_raid_member",
        "crypto_luks",
        "bcache",
        "ntfs",
        "bitlocker",
        "hfsplus",
        "",
    }
)


def check_allowed(inventory: SourceInventory, _: Basis) -> Finding:
    """Everything that is mounted and local must be of a kind that can be made again on the target."""
    kinds = sorted({mount.kind for mount in local_mounts(inventory)})
    allowed = ALLOWED_KINDS[inventory.operating_system.family]
    places = [described(mount) for mount in local_mounts(inventory) if mount.kind not in (*allowed, "ecryptfs")]
    if places:
        return refused(
            codes.FILE_SYSTEM,
            {"kinds": listed(kinds)},
            count=len(places),
            places=listed(places),
            allowed=", ".join(allowed),
        )
    return passed(kinds=listed(kinds))


def check_mounted(inventory: SourceInventory, _: Basis) -> Finding:
    """Files are read through mounts: what is not mounted stays behind."""
    used = {mount.volume for mount in inventory.mounts}
    # The devices of one Btrfs are mounted by one of them.
    used_uuids = {file_system.uuid for name, file_system in volumes(inventory) if name in used and file_system.uuid}
    places = [
        f"{name} ({file_system.kind})"
        for name, file_system in volumes(inventory)
        if name not in used and file_system.kind not in _NO_FILE_SYSTEMS and file_system.uuid not in used_uuids
    ]
    if places:
        return warned(codes.NOT_MOUNTED, {"not_mounted": listed(places)}, count=len(places), places=listed(places))
    return passed(not_mounted="none")


def check_encryption(inventory: SourceInventory, _: Basis) -> Finding:
    """Encrypted volumes and folders."""
    places = of_kind(inventory, "crypto_luks", "bitlocker") + on_layer(inventory, "crypt")
    places += [name for name, file_system in volumes(inventory) if "encrypt" in file_system.features]
    places += [mount.mount_point for mount in inventory.mounts if mount.kind == "ecryptfs"]
    places += [
        f"{application.name} in {application.evidence}"
        for application in inventory.applications
        if application.kind == "encrypted_files"
    ]
    if places:
        return refused(codes.ENCRYPTED, {"encrypted": listed(places)}, count=len(places), places=listed(places))
    return passed(encrypted="none")


def check_btrfs_on_lvm(inventory: SourceInventory, _: Basis) -> Finding:
    """Btrfs on logical volumes."""
    on_lvm = set(on_layer(inventory, "lvm", "lvm_thin"))
    places = [mount.mount_point for mount in inventory.mounts if mount.kind == "btrfs" and mount.mount_point in on_lvm]
    if places:
        return refused(codes.BTRFS_ON_LVM, {"btrfs_on_lvm": listed(places)}, count=len(places), places=listed(places))
    return passed(btrfs_on_lvm="none")


def check_btrfs_release(inventory: SourceInventory, basis: Basis) -> Finding:
    """Releases whose row of the table excepts Btrfs."""
    row = basis.table.row_for(inventory.operating_system)
    places = [mount.mount_point for mount in inventory.mounts if mount.kind == "btrfs"]
    looked_at: dict[str, object] = {"btrfs": listed(places), "remarks": row.remarks if row else ""}
    if places and row is not None and row.remarks.startswith("Btrfs"):
        return refused(codes.BTRFS_RELEASE, looked_at, count=len(places), places=listed(places), row=row.name)
    return passed(**looked_at)


def check_btrfs_devices(inventory: SourceInventory, _: Basis) -> Finding:
    """A Btrfs file system over several devices."""
    places = sorted(
        {
            file_system.uuid or name
            for name, file_system in volumes(inventory)
            if file_system.kind == "btrfs" and file_system.parameters.get("devices", "1") not in ("", "0", "1")
        }
    )
    if places:
        looked_at: dict[str, object] = {"several_devices": listed(places)}
        return refused(codes.BTRFS_SEVERAL_DISKS, looked_at, count=len(places), places=listed(places))
    return passed(several_devices="none")


def check_hibernated(inventory: SourceInventory, _: Basis) -> Finding:
    """Swap, or a file of Windows, that holds the memory of a suspended system."""
    places = of_kind(inventory, "swsuspend")
    places += [name for name, file_system in volumes(inventory) if "hibernated" in file_system.parameters]
    if places:
        return warned(codes.HIBERNATED, {"hibernated": listed(places)}, places=listed(places))
    return passed(hibernated="none")


GROUP = "File systems"

RULES = (
    Rule(id="file_systems", name="File systems that can be migrated", group=GROUP, decide=check_allowed),
    Rule(
        id="not_mounted", name="File systems that are not mounted", group=GROUP, severity="WARN", decide=check_mounted
    ),
    Rule(id="encryption", name="Encrypted volumes and folders", group=GROUP, decide=check_encryption),
    Rule(id="btrfs_on_lvm", name="Btrfs on logical volumes", group=GROUP, decide=check_btrfs_on_lvm),
    Rule(id="btrfs_release", name="Btrfs on this release", group=GROUP, decide=check_btrfs_release),
    Rule(id="btrfs_devices", name="Btrfs on several devices", group=GROUP, decide=check_btrfs_devices),
    Rule(id="hibernation", name="Hibernated system", group=GROUP, severity="WARN", decide=check_hibernated),
)
