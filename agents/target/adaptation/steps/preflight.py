"""S02 and S03: may this system be adapted to this target, and is there room for it?"""

from __future__ import annotations

import os
from typing import Final

from agents.target.adaptation.changes import StepResult
from agents.target.adaptation.families import FAMILIES, GENERIC
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.kernels import PREFIX, Kernel, chosen_kernel, is_for_xen_only, version_key
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import (
    ARCHITECTURE_MISMATCH,
    BOOTLOADER_UNKNOWN,
    ENCRYPTED,
    FAMILY_UNKNOWN,
    FIRMWARE_MISMATCH,
    KERNEL_MISSING,
    KERNEL_NO_VIRTIO,
    KERNEL_XEN_ONLY,
    LAYOUT_UNEXPECTED,
    SPACE,
    UNSUPPORTED_OS,
)

_MIB: Final = 1 << 20
# Kernels before it drive virtio devices of the first kind only, unless Red Hat's patches are in.
_MODERN_VIRTIO: Final = "4.0"
_NEEDED_BYTES: Final = {"/": 200 * _MIB, "/boot": 50 * _MIB}
_NEEDED_ELSEWHERE_BYTES: Final = 10 * _MIB
_NEEDED_INODES: Final = 100
_ARCHITECTURES: Final = frozenset({"x86_64", "amd64"})
_PLAIN_SWAP: Final = ("/dev/urandom", "/dev/random")


def plan_preflight(tree: Tree, inputs: Inputs, system: SystemFacts) -> StepResult:
    """No change; the checks that end the adaptation before it begins."""
    checks = [_system(tree, system), _architecture(inputs), _firmware(inputs), _boot_loader(system), _encrypted(tree)]
    checks += _expected(system)
    checks += [_space(tree, volume.mount_point) for volume in inputs.layout.volumes]
    needs = {"processor": system.family.processor} if system.family.processor else {}
    return StepResult(checks=tuple(checks), facts=system.as_texts(), needs=needs)


def _system(tree: Tree, system: SystemFacts) -> AdaptationCheck:
    """Any Linux with kernels and modules is tried; what is none is refused."""
    if not tree.names("/lib/modules"):
        found = system.name or system.identifier or "no system with a release file"
        supported = ", ".join(family.name for family in FAMILIES)
        return failed(UNSUPPORTED_OS, found=found, supported=supported)
    return passed(UNSUPPORTED_OS)


def _expected(system: SystemFacts) -> list[AdaptationCheck]:
    """Warnings: a system without a row, or one that differs from its row, is adapted by what was found."""
    if system.family is GENERIC:
        return [failed(FAMILY_UNKNOWN, "W", found=system.name or system.identifier or "no release file")]
    unexpected = []
    if system.boot_menu and system.boot_menu not in system.family.boot_menus:
        unexpected.append(f"the boot menu {system.boot_menu} instead of {' or '.join(system.family.boot_menus)}")
    if system.initramfs_tool not in system.family.builders:
        found = system.initramfs_tool or "no builder"
        unexpected.append(f"{found} instead of {' or '.join(system.family.builders)}")
    if unexpected:
        return [failed(LAYOUT_UNEXPECTED, "W", family=system.family.name, found=", ".join(unexpected))]
    return [passed(LAYOUT_UNEXPECTED, "W")]


def _architecture(inputs: Inputs) -> AdaptationCheck:
    if inputs.inventory.architecture not in _ARCHITECTURES:
        return failed(ARCHITECTURE_MISMATCH, source=inputs.inventory.architecture, target="x86_64")
    return passed(ARCHITECTURE_MISMATCH)


def _firmware(inputs: Inputs) -> AdaptationCheck:
    if inputs.layout.firmware != inputs.facts.firmware:
        return failed(FIRMWARE_MISMATCH, source=inputs.layout.firmware, target=inputs.facts.firmware)
    return passed(FIRMWARE_MISMATCH)


def _boot_loader(system: SystemFacts) -> AdaptationCheck:
    if not system.boot_menu:
        return failed(BOOTLOADER_UNKNOWN, found="neither a grub.cfg, grub.conf or menu.lst nor grub-mkconfig is there")
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


def image_room_bytes(tree: Tree) -> int:
    """What a new initial RAM disk takes beside the old one: half as much again as the largest that is there."""
    sizes = []
    for name in tree.names("/boot"):
        status = tree.status(f"/boot/{name}") if name.startswith(("initrd", "initramfs")) else None
        sizes.append(status.st_size if status is not None else 0)
    return max(sizes, default=0) * 3 // 2


def _space(tree: Tree, mount_point: str) -> AdaptationCheck:
    descriptor = tree.open(mount_point, os.O_RDONLY | os.O_DIRECTORY)
    try:
        status = os.fstatvfs(descriptor)
    finally:
        os.close(descriptor)
    needed = needed_bytes(mount_point)
    if mount_point == "/boot":
        room = image_room_bytes(tree)
        needed = room + _NEEDED_ELSEWHERE_BYTES if room else needed
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


def plan_kernel(tree: Tree, kernels: list[Kernel], inputs: Inputs) -> tuple[Kernel | None, StepResult]:
    """S10: the kernel that the target starts."""
    drivers = inputs.references.root_drivers
    bus = inputs.facts.disk_bus
    kernel = chosen_kernel(kernels, running=inputs.inventory.kernel_release, bus=bus, root_drivers=drivers)
    if kernel is not None:
        facts = {"kernel": kernel.release, "kernels": ", ".join(each.release for each in kernels)}
        return kernel, StepResult(facts=facts, checks=(passed(KERNEL_NO_VIRTIO),), needs=_needs(kernel, bus))
    xen = [name.removeprefix(PREFIX) for name in tree.names("/boot") if name.startswith(PREFIX)]
    xen = [release for release in xen if is_for_xen_only(tree, release)]
    if not kernels and xen:
        return None, StepResult(checks=(failed(KERNEL_XEN_ONLY, releases=", ".join(xen)),))
    if not kernels:
        check = failed(KERNEL_MISSING, path="/boot/vmlinuz-*", reason="no kernel with modules is installed")
        return None, StepResult(checks=(check,))
    releases = ", ".join(each.release for each in kernels)
    check = failed(KERNEL_NO_VIRTIO, releases=releases, driver=" or ".join((bus, *drivers)), bus=bus)
    return None, StepResult(checks=(check,))


def _needs(kernel: Kernel, bus: str) -> dict[str, str]:
    is_old = version_key(kernel.release) < version_key(_MODERN_VIRTIO) and ".el7" not in kernel.release
    return {"disk_bus": bus} | ({"virtio": "transitional"} if is_old else {})
