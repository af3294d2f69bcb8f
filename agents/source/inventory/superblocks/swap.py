"""The header of a swap area."""

from __future__ import annotations

from agents.source.inventory.superblocks.binary import text, u32, uuid_text
from agents.source.inventory.volume_reader import VolumeReader
from contracts.inventory import FileSystem

_PAGE_SIZES = (4096, 8192, 16384, 65536)
_HIBERNATED = (b"S1SUSPEND\0", b"S2SUSPEND\0", b"ULSUSPEND\0", b"LINHIB0001")


def read_swap(volume: VolumeReader) -> FileSystem | None:
    """The swap area, if it is one; one that holds a hibernated system has the kind "swsuspend"."""
    for page_size in _PAGE_SIZES:
        magic = volume.read(page_size - 10, 10)
        if magic != b"SWAPSPACE2" and magic not in _HIBERNATED:
            continue
        header = volume.read(1024, 1024)
        return FileSystem(
            kind="swap" if magic == b"SWAPSPACE2" else "swsuspend",
            uuid=uuid_text(header, 12),
            label=text(header, 28, 16),
            size_bytes=(u32(header, 4) + 1) * page_size,
            block_size=page_size,
            parameters={"page_size": str(page_size)},
        )
    return None
