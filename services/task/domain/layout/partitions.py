"""Place partitions on a disk: the first one at 1 MiB or later, none overlapping, numbers kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from contracts.base import Model
from contracts.inventory import Partition, TableKind
from services.task.domain.layout.options import MIB

# The gap before the first partition takes GRUB's core image: up to 73 KB with Btrfs, and only 31.7 KB fit
# where a partition starts at sector 63, as old installers made it.
FIRST_START_BYTES: Final = MIB
GPT_TAIL_BYTES: Final = MIB
SECTOR_BYTES: Final = 512
LOGICAL_TABLE_BYTES: Final = SECTOR_BYTES


class Placed(Model):
    """Where a source partition goes."""

    source: Partition
    start_bytes: int
    size_bytes: int

    @property
    def end_bytes(self) -> int:
        """The first byte after it."""
        return self.start_bytes + self.size_bytes


def place(partitions: Sequence[Partition], sizes_bytes: Mapping[int, int]) -> tuple[Placed, ...]:
    """Positions in the order of the source's starts.

    sizes_bytes: new sizes by partition number. A partition stays where it is on the source if that is a whole
    MiB, not before the first, and not taken; otherwise it starts at the next free MiB. An extended partition
    is stretched over its logical ones, each of which has room for its own table before it.
    """
    top_level = sorted((p for p in partitions if p.kind != "logical"), key=lambda p: p.start_bytes)
    logical = sorted((p for p in partitions if p.kind == "logical"), key=lambda p: p.start_bytes)
    placed: list[Placed] = []
    cursor = FIRST_START_BYTES
    for partition in top_level:
        size = _size(partition, sizes_bytes)
        if partition.kind != "extended":
            start = _start(partition, cursor)
            placed.append(Placed(source=partition, start_bytes=start, size_bytes=size))
            cursor = start + size
            continue
        # The extended partition holds only tables: installers start it two sectors before a whole MiB.
        start = partition.start_bytes if partition.start_bytes >= cursor else _round_up(cursor)
        inside = _place_logical(logical, start, sizes_bytes)
        end = max([start + size, *(each.end_bytes for each in inside)])
        placed.append(Placed(source=partition, start_bytes=start, size_bytes=end - start))
        placed += inside
        cursor = end
    return tuple(placed)


def _place_logical(logical: Sequence[Partition], extended_start: int, sizes_bytes: Mapping[int, int]) -> list[Placed]:
    placed: list[Placed] = []
    cursor = extended_start + LOGICAL_TABLE_BYTES
    for partition in logical:
        start = _start(partition, cursor)
        placed.append(Placed(source=partition, start_bytes=start, size_bytes=_size(partition, sizes_bytes)))
        cursor = placed[-1].end_bytes + LOGICAL_TABLE_BYTES
    return placed


def _size(partition: Partition, sizes_bytes: Mapping[int, int]) -> int:
    size_bytes = sizes_bytes.get(partition.number, partition.size_bytes)
    return -(-size_bytes // SECTOR_BYTES) * SECTOR_BYTES


def _start(partition: Partition, cursor: int) -> int:
    if partition.start_bytes >= cursor and partition.start_bytes % MIB == 0:
        return partition.start_bytes
    return _round_up(max(cursor, partition.start_bytes))


def _round_up(position_bytes: int) -> int:
    return -(-position_bytes // MIB) * MIB


def disk_end_bytes(placed: Sequence[Placed], table: TableKind) -> int:
    """The least size of a disk that holds these partitions (and the second GPT)."""
    end = max((each.end_bytes for each in placed), default=FIRST_START_BYTES)
    tail = GPT_TAIL_BYTES if table == "gpt" else 0
    return _round_up(end + tail)
