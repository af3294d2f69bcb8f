"""S12: the boot menu, made by the copied system's own grub-mkconfig."""

from __future__ import annotations

from agents.target.adaptation.changes import StepResult, WriteFile
from agents.target.adaptation.inputs import Inputs
from agents.target.adaptation.steps.initramfs import sandbox_check
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree


def plan_grub_config(tree: Tree, inputs: Inputs, system: SystemFacts) -> StepResult:
    """The new grub.cfg. It is what the program prints, so the program needs no write access."""
    if not system.mkconfig:
        return StepResult()
    result = inputs.builder.run([system.mkconfig])
    check = sandbox_check("grub-mkconfig", result, severity="W")
    if check.failure is not None or b"### END" not in result.output:
        return StepResult(checks=(check,))
    mode = None if tree.is_file(system.grub_config) else 0o600
    change = WriteFile(path=system.grub_config, content=result.output, reason="boot menu", mode=mode)
    return StepResult(changes=(change,), checks=(check,))
