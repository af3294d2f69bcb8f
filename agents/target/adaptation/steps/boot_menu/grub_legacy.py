"""grub.conf and menu.lst: arguments of every title, the device that holds the kernels, the title to start."""

from __future__ import annotations

from agents.target.adaptation.changes import StepResult, WriteFile
from agents.target.adaptation.command_line import CommandLine
from agents.target.adaptation.formats.grub_legacy import edited_menu, parse_legacy_menu
from agents.target.adaptation.inputs import Inputs
from agents.target.adaptation.kernels import Kernel
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree, encode


def plan_legacy_menu(
    tree: Tree, inputs: Inputs, system: SystemFacts, line: CommandLine, *, chosen: Kernel | None
) -> StepResult:
    """One file; /boot/grub/menu.lst is a link to grub.conf, or the other way round."""
    text = tree.text(system.menu_path) or ""
    entries, default = parse_legacy_menu(text)
    wanted = default
    if chosen is not None:
        named = (number for number, entry in enumerate(entries) if entry.kernel.endswith(f"-{chosen.release}"))
        wanted = next(named, default)
    new = edited_menu(
        text, arguments=line.adapted, device=boot_device(inputs), default=wanted if wanted != default else None
    )
    if new == text:
        return StepResult()
    return StepResult(changes=(WriteFile(path=system.menu_path, content=encode(new), reason="boot menu"),))


def boot_device(inputs: Inputs) -> str:
    """GRUB's name of the partition with the kernels: the disk that starts is always its first."""
    boot = inputs.references.boot
    return f"(hd0,{boot.partition - 1})" if boot is not None and boot.partition else "(hd0)"
