"""The families of Linux systems: what each one is expected to boot with. What is there decides; this only tells.

A row names mechanisms; the modules of steps/ carry them out. A system of no row is adapted by its mechanisms alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# Mechanisms by name. Boot menus: grub2 (a generated grub.cfg), bls (entries in files), grub_legacy.
# Builders of the initial RAM disk: initramfs-tools, dracut, mkinitrd.
# Network: interfaces, netplan, networkd, keyfile, ifcfg (Red Hat's), wicked (SUSE's ifcfg), rules (udev's names).


@dataclass(frozen=True, kw_only=True)
class Family:
    """systems: IDs as in os-release. first, last: major versions, both included; a last of 0 leaves it open.

    has_old_libc: its programs call the kernel by vsyscall, which a helper may not have.
    processor: the oldest x86-64 level that its programs run on.
    """

    name: str
    systems: tuple[str, ...]
    first: int = 0
    last: int = 0
    boot_menus: tuple[str, ...]
    builders: tuple[str, ...]
    networks: tuple[str, ...]
    has_old_libc: bool = False
    processor: str = ""

    def holds(self, identifier: str, major: int) -> bool:
        """Whether a system is of this family. major 0: of a release that has no number."""
        is_named = identifier in self.systems
        return is_named and (major == 0 or self.first <= major) and (not self.last or 0 < major <= self.last)


_RED_HAT: Final = (
    *("rhel", "centos", "ol", "oracle", "almalinux", "rocky", "scientific", "redhat"),
    *("cloudlinux", "virtuozzo"),
)
# Alibaba Cloud Linux and TencentOS: Red Hat's systems under numbers of their own.
_CLOUD: Final = ("alinux", "alios", "tencentos", "tlinux")
_SUSE: Final = ("sles", "sled", "sle_hpc", "sles_sap", "suse", "opensuse", "opensuse-leap")

FAMILIES: Final = (
    Family(
        name="el6",
        systems=_RED_HAT,
        first=6,
        last=6,
        boot_menus=("grub_legacy",),
        builders=("dracut",),
        networks=("ifcfg", "rules"),
        has_old_libc=True,
    ),
    Family(
        name="el7",
        systems=_RED_HAT,
        first=7,
        last=7,
        boot_menus=("grub2",),
        builders=("dracut",),
        networks=("ifcfg", "keyfile"),
    ),
    Family(
        name="el8",
        systems=(*_RED_HAT, "anolis"),
        first=8,
        last=8,
        boot_menus=("bls", "grub2"),
        builders=("dracut",),
        networks=("ifcfg", "keyfile"),
    ),
    Family(
        name="el9",
        systems=_RED_HAT,
        first=9,
        boot_menus=("bls",),
        builders=("dracut",),
        networks=("keyfile", "ifcfg"),
        processor="x86-64-v2",
    ),
    Family(
        name="cloud-el7",
        systems=_CLOUD,
        first=2,
        last=2,
        boot_menus=("grub2",),
        builders=("dracut",),
        networks=("ifcfg", "keyfile"),
    ),
    Family(
        name="cloud-el8",
        systems=_CLOUD,
        first=3,
        last=3,
        boot_menus=("bls", "grub2"),
        builders=("dracut",),
        networks=("ifcfg", "keyfile"),
    ),
    Family(
        name="fedora",
        systems=("fedora",),
        boot_menus=("bls", "grub2"),
        builders=("dracut",),
        networks=("keyfile", "ifcfg", "networkd"),
    ),
    Family(
        name="debian-sysvinit",
        systems=("debian", "raspbian", "devuan"),
        first=6,
        last=7,
        boot_menus=("grub2", "grub_legacy"),
        builders=("initramfs-tools", "dracut"),
        networks=("interfaces", "keyfile", "rules"),
        has_old_libc=True,
    ),
    Family(
        name="debian",
        systems=("debian", "raspbian", "devuan", "kali"),
        boot_menus=("grub2", "grub_legacy"),
        builders=("initramfs-tools", "dracut"),
        networks=("interfaces", "netplan", "networkd", "keyfile", "rules"),
    ),
    Family(
        name="ubuntu",
        systems=("ubuntu", "linuxmint", "pop"),
        boot_menus=("grub2", "grub_legacy"),
        builders=("initramfs-tools", "dracut"),
        networks=("netplan", "interfaces", "networkd", "keyfile", "rules"),
    ),
    Family(
        name="sles11",
        systems=_SUSE,
        first=11,
        last=11,
        boot_menus=("grub_legacy",),
        builders=("mkinitrd",),
        networks=("wicked", "rules"),
        has_old_libc=True,
    ),
    Family(
        name="sles",
        systems=(*_SUSE, "opensuse-tumbleweed"),
        boot_menus=("grub2", "bls"),
        builders=("dracut",),
        networks=("wicked", "keyfile"),
    ),
    Family(
        name="euleros",
        systems=("euleros",),
        boot_menus=("grub2", "bls"),
        builders=("dracut",),
        networks=("ifcfg", "keyfile"),
    ),
    Family(
        name="openeuler",
        systems=("openeuler",),
        boot_menus=("grub2", "bls"),
        builders=("dracut",),
        networks=("ifcfg", "keyfile"),
    ),
    Family(
        name="amazon1",
        systems=("amzn",),
        first=2012,
        last=2018,
        boot_menus=("grub_legacy",),
        builders=("dracut",),
        networks=("ifcfg", "rules"),
    ),
    Family(
        name="amazon",
        systems=("amzn",),
        boot_menus=("grub2", "bls"),
        builders=("dracut",),
        networks=("ifcfg", "networkd"),
    ),
)
GENERIC: Final = Family(
    name="generic",
    systems=(),
    boot_menus=("grub2", "bls", "grub_legacy"),
    builders=("initramfs-tools", "dracut", "mkinitrd", ""),
    networks=("interfaces", "netplan", "networkd", "keyfile", "ifcfg", "wicked", "rules"),
)
# Systems of other names that are built from one of these, as their PLATFORM_ID or ID_LIKE says.
_PLATFORM: Final = re.compile(r"platform:(?:el|al)(\d+)")


def family_of(identifier: str, version: str, *, likes: tuple[str, ...] = (), platform: str = "") -> Family:
    """The row of a system by the ID, VERSION_ID, ID_LIKE and PLATFORM_ID of its os-release; GENERIC for none."""
    major = _major(version)
    found = next((family for family in FAMILIES if family.holds(identifier, major)), None)
    if found is not None:
        return found
    derived = _PLATFORM.fullmatch(platform)
    if derived is not None:
        return family_of("rhel", derived.group(1))
    # What is like several names the nearest first; its version is its own, so it has no say.
    like = next((family for each in likes for family in reversed(FAMILIES) if each in family.systems), None)
    return like or GENERIC


def _major(version: str) -> int:
    match = re.match(r"\d+", version)
    return int(match.group()) if match else 0
