"""S11: the initial RAM disk has the drivers for the target's disks, now and after the next kernel update."""

from __future__ import annotations

import hashlib
from typing import Final

from agents.target.adaptation.changes import Change, StepResult, WriteFile
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.kernels import FORCED_MODULES, Kernel, needed_modules
from agents.target.adaptation.sandbox import SandboxResult
from agents.target.adaptation.tree import Tree, encode
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import SANDBOX_FAILED, SANDBOX_TIMEOUT

MODULES: Final = "/etc/initramfs-tools/modules"
_STATES: Final = "/var/lib/initramfs-tools"
_BUILD: Final = 'set -e; mkinitramfs -o /var/tmp/initrd "$1" >&2; cat /var/tmp/initrd'
_SHOWN_CHARACTERS: Final = 600


def plan_module_list(tree: Tree, kernel: Kernel, root_kind: str) -> StepResult:
    """Add drivers to initramfs-tools' list: a later package update builds from it, without us.

    With MODULES=dep a build in the helper would otherwise leave out what the helper's machine does not use.
    """
    text = tree.text(MODULES)
    if text is None:
        return StepResult()
    listed = {line.split()[0].replace("-", "_") for line in text.splitlines() if line.strip() and line[0] != "#"}
    wanted = [name for name in (*FORCED_MODULES, root_kind) if name in kernel.modules and name not in listed]
    if not wanted:
        return StepResult()
    separator = "" if not text or text.endswith("\n") else "\n"
    content = encode(text + separator + "".join(f"{name}\n" for name in wanted))
    change = WriteFile(path=MODULES, content=content, reason="drivers of the target", after=" ".join(wanted))
    return StepResult(changes=(change,))


def plan_initramfs(tree: Tree, inputs: Inputs, kernels: tuple[Kernel, ...]) -> StepResult:
    """Build the images of these kernels in the sandbox. A failed build is a warning: the checks that follow tell
    whether the image that is there will do."""
    changes: list[Change] = []
    checks: list[AdaptationCheck] = []
    for kernel in kernels:
        result = inputs.builder.run(["/bin/sh", "-c", _BUILD, "sh", kernel.release])
        check = sandbox_check("mkinitramfs", result, severity="W")
        checks.append(check)
        if check.failure is None:
            changes += _image(tree, kernel, result.output)
    return StepResult(changes=tuple(changes), checks=tuple(checks))


def _image(tree: Tree, kernel: Kernel, image: bytes) -> list[Change]:
    path = kernel.initrd_path
    mode = None if tree.is_file(path) else 0o644
    changes: list[Change] = [WriteFile(path=path, content=image, reason="drivers of the target", mode=mode)]
    if tree.is_directory(_STATES):
        # update-initramfs compares this sum before it replaces an image.
        line = f"{hashlib.sha1(image, usedforsecurity=False).hexdigest()}  {path}\n"
        changes.append(WriteFile(path=f"{_STATES}/{kernel.release}", content=line.encode(), reason="sum of the image"))
    return changes


def sandbox_check(program: str, result: SandboxResult, *, severity: str) -> AdaptationCheck:
    """What a builder's end means."""
    output = result.messages[-_SHOWN_CHARACTERS:]
    if result.is_timeout:
        return failed(SANDBOX_TIMEOUT, severity, program=program, timeout_s=600, output=output)
    if result.status != 0 or not result.output:
        return failed(SANDBOX_FAILED, severity, program=program, status=result.status, output=output)
    return passed(SANDBOX_FAILED, severity)


def modules_for_target(inputs: Inputs) -> tuple[str, ...]:
    """The drivers without which the target's root file system cannot be mounted."""
    root = inputs.references.root
    return needed_modules(inputs.facts.disk_bus, root.file_system.kind if root is not None else "ext4")
