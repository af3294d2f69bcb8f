"""Swap files: they are made again on the target, never copied."""

from __future__ import annotations

from agents.source.inventory.system_tree import SystemTree


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
