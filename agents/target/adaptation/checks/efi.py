"""The EFI system partition starts a boot loader that finds the system on the target's disks."""

from __future__ import annotations

from agents.target.adaptation.checks.boot_code import grub_reads_boot
from agents.target.adaptation.esp import child, system_partition
from agents.target.adaptation.formats.grub_config import searched_uuids
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.steps.efi_fallback import has_complete_set
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import ESP_FALLBACK, GRUB_UUID_UNKNOWN


def efi_checks(tree: Tree, inputs: Inputs) -> tuple[AdaptationCheck, ...]:
    """After the changes; that the partition is there at all was checked before them."""
    partition = system_partition(tree, inputs)
    if partition is None:
        return ()
    if not has_complete_set(tree, partition):
        found = ", ".join(tree.names(partition.boot_folder)) or "nothing"
        return (failed(ESP_FALLBACK, found=f"{partition.boot_folder} with {found}"),)
    checks = [passed(ESP_FALLBACK), grub_reads_boot(inputs)]
    for vendor in partition.vendors:
        path = child(tree, vendor.folder, "grub.cfg")
        unknown = sorted(searched_uuids(tree.text(path) or "") - inputs.references.uuids) if path else []
        if unknown:
            checks.append(failed(GRUB_UUID_UNKNOWN, path=path, uuid=unknown[0]))
    return tuple(checks)
