"""What a plan needs of the kernel that the helper runs on: pure."""

from __future__ import annotations

from typing import Final

from contracts.inventory import OperatingSystem, SourceInventory
from contracts.layout import TargetLayout
from services.task.domain.layout.plan import moving_file_systems

# FAT is written by mtools, swap areas by mkswap: neither is mounted (docs/decisions/0025).
_NOT_MOUNTED: Final = frozenset({"vfat", "swap", "lvm2_member"})
# Their C libraries ask for the time by a page that newer kernels need not have (glibc before 2.14).
_OLD_USERLANDS: Final = {
    "rhel": 6,
    "centos": 6,
    "ol": 6,
    "oracle": 6,
    "sles": 11,
    "debian": 7,
    "ubuntu": 12,
    "amzn": 0,
}


def kernel_needs(layout: TargetLayout, inventory: SourceInventory) -> tuple[str, ...]:
    """In the words of `BootHelper`, sorted."""
    made = moving_file_systems(layout.disks, layout.volume_groups).values()
    needs = {file_system.kind for file_system in made} - _NOT_MOUNTED
    # Without a list of features the helper makes what it can mount itself.
    if any(each.kind == "xfs" and each.features and "crc" not in each.features for each in made):
        needs.add("xfs-v4")
    if layout.volume_groups:
        needs.add("lvm")
    # A volume in one piece is a window of its physical volume (docs/decisions/0042).
    if any(len(volume.segments) > 1 for group in layout.volume_groups for volume in group.logical_volumes):
        needs.add("device-mapper")
    if _has_old_userland(inventory.operating_system):
        needs.add("vsyscall")
    return tuple(sorted(needs))


def _has_old_userland(system: OperatingSystem) -> bool:
    major = system.version_id.partition(".")[0] or system.version.partition(".")[0]
    return major.isdecimal() and int(major) <= _OLD_USERLANDS.get(system.id, 0)
