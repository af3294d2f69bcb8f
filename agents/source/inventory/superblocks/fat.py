"""The boot sector of FAT12, FAT16 and FAT32."""

from __future__ import annotations

from dataclasses import dataclass

from agents.source.inventory.superblocks.binary import u16, u32
from agents.source.inventory.volume_reader import VolumeReader
from contracts.inventory import FileSystem

_VOLUME_LABEL = 0x08
_LONG_NAME = 0x0F


@dataclass(frozen=True)
class FatGeometry:
    """What a boot sector says. Sizes in sectors but for sector_size, which is in bytes."""

    sector_size: int
    sectors_per_cluster: int
    reserved: int
    fats: int
    fat_length: int
    root_entries: int
    total: int

    @property
    def root_sectors(self) -> int:
        """Of the root folder of FAT12 and FAT16."""
        return (self.root_entries * 32 + self.sector_size - 1) // self.sector_size

    @property
    def data_start(self) -> int:
        """The sector of cluster 2."""
        return self.reserved + self.fats * self.fat_length + self.root_sectors

    @property
    def fat_bits(self) -> int:
        """12, 16 or 32, by the number of clusters."""
        clusters = (self.total - self.data_start) // self.sectors_per_cluster
        return 12 if clusters < 4085 else 16 if clusters < 65525 else 32


def fat_geometry(sector: bytes) -> FatGeometry | None:
    """None when the sector is no boot sector of a FAT."""
    if len(sector) < 512 or sector[510:512] != b"\x55\xaa" or sector[0] not in (0xEB, 0xE9):
        return None
    sector_size, per_cluster = u16(sector, 11), sector[13]
    if sector_size not in (512, 1024, 2048, 4096) or per_cluster not in {1 << shift for shift in range(8)}:
        return None
    geometry = FatGeometry(
        sector_size=sector_size,
        sectors_per_cluster=per_cluster,
        reserved=u16(sector, 14),
        fats=sector[16],
        fat_length=u16(sector, 22) or u32(sector, 36),
        root_entries=u16(sector, 17),
        total=u16(sector, 19) or u32(sector, 32),
    )
    plausible = geometry.reserved and geometry.fats in (1, 2) and geometry.fat_length
    return geometry if plausible and geometry.total > geometry.data_start else None


def _root_label(volume: VolumeReader, sector: bytes, geometry: FatGeometry) -> bytes:
    if geometry.root_entries:
        start, length = geometry.reserved + geometry.fats * geometry.fat_length, geometry.root_entries * 32
    else:
        first_cluster = max(u32(sector, 44), 2) - 2
        start = geometry.data_start + first_cluster * geometry.sectors_per_cluster
        length = geometry.sectors_per_cluster * geometry.sector_size
    entries = volume.read(start * geometry.sector_size, min(length, 128 * 1024))
    for offset in range(0, len(entries) - 31, 32):
        entry = entries[offset : offset + 32]
        if entry[0] == 0:
            break
        if entry[0] != 0xE5 and entry[11] & _VOLUME_LABEL and entry[11] != _LONG_NAME:
            return entry[:11]
    return b""


def read_fat(volume: VolumeReader) -> FileSystem | None:
    """The file system if it is FAT; parameters hold fat_bits, cluster_size and sector_size (bytes)."""
    sector = volume.read(0, 512)
    geometry = fat_geometry(sector)
    if geometry is None:
        return None
    is_fat32 = geometry.root_entries == 0
    serial_at = 67 if is_fat32 else 39
    has_extended_fields = sector[serial_at - 1] in (0x28, 0x29)
    boot_label = sector[serial_at + 4 : serial_at + 15] if has_extended_fields else b""
    label = _root_label(volume, sector, geometry) or (b"" if boot_label == b"NO NAME    " else boot_label)
    serial = u32(sector, serial_at)
    return FileSystem(
        kind="vfat",
        uuid=f"{serial >> 16:04X}-{serial & 0xFFFF:04X}" if has_extended_fields else "",
        label=label.decode("ascii", "replace").rstrip(),
        size_bytes=geometry.total * geometry.sector_size,
        block_size=geometry.sector_size,
        parameters={
            "fat_bits": str(32 if is_fat32 else geometry.fat_bits),
            "sector_size": str(geometry.sector_size),
            "cluster_size": str(geometry.sectors_per_cluster * geometry.sector_size),
        },
    )
