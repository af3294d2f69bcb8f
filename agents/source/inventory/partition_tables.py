"""Partition tables: MBR with logical partitions, GPT with its backup."""

from __future__ import annotations

import uuid
import zlib
from dataclasses import dataclass
from typing import Final

from agents.source.inventory.superblocks.binary import u32, u64
from agents.source.inventory.volume_reader import VolumeReader
from contracts.inventory import Partition, PartitionKind, TableKind

EXTENDED_TYPES: Final = frozenset({0x05, 0x0F, 0x85})
_PROTECTIVE_TYPE: Final = 0xEE
# Of Windows' logical disk manager: the MBR's type, and the GPT's types of its database and of its volumes.
_DYNAMIC_TYPES: Final = frozenset(
    {"42", "5808C8AA-7E8F-42E0-85D2-E1E90434CFB3", "AF9B60A0-1431-4F62-BC68-3311714A69AD"}
)
_PRIVATE_HEADER: Final = (6, b"PRIVHEAD")
# Far more than any system has; a chain or an array that claims more is damaged or hostile.
_MOST_PARTITIONS: Final = 256


@dataclass(frozen=True, kw_only=True)
class PartitionTable:
    """A table as read. Partition names are still empty: they depend on the disk's name."""

    kind: TableKind
    identifier: str = ""
    sector_size: int = 512
    partitions: tuple[Partition, ...] = ()
    has_boot_code: bool = False

    @property
    def has_dynamic_type(self) -> bool:
        """It belongs to Windows' logical disk manager."""
        return any(partition.type_id in _DYNAMIC_TYPES for partition in self.partitions)


@dataclass(frozen=True)
class _Entry:
    """One of the four entries of an MBR or EBR, in sectors."""

    is_active: bool
    type_id: int
    start: int
    length: int


def _entries(sector: bytes) -> list[_Entry] | None:
    if len(sector) < 512 or sector[510:512] != b"\x55\xaa":
        return None
    entries = []
    for offset in range(446, 510, 16):
        raw = sector[offset : offset + 16]
        if raw[0] not in (0x00, 0x80):
            return None
        entries.append(_Entry(raw[0] == 0x80, raw[4], u32(raw, 8), u32(raw, 12)))
    return entries


def _logical_partitions(disk: VolumeReader, extended: _Entry, sector_size: int) -> list[tuple[int, _Entry]]:
    found: list[tuple[int, _Entry]] = []
    offset, seen = extended.start, set[int]()
    while offset not in seen and len(found) < _MOST_PARTITIONS:
        seen.add(offset)
        entries = _entries(disk.read(offset * sector_size, 512))
        if entries is None:
            break
        here, following = entries[0], entries[1]
        if here.type_id and here.length:
            found.append((5 + len(found), _Entry(here.is_active, here.type_id, offset + here.start, here.length)))
        if following.type_id not in EXTENDED_TYPES or not following.length:
            break
        offset = extended.start + following.start
    return found


def _read_mbr(disk: VolumeReader, sector: bytes, sector_size: int) -> PartitionTable | None:
    entries = _entries(sector)
    if entries is None:
        return None
    end = disk.size_bytes // sector_size
    used = [(number, entry) for number, entry in enumerate(entries, 1) if entry.type_id and entry.length]
    # The boot code of a file system without a table may end in 55 AA as well; its "entries" lead nowhere.
    if any(entry.start == 0 or entry.start >= end for _, entry in used):
        return None
    identifier = f"{u32(sector, 440):08x}"
    numbered: list[tuple[int, _Entry, PartitionKind]] = []
    for number, entry in used:
        is_extended = entry.type_id in EXTENDED_TYPES
        numbered.append((number, entry, "extended" if is_extended else "primary"))
        if is_extended:
            numbered += [(at, logical, "logical") for at, logical in _logical_partitions(disk, entry, sector_size)]
    return PartitionTable(
        kind="mbr",
        identifier=identifier,
        sector_size=sector_size,
        has_boot_code=any(sector[:440]),
        partitions=tuple(
            Partition(
                number=number,
                name="",
                start_bytes=entry.start * sector_size,
                size_bytes=entry.length * sector_size,
                type_id=f"{entry.type_id:02x}",
                part_uuid=f"{identifier}-{number:02x}",
                kind=kind,
                is_active=entry.is_active,
            )
            for number, entry, kind in sorted(numbered, key=lambda item: item[0])
        ),
    )


def _gpt_partition(number: int, entry: bytes, sector_size: int) -> Partition:
    first, last = u64(entry, 32), u64(entry, 40)
    return Partition(
        number=number,
        name="",
        start_bytes=first * sector_size,
        size_bytes=max(last - first + 1, 0) * sector_size,
        type_id=str(uuid.UUID(bytes_le=entry[:16])).upper(),
        part_uuid=str(uuid.UUID(bytes_le=entry[16:32])),
        label=entry[56:128].decode("utf-16-le", "replace").split("\0", 1)[0],
        attributes=u64(entry, 48),
    )


def _read_gpt_at(disk: VolumeReader, sector_number: int, sector_size: int) -> PartitionTable | None:
    header = disk.read(sector_number * sector_size, 512)
    if len(header) < 92 or header[:8] != b"EFI PART" or not 92 <= u32(header, 12) <= 512:
        return None
    size = u32(header, 12)
    if zlib.crc32(header[:16] + bytes(4) + header[20:size]) != u32(header, 16):
        return None
    count, entry_size = u32(header, 80), u32(header, 84)
    if not (0 < count <= 1024 and 128 <= entry_size <= 1024):
        return None
    array = disk.read(u64(header, 72) * sector_size, count * entry_size)
    if len(array) < count * entry_size or zlib.crc32(array) != u32(header, 88):
        return None
    entries = [array[at : at + entry_size] for at in range(0, len(array), entry_size)]
    return PartitionTable(
        kind="gpt",
        identifier=str(uuid.UUID(bytes_le=header[56:72])),
        sector_size=sector_size,
        partitions=tuple(
            _gpt_partition(number, entry, sector_size) for number, entry in enumerate(entries, 1) if any(entry[:16])
        ),
    )


def _read_gpt(disk: VolumeReader, sector_size: int) -> PartitionTable | None:
    last = disk.size_bytes // sector_size - 1
    return _read_gpt_at(disk, 1, sector_size) or _read_gpt_at(disk, last, sector_size)


def read_partition_table(disk: VolumeReader, *, sector_sizes: tuple[int, ...] = (512, 4096)) -> PartitionTable:
    """The table of a disk. sector_sizes: the logical sector sizes to try; an image file tells none.

    Partitions are sorted by number. type_id is lower case for MBR (``0f``), the upper-case GUID for GPT;
    identifiers are lower case, as blkid's PTUUID and PARTUUID.
    """
    sector = disk.read(0, 512)
    entries = _entries(sector)
    has_protective_entry = entries is not None and any(entry.type_id == _PROTECTIVE_TYPE for entry in entries)
    if has_protective_entry:
        for sector_size in sector_sizes:
            if table := _read_gpt(disk, sector_size):
                return PartitionTable(
                    kind="gpt",
                    identifier=table.identifier,
                    sector_size=sector_size,
                    partitions=table.partitions,
                    has_boot_code=any(sector[:440]),
                )
    return _read_mbr(disk, sector, sector_sizes[0]) or PartitionTable(kind="none", sector_size=sector_sizes[0])


def is_dynamic_disk(disk: VolumeReader, table: PartitionTable) -> bool:
    """Whether its volumes are in Windows' logical disk manager; its database may outlive the table's entries."""
    sector, signature = _PRIVATE_HEADER
    return table.has_dynamic_type or disk.read(sector * table.sector_size, len(signature)) == signature
