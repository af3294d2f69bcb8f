"""A file of a FAT volume by its path: the EFI system partition holds the boot store, and not every kernel mounts it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agents.source.inventory.superblocks.binary import u16, u32
from agents.source.inventory.superblocks.fat import FatGeometry, fat_geometry
from agents.source.inventory.volume_reader import VolumeReader

_ENTRY: Final = 32
_IS_FOLDER: Final = 0x10
_IS_LABEL: Final = 0x08
_LONG_NAME: Final = 0x0F
_LARGEST_FILE: Final = 16 << 20
_LARGEST_FOLDER: Final = 2 << 20


class _Volume:
    """FAT16 and FAT32; the 12 bits of floppy disks are in no system partition."""

    def __init__(self, reader: VolumeReader, geometry: FatGeometry) -> None:
        self._reader = reader
        self._geometry = geometry
        self._is_fat32 = geometry.root_entries == 0
        self._cluster_size = geometry.sectors_per_cluster * geometry.sector_size

    def root(self) -> bytes:
        """The entries of the root folder."""
        geometry = self._geometry
        if self._is_fat32:
            return self.chain(u32(self._reader.read(0, 512), 44), _LARGEST_FOLDER)
        start = (geometry.reserved + geometry.fats * geometry.fat_length) * geometry.sector_size
        return self._reader.read(start, geometry.root_entries * _ENTRY)

    def chain(self, cluster: int, at_most: int) -> bytes:
        """The contents from a first cluster on; a chain with a loop ends at at_most bytes."""
        parts: list[bytes] = []
        last = 0x0FFFFFF8 if self._is_fat32 else 0xFFF8
        while 2 <= cluster < last and len(parts) * self._cluster_size < at_most:
            start = self._geometry.data_start * self._geometry.sector_size + (cluster - 2) * self._cluster_size
            data = self._reader.read(start, self._cluster_size)
            if not data:
                break
            parts.append(data)
            cluster = self._next(cluster)
        return b"".join(parts)[:at_most]

    def _next(self, cluster: int) -> int:
        width = 4 if self._is_fat32 else 2
        start = self._geometry.reserved * self._geometry.sector_size + cluster * width
        raw = self._reader.read(start, width)
        return u32(raw, 0) & 0x0FFFFFFF if self._is_fat32 else u16(raw, 0)


def read_fat_file(reader: VolumeReader, path: str) -> bytes | None:
    """The contents of a file of at most 16 MiB by a path with slashes, in any case; None when there is none."""
    geometry = fat_geometry(reader.read(0, 512))
    if geometry is None or geometry.fat_bits == 12:
        return None
    volume = _Volume(reader, geometry)
    entries, names = volume.root(), [name for name in path.split("/") if name]
    for number, wanted in enumerate(names, 1):
        found = next((entry for name, entry in _named(entries) if name.upper() == wanted.upper()), None)
        if found is None:
            return None
        cluster, size = u16(found, 20) << 16 | u16(found, 26), u32(found, 28)
        is_folder = bool(found[11] & _IS_FOLDER)
        if number == len(names):
            return None if is_folder or size > _LARGEST_FILE else volume.chain(cluster, size)
        if not is_folder:
            return None
        entries = volume.chain(cluster, _LARGEST_FOLDER)
    return None


def _named(entries: bytes) -> Iterator[tuple[str, bytes]]:
    """Each entry with its long name, or its short one where it has none."""
    long_name = ""
    for at in range(0, len(entries) - _ENTRY + 1, _ENTRY):
        entry = entries[at : at + _ENTRY]
        if entry[0] == 0:
            return
        if entry[0] == 0xE5:
            long_name = ""
        elif entry[11] & 0x3F == _LONG_NAME:
            # The pieces stand before their entry, the last one first.
            raw = entry[1:11] + entry[14:26] + entry[28:32]
            long_name = raw.decode("utf-16-le", "replace").split("\0")[0].rstrip("\uffff") + long_name
        else:
            if not entry[11] & _IS_LABEL:
                yield long_name or _short_name(entry), entry
            long_name = ""


def _short_name(entry: bytes) -> str:
    stem, suffix = (part.decode("latin-1").rstrip() for part in (entry[:8], entry[8:11]))
    return f"{stem}.{suffix}" if suffix else stem
