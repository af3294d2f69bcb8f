"""What kind of system the tree holds. Files decide, never the name alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agents.target.adaptation.formats.assignments import assignments
from agents.target.adaptation.tree import Tree

_MKCONFIG: Final = ("/usr/sbin/grub-mkconfig", "/sbin/grub-mkconfig")


@dataclass(frozen=True, kw_only=True)
class SystemFacts:
    """family: debian, or "" for one that is not known. identifier and version as in os-release.

    initramfs_tool: initramfs-tools, dracut or "". grub_config: its path, "" without GRUB 2.
    """

    identifier: str = ""
    name: str = ""
    version: str = ""
    family: str = ""
    grub_config: str = ""
    mkconfig: str = ""
    initramfs_tool: str = ""
    has_systemd: bool = False

    def as_texts(self) -> dict[str, str]:
        """For the report."""
        return {
            "system": self.name or self.identifier,
            "version": self.version,
            "family": self.family,
            "boot_loader": "grub2" if self.grub_config else "",
            "initramfs_tool": self.initramfs_tool,
        }


def detect_system(tree: Tree) -> SystemFacts:
    """Read the release files and see which builders are there."""
    release = assignments(tree.text("/etc/os-release") or tree.text("/usr/lib/os-release") or "")
    identifier = release.get("ID", "")
    likes = {identifier, *release.get("ID_LIKE", "").split()}
    debian_version = tree.text("/etc/debian_version")
    is_debian = debian_version is not None and (not release or bool(likes & {"debian", "ubuntu"}))
    mkconfig = next((path for path in _MKCONFIG if tree.is_program(path)), "")
    has_grub = bool(mkconfig) or tree.is_file("/boot/grub/grub.cfg")
    initramfs_tool = "initramfs-tools" if tree.is_program("/usr/sbin/mkinitramfs") else ""
    if not initramfs_tool and tree.is_program("/usr/bin/dracut"):
        initramfs_tool = "dracut"
    return SystemFacts(
        identifier=identifier or ("debian" if is_debian else ""),
        name=release.get("PRETTY_NAME", ""),
        version=(debian_version or release.get("VERSION_ID", "")).strip(),
        family="debian" if is_debian else "",
        grub_config="/boot/grub/grub.cfg" if has_grub else "",
        mkconfig=mkconfig,
        initramfs_tool=initramfs_tool,
        has_systemd=tree.is_program("/lib/systemd/systemd"),
    )
