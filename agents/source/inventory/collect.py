"""The whole inventory, put together from its parts."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final

from agents.source.inventory.applications import read_applications
from agents.source.inventory.block_devices import SYS, natural_key, read_attribute
from agents.source.inventory.boot_loader import read_boot_loader
from agents.source.inventory.btrfs_subvolumes import read_btrfs_volumes
from agents.source.inventory.disks import disks_of_live_server, disks_of_mounted_tree
from agents.source.inventory.fingerprint import fingerprint_of
from agents.source.inventory.kernel import kernel_release
from agents.source.inventory.listening import read_listening_ports
from agents.source.inventory.machine import hypervisor, memory_bytes, processor_count
from agents.source.inventory.mounts import PlacedMount, describe_mount, placed_mounts, with_usage
from agents.source.inventory.network import read_network_interfaces
from agents.source.inventory.operating_system import architecture_of, read_operating_system
from agents.source.inventory.plain_folder import folder_as_disk
from agents.source.inventory.stacked import read_arrays, read_volume_groups
from agents.source.inventory.swap_files import read_swap_file_headers, read_swap_files
from agents.source.inventory.system_tree import SystemTree
from contracts.inventory import Disk, Firmware, Mount, SourceInventory

_ESP_TYPES: Final = frozenset({"ef", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"})
_BIOS_BOOT_TYPE: Final = "21686148-6449-6E6F-744E-656564454649"


def _disk_keys(placed: list[PlacedMount]) -> list[str]:
    return [disk for mount in placed if mount.place and not mount.is_folder for disk in mount.place.disks]


def _with_roles(disks: dict[str, Disk], placed: list[PlacedMount], mounts: tuple[Mount, ...]) -> list[Disk]:
    top = placed[0].place
    system_keys = set(top.disks) if top else set()
    return [
        with_usage(disk, mounts).model_copy(update={"is_system": key in system_keys}) for key, disk in disks.items()
    ]


def _firmware(disks: list[Disk], *, is_live: bool) -> Firmware:
    if is_live:
        return "UEFI" if (SYS / "firmware/efi").exists() else "BIOS"
    # A mounted tree runs on no firmware: an ESP and nothing for a BIOS to start mean UEFI.
    system = [disk for disk in disks if disk.is_system]
    types = {partition.type_id for disk in system for partition in disk.partitions}
    can_start_by_bios = _BIOS_BOOT_TYPE in types or any(disk.has_boot_code and disk.table == "mbr" for disk in system)
    return "UEFI" if types & _ESP_TYPES and not can_start_by_bios else "BIOS"


def _hostname(tree: SystemTree) -> str:
    if tree.is_live:
        return socket.gethostname()
    lines = [line.strip() for line in tree.read_text("/etc/hostname").splitlines()]
    named = [line for line in lines if line and not line.startswith("#")]
    return named[0] if named else "localhost"


def _sorted_disks(disks: list[Disk], *, is_live: bool) -> tuple[Disk, ...]:
    if is_live:
        return tuple(disks)
    # Image files have no order of their own: the system disk leads.
    return tuple(sorted(disks, key=lambda disk: (not disk.is_system, natural_key(disk.name))))


def collect(root: Path = Path("/"), *, agent_version: str = "") -> SourceInventory:
    """Everything about the system whose root is mounted on root; "/" is the running one.

    Reads only; needs root for the disks. Raises OSError when root is no directory, a disk of a mounted tree
    cannot be read, or the kernel is too old to read a foreign tree safely (openat2, Linux 5.6).
    """
    root = Path(os.path.realpath(root))
    placed = placed_mounts(root)
    with SystemTree(root) as tree:
        by_key = (disks_of_live_server if tree.is_live else disks_of_mounted_tree)(_disk_keys(placed))
        mounts = tuple(describe_mount(mount, root, by_key) for mount in placed)
        arrays = read_arrays(by_key, mounts)
        disks = _with_roles(by_key, placed, mounts)
        if placed[0].is_folder or (not mounts[0].volume and not mounts[0].layers):
            folder, top = folder_as_disk(mounts[0])
            disks, mounts = [folder.model_copy(update={"is_system": True}), *disks], (top, *mounts[1:])
        # The system of an attached disk is this machine's own (rescue boot), an image file's is another's.
        is_same_machine = tree.is_live or any(disk.is_system and disk.transport not in ("loop", "") for disk in disks)
        swap_files = read_swap_files(tree)
        interfaces = read_network_interfaces() if is_same_machine else ()
        loader, arguments = read_boot_loader(tree)
        running = os.uname().machine
        return SourceInventory(
            hostname=_hostname(tree),
            architecture=running if tree.is_live else architecture_of(tree) or running,
            firmware=_firmware(disks, is_live=tree.is_live),
            operating_system=read_operating_system(tree),
            kernel_release=kernel_release(tree, loader.default_kernel),
            kernel_command_line=read_attribute(Path("/proc/cmdline")) if tree.is_live else arguments,
            boot_loader=loader,
            cpu_count=processor_count(),
            memory_bytes=memory_bytes(),
            hypervisor=hypervisor() if is_same_machine else "",
            disks=_sorted_disks(disks, is_live=tree.is_live),
            mounts=mounts,
            network_interfaces=interfaces,
            swap_files=swap_files,
            swap_file_headers=read_swap_file_headers(tree, swap_files),
            volume_groups=read_volume_groups(by_key, arrays, mounts),
            arrays=arrays,
            btrfs=read_btrfs_volumes(mounts, tuple(disks)),
            applications=read_applications(tree),
            listening_ports=read_listening_ports() if tree.is_live else (),
            root_path=str(root),
            is_live=tree.is_live,
            agent_version=agent_version,
            fingerprint=fingerprint_of(
                tree,
                interfaces=interfaces,
                system_disk=next((disk.identifier for disk in disks if disk.is_system), ""),
                is_same_machine=is_same_machine,
            ),
        )
