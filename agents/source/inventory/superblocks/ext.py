"""The superblock of ext2, ext3 and ext4 (Linux: Documentation/filesystems/ext4/super.rst)."""

from __future__ import annotations

from typing import Final

from agents.source.inventory.superblocks.binary import flag_names, text, u16, u32, uuid_text
from agents.source.inventory.volume_reader import VolumeReader
from contracts.inventory import FileSystem

_MAGIC: Final = 0xEF53
COMPATIBLE: Final = {
    0x1: "dir_prealloc",
    0x2: "imagic_inodes",
    0x4: "has_journal",
    0x8: "ext_attr",
    0x10: "resize_inode",
    0x20: "dir_index",
    0x200: "sparse_super2",
    0x400: "fast_commit",
    0x800: "stable_inodes",
    0x1000: "orphan_file",
}
# needs_recovery (0x4) and orphan_present (0x10000) are states of a mounted file system, not choices of mke2fs.
INCOMPATIBLE: Final = {
    0x1: "compression",
    0x2: "filetype",
    0x8: "journal_dev",
    0x10: "meta_bg",
    0x40: "extent",
    0x80: "64bit",
    0x100: "mmp",
    0x200: "flex_bg",
    0x400: "ea_inode",
    0x1000: "dirdata",
    0x2000: "metadata_csum_seed",
    0x4000: "large_dir",
    0x8000: "inline_data",
    0x10000: "encrypt",
    0x20000: "casefold",
}
READ_ONLY_COMPATIBLE: Final = {
    0x1: "sparse_super",
    0x2: "large_file",
    0x8: "huge_file",
    0x10: "uninit_bg",
    0x20: "dir_nlink",
    0x40: "extra_isize",
    0x100: "quota",
    0x200: "bigalloc",
    0x400: "metadata_csum",
    0x1000: "read-only",
    0x2000: "project",
    0x4000: "shared_blocks",
    0x8000: "verity",
}
_EXT3_INCOMPATIBLE: Final = 0x2 | 0x4 | 0x10
_EXT3_READ_ONLY_COMPATIBLE: Final = 0x1 | 0x2 | 0x4
_MOUNT_OPTIONS: Final = {
    0x1: "debug",
    0x2: "bsdgroups",
    0x4: "user_xattr",
    0x8: "acl",
    0x10: "uid16",
    0x100: "nobarrier",
    0x200: "block_validity",
    0x400: "discard",
    0x800: "nodelalloc",
}
_JOURNAL_MODES: Final = {0x20: "journal_data", 0x40: "journal_data_ordered", 0x60: "journal_data_writeback"}
_ON_ERROR: Final = {1: "continue", 2: "remount-ro", 3: "panic"}
_HASHES: Final = {0: "legacy", 1: "half_md4", 2: "tea", 3: "legacy", 4: "half_md4", 5: "tea", 6: "siphash"}


def _kind(compatible: int, incompatible: int, read_only: int) -> str:
    if incompatible & ~_EXT3_INCOMPATIBLE or read_only & ~_EXT3_READ_ONLY_COMPATIBLE:
        return "ext4"
    return "ext3" if compatible & 0x4 else "ext2"


def _default_mount_options(value: int) -> str:
    names = list(flag_names(value, _MOUNT_OPTIONS))
    mode = _JOURNAL_MODES.get(value & 0x60)
    return ",".join(names + ([mode] if mode else []))


def _parameters(block: bytes, size_bytes: int) -> dict[str, str]:
    revision = u32(block, 0x4C)
    inodes = u32(block, 0)
    values: dict[str, str | int] = {
        "inode_size": u16(block, 0x58) if revision else 128,
        "bytes_per_inode": size_bytes // inodes if inodes else 0,
        "hash_seed": uuid_text(block, 0xEC),
        "hash_version": _HASHES.get(block[0xFC], ""),
        "stride": u16(block, 0x164),
        "stripe_width": u32(block, 0x170),
        "flex_group_blocks": 1 << block[0x174] if 0 < block[0x174] < 31 else 0,
        "reserved_blocks": u32(block, 0x08) | u32(block, 0x154) << 32,
        "reserved_uid": u16(block, 0x50),
        "reserved_gid": u16(block, 0x52),
        "max_mount_count": int.from_bytes(block[0x36:0x38], "little", signed=True),
        "check_interval_s": u32(block, 0x44),
        "errors_behavior": _ON_ERROR.get(u16(block, 0x3C), ""),
        "default_mount_options": _default_mount_options(u32(block, 0x100)),
    }
    return {name: str(value) for name, value in values.items() if value not in ("", 0) or name == "max_mount_count"}


def read_ext(volume: VolumeReader) -> FileSystem | None:
    """The file system if it is ext2, ext3 or ext4. Features are those that mke2fs -O takes."""
    block = volume.read(1024, 1024)
    if len(block) < 1024 or u16(block, 0x38) != _MAGIC:
        return None
    compatible, incompatible, read_only = u32(block, 0x5C), u32(block, 0x60), u32(block, 0x64)
    log_block_size = u32(block, 0x18)
    if log_block_size > 6:
        return None
    block_size = 1024 << log_block_size
    blocks = u32(block, 0x04)
    if incompatible & 0x80:
        blocks |= u32(block, 0x150) << 32
    features = (
        flag_names(compatible, COMPATIBLE)
        + flag_names(incompatible, INCOMPATIBLE)
        + flag_names(read_only, READ_ONLY_COMPATIBLE)
    )
    return FileSystem(
        kind=_kind(compatible, incompatible, read_only),
        uuid=uuid_text(block, 0x68),
        label=text(block, 0x78, 16),
        size_bytes=blocks * block_size,
        block_size=block_size,
        features=features,
        parameters=_parameters(block, blocks * block_size),
    )
