"""The Debian releases and boot chains that are migrated and booted for real, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demo.debian_tree import debian_tree_tarball

_ALL: Final = ("dbus", "ifupdown", "iproute2", "linux-image-cloud-amd64", "systemd-sysv", "udev", "xfsprogs", "zstd")
# Debian gave up ISC's client after bookworm.
_CLIENTS: Final = {"bullseye": "isc-dhcp-client", "bookworm": "isc-dhcp-client"}


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A release, what builds its initial RAM disk, and what starts it."""

    suite: str
    builder: str = "initramfs-tools"
    loader: str = "grub-pc"

    @property
    def name(self) -> str:
        """For the table of the results."""
        return f"{self.suite}-{self.builder}-{self.loader}"

    def tarball(self) -> Path:
        """Of the system, made once."""
        usual = "dracut" if self.suite == "sid" else "initramfs-tools"
        packages = [*_ALL, _CLIENTS.get(self.suite, "dhcpcd-base"), usual]
        # debootstrap takes the first of the builders that a kernel allows, so another one replaces it; and old GRUB
        # stops the installation of a kernel before it has a menu.
        later = [] if self.builder == usual else [self.builder]
        (later if self.loader == "grub-legacy" else packages).append(self.loader)
        return debian_tree_tarball(self.suite, packages, later=later)


CHAINS: Final = (
    Chain(suite="bullseye"),
    Chain(suite="bookworm"),
    Chain(suite="trixie"),
    Chain(suite="sid"),
    Chain(suite="bullseye", builder="dracut"),
    Chain(suite="bookworm", builder="dracut"),
    Chain(suite="trixie", builder="dracut"),
    Chain(suite="sid", builder="dracut"),
    Chain(suite="bookworm", loader="grub-legacy"),
)
