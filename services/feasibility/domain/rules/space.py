"""Rules about free space."""

from __future__ import annotations

from typing import Final

from contracts.errors import feasibility as codes
from contracts.inventory import SourceInventory
from services.feasibility.domain.rule import Basis, Finding, Rule, listed, passed, refused
from services.feasibility.domain.volumes import root_mount

# Table 5-1 of the service's overview, its MB taken as binary megabytes.
MIB: Final = 1024**2
NEEDED_ON_ROOT_BYTES: Final = 200 * MIB
LARGE_PARTITION_BYTES: Final = 600 * MIB
NEEDED_ON_LARGE_BYTES: Final = 320 * MIB
NEEDED_ON_SMALL_BYTES: Final = 40 * MIB


def check_root_space(inventory: SourceInventory, _: Basis) -> Finding:
    """The agent keeps its journals below the root file system."""
    if inventory.operating_system.family == "windows":
        return passed(family="windows")
    root = root_mount(inventory)
    free_bytes = root.free_bytes if root else 0
    if free_bytes < NEEDED_ON_ROOT_BYTES:
        return refused(
            codes.ROOT_SPACE, {"free_bytes": free_bytes}, free_bytes=free_bytes, needed_bytes=NEEDED_ON_ROOT_BYTES
        )
    return passed(free_bytes=free_bytes, needed_bytes=NEEDED_ON_ROOT_BYTES)


def check_windows_space(inventory: SourceInventory, _: Basis) -> Finding:
    """Snapshots of a volume (VSS) need room on it: more on a large one."""
    if inventory.operating_system.family != "windows":
        return passed(family=inventory.operating_system.family)
    partitions = [mount for mount in inventory.mounts if mount.kind == "ntfs"]
    looked_at: dict[str, object] = {
        "free_bytes": listed([f"{mount.mount_point} {mount.free_bytes}" for mount in partitions])
    }
    places = [
        f"{mount.mount_point} ({mount.free_bytes} of {mount.size_bytes} bytes free)"
        for mount in partitions
        if mount.free_bytes
        < (NEEDED_ON_LARGE_BYTES if mount.size_bytes >= LARGE_PARTITION_BYTES else NEEDED_ON_SMALL_BYTES)
    ]
    if places:
        return refused(
            codes.WINDOWS_SPACE,
            looked_at,
            count=len(places),
            places=listed(places),
            large_bytes=LARGE_PARTITION_BYTES,
            needed_large_bytes=NEEDED_ON_LARGE_BYTES,
            needed_small_bytes=NEEDED_ON_SMALL_BYTES,
        )
    return passed(**looked_at)


GROUP = "Free space"

RULES = (
    Rule(id="root_space", name="Free space on the root file system", group=GROUP, decide=check_root_space),
    Rule(id="windows_space", name="Free space on the partitions of Windows", group=GROUP, decide=check_windows_space),
)
