"""Rules about LVM and software RAID: what the plan of a target makes of them, and what it cannot."""

from __future__ import annotations

from contracts.errors import feasibility as codes
from contracts.inventory import RaidArray, SourceInventory, VolumeGroup
from services.feasibility.domain.rule import Basis, Finding, Rule, listed, passed, refused, warned
from services.feasibility.domain.volumes import on_layer, volumes

_LINEAR = ("linear",)


def _thin_volumes(inventory: SourceInventory) -> list[str]:
    found = on_layer(inventory, "lvm_thin")
    for name, file_system in volumes(inventory):
        types = file_system.parameters.get("segment_types", "").split(",")
        if file_system.kind == "lvm2_member" and {"thin", "thin-pool"} & set(types):
            found.append(name)
    return found


def check_thin(inventory: SourceInventory, _: Basis) -> Finding:
    """Thin volumes are not migrated."""
    places = _thin_volumes(inventory)
    if places:
        return refused(codes.LVM_THIN, {"thin": listed(places)}, count=len(places), places=listed(places))
    return passed(thin="none")


def check_lvm(inventory: SourceInventory, _: Basis) -> Finding:
    """A volume group is made again as a whole: all of it must be known."""
    on_lvm = {mount.mount_point: mount.volume for mount in inventory.mounts if "lvm" in mount.layers}
    known = {
        f"{group.name}/{volume.name}"
        for group in inventory.volume_groups
        if _is_whole(group, inventory)
        for volume in group.logical_volumes
    }
    places = [f"{point} ({volume or 'unknown'})" for point, volume in on_lvm.items() if volume not in known]
    looked_at: dict[str, object] = {"logical_volumes": listed([volume for volume in on_lvm.values() if volume])}
    if places:
        return refused(codes.LVM_UNSUPPORTED, looked_at, count=len(places), places=listed(places))
    return passed(**looked_at)


def _is_whole(group: VolumeGroup, inventory: SourceInventory) -> bool:
    held = {disk.name for disk in inventory.disks} | {array.name for array in inventory.arrays if _is_known(array)}
    held |= {partition.name for disk in inventory.disks for partition in disk.partitions}
    is_alone = sum(other.name == group.name for other in inventory.volume_groups) == 1
    physical = [one.volume for one in group.physical_volumes]
    return is_alone and bool(physical) and set(physical) <= held


def check_lvm_changes(inventory: SourceInventory, _: Basis) -> Finding:
    """Volumes arrive linear, and snapshots do not arrive."""
    mounted = {mount.volume for mount in inventory.mounts}
    changed = []
    for group in inventory.volume_groups:
        if not any(f"{group.name}/{volume.name}" in mounted for volume in group.logical_volumes):
            continue
        for volume in group.logical_volumes:
            if volume.origin:
                changed.append(f"{group.name}/{volume.name} (a snapshot, not copied)")
            elif volume.segment_types and volume.segment_types != _LINEAR and volume.use != "THIN":
                changed.append(f"{group.name}/{volume.name} ({', '.join(volume.segment_types)}, becomes linear)")
    if changed:
        return warned(codes.LVM_CHANGED, {"changed": listed(changed)}, count=len(changed), places=listed(changed))
    return passed(changed="none")


def check_raid(inventory: SourceInventory, _: Basis) -> Finding:
    """Arrays arrive as plain volumes; one that is used like a disk, or whose members are not known, cannot."""
    known = {array.name: array for array in inventory.arrays if _is_known(array)}
    on_raid = [mount for mount in inventory.mounts if "raid" in mount.layers and "lvm" not in mount.layers]
    places = [f"{mount.mount_point} ({mount.source})" for mount in on_raid if mount.volume not in known]
    looked_at: dict[str, object] = {"arrays": listed([array.name for array in inventory.arrays])}
    if places:
        return refused(codes.RAID_UNSUPPORTED, looked_at, count=len(places), places=listed(places))
    if known:
        shown = listed([f"{one.name} ({one.level} of {', '.join(one.members)})" for one in known.values()])
        return warned(codes.RAID_BECOMES_PLAIN, looked_at, count=len(known), places=shown)
    return passed(**looked_at)


def _is_known(array: RaidArray) -> bool:
    return bool(array.members) and not array.is_partitioned


GROUP = "Disks and volumes"

RULES = (
    Rule(id="lvm_thin", name="Thin volumes of LVM", group=GROUP, decide=check_thin),
    Rule(id="lvm", name="Logical volumes", group=GROUP, decide=check_lvm),
    Rule(
        id="lvm_changes",
        name="Logical volumes that arrive changed",
        group=GROUP,
        severity="WARN",
        decide=check_lvm_changes,
    ),
    Rule(id="raid", name="Software RAID", group=GROUP, decide=check_raid),
)
