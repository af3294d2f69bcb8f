"""The superblock of XFS, versions 4 and 5 (Linux: fs/xfs/libxfs/xfs_format.h)."""

from __future__ import annotations

from typing import Final

from agents.source.inventory.superblocks.binary import big, flag_names, text, uuid_text
from agents.source.inventory.volume_reader import VolumeReader
from contracts.inventory import FileSystem

_LOG_VERSION_2: Final = 0x0400
_ASCII_CI: Final = 0x4000
_MORE_BITS: Final = 0x8000
_FEATURES_2: Final = {0x02: "lazy-count", 0x08: "attr2", 0x80: "projid32bit", 0x200: "ftype"}
_READ_ONLY_COMPATIBLE: Final = {0x1: "finobt", 0x2: "rmapbt", 0x4: "reflink", 0x8: "inobtcount"}
_INCOMPATIBLE: Final = {
    0x1: "ftype",
    0x2: "sparse",
    0x8: "bigtime",
    0x20: "nrext64",
    0x40: "exchange",
    0x80: "parent",
    0x100: "metadir",
}
_META_UUID: Final = 0x4


def _features(block: bytes, version: int) -> tuple[str, ...]:
    version_bits = big(block, 100, "H")
    names = list(flag_names(big(block, 200, "I"), _FEATURES_2)) if version_bits & _MORE_BITS else []
    if version_bits & _ASCII_CI:
        names.append("ascii-ci")
    if version == 5:
        names.append("crc")
        names += flag_names(big(block, 212, "I"), _READ_ONLY_COMPATIBLE)
        names += [name for name in flag_names(big(block, 216, "I"), _INCOMPATIBLE) if name not in names]
    return tuple(names)


def _parameters(block: bytes, version: int, block_size: int) -> dict[str, str]:
    values = {
        "version": version,
        "inode_size": big(block, 104, "H"),
        "sector_size": big(block, 102, "H"),
        "directory_block_size": block_size << min(block[192], 7),
        "log_version": 2 if big(block, 100, "H") & _LOG_VERSION_2 else 1,
        "log_blocks": big(block, 96, "I"),
        "log_sector_size": big(block, 194, "H"),
        "log_stripe_unit_bytes": big(block, 196, "I"),
        "stripe_unit_blocks": big(block, 184, "I"),
        "stripe_width_blocks": big(block, 188, "I"),
        "allocation_groups": big(block, 88, "I"),
    }
    found = {name: str(value) for name, value in values.items() if value}
    if version == 5 and big(block, 216, "I") & _META_UUID:
        found["meta_uuid"] = uuid_text(block, 248)
    return found


def read_xfs(volume: VolumeReader) -> FileSystem | None:
    """The file system if it is XFS. Features are the switches of mkfs.xfs that are on."""
    block = volume.read(0, 512)
    if len(block) < 512 or block[:4] != b"XFSB":
        return None
    block_size = big(block, 4, "I")
    version = big(block, 100, "H") & 0xF
    if block_size not in {1 << shift for shift in range(9, 17)}:
        return None
    return FileSystem(
        kind="xfs",
        uuid=uuid_text(block, 32),
        label=text(block, 108, 12),
        size_bytes=big(block, 8, "Q") * block_size,
        block_size=block_size,
        features=_features(block, version),
        parameters=_parameters(block, version, block_size),
    )
