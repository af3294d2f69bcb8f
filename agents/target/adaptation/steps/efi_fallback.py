"""S13 for UEFI: a boot loader where firmware without any memory of this system looks for one.

A new machine's firmware has no boot entries and starts ``EFI/BOOT/BOOTX64.EFI``. Two sets are complete: shim with
fbx64.efi there and the vendor's BOOTX64.CSV, from which the entries are made again; or shim with GRUB beside it (shim
alone fails). The distribution's own signed files are copied, so that Secure Boot goes on working.
"""

from __future__ import annotations

from agents.target.adaptation.changes import Change, StepResult, WriteFile
from agents.target.adaptation.esp import FALLBACK, SystemPartition, Vendor, child, program, system_partition
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.tree import Tree
from contracts.errors.adaptation import ESP_FALLBACK, ESP_MISSING


def plan_efi_fallback(tree: Tree, inputs: Inputs) -> StepResult:
    """The files that are missing in EFI/BOOT, from the folder of the system's own boot loader."""
    partition = system_partition(tree, inputs)
    if partition is None:
        return StepResult(checks=(failed(ESP_MISSING, looked_for="/boot/efi, /efi or /boot"),))
    facts = {"efi_system_partition": partition.mount_point}
    if has_complete_set(tree, partition):
        return StepResult(checks=(passed(ESP_MISSING), passed(ESP_FALLBACK)), facts=facts)
    vendor = next((each for each in partition.vendors if each.grub), None)
    if vendor is None:
        found = ", ".join(each.folder for each in partition.vendors) or "no folder with one"
        return StepResult(checks=(passed(ESP_MISSING), failed(ESP_FALLBACK, found=found)), facts=facts)
    changes = _missing_files(tree, partition, vendor)
    return StepResult(
        changes=tuple(changes), checks=(passed(ESP_MISSING),), facts=facts | {"efi_vendor": vendor.folder}
    )


def has_complete_set(tree: Tree, partition: SystemPartition) -> bool:
    """Whether firmware that knows nothing of this system comes as far as its boot loader."""
    folder = partition.boot_folder
    first = program(tree, child(tree, folder, FALLBACK))
    if first is None:
        return False
    if not _is_shim(tree, partition, first):
        return True
    has_table = any(vendor.fallback_table for vendor in partition.vendors)
    makes_entries = has_table and program(tree, child(tree, folder, "fbx64.efi")) is not None
    return makes_entries or program(tree, child(tree, folder, "grubx64.efi")) is not None


def _is_shim(tree: Tree, partition: SystemPartition, content: bytes) -> bool:
    # shim names the program that it starts next, as UTF-16, wherever it was built.
    next_program = "grubx64.efi".encode("utf-16-le")
    return next_program in content or any(program(tree, vendor.shim) == content for vendor in partition.vendors)


def _missing_files(tree: Tree, partition: SystemPartition, vendor: Vendor) -> list[Change]:
    wanted = {FALLBACK: vendor.shim or vendor.grub}
    if vendor.shim:
        wanted |= {"grubx64.efi": vendor.grub, "mmx64.efi": vendor.mok_manager}
    changes: list[Change] = []
    for name, source in wanted.items():
        content = program(tree, source)
        if content is None:
            continue
        path = child(tree, partition.boot_folder, name) or f"{partition.boot_folder}/{name}"
        changes.append(WriteFile(path=path, content=content, reason="boot loader at the fallback path"))
    return changes
