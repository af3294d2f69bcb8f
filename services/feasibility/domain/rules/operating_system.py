"""Rules about the operating system: known, listed, the only one."""

from __future__ import annotations

from contracts.errors import feasibility as codes
from contracts.inventory import SourceInventory
from services.feasibility.domain.rule import Basis, Finding, Rule, listed, passed, refused, warned
from services.feasibility.domain.volumes import of_kind

_NEEDED_BITS = 64
_LINUX_KINDS = ("ext2", "ext3", "ext4", "xfs", "btrfs", "lvm2_member", "linux_raid_member", "crypto_luks", "swap")


def check_family(inventory: SourceInventory, _: Basis) -> Finding:
    """Windows is not migrated by this version; a tree that tells nothing is no system."""
    system = inventory.operating_system
    if system.family == "windows":
        return refused(codes.WINDOWS_UNSUPPORTED, {"family": system.family}, system=system.name or "Windows")
    if not system.id:
        return refused(codes.OS_UNKNOWN, {"family": system.family, "id": system.id})
    return passed(family=system.family, id=system.id)


def check_listed(inventory: SourceInventory, basis: Basis) -> Finding:
    """Which row of the table names the release. One without a row may work: a warning, unless strict."""
    system = inventory.operating_system
    row = basis.table.row_for(system)
    looked_at: dict[str, object] = {"id": system.id, "version": system.version, "row": row.name if row else ""}
    if row is not None:
        return passed(**looked_at)
    nearest = basis.table.nearest_row(system)
    outcome = refused if basis.policy.is_strict else warned
    return outcome(
        codes.OS_NOT_LISTED,
        looked_at,
        system=system.name or system.id or "An unknown system",
        version=system.version or "unknown",
        nearest=nearest.name if nearest else "none",
    )


def check_bits(inventory: SourceInventory, basis: Basis) -> Finding:
    """All rows of the table are 64-bit."""
    row = basis.table.row_for(inventory.operating_system)
    needed = row.bits if row else _NEEDED_BITS
    bits = inventory.operating_system.bits
    if bits != needed:
        return refused(codes.OS_BITS, {"bits": bits}, bits=bits, needed_bits=needed)
    return passed(bits=bits)


def check_hypervisor(inventory: SourceInventory, basis: Basis) -> Finding:
    """Some releases are listed for KVM machines only; of an image the hypervisor is not known."""
    row = basis.table.row_for(inventory.operating_system)
    looked_at: dict[str, object] = {"hypervisor": inventory.hypervisor, "remarks": row.remarks if row else ""}
    if row is None or "Only KVM" not in row.remarks or inventory.hypervisor == "kvm":
        return passed(**looked_at)
    outcome = refused if inventory.is_live else warned
    hypervisor = inventory.hypervisor or "an unknown hypervisor or none"
    return outcome(codes.OS_ONLY_KVM, looked_at, row=row.name, hypervisor=hypervisor)


def check_only_system(inventory: SourceInventory, _: Basis) -> Finding:
    """Other systems show in the boot menu, or as partitions that only they use."""
    others = list(dict.fromkeys(inventory.boot_loader.other_systems))
    if inventory.operating_system.family == "linux":
        others += [f"partition {name}" for name in of_kind(inventory, "ntfs", "bitlocker", "hfsplus")]
    else:
        others += [f"partition {name}" for name in of_kind(inventory, *_LINUX_KINDS)]
    if others:
        return refused(codes.SEVERAL_SYSTEMS, {"others": listed(others)}, count=1 + len(others), others=listed(others))
    return passed(others="none")


GROUP = "Operating system"

RULES = (
    Rule(id="os_family", name="Operating system family", group=GROUP, decide=check_family),
    Rule(id="os_listed", name="Operating system in the compatibility table", group=GROUP, decide=check_listed),
    Rule(id="os_bits", name="64-bit operating system", group=GROUP, decide=check_bits),
    Rule(id="os_hypervisor", name="Hypervisor that the release is listed for", group=GROUP, decide=check_hypervisor),
    Rule(id="os_single", name="Only one operating system", group=GROUP, decide=check_only_system),
)
