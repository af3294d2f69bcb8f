"""The kernels of a system: which there are, and which drivers each one has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agents.target.adaptation.tree import Tree

PREFIX: Final = "vmlinuz-"
_INDEX_LIMIT_BYTES: Final = 64 << 20
_NO_KERNEL: Final = re.compile(r"(\.dpkg-.*|\.rpm(save|new|orig)|\.old|\.bak|kdump.*|rescue.*)$")
# Kernels for paravirtual Xen guests only; they start on no other machine.
_XEN_ONLY: Final = re.compile(r"(-xen|\.?xen[0U]?|-ec2)$")
_INITRDS: Final = ("/boot/initrd.img-{0}", "/boot/initramfs-{0}.img", "/boot/initrd-{0}", "/boot/initrd-{0}.img")
# What a kernel's configuration says of drivers that are built in; kernels before 2.6.33 have no modules.builtin.
_OPTIONS: Final = {
    "VIRTIO": "virtio",
    "VIRTIO_RING": "virtio_ring",
    "VIRTIO_PCI": "virtio_pci",
    "VIRTIO_BLK": "virtio_blk",
    "SCSI_VIRTIO": "virtio_scsi",
    "VIRTIO_NET": "virtio_net",
    "BLK_DEV_SD": "sd_mod",
    "BLK_DEV_NVME": "nvme",
    "SATA_AHCI": "ahci",
    "ATA_PIIX": "ata_piix",
    "EXT2_FS": "ext2",
    "EXT3_FS": "ext3",
    "EXT4_FS": "ext4",
    "XFS_FS": "xfs",
    "BTRFS_FS": "btrfs",
    "BLK_DEV_DM": "dm_mod",
}
BUS_DRIVERS: Final = {
    "virtio": ("virtio_pci", "virtio_blk"),
    "scsi": ("virtio_pci", "virtio_scsi", "sd_mod"),
    "nvme": ("nvme",),
    "sata": ("ahci", "sd_mod"),
}
# What makes the system boot on any of the buses, whatever the target's is today.
FORCED_MODULES: Final = (
    *("virtio", "virtio_ring", "virtio_pci", "virtio_pci_modern_dev", "virtio_pci_legacy_dev"),
    *("virtio_blk", "virtio_scsi", "virtio_net", "net_failover", "sd_mod", "nvme", "ahci", "ata_piix"),
)


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """modules: path below /lib/modules/<release>, by module name. built_in: names of modules inside the image.

    dependencies: names of the modules that a module needs, by its name. initrd_path: where the initial RAM disk is,
    or belongs.
    """

    release: str
    modules: dict[str, str]
    built_in: frozenset[str]
    dependencies: dict[str, tuple[str, ...]]
    initrd_path: str

    @property
    def image_path(self) -> str:
        """As the system sees it."""
        return f"/boot/{PREFIX}{self.release}"

    def has(self, module: str) -> bool:
        """Whether the kernel has the driver, as a module or built in."""
        return module in self.modules or module in self.built_in

    def with_dependencies(self, names: tuple[str, ...]) -> set[str]:
        """The modules (not built in) that loading these takes."""
        needed = {name for name in names if name in self.modules}
        for name in tuple(needed):
            needed |= {each for each in self.dependencies.get(name, ()) if each in self.modules}
        return needed


def module_name(path: str) -> str:
    """``kernel/fs/ext4/ext4.ko.xz`` is ext4; dashes are written as underscores."""
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def installed_kernels(tree: Tree) -> list[Kernel]:
    """Kernels with an image in /boot and modules, newest first, in the order of GRUB's menu."""
    releases = [name.removeprefix(PREFIX) for name in tree.names("/boot") if name.startswith(PREFIX)]
    usable = [
        release
        for release in releases
        if not _NO_KERNEL.search(release) and tree.is_directory(f"/lib/modules/{release}")
    ]
    usable = [release for release in usable if not is_for_xen_only(tree, release)]
    return [read_kernel(tree, release) for release in sorted(usable, key=version_key, reverse=True)]


def is_for_xen_only(tree: Tree, release: str) -> bool:
    """Whether a kernel starts in paravirtual Xen guests alone, as its name says; its configuration may know better."""
    if not _XEN_ONLY.search(release):
        return False
    config = tree.text(f"/boot/config-{release}") or ""
    return "CONFIG_PARAVIRT_XEN=y" not in config and "CONFIG_KVM_GUEST=y" not in config


def version_key(release: str) -> list[tuple[int, int, str]]:
    """Sorts releases as people count: 5.10.0-9 before 5.10.0-28."""
    parts = re.findall(r"\d+|[^\d]+", release)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def read_kernel(tree: Tree, release: str) -> Kernel:
    """The drivers of one kernel; a missing index leaves them empty."""
    folder = f"/lib/modules/{release}"
    modules, dependencies = {}, {}
    for line in _lines(tree, f"{folder}/modules.dep"):
        path, separator, needed = line.partition(":")
        if separator:
            modules[module_name(path)] = path
            dependencies[module_name(path)] = tuple(module_name(each) for each in needed.split())
    built_in = {module_name(line) for line in _lines(tree, f"{folder}/modules.builtin")}
    configured = set(_lines(tree, f"/boot/config-{release}"))
    built_in |= {module for option, module in _OPTIONS.items() if f"CONFIG_{option}=y" in configured}
    return Kernel(
        release=release,
        modules=modules,
        built_in=frozenset(built_in - modules.keys()),
        dependencies=dependencies,
        initrd_path=_initrd_path(tree, release),
    )


def _initrd_path(tree: Tree, release: str) -> str:
    """The image that is there, else the name that the system's builder gives it."""
    paths = [pattern.format(release) for pattern in _INITRDS]
    found = next((path for path in paths if tree.is_file(path)), "")
    if found:
        return found
    if tree.is_directory("/var/lib/dpkg"):
        return paths[0]
    return paths[2] if tree.is_file("/etc/sysconfig/bootloader") else paths[1]


def _lines(tree: Tree, path: str) -> list[str]:
    content = tree.read(path, limit_bytes=_INDEX_LIMIT_BYTES) or b""
    return content.decode(errors="replace").splitlines()


def needed_modules(kernel: Kernel, bus: str, root_drivers: Sequence[str]) -> tuple[str, ...]:
    """What the kernel needs before it can mount the root file system. root_drivers: what that takes besides the disk's
    own drivers, as `TargetVolume.drivers`."""
    return (*BUS_DRIVERS[bus], *(_driver(kernel, name) for name in root_drivers))


def _driver(kernel: Kernel, name: str) -> str:
    return "ext4" if name in {"ext2", "ext3"} and not kernel.has(name) else name


def forced_modules(kernel: Kernel, root_drivers: Sequence[str]) -> tuple[str, ...]:
    """The kernel's modules that its initial RAM disk shall hold, whatever the target's bus is today."""
    wanted = (*FORCED_MODULES, *(_driver(kernel, name) for name in root_drivers))
    return tuple(name for name in wanted if name in kernel.modules)


def can_start(kernel: Kernel, bus: str, root_drivers: Sequence[str]) -> bool:
    """Whether the kernel has a driver for the target's disks and for the root file system."""
    return all(kernel.has(name) for name in needed_modules(kernel, bus, root_drivers))


def chosen_kernel(kernels: list[Kernel], *, running: str, bus: str, root_drivers: Sequence[str]) -> Kernel | None:
    """The newest kernel, which the boot menu starts, if it can start here; else the running one, else another."""
    able = [kernel for kernel in kernels if can_start(kernel, bus, root_drivers)]
    if kernels and able and able[0] is kernels[0]:
        return able[0]
    return next((kernel for kernel in able if kernel.release == running), able[0] if able else None)
