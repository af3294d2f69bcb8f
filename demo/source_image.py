"""The source server's two disks, built once and kept in the user's cache."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demo.boot_loader import install_grub
from demo.cache import cache_folder, one_builder, recipe_digest
from demo.debian_tree import debian_tree_tarball, unpack_tree
from demo.loop_device import loop_device, mounted
from demo.source_system import DATA_UUID, HOST_NAME, ROOT_UUID, SWAP_UUID, configure_source

SUITE: Final = "bookworm"
PACKAGES: Final = (
    "acl", "attr", "dbus", "e2fsprogs", "grub-pc", "initramfs-tools", "iproute2", "iputils-ping", "kmod",
    "libcap2-bin", "linux-image-cloud-amd64", "openssh-server", "procps", "python3", "systemd", "systemd-sysv",
    "udev", "xfsprogs", "zstd",
)  # fmt: skip
_MIB: Final = 1 << 20
SYSTEM_DISK_BYTES: Final = 3072 * _MIB
DATA_DISK_BYTES: Final = 1024 * _MIB
# Offset and size of each partition.
ROOT_PART: Final = (_MIB, 2700 * _MIB)
SWAP_PART: Final = (2701 * _MIB, 256 * _MIB)
DATA_PART: Final = (_MIB, 1022 * _MIB)
_BUILT_BY: Final = ("boot_loader.py", "debian_tree.py", "sample_data.py", "source_image.py", "source_system.py")


@dataclass(frozen=True)
class SourceImage:
    """A folder with the built server. Its disks are to be used through overlays only."""

    folder: Path

    @property
    def system_disk(self) -> Path:
        """Raw image: MBR, ext4 root, swap; boots by BIOS."""
        return self.folder / "system.raw"

    @property
    def data_disk(self) -> Path:
        """Raw image: MBR, XFS mounted at /data."""
        return self.folder / "data.raw"

    @property
    def private_key(self) -> Path:
        """The key that root's SSH accepts; it opens nothing but this server and copies of it."""
        return self.folder / "ssh_key"

    @property
    def known_hosts(self) -> Path:
        """The server's host key under the name order-server."""
        return self.folder / "known_hosts"

    @property
    def kernel(self) -> Path:
        """The server's kernel, for finding out whether KVM works."""
        return self.folder / "vmlinuz"


def source_image() -> SourceImage:
    """The built source server. It takes about two minutes when nothing is in the cache; needs root."""
    folder = cache_folder() / f"source-{SUITE}-{_digest()}"
    with one_builder(folder.name):
        if not folder.exists():
            tree = debian_tree_tarball(SUITE, PACKAGES)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="source-build-") as work:
                _build(Path(work, "built"), tree, Path(work, "root"))
                Path(work, "built").rename(folder)
    return SourceImage(folder)


def _digest() -> str:
    here = Path(__file__).parent
    scripts = [here / name for name in _BUILT_BY] + sorted((here / "order_service").glob("order*"))
    return recipe_digest(SUITE, " ".join(PACKAGES), *scripts)


def _build(folder: Path, tree: Path, mount_folder: Path) -> None:
    image = SourceImage(folder)
    folder.mkdir(mode=0o700)
    mount_folder.mkdir()
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "sms demo", "-f", str(image.private_key))
    public_key = image.private_key.with_suffix(".pub").read_text()
    _partition(image.system_disk, SYSTEM_DISK_BYTES, "0x5d3f0a11", (*ROOT_PART, "83, bootable"), (*SWAP_PART, "82"))
    _partition(image.data_disk, DATA_DISK_BYTES, "0x5d3f0a12", (*DATA_PART, "83"))
    with ExitStack() as stack:
        root_device = stack.enter_context(_partition_device(image.system_disk, ROOT_PART))
        swap_device = stack.enter_context(_partition_device(image.system_disk, SWAP_PART))
        data_device = stack.enter_context(_partition_device(image.data_disk, DATA_PART))
        _run("mkfs.ext4", "-q", "-L", "root", "-U", ROOT_UUID, str(root_device))
        _run("mkswap", "-q", "-L", "swap", "-U", SWAP_UUID, str(swap_device))
        _run("mkfs.xfs", "-q", "-L", "data", "-m", f"uuid={DATA_UUID}", str(data_device))
        stack.enter_context(mounted(root_device, mount_folder))
        unpack_tree(tree, mount_folder)
        (mount_folder / "data").mkdir()
        stack.enter_context(mounted(data_device, mount_folder / "data"))
        host_key = configure_source(mount_folder, public_key=public_key)
        image.known_hosts.write_text(f"{HOST_NAME} {host_key}")
        kernel = max((mount_folder / "boot").glob("vmlinuz-*"))
        shutil.copyfile(kernel, image.kernel)
        install_grub(mount_folder, root_device, ROOT_UUID, disk_image=image.system_disk)


def _partition(path: Path, size_bytes: int, signature: str, *parts: tuple[int, int, str]) -> None:
    with path.open("wb") as file:
        file.truncate(size_bytes)
    lines = [f"label: dos\nlabel-id: {signature}"]
    lines += [f"start={offset // 512}, size={size // 512}, type={kind}" for offset, size, kind in parts]
    _run("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", str(path), text="\n".join(lines) + "\n")


def _partition_device(image: Path, part: tuple[int, int]) -> AbstractContextManager[Path]:
    return loop_device(image, offset_bytes=part[0], size_bytes=part[1])


def _run(*command: str, text: str = "") -> None:
    result = subprocess.run(command, input=text, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip()}")
