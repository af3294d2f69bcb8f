"""Kernels, modules and initial RAM disks for fixture trees: small, and true to form where our own code reads them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from collections.abc import Callable, Iterable
from typing import Final

import zstandard

from agents.target.adaptation.formats.archive import archive

# Where each module lies below /lib/modules/K, and what it needs.
MODULES: Final = {
    "virtio": ("kernel/drivers/virtio/virtio.ko", ()),
    "virtio_ring": ("kernel/drivers/virtio/virtio_ring.ko", ("virtio",)),
    "virtio_pci": ("kernel/drivers/virtio/virtio_pci.ko", ("virtio_ring", "virtio")),
    "virtio_blk": ("kernel/drivers/block/virtio_blk.ko", ("virtio_ring", "virtio")),
    "virtio_scsi": ("kernel/drivers/scsi/virtio_scsi.ko", ("virtio_ring", "virtio")),
    "virtio_net": ("kernel/drivers/net/virtio_net.ko", ("virtio_ring", "virtio")),
    "sd_mod": ("kernel/drivers/scsi/sd_mod.ko", ()),
    "ahci": ("kernel/drivers/ata/ahci.ko", ()),
    "nvme": ("kernel/drivers/nvme/host/nvme.ko", ()),
    "vmw_pvscsi": ("kernel/drivers/scsi/vmw_pvscsi.ko", ()),
    "ext4": ("kernel/fs/ext4/ext4.ko", ("jbd2",)),
    "jbd2": ("kernel/fs/jbd2/jbd2.ko", ()),
    "xfs": ("kernel/fs/xfs/xfs.ko", ()),
    "btrfs": ("kernel/fs/btrfs/btrfs.ko", ()),
    "dm_mod": ("kernel/drivers/md/dm-mod.ko", ()),
}
# What the source's machine needed: an image of its own builder holds no more (hostonly, MODULES=dep).
SOURCE_ONLY: Final = ("vmw_pvscsi", "sd_mod", "ext4", "jbd2", "xfs", "btrfs")


def kernel_image() -> bytes:
    """A boot sector with the header that loaders look for, and as much behind it as it says."""
    image = bytearray(4 * 512)
    image[0x1F1] = 1
    struct.pack_into("<I", image, 0x1F4, 64)
    image[0x202:0x206] = b"HdrS"
    return bytes(image)


def module_files(release: str, *, suffix: str = "", names: Iterable[str] = MODULES) -> dict[str, bytes]:
    """/lib/modules of one kernel. suffix: of compressed modules (``.xz``)."""
    folder = f"/lib/modules/{release}"
    chosen = {name: MODULES[name] for name in names}
    lines = [
        f"{path}{suffix}: {' '.join(MODULES[each][0] + suffix for each in needed)}".rstrip()
        for path, needed in chosen.values()
    ]
    files = {f"{folder}/{path}{suffix}": name.encode() for name, (path, _) in chosen.items()}
    files[f"{folder}/modules.dep"] = ("\n".join(lines) + "\n").encode()
    files[f"{folder}/modules.alias"] = b"alias pci:v00001AF4d00001001sv*sd*bc*sc*i* virtio_pci\n"
    files[f"{folder}/modules.builtin"] = b"kernel/lib/crc32.ko\n"
    return files


def image_members(
    release: str, names: Iterable[str], *, suffix: str = "", usr: str = "", has_lvm: bool = False
) -> dict[str, bytes]:
    """The files of an initial RAM disk with these modules. usr: "usr/" where /lib is a link."""
    members = {"init": b"#!/bin/sh\n"}
    if has_lvm:
        members[f"{usr}sbin/lvm"] = b"program"
    for name in names:
        members[f"{usr}lib/modules/{release}/{MODULES[name][0]}{suffix}"] = name.encode()
    return members


def initrd(members: dict[str, bytes], compression: str, *, microcode: bool = False) -> bytes:
    """An image as a builder leaves it: the compressed archive, behind one with microcode that is never compressed."""
    early = archive({"kernel/x86/microcode/GenuineIntel.bin": b"\1" * 64}) if microcode else b""
    return early + COMPRESSIONS[compression](archive(members))


def _lz4(content: bytes) -> bytes:
    """LZ4's legacy format with literals only, which is valid and needs no compressor."""
    blocks = []
    for start in range(0, len(content), 8 << 20):
        part = content[start : start + (8 << 20)]
        rest = len(part) - 15
        length = b"\xf0" + b"\xff" * (rest // 255) + bytes([rest % 255]) if rest >= 0 else bytes([len(part) << 4])
        blocks.append(struct.pack("<I", len(length + part)) + length + part)
    return b"\x02\x21\x4c\x18" + b"".join(blocks)


COMPRESSIONS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "none": lambda content: content,
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "xz": lambda content: lzma.compress(content, check=lzma.CHECK_CRC32),
    "lzma": lambda content: lzma.compress(content, format=lzma.FORMAT_ALONE),
    "bzip2": bz2.compress,
    "zstd": lambda content: zstandard.ZstdCompressor().compress(content),
    "lz4": _lz4,
}
