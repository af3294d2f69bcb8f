"""A small real Debian 12 server on two image files, mounted as `sms agent run --root` expects it."""

from __future__ import annotations

import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.debian_tree import unpack_tree
from tests.debian_tree import debian_tarball

MIB = 1 << 20
SYSTEM_BYTES = 1800 * MIB
DATA_BYTES = 640 * MIB
NETWORK = "auto lo\niface lo inet loopback\n\nauto ens3\niface ens3 inet dhcp\n"


@dataclass(frozen=True)
class MountedSource:
    """root: the mount point of the system's root file system, with /data mounted below it."""

    root: Path
    system_image: Path
    data_image: Path


@contextmanager
def mounted_source(folder: Path) -> Iterator[MountedSource]:
    """Made, mounted, and gone again at the end."""
    system, data, root = folder / "source-system.raw", folder / "source-data.raw", folder / "source"
    root.mkdir()
    # Random, as a kernel mounts only one XFS of a UUID at a time.
    root_uuid, swap_uuid, data_uuid = (str(uuid.uuid4()) for _ in range(3))
    with ExitStack() as cleanup:
        root_size = SYSTEM_BYTES - 257 * MIB
        _partition(system, SYSTEM_BYTES, f"label: dos\nlabel-id: 0x5d0b7c1e\n2048,{root_size // 512},83,*\n,,82\n")
        _partition(data, DATA_BYTES, "label: dos\nlabel-id: 0xc2b7a3d4\n2048,,83\n")
        system_device = _attach(cleanup, system, MIB, root_size)
        swap_device = _attach(cleanup, system, MIB + root_size, SYSTEM_BYTES - MIB - root_size)
        data_device = _attach(cleanup, data, MIB, DATA_BYTES - MIB)
        run("mkfs.ext4", "-q", "-U", root_uuid, "-L", "root", system_device)
        run("mkswap", "-q", "-U", swap_uuid, swap_device)
        run("mkfs.xfs", "-q", "-m", f"uuid={data_uuid}", "-L", "data", data_device)
        _mount(cleanup, system_device, root)
        unpack_tree(debian_tarball(), root)
        (root / "data").mkdir()
        _mount(cleanup, data_device, root / "data")
        fstab = f"UUID={root_uuid} / ext4 errors=remount-ro 0 1\nUUID={swap_uuid} none swap sw 0 0\n"
        _configure(root, root_uuid, fstab + f"UUID={data_uuid} /data xfs defaults 0 0\n")
        yield MountedSource(root, system, data)


def _configure(root: Path, root_uuid: str, fstab: str) -> None:
    (root / "etc/fstab").write_text(fstab)
    (root / "etc/network/interfaces").write_text(NETWORK)
    (root / "etc/hostname").write_text("orders-1\n")
    write_menu(root, root_uuid, root_uuid)


def write_menu(root: Path, root_uuid: str, boot_uuid: str) -> None:
    """The grub.cfg of a system. boot_uuid: the file system with the kernels, which may be another one."""
    kernel = sorted(path.name for path in (root / "boot").glob("vmlinuz-*"))[-1]
    folder = "/boot" if boot_uuid == root_uuid else ""
    (root / "boot/grub").mkdir(exist_ok=True)
    (root / "boot/grub/grub.cfg").write_text(
        f"search --no-floppy --fs-uuid --set=root {boot_uuid}\n"
        f"menuentry 'Debian' {{\n linux {folder}/{kernel} root=UUID={root_uuid} ro\n"
        f" initrd {folder}/{re.sub('^vmlinuz', 'initrd.img', kernel)}\n}}\n"
    )


def _partition(image: Path, size_bytes: int, script: str) -> None:
    with image.open("wb") as file:
        os.truncate(file.fileno(), size_bytes)
    # Without the last two it syncs the whole machine.
    command = ["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", str(image)]
    subprocess.run(command, input=script, text=True, check=True)


def _attach(cleanup: ExitStack, image: Path, offset: int, size: int) -> str:
    device = run("losetup", "--find", "--show", "--offset", str(offset), "--sizelimit", str(size), str(image)).strip()
    cleanup.callback(run, "losetup", "-d", device)
    return device


def _mount(cleanup: ExitStack, device: str, folder: Path) -> None:
    run("mount", device, str(folder))
    cleanup.callback(run, "umount", str(folder))


def run(*command: str) -> str:
    """Standard output; CalledProcessError with the error output otherwise."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stderr}")
    return done.stdout
