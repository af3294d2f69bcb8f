"""A system tree that is neither a disk nor an image: a plain folder stands for a disk that has yet to be made."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from contracts.inventory import Disk, FileSystem, Mount

GIB: Final = 1024**3
_COPYABLE_KINDS: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs"})


def measure(folder: Path) -> tuple[int, int]:
    """Bytes on disk (every inode once) and number of inodes of the tree, without crossing into other mounts."""
    device = folder.lstat().st_dev
    used_bytes, files = 0, 0
    seen: set[int] = set()
    stack = [str(folder)]
    while stack:
        try:
            entries = list(os.scandir(stack.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if found.st_dev != device or found.st_ino in seen:
                continue
            if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
                seen.add(found.st_ino)
            used_bytes, files = used_bytes + found.st_blocks * 512, files + 1
            if stat.S_ISDIR(found.st_mode):
                stack.append(entry.path)
    return used_bytes, files


def folder_as_disk(mount: Mount) -> tuple[Disk, Mount]:
    """A disk without table for the tree, and its mount with the tree's own figures.

    The size leaves half as much again as is used and 1 GiB, in whole GiB. The file system is that of the folder
    where it can be made on the target, else ext4, and bears no identifiers: those are the host's.
    """
    used_bytes, files = measure(Path(mount.host_path))
    size_bytes = ((used_bytes * 3 // 2 + GIB) // GIB + 1) * GIB
    kind = mount.kind if mount.kind in _COPYABLE_KINDS else "ext4"
    figures = {"used_bytes": used_bytes, "free_bytes": size_bytes - used_bytes}
    file_system = FileSystem(kind=kind, size_bytes=size_bytes, inodes_used=files, **figures)
    disk = Disk(name="folder", device=mount.host_path, size_bytes=size_bytes, file_system=file_system)
    update = {"volume": disk.name, "kind": kind, "size_bytes": size_bytes, "files": files, "root": "/", **figures}
    return disk, mount.model_copy(update=update)
