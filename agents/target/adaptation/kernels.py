"""The kernels of a system: which there are, and which drivers each one has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from agents.target.adaptation.tree import Tree

_PREFIX: Final = "vmlinuz-"
_INDEX_LIMIT_BYTES: Final = 64 << 20
_NO_KERNEL: Final = re.compile(r"(\.dpkg-.*|\.rpm(save|new|orig)|\.old|\.bak|kdump.*|rescue.*)$")
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

    dependencies: names of the modules that a module needs, by its name.
    """

    release: str
    modules: dict[str, str]
    built_in: frozenset[str]
    dependencies: dict[str, tuple[str, ...]]

    @property
    def image_path(self) -> str:
        """As the system sees it."""
        return f"/boot/{_PREFIX}{self.release}"

    @property
    def initrd_path(self) -> str:
        """Debian's name for the kernel's initial RAM disk."""
        return f"/boot/initrd.img-{self.release}"

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
    releases = [name.removeprefix(_PREFIX) for name in tree.names("/boot") if name.startswith(_PREFIX)]
    usable = [
        release
        for release in releases
        if not _NO_KERNEL.search(release) and tree.is_directory(f"/lib/modules/{release}")
    ]
    return [read_kernel(tree, release) for release in sorted(usable, key=version_key, reverse=True)]


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
    built_in = frozenset(module_name(line) for line in _lines(tree, f"{folder}/modules.builtin"))
    return Kernel(release=release, modules=modules, built_in=built_in, dependencies=dependencies)


def _lines(tree: Tree, path: str) -> list[str]:
    content = tree.read(path, limit_bytes=_INDEX_LIMIT_BYTES) or b""
    return content.decode(errors="replace").splitlines()


def needed_modules(bus: str, root_kind: str) -> tuple[str, ...]:
    """What the kernel needs before it can mount the root file system."""
    kind = {"ext2": "ext4", "ext3": "ext4"}.get(root_kind, root_kind)
    return (*BUS_DRIVERS[bus], kind)


def can_start(kernel: Kernel, bus: str, root_kind: str) -> bool:
    """Whether the kernel has a driver for the target's disks and for the root file system."""
    names = needed_modules(bus, root_kind)
    if root_kind in {"ext2", "ext3"} and kernel.has(root_kind):
        names = (*names[:-1], root_kind)
    return all(kernel.has(name) for name in names)


def chosen_kernel(kernels: list[Kernel], *, running: str, bus: str, root_kind: str) -> Kernel | None:
    """The newest kernel, which the boot menu starts, if it can start here; else the running one, else another."""
    able = [kernel for kernel in kernels if can_start(kernel, bus, root_kind)]
    if kernels and able and able[0] is kernels[0]:
        return able[0]
    return next((kernel for kernel in able if kernel.release == running), able[0] if able else None)
