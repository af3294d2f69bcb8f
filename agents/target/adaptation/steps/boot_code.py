"""S13: what the target's firmware starts first, by firmware and boot loader."""

from __future__ import annotations

from agents.target.adaptation.changes import StepResult
from agents.target.adaptation.inputs import Inputs
from agents.target.adaptation.steps.efi_fallback import plan_efi_fallback
from agents.target.adaptation.steps.grub2_code import plan_grub2_code
from agents.target.adaptation.steps.grub_legacy_code import plan_legacy_code
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree


def plan_boot_code(tree: Tree, inputs: Inputs, system: SystemFacts) -> StepResult:
    """UEFI: files on its partition. BIOS: sectors of the disk."""
    if inputs.facts.firmware == "UEFI":
        return plan_efi_fallback(tree, inputs)
    if system.boot_menu == "grub_legacy":
        return plan_legacy_code(tree, inputs, system)
    return plan_grub2_code(tree, inputs, system)
