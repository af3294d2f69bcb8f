"""What a volume holds, told by its superblock."""

from __future__ import annotations

from typing import Final

from agents.source.inventory.superblocks.btrfs import read_btrfs
from agents.source.inventory.superblocks.containers import read_luks, read_lvm, read_raid
from agents.source.inventory.superblocks.ext import read_ext
from agents.source.inventory.superblocks.fat import read_fat
from agents.source.inventory.superblocks.foreign import read_foreign, read_ntfs
from agents.source.inventory.superblocks.swap import read_swap
from agents.source.inventory.superblocks.xfs import read_xfs
from agents.source.inventory.volume_reader import VolumeReader
from contracts.inventory import FileSystem

# Containers first: a RAID 1 member with its metadata at the end begins with the file system of the array.
_READERS: Final = (
    read_luks,
    read_lvm,
    read_raid,
    read_xfs,
    read_btrfs,
    read_ext,
    read_swap,
    read_ntfs,
    read_foreign,
    read_fat,
)


def recognise(volume: VolumeReader) -> FileSystem | None:
    """The file system, swap area or container on a volume; None when nothing is recognised."""
    for reader in _READERS:
        if found := reader(volume):
            return found
    return None
