"""The inventory of a Windows server from its disks, or images of them, while it does not run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agents.source.inventory.block_devices import DiskDevice, image_disk, local_disk
from agents.source.inventory.disks import image_name, read_disk
from agents.source.inventory.fingerprint import hashed
from agents.source.inventory.windows.hive import Hive, HiveError
from agents.source.inventory.windows.registry import SystemHive, VolumeLetter, read_release, read_system
from agents.source.inventory.windows.volumes import FoundVolume, open_disks, read_volumes
from agents.source.ntfs import NtfsError
from contracts.errors import MigrationError
from contracts.errors.agent_work import NO_WINDOWS
from contracts.inventory import Application, BootLoader, Disk, Firmware, Mount, OperatingSystem, SourceInventory

_ESP_TYPES: Final = frozenset({"ef", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"})
_UNKNOWN: Final = SystemHive(hostname="", bits=64, firmware=None, letters=(), applications=())


@dataclass(frozen=True, kw_only=True)
class _Windows:
    """The system that was found. volume: where it is, None behind BitLocker."""

    volume: FoundVolume | None
    release: OperatingSystem
    system: SystemHive
    machine: str = ""


def collect_windows(paths: Sequence[Path], *, agent_version: str = "") -> SourceInventory:
    """Everything that the disks tell. paths: of image files (raw) or block devices, the system's first or not.

    Raises OSError when one cannot be read, MigrationError SMS.AGENT.NO_WINDOWS when no Windows is on them.
    """
    disks = _disks(paths)
    with open_disks(disks) as readers:
        volumes = list(read_volumes(disks, readers))
        # The hives read on from the disks: everything is taken from them before these are closed.
        systems = [found for volume in volumes if (found := _windows_on(volume)) is not None]
    if not systems:
        systems = [_encrypted(volume) for volume in volumes if volume.file_system.kind == "bitlocker"][:1]
    if not systems:
        looked_at = [f"{volume.partition.name} ({volume.reason or 'no hives'})" for volume in volumes]
        shown = ", ".join(looked_at) or "none"
        raise MigrationError(NO_WINDOWS, disks=", ".join(map(str, paths)), count=len(volumes), volumes=shown)
    windows, *others = systems
    disks = [_completed(disk, volumes, windows) for disk in disks]
    firmware = _firmware(disks, volumes, windows)
    return SourceInventory(
        hostname=windows.system.hostname or "windows",
        architecture="x86_64" if windows.release.bits == 64 else "i686",
        firmware=firmware,
        operating_system=windows.release,
        kernel_release=windows.release.version,
        boot_loader=_boot_loader(volumes, others),
        disks=tuple(sorted(disks, key=lambda disk: not disk.is_system)),
        mounts=_mounts(volumes, windows),
        applications=(*windows.system.applications, *_encrypted_files(volumes)),
        is_live=False,
        agent_version=agent_version,
        fingerprint=_fingerprint(disks, windows),
    )


def _disks(paths: Sequence[Path]) -> list[Disk]:
    found: list[Disk] = []
    for path in paths:
        real = os.path.realpath(path)
        known = local_disk(Path(real).name) if real.startswith("/dev/") else None
        device: DiskDevice | None = known or image_disk(real, image_name(real, {disk.name for disk in found}))
        if device is None:
            raise FileNotFoundError(2, "no such disk or image file", str(path))
        found.append(read_disk(device))
    return found


def _windows_on(volume: FoundVolume) -> _Windows | None:
    if volume.release is None or volume.system is None:
        return None
    try:
        system = read_system(volume.system)
        release = read_release(volume.release, bits=system.bits)
        return _Windows(volume=volume, release=release, system=system, machine=_machine(volume.release))
    except (HiveError, NtfsError):
        return None


def _encrypted(_: FoundVolume) -> _Windows:
    """What BitLocker hides is a Windows, and nothing more is known of it."""
    release = OperatingSystem(family="windows", id="windows", name="Windows")
    return _Windows(volume=None, release=release, system=_UNKNOWN)


def _machine(software: Hive) -> str:
    key = software.root.find("Microsoft\\Cryptography")
    return key.text("MachineGuid") if key else ""


def _is_system(volume: FoundVolume, windows: _Windows) -> bool:
    return windows.volume is not None and volume.partition == windows.volume.partition


def _completed(disk: Disk, volumes: list[FoundVolume], windows: _Windows) -> Disk:
    known = {volume.partition.name: volume.file_system for volume in volumes}
    partitions = tuple(
        partition.model_copy(update={"file_system": known.get(partition.name, partition.file_system)})
        for partition in disk.partitions
    )
    holders = [windows.volume] if windows.volume else [one for one in volumes if one.file_system.kind == "bitlocker"]
    is_system = any(holder.disk.name == disk.name for holder in holders[:1])
    return disk.model_copy(update={"partitions": partitions, "is_system": is_system})


def _firmware(disks: list[Disk], volumes: list[FoundVolume], windows: _Windows) -> Firmware:
    """As the boot store says, then as the registry remembers, then as the partitions look."""
    for volume in volumes:
        if volume.boot_store is not None and volume.boot_store[0].loader:
            return "UEFI" if volume.boot_store[0].starts_by_uefi else "BIOS"
    if windows.system.firmware is not None:
        return windows.system.firmware
    system = [disk for disk in disks if disk.is_system]
    has_esp = any(partition.type_id in _ESP_TYPES for disk in system for partition in disk.partitions)
    return "UEFI" if has_esp else "BIOS"


def _boot_loader(volumes: list[FoundVolume], others: list[_Windows]) -> BootLoader:
    stores = [volume.boot_store for volume in volumes if volume.boot_store is not None]
    if stores:
        store, path = stores[0]
        return store.as_boot_loader(path)
    named = tuple(f"{other.release.name} on {other.volume.partition.name}" for other in others if other.volume)
    return BootLoader(kind="bootmgr", other_systems=named)


def _mounts(volumes: list[FoundVolume], windows: _Windows) -> tuple[Mount, ...]:
    """Every volume as Windows shows it; the one that it runs from is the root."""
    found: list[Mount] = []
    for volume in volumes:
        partition, file_system = volume.partition, volume.file_system
        letter = next((one.letter for one in windows.system.letters if _has(one, volume)), "")
        is_esp = partition.type_id in _ESP_TYPES
        if is_esp or (file_system.kind == "bitlocker" and windows.volume is not None):
            continue
        is_root = _is_system(volume, windows) or (windows.volume is None and file_system.kind == "bitlocker")
        name = letter.rstrip(":") or file_system.label or partition.name
        found.append(
            Mount(
                mount_point="/" if is_root else f"/{name}",
                host_path="",
                kind="ntfs" if file_system.kind == "bitlocker" else file_system.kind,
                source=letter or partition.name,
                volume=partition.name,
                size_bytes=file_system.size_bytes,
                used_bytes=file_system.used_bytes,
                free_bytes=file_system.free_bytes,
            )
        )
    return tuple(sorted(found, key=lambda mount: mount.mount_point))


def _has(letter: VolumeLetter, volume: FoundVolume) -> bool:
    if letter.part_uuid:
        return letter.part_uuid == volume.partition.part_uuid
    is_disk = bool(letter.disk_signature) and letter.disk_signature == volume.disk.identifier
    return is_disk and letter.start_bytes == volume.partition.start_bytes


def _encrypted_files(volumes: list[FoundVolume]) -> list[Application]:
    return [
        Application(
            kind="encrypted_files",
            name="Encrypting File System",
            detail=f"{volume.encrypted_files} files",
            evidence=f"$MFT of {volume.partition.name}",
        )
        for volume in volumes
        if volume.encrypted_files
    ]


def _fingerprint(disks: list[Disk], windows: _Windows) -> dict[str, str]:
    system = next((disk.identifier for disk in disks if disk.is_system), "")
    values = {"machine_id": windows.machine, "system_disk": system}
    return {name: hashed(name, value) for name, value in values.items() if value}
