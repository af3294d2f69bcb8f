"""The superblock of Btrfs (Linux: include/uapi/linux/btrfs_tree.h)."""

from __future__ import annotations

from typing import Final

from agents.source.inventory.superblocks.binary import flag_names, text, u16, u32, u64, uuid_text
from agents.source.inventory.volume_reader import VolumeReader
from contracts.inventory import FileSystem

_SUPERBLOCK_OFFSET: Final = 64 * 1024
_INCOMPATIBLE: Final = {
    1 << 2: "mixed-bg",
    1 << 6: "extref",
    1 << 7: "raid56",
    1 << 8: "skinny-metadata",
    1 << 9: "no-holes",
    1 << 11: "raid1c34",
    1 << 12: "zoned",
    1 << 14: "raid-stripe-tree",
    1 << 16: "squota",
}
_READ_ONLY_COMPATIBLE: Final = {1 << 0: "free-space-tree", 1 << 3: "block-group-tree"}
# Switched on by use, not by mkfs; whether a boot loader can read the file system depends on them.
_IN_USE: Final = {1 << 1: "default-subvol", 1 << 3: "compress-lzo", 1 << 4: "compress-zstd", 1 << 10: "metadata-uuid"}
_CHECKSUMS: Final = {0: "crc32c", 1: "xxhash", 2: "sha256", 3: "blake2"}


def read_btrfs(volume: VolumeReader) -> FileSystem | None:
    """The file system if it is Btrfs. Features are the names of mkfs.btrfs -O that are on."""
    block = volume.read(_SUPERBLOCK_OFFSET, 4096)
    if len(block) < 4096 or block[64:72] != b"_BHRfS_M":
        return None
    incompatible, read_only = u64(block, 188), u64(block, 180)
    parameters = {
        "node_size": str(u32(block, 148)),
        "sector_size": str(u32(block, 144)),
        "checksum": _CHECKSUMS.get(u16(block, 196), ""),
        "devices": str(u64(block, 136)),
        "device_id": str(u64(block, 201)),
        "device_uuid": uuid_text(block, 201 + 66),
        "in_use": ",".join(flag_names(incompatible, _IN_USE)),
    }
    return FileSystem(
        kind="btrfs",
        uuid=uuid_text(block, 32),
        label=text(block, 299, 256),
        # The share of this device; the superblock's total counts every device of the file system.
        size_bytes=u64(block, 201 + 8),
        block_size=u32(block, 144),
        features=flag_names(incompatible, _INCOMPATIBLE) + flag_names(read_only, _READ_ONLY_COMPATIBLE),
        parameters={name: value for name, value in parameters.items() if value},
    )
