"""The small Debian 12 system that end-to-end tests copy, adapt and boot."""

from __future__ import annotations

from pathlib import Path

from demo.debian_tree import debian_tree_tarball

SUITE = "bookworm"
PACKAGES = (
    "dbus",
    "grub-efi-amd64-signed",
    "grub-pc",
    "ifupdown",
    "initramfs-tools",
    "iproute2",
    "isc-dhcp-client",
    "linux-image-cloud-amd64",
    "shim-signed",
    "systemd-sysv",
    "udev",
    "xfsprogs",
    "zstd",
)


def debian_tarball() -> Path:
    """The path of the tarball (zstd, numeric owners, extended attributes), made once in about a minute."""
    return debian_tree_tarball(SUITE, PACKAGES)


def prepare_login(root: Path, hostname: str) -> None:
    """Name an unpacked system, and let root in without a password: it is booted in tests only."""
    (root / "etc/hostname").write_text(f"{hostname}\n")
    shadow = root / "etc/shadow"
    lines = shadow.read_text().splitlines(keepends=True)
    shadow.write_text("".join(_without_password(line) for line in lines))


def _without_password(line: str) -> str:
    name, _, rest = line.split(":", 2)
    return f"root::{rest}" if name == "root" else line
