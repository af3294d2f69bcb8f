"""Debian's own GRUB on a disk image: its configuration from update-grub, its boot code written to the gap."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from pathlib import Path

from demo.loop_device import mounted
from demo.source_system import in_tree

_SECTOR_BYTES = 512
_BOOT_CODE_BYTES = 440


def install_grub(root: Path, root_device: Path, root_uuid: str, *, disk_image: Path) -> None:
    """Make disk_image boot the mounted tree from its first MBR partition, as grub-install would do on a machine.

    grub-install itself refuses: to it, a partition on a loop device of its own belongs to no disk.
    """
    with ExitStack() as stack:
        stack.enter_context(mounted("demo-dev", root / "dev", "-t", "tmpfs"))
        stack.enter_context(mounted("demo-proc", root / "proc", "-t", "proc"))
        _device_nodes(root / "dev", root_device, root_uuid)
        modules = root / "boot/grub/i386-pc"
        modules.mkdir(parents=True, exist_ok=True)
        for pattern in ("*.mod", "*.lst", "boot.img"):
            for path in (root / "usr/lib/grub/i386-pc").glob(pattern):
                shutil.copyfile(path, modules / path.name)
        needed = ("biosdisk", "part_msdos", "ext2")
        core = "/boot/grub/i386-pc/core.img"
        in_tree(root, "grub-mkimage", "-O", "i386-pc", "-p", "(,msdos1)/boot/grub", "-o", core, *needed)
        in_tree(root, "update-grub")
        if f"root=UUID={root_uuid}" not in (root / "boot/grub/grub.cfg").read_text():
            raise RuntimeError("update-grub has written no entry that boots this root file system")
        _write_boot_code(disk_image, (modules / "boot.img").read_bytes(), (modules / "core.img").read_bytes())


def _device_nodes(folder: Path, root_device: Path, root_uuid: str) -> None:
    for name, minor in (("null", 3), ("zero", 5), ("urandom", 9)):
        os.mknod(folder / name, 0o020666, os.makedev(1, minor))
    # GRUB finds the device by its name in the mount table. It leaves out a root that is on one called loop, and
    # looks for the disk around one that is called as a partition.
    os.mknod(folder / "system", 0o060660, root_device.stat().st_rdev)
    (folder / root_device.name).symlink_to("system")
    (folder / "disk/by-uuid").mkdir(parents=True)
    (folder / "disk/by-uuid" / root_uuid).symlink_to("../../system")


def _write_boot_code(disk_image: Path, boot: bytes, core: bytes) -> None:
    with disk_image.open("r+b") as disk:
        disk.write(boot[:_BOOT_CODE_BYTES])
        disk.seek(_SECTOR_BYTES)
        disk.write(core)
