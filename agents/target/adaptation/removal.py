"""Remove a folder of a foreign tree with everything in it, by descriptors."""

from __future__ import annotations

import os
import stat

from agents.target.adaptation.files import parent_of
from agents.target.adaptation.tree import Tree


def remove_all(tree: Tree, path: str) -> None:
    """Remove what is at path; links are removed, not followed. Raises OSError."""
    with parent_of(tree, path) as (folder, name):
        _remove(folder, name)
        os.fsync(folder)


def _remove(folder: int, name: str) -> None:
    if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=folder)
        return
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        for each in os.listdir(descriptor):
            _remove(descriptor, each)
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=folder)
