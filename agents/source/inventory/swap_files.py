"""Swap files: they are made again on the target, never copied."""

from __future__ import annotations

import os

from agents.source.inventory.superblocks.swap import read_swap
from agents.source.inventory.system_tree import SystemTree
from agents.source.inventory.volume_reader import VolumeReader
from contracts.inventory import SwapFile


def _unescape(path: str) -> str:
    return path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")


def _from_fstab(tree: SystemTree) -> list[str]:
    found = []
    for line in tree.read_text("/etc/fstab").splitlines():
        fields = line.split()
        if len(fields) >= 3 and not line.lstrip().startswith("#") and fields[2] == "swap":
            path = _unescape(fields[0])
            if path.startswith("/") and not path.startswith("/dev/") and tree.is_file(path):
                found.append(path)
    return found


def read_swap_files(tree: SystemTree) -> tuple[str, ...]:
    """Paths of swap files in use (live systems only) or named in fstab."""
    found = _from_fstab(tree)
    if tree.is_live:
        # Files in /proc have no size; they are read as any other here.
        for line in tree.read_text("/proc/swaps").splitlines()[1:]:
            fields = line.split()
            if len(fields) >= 2 and fields[1] == "file":
                found.append(_unescape(fields[0]))
    return tuple(sorted(set(found)))


def read_swap_file_headers(tree: SystemTree, paths: tuple[str, ...]) -> tuple[SwapFile, ...]:
    """Those of the paths that hold a swap area, each once, by the path that they lead to.

    A line of fstab is no proof: a file without the header is copied as any other.
    """
    found = {file.path: file for path in paths if (file := _read_header(tree, path)) is not None}
    return tuple(found[path] for path in sorted(found))


def _read_header(tree: SystemTree, path: str) -> SwapFile | None:
    try:
        with tree.open_file(path) as descriptor:
            size_bytes = os.fstat(descriptor).st_size
            area = read_swap(VolumeReader(descriptor=descriptor, offset_bytes=0, size_bytes=size_bytes))
            if area is None:
                return None
            return SwapFile(
                path=tree.path_of(descriptor),
                size_bytes=size_bytes,
                uuid=area.uuid,
                label=area.label,
                page_size=area.block_size,
            )
    except OSError:
        return None
