"""What a change does to a tree as it is now: the row of it in plan and report."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agents.target.adaptation.changes import (
    Change,
    MakeLink,
    MakeSwapFile,
    RemoveFile,
    RemoveFolder,
    SetLabel,
    WriteDisk,
    WriteFile,
)
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationChange

# Images of an initramfs are the largest files that are replaced.
FILE_LIMIT_BYTES: Final = 1 << 30


def change_report(tree: Tree, raw_path: Callable[[str], Path], step: str, change: Change) -> AdaptationChange | None:
    """The change as it is told, with the path that links lead to; None when everything is as it should be already.

    Raises OSError.
    """
    match change:
        case WriteFile():
            return _written(tree, step, change)
        case MakeLink():
            return _linked(tree, step, change)
        case RemoveFile():
            path = tree.place_of(change.path)
            is_there = tree.link_target(path) is not None or tree.is_file(path)
            return _row(step, path, "delete", change.reason) if is_there else None
        case RemoveFolder():
            is_there = tree.status(change.path) is not None
            return _row(step, change.path, "delete", change.reason) if is_there else None
        case MakeSwapFile():
            path = tree.place_of(change.path)
            is_there = tree.link_target(path) is not None or tree.status(path) is not None
            return None if is_there else _row(step, path, "create", change.reason, after=f"{change.size_bytes} bytes")
        case SetLabel():
            return _row(step, change.path, "edit", change.reason, before=change.before, after=change.label)
        case WriteDisk():
            is_written = disk_bytes(raw_path(change.disk), change.offset_bytes, len(change.content)) == change.content
            after = change.after or f"{len(change.content)} bytes at {change.offset_bytes}"
            return None if is_written else _row(step, change.disk, "boot_code", change.reason, after=after)


def _linked(tree: Tree, step: str, change: MakeLink) -> AdaptationChange | None:
    path = tree.place_of(change.path)
    old = tree.link_target(path)
    if old == change.target:
        return None
    return _row(step, path, "create", change.reason, before=old or "", after=change.target)


def _written(tree: Tree, step: str, change: WriteFile) -> AdaptationChange | None:
    path = tree.real_path(change.path)
    old = tree.read(path, limit_bytes=FILE_LIMIT_BYTES)
    if change.replaces_link and tree.link_target(change.path) is not None:
        old = None
    if old is None:
        path = tree.place_of(change.path)
        return _row(step, path, "create", change.reason, before=change.before, after=change.after)
    status = tree.status(path)
    mode = stat.S_IMODE(status.st_mode) if status is not None else None
    if old == change.content and change.mode in {None, mode}:
        return None
    return _row(step, path, "edit", change.reason, before=change.before, after=change.after)


def disk_bytes(path: Path, offset_bytes: int, size_bytes: int) -> bytes:
    """What a disk holds there."""
    with path.open("rb") as disk:
        disk.seek(offset_bytes)
        return disk.read(size_bytes)


def _row(step: str, path: str, operation: str, reason: str, *, before: str = "", after: str = "") -> AdaptationChange:
    return AdaptationChange(step=step, path=path, operation=operation, before=before, after=after, reason=reason)
