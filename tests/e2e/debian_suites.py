"""The Debian systems that are moved and started for real, as a table: each row joins several things that may differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from contracts.inventory import FileSystem, SourceInventory
from demo.debian_tree import debian_tree_tarball
from tests.e2e.adaptation_source import (
    ROOT_UUID,
    gpt_inventory,
    inventory,
    uefi_inventory,
    with_boot_partition,
    with_root,
)

_ALL: Final = ("dbus", "ifupdown", "iproute2", "linux-image-cloud-amd64", "systemd-sysv", "udev", "xfsprogs", "zstd")
# Debian gave up ISC's client after bookworm.
_CLIENTS: Final = {"bullseye": "isc-dhcp-client", "bookworm": "isc-dhcp-client"}
_LOADERS: Final = {
    "GRUB 2": ("grub-pc",),
    "GRUB legacy": ("grub-legacy",),
    "shim, GRUB 2": ("grub-efi-amd64-signed", "grub-pc", "shim-signed"),
}
_INVENTORIES: Final = {"BIOS, MBR": inventory, "BIOS, GPT": gpt_inventory, "UEFI, GPT": uefi_inventory}
# What mke2fs of the time made: of RHEL 6 and Debian 7, of Debian 11 and 12, and of those after it.
_OLD: Final = (
    *("has_journal", "ext_attr", "resize_inode", "dir_index", "filetype", "extent", "flex_bg", "sparse_super"),
    *("large_file", "huge_file", "uninit_bg", "dir_nlink", "extra_isize"),
)
_USUAL: Final = (*(each for each in _OLD if each != "uninit_bg"), "64bit", "metadata_csum")
_NEW: Final = (*_USUAL, "metadata_csum_seed", "orphan_file")


@dataclass(frozen=True, kw_only=True)
class DebianSystem:
    """root: the root file system's kind; "old ext4" is one without 64-bit block numbers. drivers: those in the
    source's initial RAM disk, "dep" for its own machine's only. is_migrated: by the whole product, from its disks
    mounted elsewhere; the others are adapted and started where their disks were made."""

    suite: Literal["bullseye", "bookworm", "trixie", "sid"]
    starts_by: Literal["BIOS, MBR", "BIOS, GPT", "UEFI, GPT"] = "BIOS, MBR"
    loader: Literal["GRUB 2", "GRUB legacy", "shim, GRUB 2"] = "GRUB 2"
    root: Literal["ext4", "old ext4", "xfs", "btrfs"] = "ext4"
    has_boot_partition: bool = False
    builder: Literal["initramfs-tools", "dracut"] = "initramfs-tools"
    drivers: Literal["most", "dep"] = "most"
    is_migrated: bool = False

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """For the table of the results."""
        disks = f"{self.root}, ext2 /boot" if self.has_boot_partition else self.root
        image = f"{self.builder}, {self.drivers}" if self.builder == "initramfs-tools" else self.builder
        way = "the product" if self.is_migrated else "adaptation"
        way += ", helper vm" if self.needs_helper_vm else ""
        return self.suite, f"{self.starts_by}, {self.loader}", disks, image, way

    @property
    def needs_helper_vm(self) -> bool:
        """A kernel that has a Btrfs attached takes no other one with its UUID, and here the source's is."""
        return self.is_migrated and self.root == "btrfs"

    @property
    def name(self) -> str:
        """For the names of the tests."""
        return "-".join(self.cells[:4]).replace(", ", "-").replace(" ", "-").replace("/", "")

    def inventory(self) -> SourceInventory:
        """Of a server with this system."""
        ext4 = _OLD if self.root == "old ext4" else _NEW if self.suite in {"trixie", "sid"} else _USUAL
        kind = self.root.removeprefix("old ")
        features = ext4 if kind == "ext4" else ()
        root = FileSystem(kind=kind, uuid=ROOT_UUID, label="root", features=features)
        source = with_root(_INVENTORIES[self.starts_by](), root)
        return with_boot_partition(source) if self.has_boot_partition else source

    def tarball(self) -> Path:
        """Of the system, made once."""
        usual = "dracut" if self.suite == "sid" else "initramfs-tools"
        packages = [*_ALL, _CLIENTS.get(self.suite, "dhcpcd-base"), usual]
        packages += ["btrfs-progs"] if self.root == "btrfs" else []
        # debootstrap takes the first of the builders that a kernel allows, so another one replaces it; and old GRUB
        # stops the installation of a kernel before it has a menu.
        later: list[str] = [] if self.builder == usual else [self.builder]
        (later if self.loader == "GRUB legacy" else packages).extend(_LOADERS[self.loader])
        return debian_tree_tarball(self.suite, packages, later=later)


SYSTEMS: Final = (
    DebianSystem(suite="bullseye", root="old ext4", is_migrated=True),
    DebianSystem(suite="bookworm", root="xfs", has_boot_partition=True, is_migrated=True),
    DebianSystem(suite="bookworm", starts_by="UEFI, GPT", loader="shim, GRUB 2"),
    DebianSystem(suite="bookworm", loader="GRUB legacy", root="old ext4"),
    DebianSystem(suite="trixie", starts_by="BIOS, GPT", root="btrfs", is_migrated=True),
    DebianSystem(suite="trixie", drivers="dep", is_migrated=True),
    DebianSystem(suite="sid", is_migrated=True),
    DebianSystem(suite="bullseye", builder="dracut"),
    DebianSystem(suite="bookworm", builder="dracut", root="xfs", has_boot_partition=True),
    DebianSystem(suite="trixie", builder="dracut", starts_by="BIOS, GPT"),
    DebianSystem(suite="sid", builder="dracut"),
)
