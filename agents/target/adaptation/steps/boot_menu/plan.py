"""Which files of a boot menu are changed, by its kind."""

from __future__ import annotations

from agents.target.adaptation.changes import StepResult
from agents.target.adaptation.command_line import CommandLine
from agents.target.adaptation.inputs import Inputs
from agents.target.adaptation.kernels import Kernel
from agents.target.adaptation.steps.boot_menu.bls import plan_entries
from agents.target.adaptation.steps.boot_menu.grub2 import plan_grub_config, with_environment
from agents.target.adaptation.steps.boot_menu.grub_legacy import plan_legacy_menu
from agents.target.adaptation.steps.boot_menu.settings import plan_settings_files
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree


def plan_settings(
    tree: Tree, inputs: Inputs, system: SystemFacts, line: CommandLine, *, chosen: Kernel | None
) -> StepResult:
    """Before the initial RAM disk and the menu are made. chosen: the kernel to start, when it is not the newest."""
    entry = inputs.references.menu_entry(chosen.release) if chosen is not None else ""
    return StepResult(changes=tuple(plan_settings_files(tree, system, line, entry)))


def plan_boot_menu(
    tree: Tree, inputs: Inputs, system: SystemFacts, line: CommandLine, *, chosen: Kernel | None
) -> StepResult:
    """The menu itself. chosen: as for `plan_settings`."""
    if system.boot_menu == "grub_legacy":
        return plan_legacy_menu(tree, inputs, system, line, chosen=chosen)
    if system.boot_menu == "bls":
        result = plan_entries(tree, system, line)
    else:
        result = plan_grub_config(tree, inputs, system, line)
    return with_environment(tree, inputs, system, line, result, chosen=chosen)
