"""File systems that are only recognised, so that a refusal can name them."""

from __future__ import annotations

from typing import Final

from agents.source.inventory.superblocks.binary import u16, u64
from agents.source.inventory.volume_reader import VolumeReader
from contracts.inventory import FileSystem

_SIGNATURES: Final = (
    (3, b"-FVE-FS-", "bitlocker"),
    (3, b"EXFAT   ", "exfat"),
    (3, b"ReFS\0\0\0\0", "refs"),
    (0, b"hsqs", "squashfs"),
    (1024, b"\x10\x20\xf5\xf2", "f2fs"),
    (1024, b"\xe2\xe1\xf5\xe0", "erofs"),
    (32768, b"JFS1", "jfs"),
    (32769, b"CD001", "iso9660"),
    (65536 + 52, b"ReIsEr", "reiserfs"),
    (4096 + 24, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", "bcache"),
    (128 * 1024, b"\x0c\xb1\xba\x00\x00\x00\x00\x00", "zfs_member"),
    (1024, b"H+", "hfsplus"),
)


def read_ntfs(volume: VolumeReader) -> FileSystem | None:
    """The file system if it is NTFS; uuid is its serial number as 16 hex digits."""
    sector = volume.read(0, 512)
    if len(sector) < 512 or sector[3:11] != b"NTFS    ":
        return None
    return FileSystem(
        kind="ntfs",
        uuid=f"{u64(sector, 72):016X}",
        size_bytes=u64(sector, 40) * u16(sector, 11),
        block_size=u16(sector, 11),
    )


def read_foreign(volume: VolumeReader) -> FileSystem | None:
    """Any other file system that has a signature of its own."""
    for offset, signature, kind in _SIGNATURES:
        if volume.read(offset, len(signature)) == signature:
            return FileSystem(kind=kind, size_bytes=volume.size_bytes)
    return None
