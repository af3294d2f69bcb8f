"""S13 for GRUB before version 2: its three stages, written by our own code.

GRUB's own installer is a 32-bit program that wants the disk; all that it does is known. stage1 goes into the first
sector, the stage for the file system with the kernels (stage1_5) into the sectors behind it, and both it and stage2
are told the partition and the menu.
"""

from __future__ import annotations

import struct
from typing import Final

from agents.target.adaptation.changes import Change, StepResult, WriteDisk, WriteFile
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.steps.grub2_code import CODE_BYTES, SECTOR_BYTES, core_area, system_disk
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree
from contracts.errors.adaptation import BOOTCODE_MISSING

_FOLDER: Final = "/boot/grub"
_PACKAGED: Final = (
    *("/usr/lib/grub/x86_64-pc", "/usr/lib/grub/i386-pc", "/usr/share/grub/x86_64-redhat"),
    *("/usr/share/grub/i386-redhat", "/usr/lib/grub"),
)
_STAGES: Final = {
    "ext2": "e2fs_stage1_5",
    "ext3": "e2fs_stage1_5",
    "ext4": "e2fs_stage1_5",
    "xfs": "xfs_stage1_5",
    "vfat": "fat_stage1_5",
}
# Offsets in stage1 (GRUB 0.97, stage1/stage1.h): where the next stage is loaded to, and from.
_ADDRESS_AT, _SECTOR_AT, _SEGMENT_AT, _DRIVE_AT, _DRIVE_CHECK_AT = 0x42, 0x44, 0x48, 0x40, 0x4B
_STAGE1_5_ADDRESS: Final = 0x2000
# The drive is the one that the BIOS started from.
_ANY_DRIVE: Final = 0xFF
# Offsets in a later stage (stage2/shared.h): its list of sectors, and from the second sector on what it is told.
_LIST_AT: Final = SECTOR_BYTES - 8
_PARTITION_AT, _VERSION_AT = SECTOR_BYTES + 0x8, SECTOR_BYTES + 0x12
_MENU_ROOM_BYTES: Final = 0x50
_STAGE_LIMIT_BYTES: Final = 1 << 20


def plan_legacy_code(tree: Tree, inputs: Inputs, system: SystemFacts) -> StepResult:
    """The stages on the disk and, where they differ, in /boot/grub."""
    disk, boot = system_disk(inputs), inputs.references.boot
    if disk is None or disk.table != "mbr" or boot is None or not boot.partition:
        return _missing("-", "GRUB before version 2 starts from a partition of a disk with an MBR only")
    name = _STAGES.get(boot.file_system.kind, "")
    stages = {each: _stage(tree, each) for each in ("stage1", name, "stage2")}
    absent = [each or f"a stage for {boot.file_system.kind}" for each, content in stages.items() if content is None]
    if absent:
        return _missing(disk.name, f"{', '.join(absent)} is missing in {_FOLDER}")
    is_separate = boot is not inputs.references.root
    folder = _FOLDER.removeprefix("/boot") if is_separate else _FOLDER
    menu = f"{folder}/{system.menu_path.rpartition('/')[2]}"
    middle = told(stages[name] or b"", boot.partition, f"{folder}/stage2", is_stage2=False)
    stage2 = told(stages["stage2"] or b"", boot.partition, menu, is_stage2=True)
    if middle is None or stage2 is None:
        return _missing(disk.name, f"{name} or stage2 is not of GRUB 0.97")
    start_bytes, room_bytes = core_area(disk)
    if len(middle) > room_bytes:
        return _missing(disk.name, f"{name} has {len(middle)} bytes and the gap before the partitions {room_bytes}")
    changes: list[Change] = [
        WriteFile(path=f"{_FOLDER}/{each}", content=content, reason="GRUB's stages")
        for each, content in {**stages, "stage2": stage2}.items()
        if content is not None and tree.read(f"{_FOLDER}/{each}", limit_bytes=_STAGE_LIMIT_BYTES) != content
    ]
    changes += [
        WriteDisk(disk=disk.name, offset_bytes=start_bytes, content=embedded(middle), reason="GRUB's stage 1.5"),
        WriteDisk(
            disk=disk.name, offset_bytes=0, content=first_sector(stages["stage1"] or b""), reason="GRUB's stage 1"
        ),
    ]
    facts = {"boot_disk": disk.name, "stage": name}
    return StepResult(changes=tuple(changes), checks=(passed(BOOTCODE_MISSING),), facts=facts)


def _missing(disk: str, reason: str) -> StepResult:
    return StepResult(checks=(failed(BOOTCODE_MISSING, disk=disk, reason=reason),))


def _stage(tree: Tree, name: str) -> bytes | None:
    """What the source's installer left in /boot/grub, else the package's."""
    for folder in (_FOLDER, *_PACKAGED):
        content = tree.read(f"{folder}/{name}", limit_bytes=_STAGE_LIMIT_BYTES) if name else None
        if content is not None and len(content) >= SECTOR_BYTES:
            return content
    return None


def first_sector(stage1: bytes) -> bytes:
    """stage1's code, which loads what begins in sector 1."""
    first = bytearray(stage1[:CODE_BYTES])
    first[_DRIVE_AT] = _ANY_DRIVE
    first[_DRIVE_CHECK_AT : _DRIVE_CHECK_AT + 2] = b"\x90\x90"
    struct.pack_into("<H", first, _ADDRESS_AT, _STAGE1_5_ADDRESS)
    struct.pack_into("<I", first, _SECTOR_AT, 1)
    struct.pack_into("<H", first, _SEGMENT_AT, _STAGE1_5_ADDRESS >> 4)
    return bytes(first)


def embedded(middle: bytes) -> bytes:
    """A stage whose first sector loads the others from right behind it."""
    sectors = -(-len(middle) // SECTOR_BYTES)
    placed = bytearray(middle.ljust(sectors * SECTOR_BYTES, b"\0"))
    struct.pack_into("<IHH", placed, _LIST_AT, 2, sectors - 1, (_STAGE1_5_ADDRESS + SECTOR_BYTES) >> 4)
    return bytes(placed)


def told(stage: bytes, partition: int, path: str, *, is_stage2: bool) -> bytes | None:
    """The stage with its partition (from 1) and the file that it goes on with; None when it is none that is known.

    stage1_5 has drive and partition of that file before its name, and takes the partition as it stands there.
    """
    end = stage.find(b"\0", _VERSION_AT)
    if len(stage) < 2 * SECTOR_BYTES or stage[_VERSION_AT : _VERSION_AT + 3] != b"0.9" or end < 0:
        return None
    changed = bytearray(stage)
    # Bits 16 to 23 are the partition; below them stands a BSD partition, which there is none of, above them the drive.
    place = (partition - 1) << 16 | 0xFFFF
    struct.pack_into("<I", changed, _PARTITION_AT, place)
    at = end + 1
    if not is_stage2:
        struct.pack_into("<I", changed, at, _ANY_DRIVE << 24 | place)
        at += 4
    name = path.encode() + b"\0"
    if len(name) > _MENU_ROOM_BYTES or changed[at : at + 1] != b"/":
        return None
    changed[at : at + len(name)] = name
    return bytes(changed)
