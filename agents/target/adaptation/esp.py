"""The EFI system partition of a copied system, as a folder of its tree. FAT does not tell upper from lower case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agents.target.adaptation.inputs import Inputs
from agents.target.adaptation.tree import Tree

FALLBACK: Final = "BOOTX64.EFI"
_MOUNT_POINTS: Final = ("/boot/efi", "/efi", "/boot")
_PROGRAM_LIMIT_BYTES: Final = 64 << 20
# The firmware's own folder, and loaders of other systems.
_NO_VENDORS: Final = frozenset({"boot", "microsoft"})


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """A distribution's folder on the partition. Programs are paths in the tree, "" when they are not there."""

    folder: str
    shim: str
    grub: str
    mok_manager: str
    fallback_table: str


@dataclass(frozen=True, kw_only=True)
class SystemPartition:
    """mount_point: where the system has it. boot_folder: ``EFI/BOOT`` with the case that it has there."""

    mount_point: str
    boot_folder: str
    vendors: tuple[Vendor, ...]


def system_partition(tree: Tree, inputs: Inputs) -> SystemPartition | None:
    """The partition that the firmware reads; None when no FAT file system is mounted where one belongs."""
    for mount_point in _MOUNT_POINTS:
        volume = inputs.references.at(mount_point)
        if volume is None or volume.file_system.kind != "vfat":
            continue
        efi = child(tree, mount_point, "EFI") or f"{mount_point}/EFI"
        vendors = [_vendor(tree, f"{efi}/{name}") for name in tree.names(efi) if name.lower() not in _NO_VENDORS]
        return SystemPartition(
            mount_point=mount_point,
            boot_folder=child(tree, efi, "BOOT") or f"{efi}/BOOT",
            vendors=tuple(vendor for vendor in vendors if vendor.shim or vendor.grub),
        )
    return None


def child(tree: Tree, folder: str, name: str) -> str:
    """The path of a name in a folder whatever its case, "" when there is none."""
    return next((f"{folder}/{found}" for found in tree.names(folder) if found.lower() == name.lower()), "")


def program(tree: Tree, path: str) -> bytes | None:
    """The content of an EFI program; None when there is none, or what is there is no PE image."""
    content = tree.read(path, limit_bytes=_PROGRAM_LIMIT_BYTES) if path else None
    if content is None or content[:2] != b"MZ" or len(content) < 0x40:
        return None
    header = int.from_bytes(content[0x3C:0x40], "little")
    return content if content[header : header + 4] == b"PE\0\0" else None


def _vendor(tree: Tree, folder: str) -> Vendor:
    return Vendor(
        folder=folder,
        shim=child(tree, folder, "shimx64.efi"),
        grub=child(tree, folder, "grubx64.efi"),
        mok_manager=child(tree, folder, "mmx64.efi"),
        fallback_table=child(tree, folder, "BOOTX64.CSV"),
    )
