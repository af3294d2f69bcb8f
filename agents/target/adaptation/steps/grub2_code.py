"""S13: GRUB's first two stages on the disk that BIOS starts from, written by our own code."""

from __future__ import annotations

import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from agents.target.adaptation.changes import Change, StepResult, WriteDisk, WriteFile
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree
from contracts.errors.adaptation import BOOTCODE_MISSING
from contracts.layout import TargetDisk, TargetPartition

# Where packages keep GRUB's images; what grub-install left in /boot does as well.
_FOLDERS: Final = ("/usr/lib/grub/i386-pc", "/usr/lib/grub2/i386-pc", "/usr/share/grub2/i386-pc")
BIOS_BOOT_TYPE: Final = "21686148-6449-6E6F-744E-656564454649"
SECTOR_BYTES: Final = 512
# The first 440 bytes are code; the disk's signature and the partition table follow.
CODE_BYTES: Final = 440
_CORE_LIMIT_BYTES: Final = 1 << 20
# Stands for a core image in a plan.
_TO_BE_BUILT: Final = bytes(SECTOR_BYTES)
_MODULE_LIMIT_BYTES: Final = 1 << 20
_DRIVE_CHECK_AT: Final = 0x66
_KERNEL_SECTOR_AT: Final = 0x5C
_NEXT_SECTOR_AT: Final = 0x1F4
_FILE_SYSTEM_MODULES: Final = {"ext2": "ext2", "ext3": "ext2", "ext4": "ext2", "xfs": "xfs", "btrfs": "btrfs"}
_RELATIVE: Final = "btrfs_relative_path"
_CONFIG_PATH: Final = "/tmp/load.cfg"  # noqa: S108 - in the sandbox's own /tmp
_MKIMAGE: Final = tuple(
    f"/usr/{folder}/{name}" for name in ("grub2-mkimage", "grub-mkimage") for folder in ("bin", "sbin")
)


def plan_grub2_code(tree: Tree, inputs: Inputs, system: SystemFacts) -> StepResult:
    """boot.img into the first sector, core.img behind it; and GRUB's modules where core.img looks for them."""
    disk = system_disk(inputs)
    if disk is None or disk.table == "none":
        return StepResult(checks=(failed(BOOTCODE_MISSING, disk="-", reason="no disk with a partition table boots"),))
    modules = f"{system.grub_folder}/i386-pc"
    folder = next((each for each in (*_FOLDERS, modules) if tree.is_file(f"{each}/boot.img")), _FOLDERS[0])
    boot_image = tree.read(f"{folder}/boot.img")
    core, complaint = _core_image(tree, inputs, system, folder)
    if boot_image is None or len(boot_image) < SECTOR_BYTES or core is None:
        reason = complaint or f"{folder}/boot.img is missing"
        return StepResult(checks=(failed(BOOTCODE_MISSING, disk=disk.name, reason=reason),))
    start_bytes, room_bytes = core_area(disk)
    if len(core) > room_bytes:
        reason = f"the core image has {len(core)} bytes and the gap before the first partition {room_bytes}"
        return StepResult(checks=(failed(BOOTCODE_MISSING, disk=disk.name, reason=reason),))
    first, padded = placed_images(boot_image, core, start_bytes)
    changes: list[Change] = [
        *_modules(tree, folder, modules),
        WriteDisk(
            disk=disk.name,
            offset_bytes=start_bytes,
            content=padded,
            reason="GRUB's core image",
            after=f"built by grub-mkimage, at {start_bytes}",
        ),
        WriteDisk(disk=disk.name, offset_bytes=0, content=first, reason="GRUB's first stage"),
    ]
    facts = {"boot_disk": disk.name}
    if core != _TO_BE_BUILT:
        facts["core_image_bytes"] = str(len(core))
    return StepResult(changes=tuple(changes), checks=(passed(BOOTCODE_MISSING),), facts=facts)


def system_disk(inputs: Inputs) -> TargetDisk | None:
    """The disk that the target starts from."""
    return next((disk for disk in inputs.layout.disks if disk.is_system), None)


def core_area(disk: TargetDisk) -> tuple[int, int]:
    """(first byte, size in bytes) of where the core image goes: the BIOS boot partition, or the gap behind the MBR."""
    reserved = next((part for part in disk.partitions if part.type_id.upper() == BIOS_BOOT_TYPE), None)
    if disk.table == "gpt":
        return (reserved.start_bytes, reserved.size_bytes) if reserved is not None else (0, 0)
    first = min((part.start_bytes for part in disk.partitions), default=_CORE_LIMIT_BYTES)
    return SECTOR_BYTES, first - SECTOR_BYTES


def placed_images(boot_image: bytes, core: bytes, start_bytes: int) -> tuple[bytes, bytes]:
    """The first sector's code and the core image, with each other's sector written into them.

    Offsets as in GRUB 2's include/grub/i386/pc/boot.h; the two NOPs skip a check of the drive number that only
    floppy disks need, as grub-bios-setup does for hard disks.
    """
    sector = start_bytes // SECTOR_BYTES
    first = bytearray(boot_image[:CODE_BYTES])
    first[_DRIVE_CHECK_AT : _DRIVE_CHECK_AT + 2] = b"\x90\x90"
    struct.pack_into("<Q", first, _KERNEL_SECTOR_AT, sector)
    padded = bytearray(core.ljust(-(-len(core) // SECTOR_BYTES) * SECTOR_BYTES, b"\0"))
    struct.pack_into("<Q", padded, _NEXT_SECTOR_AT, sector + 1)
    return bytes(first), bytes(padded)


def _core_image(tree: Tree, inputs: Inputs, system: SystemFacts, folder: str) -> tuple[bytes | None, str]:
    """(core image, complaint). The system's own builder first; the helper's on its files when that fails."""
    boot = inputs.references.boot
    if boot is None:
        return None, "no root file system is planned"
    config = embedded_config(tree, inputs, system)
    modules = ["biosdisk", "part_msdos", "part_gpt", "search_fs_uuid", _FILE_SYSTEM_MODULES[boot.file_system.kind]]
    modules += ["lvm"] if boot.logical_volume else []
    arguments = ["-O", "i386-pc", "-d", folder, "-p", system.grub_folder, "-c", _CONFIG_PATH, *modules]
    mkimage = next((path for path in _MKIMAGE if tree.is_program(path)), None)
    complaint = "grub-mkimage is missing"
    if mkimage is not None:
        result = inputs.builder.run([mkimage, *arguments], files={"load.cfg": config})
        if result.is_planned:
            return _TO_BE_BUILT, ""
        if result.status == 0 and SECTOR_BYTES < len(result.output) <= _CORE_LIMIT_BYTES:
            return result.output, ""
        complaint = f"grub-mkimage ended with status {result.status}: {result.messages[-300:]}"
    return _core_of_helper(tree, system, folder, config, modules), complaint


def _core_of_helper(tree: Tree, system: SystemFacts, images: str, config: bytes, modules: list[str]) -> bytes | None:
    """The helper's grub-mkimage over a copy of the system's modules, which core.img must match."""
    names = [name for name in tree.names(images) if name.endswith((".mod", ".img", ".lst"))]
    if not names:
        return None
    with tempfile.TemporaryDirectory(prefix="grub-") as folder:
        for name in names:
            content = tree.read(f"{images}/{name}")
            if content is not None:
                Path(folder, name).write_bytes(content)
        load = Path(folder, "load.cfg")
        load.write_bytes(config)
        command = ["grub-mkimage", "-O", "i386-pc", "-d", folder, "-p", system.grub_folder, "-c", str(load), *modules]
        try:
            done = subprocess.run(command, capture_output=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            return None
    return done.stdout if done.returncode == 0 and done.stdout else None


def embedded_config(tree: Tree, inputs: Inputs, system: SystemFacts) -> bytes:
    """What core.img does first: find the file system with /boot by its UUID, wherever its disk is."""
    references = inputs.references
    uuid = references.boot.file_system.uuid if references.boot is not None else ""
    lines = [f"search.fs_uuid {uuid} root"]
    prefix = references.place_in_file_system(system.grub_folder)
    if _RELATIVE in (tree.text(system.menu_path) or ""):
        # SUSE's GRUB: its menu, and so the prefix, counts from the default subvolume; the modules are in another one.
        prefix = system.grub_folder
        modules = f"{system.grub_folder}/i386-pc"
        lines += [f'set {_RELATIVE}="y"', f"export {_RELATIVE}"]
        if subvolume := references.subvolume_at(modules):
            lines.append(f"btrfs-mount-subvol ($root) {modules} /{subvolume}")
    return "\n".join([*lines, f"set prefix=($root){prefix}", ""]).encode()


def _modules(tree: Tree, folder: str, place: str) -> list[Change]:
    """GRUB's modules in /boot/grub, in case they are missing or of another version than core.img."""
    changes: list[Change] = []
    for name in tree.names(folder):
        if not name.endswith((".mod", ".lst", "modinfo.sh")):
            continue
        content = tree.read(f"{folder}/{name}", limit_bytes=_MODULE_LIMIT_BYTES)
        if content is not None and tree.read(f"{place}/{name}") != content:
            changes.append(WriteFile(path=f"{place}/{name}", content=content, reason="GRUB's modules"))
    return changes


def active_partition(disk: TargetDisk) -> TargetPartition | None:
    """The partition that some firmware insists on."""
    return next((part for part in disk.partitions if part.is_active), None)
