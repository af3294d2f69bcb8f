"""S11: the initial RAM disk has the drivers for the target's disks, now and after the next kernel update."""

from __future__ import annotations

import hashlib
from typing import Final

from agents.target.adaptation.changes import Change, StepResult, WriteFile
from agents.target.adaptation.formats.archive import appended
from agents.target.adaptation.formats.initramfs import InitramfsError, names_in_image
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.kernels import FORCED_MODULES, Kernel, module_name, needed_modules
from agents.target.adaptation.sandbox import SandboxResult
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree, encode
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import SANDBOX_FAILED, SANDBOX_TIMEOUT

MODULES: Final = "/etc/initramfs-tools/modules"
DRACUT_LIST: Final = "/etc/dracut.conf.d/90-sms.conf"
_STATES: Final = "/var/lib/initramfs-tools"
_BUILD: Final = 'set -e; mkinitramfs -o /var/tmp/initrd "$1" >&2; cat /var/tmp/initrd'
_BUILD_DRACUT: Final = (
    'set -e; dracut -f --tmpdir /var/tmp --no-hostonly-cmdline --add-drivers "$2" /var/tmp/initrd "$1" >&2;'
    " cat /var/tmp/initrd"
)
_SHOWN_CHARACTERS: Final = 600
_IMAGE_LIMIT_BYTES: Final = 1 << 30
_MODULE_LIMIT_BYTES: Final = 64 << 20


def plan_module_list(tree: Tree, kernel: Kernel, root_kind: str) -> StepResult:
    """Add drivers to the builder's own list: a later package update builds from it, without us.

    With MODULES=dep a build in the helper would otherwise leave out what the helper's machine does not use.
    """
    text = tree.text(MODULES)
    if text is None:
        return _dracut_list(tree, kernel, root_kind)
    listed = {line.split()[0].replace("-", "_") for line in text.splitlines() if line.strip() and line[0] != "#"}
    wanted = [name for name in (*FORCED_MODULES, root_kind) if name in kernel.modules and name not in listed]
    if not wanted:
        return StepResult()
    separator = "" if not text or text.endswith("\n") else "\n"
    content = encode(text + separator + "".join(f"{name}\n" for name in wanted))
    change = WriteFile(path=MODULES, content=content, reason="drivers of the target", after=" ".join(wanted))
    return StepResult(changes=(change,))


def _dracut_list(tree: Tree, kernel: Kernel, root_kind: str) -> StepResult:
    if not tree.is_directory("/etc/dracut.conf.d"):
        return StepResult()
    names = " ".join(name for name in (*FORCED_MODULES, root_kind) if name in kernel.modules)
    content = f'add_drivers+=" {names} "\n'.encode()
    return StepResult(changes=(WriteFile(path=DRACUT_LIST, content=content, reason="drivers of the target"),))


def plan_initramfs(tree: Tree, inputs: Inputs, kernels: tuple[Kernel, ...], system: SystemFacts) -> StepResult:
    """Build the images of these kernels in the sandbox. When that fails, which is a warning, the missing drivers
    are appended to the image that is there; the checks that follow tell whether it will do."""
    changes: list[Change] = []
    checks: list[AdaptationCheck] = []
    for kernel in kernels:
        program, command = _build_command(system, kernel)
        if not command:
            changes += _appended(tree, inputs, kernel)
            continue
        result = inputs.builder.run(command)
        check = sandbox_check(program, result, severity="W")
        checks.append(check)
        changes += _image(tree, kernel, result.output) if check.failure is None else _appended(tree, inputs, kernel)
    return StepResult(changes=tuple(changes), checks=tuple(checks))


def _build_command(system: SystemFacts, kernel: Kernel) -> tuple[str, list[str]]:
    """(program's name, command); no command when the system has no known builder."""
    if system.initramfs_tool == "initramfs-tools":
        return "mkinitramfs", ["/bin/sh", "-c", _BUILD, "sh", kernel.release]
    if system.initramfs_tool == "dracut":
        drivers = " ".join(name for name in FORCED_MODULES if name in kernel.modules)
        return "dracut", ["/bin/sh", "-c", _BUILD_DRACUT, "sh", kernel.release, drivers]
    return "", []


def _appended(tree: Tree, inputs: Inputs, kernel: Kernel) -> list[Change]:
    """The existing image with the missing drivers behind it: later members replace earlier ones."""
    image = tree.read(kernel.initrd_path, limit_bytes=_IMAGE_LIMIT_BYTES)
    if image is None:
        return []
    try:
        names = names_in_image(image)
    except InitramfsError:
        return []
    inside = {module_name(name) for name in names if ".ko" in name}
    missing = sorted(kernel.with_dependencies(modules_for_target(inputs)) - inside)
    if not missing:
        return []
    folder = f"lib/modules/{kernel.release}"
    # Where /lib is a link to /usr/lib in the image, the kernel would replace the link by a folder.
    inside_folder = f"usr/{folder}" if "usr/lib" in names else folder
    wanted = [kernel.modules[name] for name in missing]
    wanted += [name for name in tree.names(f"/{folder}") if name.startswith("modules.")]
    files = {}
    for name in wanted:
        content = tree.read(f"/{folder}/{name}", limit_bytes=_MODULE_LIMIT_BYTES)
        if content is not None:
            files[f"{inside_folder}/{name}"] = content
    reason = "drivers appended, since no new image could be built"
    new = appended(image, files)
    return [WriteFile(path=kernel.initrd_path, content=new, reason=reason, after=" ".join(missing))]


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
