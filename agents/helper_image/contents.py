"""What is in the helper VM (design: os_adaptation.md, "Helper image")."""

from __future__ import annotations

from typing import Final

SUITE: Final = "bookworm"
MIRROR: Final = "http://deb.debian.org/debian"
KERNEL: Final = "linux-image-amd64"
PACKAGES: Final = (
    "attr",
    "btrfs-progs",
    "busybox-static",
    "cpio",
    "dmsetup",
    "dosfstools",
    "e2fsprogs",
    "fdisk",
    "gdisk",
    "grub-efi-amd64-bin",
    "grub-pc-bin",
    "grub2-common",
    "iproute2",
    "kmod",
    "lvm2",
    "mdadm",
    "mtools",
    "ntfs-3g",
    "policycoreutils",
    "util-linux",
    "xfsprogs",
    "xz-utils",
    "zstd",
)
# Needed to install packages or to start a system of Debian's own; the image is only unpacked, and has an init of ours.
LEFT_OUT: Final = frozenset(
    (
        *("adduser", "apt", "apt-utils", "base-passwd", "debconf", "debian-archive-keyring", "dpkg", "gpgv"),
        *("init-system-helpers", "initramfs-tools", "initramfs-tools-core", "klibc-utils", "linux-base", "passwd"),
        *("libapt-pkg6.0", "linux-image-amd64", "python3", "python3-minimal", "systemd", "tzdata", "udev"),
        *("libpython3-stdlib", "libpython3.11-minimal", "libpython3.11-stdlib", "python3.11", "python3.11-minimal"),
        # Of the programs that are used here none needs them: they are those of xfs_scrub, and of maintainer scripts.
        *("libicu72", "perl-base"),
    )
)
REMOVED: Final = (
    *("boot", "usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/bash-completion"),
    *("usr/share/lintian", "usr/share/bug", "usr/share/common-licenses", "etc/cron.d", "etc/init.d", "etc/rc.d"),
    *("lib/systemd", "usr/lib/systemd", "lib/udev", "usr/lib/udev", "etc/mdadm", "var/cache", "var/log"),
)
# By the names of modprobe; what they depend on comes along.
START_MODULES: Final = ("virtio_pci", "virtio_blk", "squashfs", "overlay")
MODULES: Final = (
    *("virtio_net", "virtio_blk", "virtio_scsi", "virtio_console", "nvme", "ahci", "ata_piix", "sd_mod", "loop"),
    *("ext4", "xfs", "btrfs", "vfat", "msdos", "nls_cp437", "nls_ascii", "nls_utf8", "nls_iso8859-1", "isofs", "ntfs3"),
    *("dm_mod", "dm_mirror", "dm_snapshot", "dm_thin_pool", "dm_raid", "linear", "raid0", "raid1", "raid10", "raid456"),
    *("fuse", "crc32c_generic", "crc32c_intel", "xts", "efivarfs"),
)
