"""The NTFS volumes of some disks: their figures, and the hives and the boot store that are on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from agents.source.inventory.volume_reader import VolumeReader, open_volume
from agents.source.inventory.windows.boot_store import BootStore, read_boot_store
from agents.source.inventory.windows.hive import Hive, HiveError
from agents.source.inventory.windows.system_partition import read_fat_file
from agents.source.ntfs import NtfsError, NtfsFile, NtfsVolume
from contracts.inventory import Disk, FileSystem, Partition

_HIVES: Final = "/Windows/System32/config"
_STORE_OF_BIOS: Final = "/Boot/BCD"
_STORE_OF_UEFI: Final = "/EFI/Microsoft/Boot/BCD"
# What hiberfil.sys begins with while a system sleeps in it; after it has woken up it is "wake", "WAKE" or zeros.
_HIBERNATED: Final = frozenset({b"hibr", b"HIBR", b"link", b"LINK", b"rstr", b"RSTR"})


@dataclass(frozen=True, kw_only=True)
class FoundVolume:
    """A volume with what was read of it. file_system: with figures. reason: why it could not be read, or "".

    release and system: the hives of the Windows that is on it. boot_store: with its path.
    """

    disk: Disk
    partition: Partition
    file_system: FileSystem
    release: Hive | None = None
    system: Hive | None = None
    boot_store: tuple[BootStore, str] | None = None
    encrypted_files: int = 0
    reason: str = ""


@contextmanager
def open_disks(disks: Sequence[Disk]) -> Iterator[dict[str, VolumeReader]]:
    """A reader for each, by the disk's name. Raises OSError."""
    if not disks:
        yield {}
        return
    first, *rest = disks
    with open_volume(Path(first.device)) as reader, open_disks(rest) as others:
        yield {first.name: reader, **others}


def read_volumes(disks: Sequence[Disk], readers: dict[str, VolumeReader]) -> Iterator[FoundVolume]:
    """Every partition that Windows may have files on. The hives read from the readers, which stay open."""
    for disk in disks:
        for partition in disk.partitions:
            file_system = partition.file_system
            if file_system is None:
                continue
            reader = readers[disk.name].window(partition.start_bytes, partition.size_bytes)
            if file_system.kind == "ntfs":
                yield _ntfs(FoundVolume(disk=disk, partition=partition, file_system=file_system), reader)
            elif file_system.kind in ("vfat", "bitlocker", "exfat", "refs"):
                store = _store(read_fat_file(reader, _STORE_OF_UEFI)) if file_system.kind == "vfat" else None
                yield FoundVolume(
                    disk=disk,
                    partition=partition,
                    file_system=file_system,
                    boot_store=(store, _STORE_OF_UEFI) if store else None,
                )


def _ntfs(bare: FoundVolume, reader: VolumeReader) -> FoundVolume:
    found = bare
    try:
        volume = NtfsVolume(reader)
        found = replace(found, file_system=_with_figures(bare.file_system, volume))
        found = replace(found, encrypted_files=volume.encrypted_files())
        software, system = (_hive(volume.find(f"{_HIVES}/{name}")) for name in ("SOFTWARE", "SYSTEM"))
        if software is not None and system is not None:
            found = replace(found, release=software, system=system)
        file = volume.find(_STORE_OF_BIOS)
        if store := _store(file.read_all() if file else None):
            found = replace(found, boot_store=(store, _STORE_OF_BIOS))
    except (NtfsError, HiveError) as error:
        found = replace(found, reason=str(error))
    return found


def _with_figures(file_system: FileSystem, volume: NtfsVolume) -> FileSystem:
    free_bytes = volume.free_bytes()
    parameters = dict(file_system.parameters)
    sleeping = volume.find("/hiberfil.sys")
    if sleeping is not None and sleeping.size_bytes and sleeping.read(0, 4) in _HIBERNATED:
        parameters["hibernated"] = "yes"
    if volume.is_dirty:
        parameters["dirty"] = "yes"
    return file_system.model_copy(
        update={
            "label": volume.label,
            "block_size": volume.geometry.cluster_size,
            "used_bytes": max(0, volume.geometry.clusters * volume.geometry.cluster_size - free_bytes),
            "free_bytes": free_bytes,
            "parameters": parameters,
        }
    )


def _hive(file: NtfsFile | None) -> Hive | None:
    return Hive(file.read) if file is not None else None


def _store(data: bytes | None) -> BootStore | None:
    if data is None:
        return None
    try:
        return read_boot_store(Hive(lambda offset, length: data[offset : offset + length]))
    except HiveError:
        return None
