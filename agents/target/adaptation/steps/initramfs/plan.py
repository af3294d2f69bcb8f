"""Which images are made, and what becomes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from agents.target.adaptation.changes import Change, StepResult, WriteFile
from agents.target.adaptation.formats.archive import appended
from agents.target.adaptation.formats.initramfs import InitramfsError, names_in_image
from agents.target.adaptation.inputs import Inputs, failed
from agents.target.adaptation.kernels import Kernel, forced_modules, module_name, needed_modules
from agents.target.adaptation.sandbox import SandboxResult
from agents.target.adaptation.steps.initramfs.builders import build_command, driver_list
from agents.target.adaptation.steps.sandboxed import sandbox_check
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import INITRD_NO_BUILDER, INITRD_NO_LVM, VSYSCALL

_LVM: Final = frozenset(f"{folder}/lvm" for folder in ("sbin", "bin", "usr/sbin", "usr/bin"))
_STATES: Final = "/var/lib/initramfs-tools"
_IMAGE_LIMIT_BYTES: Final = 1 << 30
_MODULE_LIMIT_BYTES: Final = 64 << 20


def plan_driver_lists(tree: Tree, kernel: Kernel, system: SystemFacts, root_drivers: Sequence[str]) -> StepResult:
    """With a list that only has what the source's machine uses, the next package update would end the target."""
    return StepResult(changes=tuple(driver_list(tree, system, forced_modules(kernel, root_drivers))))


def plan_initramfs(tree: Tree, inputs: Inputs, kernels: Sequence[Kernel], system: SystemFacts) -> StepResult:
    """Build the images of these kernels in the sandbox. When that fails, which is a warning, the missing drivers
    are appended to the image that is there; the checks that follow tell whether it will do."""
    changes: list[Change] = []
    checks: list[AdaptationCheck] = []
    for kernel in kernels:
        image, check = _built(tree, inputs, kernel, system)
        checks.append(check)
        if image is not None:
            program = system.builder.rpartition("/")[2]
            missing = _missing(inputs, kernel, image)
            changes += _image(tree, kernel, _with_drivers(tree, kernel, image, missing), program)
            continue
        old = tree.read(kernel.initrd_path, limit_bytes=_IMAGE_LIMIT_BYTES)
        if old and (missing := _missing(inputs, kernel, old)):
            new, after = _with_drivers(tree, kernel, old, missing), f"with {', '.join(missing)}"
            reason = "drivers appended, since no new image could be built"
            changes.append(WriteFile(path=kernel.initrd_path, content=new, reason=reason, after=after))
    return StepResult(changes=tuple(changes), checks=tuple(checks))


def _built(tree: Tree, inputs: Inputs, kernel: Kernel, system: SystemFacts) -> tuple[bytes | None, AdaptationCheck]:
    """(new image, how its making went)."""
    if system.family.has_old_libc and not inputs.has_vsyscall:
        return None, failed(VSYSCALL, "W", program=system.builder or "the builder")
    root = inputs.references.root
    drivers = forced_modules(kernel, inputs.references.root_drivers)
    program, command = build_command(tree, system, kernel, drivers, root)
    if not command:
        return None, failed(INITRD_NO_BUILDER, "W", path=kernel.initrd_path)

    def build() -> SandboxResult:
        return inputs.builder.run(command)

    result = inputs.memory.built(command, build) if inputs.memory else build()
    check = sandbox_check(program, result, severity="W")
    needs_lvm = root is not None and root.logical_volume != "" and not result.is_planned
    if check.failure is None and root is not None and needs_lvm and not activates_lvm(result.output):
        # The builder saw no LVM where it ran; the image that is there has started the source from it.
        check = failed(INITRD_NO_LVM, "W", path=program, volume=root.logical_volume)
    return (result.output if check.failure is None else None), check


def activates_lvm(image: bytes) -> bool:
    """Whether the image has LVM's program, without which no logical volume appears."""
    try:
        return bool(names_in_image(image) & _LVM)
    except InitramfsError:
        return False


def _missing(inputs: Inputs, kernel: Kernel, image: bytes) -> list[str]:
    """The drivers that the target needs and an image lacks; none of one that cannot be read, or is only planned."""
    if not image:
        return []
    try:
        names = names_in_image(image)
    except InitramfsError:
        return []
    inside = {module_name(name) for name in names if ".ko" in name}
    return sorted(kernel.with_dependencies(modules_for_target(inputs, kernel)) - inside)


def _with_drivers(tree: Tree, kernel: Kernel, image: bytes, missing: Sequence[str]) -> bytes:
    """The image with these drivers behind it: later archives replace files of earlier ones."""
    if not missing:
        return image
    names = names_in_image(image)
    folder = f"lib/modules/{kernel.release}"
    # Where /lib is a link to /usr/lib in the image, the kernel would replace the link by a folder.
    inside_folder = f"usr/{folder}" if "usr/lib" in names else folder
    wanted = [kernel.modules[name] for name in missing]
    wanted += [name for name in tree.names(f"/{folder}") if name.startswith("modules.")]
    files = {}
    for name in wanted:
        content = tree.read(name if name.startswith("/") else f"/{folder}/{name}", limit_bytes=_MODULE_LIMIT_BYTES)
        if content is not None:
            files[f"{inside_folder}/{name.removeprefix(f'/{folder}/')}"] = content
    return appended(image, files)


def _image(tree: Tree, kernel: Kernel, image: bytes, program: str) -> list[Change]:
    path = kernel.initrd_path
    mode = None if tree.is_file(path) else 0o600
    after = f"built by {program}"
    changes: list[Change] = [
        WriteFile(path=path, content=image, reason="drivers of the target", mode=mode, after=after)
    ]
    if tree.is_directory(_STATES):
        # update-initramfs compares this sum before it replaces an image.
        line = f"{hashlib.sha1(image, usedforsecurity=False).hexdigest()}  {path}\n"
        changes.append(WriteFile(path=f"{_STATES}/{kernel.release}", content=line.encode(), reason="sum of the image"))
    return changes


def modules_for_target(inputs: Inputs, kernel: Kernel) -> tuple[str, ...]:
    """The drivers without which the target's root file system cannot be mounted."""
    return needed_modules(kernel, inputs.facts.disk_bus, inputs.references.root_drivers)
