"""The file system that a volume gets: the source's own, or a plain one where the source's is not known."""

from __future__ import annotations

import hashlib
import uuid
from typing import Final

from contracts.inventory import FileSystem, Mount
from services.task.domain.layout.options import MIB
from services.task.domain.layout.volumes import COPIED_KINDS

_NAMESPACE: Final = uuid.UUID("6c1f6a2e-6bfb-5b0e-9a55-5f3c9a4cf6f5")
# A new file system's own structures, for a size that is made up from used bytes.
_OVERHEAD_DIVISOR: Final = 8


def derived_uuid(seed: str, *names: str) -> str:
    """An identifier that the source does not have: the same for the same task and names."""
    return str(uuid.uuid5(_NAMESPACE, "\0".join((seed, *names))))


def derived_lvm_uuid(seed: str, *names: str) -> str:
    """An identifier in LVM's form, for a group or volume whose own one nobody told."""
    digits = hashlib.sha256("\0".join((seed, *names)).encode()).hexdigest()[:32]
    return "-".join((digits[:6], *(digits[at : at + 4] for at in range(6, 26, 4)), digits[26:]))


def derived_signature(seed: str, *names: str) -> str:
    """An MBR disk signature, 8 hex digits, never 0."""
    number = int.from_bytes(hashlib.sha256("\0".join((seed, *names)).encode()).digest()[:4], "big")
    return f"{number or 1:08x}"


def file_system_of_mount(mount: Mount, *, seed: str) -> FileSystem:
    """A file system for a mount whose device is not known: its kind if a target can hold it, else ext4.

    Not FAT, whose volume id cannot be made up from a UUID: nothing boots from a FAT of unknown device.
    """
    kind = mount.kind if mount.kind in COPIED_KINDS and mount.kind != "vfat" else "ext4"
    return FileSystem(
        kind=kind,
        uuid=derived_uuid(seed, "file system", mount.mount_point),
        size_bytes=size_for_mount(mount),
        used_bytes=mount.used_bytes,
        inodes_used=mount.files,
    )


def size_for_mount(mount: Mount) -> int:
    """A partition's size for a mount of unknown device: what is used, half as much again, and room to boot.

    A directory of a large disk must not make a large target, so the mount's own size is an upper limit only
    where it is near.
    """
    needed = needed_bytes(mount) + mount.used_bytes // 2 + 1024 * MIB
    size = min(needed, mount.size_bytes) if mount.size_bytes >= needed_bytes(mount) + 256 * MIB else needed
    return -(-size // MIB) * MIB


def needed_bytes(mount: Mount) -> int:
    """The least size of a file system that takes the mount's data and inodes, with some reserve."""
    content = mount.used_bytes + mount.files * 512
    return content + content // _OVERHEAD_DIVISOR + 16 * MIB
