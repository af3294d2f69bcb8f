"""Rules about firmware and boot loader."""

from __future__ import annotations

from typing import Final

from contracts.errors import feasibility as codes
from contracts.inventory import SourceInventory
from services.feasibility.domain.rule import Basis, Finding, Rule, listed, passed, refused, warned

_SYSTEM_PARTITIONS: Final = ("/boot/efi", "/efi", "/boot")
_ADAPTED_LOADERS: Final = ("grub2", "grub_legacy")


def check_firmware(inventory: SourceInventory, basis: Basis) -> Finding:
    """A target must boot by the source's firmware: converting is never done silently."""
    if inventory.firmware == "UEFI" and not basis.policy.supports_uefi:
        return refused(codes.UEFI_UNSUPPORTED, {"firmware": "UEFI"}, firmware="UEFI", supported="BIOS")
    return passed(firmware=inventory.firmware)


def check_firmware_of_release(inventory: SourceInventory, basis: Basis) -> Finding:
    """The table says for each release whether it boots by UEFI after a migration."""
    row = basis.table.row_for(inventory.operating_system)
    looked_at: dict[str, object] = {
        "firmware": inventory.firmware,
        "row": row.name if row else "",
        "uefi_supported": row.uefi_supported if row else "",
    }
    if inventory.firmware != "UEFI" or row is None or row.uefi_supported == "yes":
        return passed(**looked_at)
    outcome = refused if row.uefi_supported == "no" else warned
    return outcome(codes.UEFI_NOT_FOR_OS, looked_at, row=row.name, listed=row.uefi_supported)


def check_boot_loader(inventory: SourceInventory, _: Basis) -> Finding:
    """Only a boot loader that is known can be adapted."""
    found = inventory.boot_loader
    looked_at: dict[str, object] = {"kind": found.kind, "config_path": found.config_path}
    if found.kind not in _ADAPTED_LOADERS:
        return refused(
            codes.BOOTLOADER_UNKNOWN, looked_at, found=found.kind or "unknown", needed=" or ".join(_ADAPTED_LOADERS)
        )
    return passed(**looked_at)


def check_boot_code(inventory: SourceInventory, _: Basis) -> Finding:
    """A BIOS system disk without boot code is started by something that the copy does not hold."""
    for disk in inventory.disks:
        if inventory.firmware == "BIOS" and disk.is_system and disk.table != "none" and not disk.has_boot_code:
            return warned(codes.NO_BOOT_CODE, {"disk": disk.name, "has_boot_code": False}, disk=disk.name)
    return passed(firmware=inventory.firmware)


def check_system_partition(inventory: SourceInventory, _: Basis) -> Finding:
    """Files are read through mounts, and the firmware's own partition is often mounted on demand only."""
    found = [mount.mount_point for mount in inventory.mounts if mount.kind == "vfat"]
    looked_at: dict[str, object] = {"firmware": inventory.firmware, "vfat": listed(found)}
    is_linux = inventory.operating_system.family == "linux"
    if inventory.firmware == "UEFI" and is_linux and not set(found) & set(_SYSTEM_PARTITIONS):
        return refused(codes.ESP_NOT_MOUNTED, looked_at, looked_for=", ".join(_SYSTEM_PARTITIONS))
    return passed(**looked_at)


GROUP = "Boot"

RULES = (
    Rule(id="firmware", name="Firmware that targets have", group=GROUP, decide=check_firmware),
    Rule(
        id="firmware_os", name="Firmware that the release is listed for", group=GROUP, decide=check_firmware_of_release
    ),
    Rule(id="system_partition", name="EFI system partition is mounted", group=GROUP, decide=check_system_partition),
    Rule(id="boot_loader", name="Boot loader that can be adapted", group=GROUP, decide=check_boot_loader),
    Rule(id="boot_code", name="Boot code on the system disk", group=GROUP, severity="WARN", decide=check_boot_code),
)
