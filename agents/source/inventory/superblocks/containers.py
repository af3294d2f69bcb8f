"""What holds other volumes: LVM physical volumes, members of Linux RAID arrays, LUKS."""

from __future__ import annotations

import re
import uuid
from itertools import pairwise
from typing import Final

from agents.source.inventory.superblocks.binary import big, text, u32, u64
from agents.source.inventory.volume_reader import VolumeReader
from contracts.inventory import FileSystem

_RAID_MAGIC: Final = 0xA92B4EFC
_LVM_METADATA_MAGIC: Final = b" LVM2 x[5A%r0N*>"
_LARGEST_LVM_METADATA_BYTES: Final = 4 * 1024 * 1024
_LARGEST_LVM_LISTING: Final = 64


def _lvm_metadata(volume: VolumeReader, offset: int) -> str:
    header = volume.read(offset, 512)
    if header[4:20] != _LVM_METADATA_MAGIC:
        return ""
    area_size, text_offset, text_size = u64(header, 32), u64(header, 40), u64(header, 48)
    if not 0 < text_size <= min(area_size, _LARGEST_LVM_METADATA_BYTES) or text_offset >= area_size:
        return ""
    # The area is a ring behind its 512-byte header: what does not fit at the end goes on there.
    first = min(text_size, area_size - text_offset)
    data = volume.read(offset + text_offset, first) + volume.read(offset + 512, text_size - first)
    return data.decode("utf-8", "replace")


def _lvm_parameters(metadata: str) -> dict[str, str]:
    group = re.match(r"\s*([A-Za-z0-9+_.-]+)\s*\{", metadata)
    types = sorted(set(re.findall(r'^\s*type\s*=\s*"([^"]+)"', metadata, re.MULTILINE)))
    tags = sorted(
        {tag for block in re.findall(r"tags\s*=\s*\[([^\]]*)\]", metadata) for tag in re.findall(r'"([^"]+)"', block)}
    )
    values = {
        "volume_group": group.group(1) if group else "",
        "segment_types": ",".join(types[:_LARGEST_LVM_LISTING]),
        "tags": ",".join(tags[:_LARGEST_LVM_LISTING]),
    }
    return {name: value for name, value in values.items() if value}


def _lvm_header(volume: VolumeReader) -> bytes:
    start = volume.read(0, 4 * 512)
    for sector in range(0, len(start) - 511, 512):
        if start[sector : sector + 8] == b"LABELONE" and start[sector + 24 : sector + 32] == b"LVM2 001":
            return start[sector + min(u32(start, sector + 20), 512) :].ljust(512, b"\0")
    return b""


def read_lvm_metadata(volume: VolumeReader) -> str:
    """The text that describes the volume group, as a physical volume of it holds it; "" when it holds none."""
    header = _lvm_header(volume)
    lists = [(u64(header, at), u64(header, at + 8)) for at in range(40, 512 - 16, 16)]
    # Two lists, each ended by a pair of zeros: data areas, then metadata areas.
    ends = [index for index, pair in enumerate(lists) if pair == (0, 0)][:2]
    areas = lists[ends[0] + 1 : ends[1]] if len(ends) == 2 else []
    return next(filter(None, (_lvm_metadata(volume, offset) for offset, _ in areas[:4])), "")


def read_lvm(volume: VolumeReader) -> FileSystem | None:
    """The LVM2 physical volume; parameters name its group, the segment types (thin, striped, …) and the tags."""
    header = _lvm_header(volume)
    if not header:
        return None
    identifier = header[:32].decode("ascii", "replace")
    cuts = (0, 6, 10, 14, 18, 22, 26, 32)
    return FileSystem(
        kind="lvm2_member",
        uuid="-".join(identifier[left:right] for left, right in pairwise(cuts)),
        size_bytes=u64(header, 32),
        parameters=_lvm_parameters(read_lvm_metadata(volume)),
    )


def _raid_version_1(volume: VolumeReader, offset: int, version: str) -> FileSystem | None:
    block = volume.read(offset, 256)
    if len(block) < 256 or u32(block, 0) != _RAID_MAGIC or u32(block, 4) != 1:
        return None
    level = int.from_bytes(block[72:76], "little", signed=True)
    return FileSystem(
        kind="linux_raid_member",
        uuid=str(uuid.UUID(bytes=block[16:32])),
        label=text(block, 32, 32),
        size_bytes=volume.size_bytes,
        parameters={"version": version, "level": str(level), "devices": str(u32(block, 92))},
    )


def _raid_version_0(volume: VolumeReader) -> FileSystem | None:
    block = volume.read((volume.size_bytes & ~0xFFFF) - 0x10000, 4096)
    if len(block) < 4096 or u32(block, 0) != _RAID_MAGIC or u32(block, 4) != 0:
        return None
    words = [block[20:24], block[52:56], block[56:60], block[60:64]]
    level = int.from_bytes(block[28:32], "little", signed=True)
    return FileSystem(
        kind="linux_raid_member",
        uuid=str(uuid.UUID(bytes=b"".join(words))),
        size_bytes=volume.size_bytes,
        parameters={"version": "0.90", "level": str(level), "devices": str(u32(block, 40))},
    )


def read_raid(volume: VolumeReader) -> FileSystem | None:
    """A member of an array of mdadm, versions 0.90, 1.0, 1.1 and 1.2."""
    at_end = max(((volume.size_bytes // 512 - 16) & ~7) * 512, 0)
    for offset, version in ((4096, "1.2"), (0, "1.1"), (at_end, "1.0")):
        if found := _raid_version_1(volume, offset, version):
            return found
    return _raid_version_0(volume)


def read_luks(volume: VolumeReader) -> FileSystem | None:
    """A LUKS container of version 1 or 2."""
    block = volume.read(0, 512)
    if len(block) < 512 or block[:6] != b"LUKS\xba\xbe":
        return None
    version = big(block, 6, "H")
    return FileSystem(
        kind="crypto_luks",
        uuid=text(block, 168, 40),
        label=text(block, 24, 48) if version == 2 else "",
        size_bytes=volume.size_bytes,
        parameters={"version": str(version)},
    )
