"""What kind of system the tree holds. Files decide, never the name alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from agents.target.adaptation.families import GENERIC, Family, family_of
from agents.target.adaptation.formats.assignments import assignments
from agents.target.adaptation.tree import Tree

_MKCONFIG: Final = tuple(
    f"{folder}/{name}" for name in ("grub2-mkconfig", "grub-mkconfig") for folder in ("/usr/sbin", "/sbin", "/usr/bin")
)
_DRACUT: Final = ("/usr/bin/dracut", "/usr/sbin/dracut", "/sbin/dracut")
_MKINITRAMFS: Final = "/usr/sbin/mkinitramfs"
_UPDATE: Final = "/usr/sbin/update-initramfs"
_MKINITRD: Final = ("/sbin/mkinitrd", "/usr/sbin/mkinitrd")
_LEGACY_MENUS: Final = ("/boot/grub/grub.conf", "/boot/grub/menu.lst")
ENTRIES_FOLDER: Final = "/boot/loader/entries"
_SYSTEMD: Final = ("/lib/systemd/systemd", "/usr/lib/systemd/systemd")
# Systems without os-release: the first of these files tells. Derivatives carry redhat-release too, so it is late.
_RELEASES: Final = {
    "/etc/oracle-release": "ol",
    "/etc/centos-release": "centos",
    "/etc/rocky-release": "rocky",
    "/etc/almalinux-release": "almalinux",
    "/etc/euleros-release": "euleros",
    "/etc/openEuler-release": "openeuler",
    "/etc/fedora-release": "fedora",
    "/etc/redhat-release": "rhel",
    "/etc/system-release": "amzn",
}
_VERSION: Final = re.compile(r"\d[\w.]*")


@dataclass(frozen=True, kw_only=True)
class SystemFacts:
    """identifier and version as in os-release. boot_menu: grub2, bls, grub_legacy, or "" for none that is known.

    grub_folder: /boot/grub or /boot/grub2. menu_path: the file that GRUB reads. initramfs_tool: initramfs-tools,
    dracut, mkinitrd or ""; builder: its program.
    """

    identifier: str = ""
    name: str = ""
    version: str = ""
    family: Family = GENERIC
    boot_menu: str = ""
    grub_folder: str = "/boot/grub"
    menu_path: str = ""
    mkconfig: str = ""
    initramfs_tool: str = ""
    builder: str = ""
    has_systemd: bool = False
    has_dpkg: bool = False

    def as_texts(self) -> dict[str, str]:
        """For the report."""
        return {
            "system": self.name or self.identifier,
            "version": self.version,
            "family": self.family.name,
            "boot_loader": self.boot_menu,
            "initramfs_tool": self.initramfs_tool,
        }


@dataclass(frozen=True, kw_only=True)
class _Release:
    identifier: str
    name: str
    version: str
    likes: tuple[str, ...] = ()
    platform: str = ""


def detect_system(tree: Tree, *, is_uefi: bool = False) -> SystemFacts:
    """Read the release files and see which boot loader and which builders are there.

    is_uefi: the firmware reads the menu on the EFI system partition, where some systems have a whole one.
    """
    release = _os_release(tree) or _release_file(tree) or _suse_release(tree) or _debian_version(tree)
    mkconfig = _first_program(tree, _MKCONFIG)
    folder = "/boot/grub2" if tree.is_directory("/boot/grub2") and not tree.is_file("/boot/grub/grub.cfg") else ""
    folder = folder or "/boot/grub"
    boot_menu, menu_path = _boot_menu(tree, folder, mkconfig, is_uefi=is_uefi)
    tool, builder = _builder(tree)
    return SystemFacts(
        identifier=release.identifier if release else "",
        name=release.name if release else "",
        version=release.version if release else "",
        family=family_of(release.identifier, release.version, likes=release.likes, platform=release.platform)
        if release
        else GENERIC,
        boot_menu=boot_menu,
        grub_folder=folder,
        menu_path=menu_path,
        mkconfig=mkconfig,
        initramfs_tool=tool,
        builder=builder,
        has_systemd=_first_program(tree, _SYSTEMD) != "",
        has_dpkg=tree.is_directory("/var/lib/dpkg"),
    )


def _first_program(tree: Tree, paths: tuple[str, ...]) -> str:
    return next((path for path in paths if tree.is_program(path)), "")


def _boot_menu(tree: Tree, folder: str, mkconfig: str, *, is_uefi: bool) -> tuple[str, str]:
    """(kind, path). Both GRUBs share /boot/grub; an upgraded system keeps the old menu.lst beside grub.cfg."""
    path = f"{folder}/grub.cfg"
    config = (_whole_menu_on_esp(tree) if is_uefi else "") or (path if tree.is_file(path) else "")
    if config:
        is_bls = "blscfg" in _menu_text(tree, config) and any(
            name.endswith(".conf") for name in tree.names(ENTRIES_FOLDER)
        )
        return "bls" if is_bls else "grub2", config
    legacy = next((each for each in _LEGACY_MENUS if tree.is_file(each)), "")
    if legacy:
        return "grub_legacy", legacy
    return ("grub2", path) if mkconfig else ("", "")


def _whole_menu_on_esp(tree: Tree) -> str:
    """The grub.cfg of the EFI system partition, where some systems keep the whole menu."""
    folder = "/boot/efi/EFI"
    for vendor in tree.names(folder):
        path = f"{folder}/{vendor}/grub.cfg"
        text = _menu_text(tree, path)
        if "menuentry" in text or "blscfg" in text:
            return path
    return ""


def _menu_text(tree: Tree, path: str) -> str:
    return (tree.read(path, limit_bytes=4 << 20) or b"").decode("utf-8", "surrogateescape")


def _builder(tree: Tree) -> tuple[str, str]:
    dracut = _first_program(tree, _DRACUT)
    # Debian keeps mkinitramfs when dracut replaces it: what a kernel's update runs decides.
    is_replaced = dracut and "mkinitramfs" not in (tree.text(_UPDATE) or "")
    if tree.is_program(_MKINITRAMFS) and not is_replaced:
        return "initramfs-tools", _MKINITRAMFS
    if dracut:
        return "dracut", dracut
    mkinitrd = _first_program(tree, _MKINITRD)
    return ("mkinitrd", mkinitrd) if mkinitrd and tree.is_file("/etc/sysconfig/kernel") else ("", "")


def _os_release(tree: Tree) -> _Release | None:
    values = assignments(tree.text("/etc/os-release") or tree.text("/usr/lib/os-release") or "")
    identifier = values.get("ID", "").lower()
    if not identifier:
        return None
    # os-release of Debian and CentOS has no minor version.
    exact = tree.text("/etc/debian_version") if identifier == "debian" else None
    return _Release(
        identifier=identifier,
        name=values.get("PRETTY_NAME", ""),
        version=(exact or "").strip() or values.get("VERSION_ID", ""),
        likes=tuple(values.get("ID_LIKE", "").lower().split()),
        platform=values.get("PLATFORM_ID", ""),
    )


def _release_file(tree: Tree) -> _Release | None:
    for path, identifier in _RELEASES.items():
        text = (tree.text(path) or "").strip()
        if text:
            version = _VERSION.search(text)
            return _Release(identifier=identifier, name=text, version=version.group() if version else "")
    return None


def _suse_release(tree: Tree) -> _Release | None:
    text = tree.text("/etc/SuSE-release")
    if text is None:
        return None
    values = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in text.splitlines())}
    version = ".".join(each for each in (values.get("VERSION", ""), values.get("PATCHLEVEL", "")) if each)
    name = text.partition("\n")[0].strip()
    return _Release(identifier="opensuse" if "openSUSE" in name else "sles", name=name, version=version)


def _debian_version(tree: Tree) -> _Release | None:
    lsb = assignments(tree.text("/etc/lsb-release") or "")
    if lsb.get("DISTRIB_ID"):
        name = lsb.get("DISTRIB_DESCRIPTION", "")
        return _Release(identifier=lsb["DISTRIB_ID"].lower(), name=name, version=lsb.get("DISTRIB_RELEASE", ""))
    version = (tree.text("/etc/debian_version") or "").strip()
    return _Release(identifier="debian", name=f"Debian {version}", version=version) if version else None
