"""The first sectors of the disk that boots are what was built, and GRUB can read the file system behind them."""

from __future__ import annotations

from typing import Final

from agents.target.adaptation.changes import WriteDisk
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.steps.grub2_code import active_partition, system_disk
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import BOOTCODE_MISSING, FS_GRUB

_BOOT_SIGNATURE: Final = b"\x55\xaa"
# Features that GRUB's drivers refuse (grub-core/fs: EXT4 incompatible features, Btrfs profiles).
_UNREADABLE: Final = {
    "ext4": frozenset({"bigalloc", "inline_data", "casefold", "compression", "journal_dev", "ea_inode"}),
    "xfs": frozenset({"metadir"}),
    "btrfs": frozenset({"raid-stripe-tree", "extent-tree-v2"}),
    "vfat": frozenset(),
}
# GRUB 0.97 with the patches for ext4 says "Error 17" of a file system with 64-bit block numbers.
_UNREADABLE_BY_OLD: Final = frozenset({"64bit", "metadata_csum_seed", "meta_bg"})


def boot_code_checks(
    inputs: Inputs, written: tuple[WriteDisk, ...], *, is_old: bool = False
) -> tuple[AdaptationCheck, ...]:
    """written: what step S13 planned. is_old: by GRUB before version 2."""
    readable = grub_reads_boot(inputs, is_old=is_old)
    disk = system_disk(inputs)
    if disk is None or not written:
        return ()
    reason = ""
    with inputs.raw_path(disk.name).open("rb") as raw:
        for area in written:
            raw.seek(area.offset_bytes)
            if raw.read(len(area.content)) != area.content:
                reason = f"{area.reason} differs from what was written at byte {area.offset_bytes}"
        raw.seek(510)
        if raw.read(2) != _BOOT_SIGNATURE:
            reason = "the first sector has no boot signature"
    if reason:
        return failed(BOOTCODE_MISSING, disk=disk.name, reason=reason), readable
    if disk.table == "mbr" and active_partition(disk) is None:
        # GRUB does not need the flag; some firmware does.
        return failed(BOOTCODE_MISSING, "W", disk=disk.name, reason="no partition is active"), readable
    return passed(BOOTCODE_MISSING), readable


def grub_reads_boot(inputs: Inputs, *, is_old: bool = False) -> AdaptationCheck:
    """Whether GRUB's driver knows every feature of the file system with the kernels."""
    boot = inputs.references.boot
    if boot is None:
        return passed(FS_GRUB)
    kind = "ext4" if boot.file_system.kind.startswith("ext") else boot.file_system.kind
    unknown = _UNREADABLE.get(kind, frozenset()) | (_UNREADABLE_BY_OLD if is_old else frozenset())
    unreadable = sorted(unknown & set(boot.file_system.features))
    if kind not in _UNREADABLE or unreadable:
        point = boot.volume.mount_point if boot.volume is not None else "/boot"
        return failed(FS_GRUB, mount_point=point, kind=kind, features=", ".join(unreadable) or "no driver")
    return passed(FS_GRUB)
