"""S02 and S03: may this system be adapted to this target, and is there room for it?"""

from __future__ import annotations

import os
from typing import Final

from agents.target.adaptation.changes import StepResult
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.kernels import Kernel, chosen_kernel
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import (
    ARCHITECTURE_MISMATCH,
    BOOTLOADER_UNKNOWN,
    ENCRYPTED,
    FIRMWARE_MISMATCH,
    KERNEL_MISSING,
    KERNEL_NO_VIRTIO,
    SPACE,
    UNSUPPORTED_OS,
)

_MIB: Final = 1 << 20
_NEEDED_BYTES: Final = {"/": 200 * _MIB, "/boot": 50 * _MIB}
_NEEDED_ELSEWHERE_BYTES: Final = 10 * _MIB
_NEEDED_INODES: Final = 100
_ARCHITECTURES: Final = frozenset({"x86_64", "amd64"})
_PLAIN_SWAP: Final = ("/dev/urandom", "/dev/random")


def plan_preflight(tree: Tree, inputs: Inputs, system: SystemFacts) -> StepResult:
    """No change; the checks that end the adaptation before it begins."""
    checks = [_system(system), _architecture(inputs), _firmware(inputs), _boot_loader(system), _encrypted(tree)]
    checks += [_space(tree, volume.mount_point) for volume in inputs.layout.volumes]
    return StepResult(checks=tuple(checks), facts=system.as_texts())


def _system(system: SystemFacts) -> AdaptationCheck:
    if system.family != "debian":
        found = system.name or system.identifier or "not a system with an os-release file"
        return failed(UNSUPPORTED_OS, found=found, supported="Debian and Ubuntu")
    return passed(UNSUPPORTED_OS)


def _architecture(inputs: Inputs) -> AdaptationCheck:
    if inputs.inventory.architecture not in _ARCHITECTURES:
        return failed(ARCHITECTURE_MISMATCH, source=inputs.inventory.architecture, target="x86_64")
    return passed(ARCHITECTURE_MISMATCH)


def _firmware(inputs: Inputs) -> AdaptationCheck:
    if inputs.layout.firmware != inputs.facts.firmware:
        return failed(FIRMWARE_MISMATCH, source=inputs.layout.firmware, target=inputs.facts.firmware)
    return passed(FIRMWARE_MISMATCH)


def _boot_loader(system: SystemFacts) -> AdaptationCheck:
    if not system.grub_config:
        return failed(BOOTLOADER_UNKNOWN, found="neither grub-mkconfig nor /boot/grub/grub.cfg is there")
    return passed(BOOTLOADER_UNKNOWN)


def _encrypted(tree: Tree) -> AdaptationCheck:
    """Swap with a random key is made anew at each boot and does not count."""
    names = []
    for line in (tree.text("/etc/crypttab") or "").splitlines():
        fields = line.split()
        if len(fields) >= 2 and not fields[0].startswith("#") and (len(fields) < 3 or fields[2] not in _PLAIN_SWAP):
            names.append(fields[0])
    if names:
        return failed(ENCRYPTED, count=len(names), names=", ".join(names))
    return passed(ENCRYPTED)


def needed_bytes(mount_point: str) -> int:
    """What has to be free in a file system for the adaptation, and for the first start after it."""
    return _NEEDED_BYTES.get(mount_point, _NEEDED_ELSEWHERE_BYTES)


def _space(tree: Tree, mount_point: str) -> AdaptationCheck:
    descriptor = tree.open(mount_point, os.O_RDONLY | os.O_DIRECTORY)
    try:
        status = os.fstatvfs(descriptor)
    finally:
        os.close(descriptor)
    needed = needed_bytes(mount_point)
    free_bytes = status.f_bavail * status.f_frsize
    # Btrfs has no fixed number of inodes and says 0 of 0.
    has_inodes = status.f_files == 0 or status.f_favail >= _NEEDED_INODES
    if free_bytes < needed or not has_inodes:
        return failed(
            SPACE,
            mount_point=mount_point,
            free_bytes=free_bytes,
            free_inodes=status.f_favail,
            needed_bytes=needed,
            needed_inodes=_NEEDED_INODES,
        )
    return passed(SPACE)


def plan_kernel(kernels: list[Kernel], inputs: Inputs) -> tuple[Kernel | None, StepResult]:
    """S10: the kernel that the target starts."""
    root = inputs.references.root
    kind = root.file_system.kind if root is not None else ""
    bus = inputs.facts.disk_bus
    kernel = chosen_kernel(kernels, running=inputs.inventory.kernel_release, bus=bus, root_kind=kind)
    if kernel is not None:
        facts = {"kernel": kernel.release, "kernels": ", ".join(each.release for each in kernels)}
        return kernel, StepResult(facts=facts, checks=(passed(KERNEL_NO_VIRTIO),), needs={"disk_bus": bus})
    if not kernels:
        check = failed(KERNEL_MISSING, path="/boot/vmlinuz-*", reason="no kernel with modules is installed")
        return None, StepResult(checks=(check,))
    releases = ", ".join(each.release for each in kernels)
    check = failed(KERNEL_NO_VIRTIO, releases=releases, driver=f"{bus} or {kind}", bus=bus)
    return None, StepResult(checks=(check,))
