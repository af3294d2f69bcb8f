"""The host's loop devices that hold files of a target: whoever left them, they are found by file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from agents.host.images import run_tool
from contracts.errors import MigrationError

_BLOCK: Final = Path("/sys/block")
_WAIT_S: Final = 3.0


def loops_below(folder: Path) -> tuple[tuple[str, Path], ...]:
    """(device, backing file) of every loop device whose file lies, or lay until it was removed, below a folder."""
    prefix = f"{folder.resolve()}/"
    found = []
    for entry in _BLOCK.glob("loop*/loop/backing_file"):
        try:
            backing = entry.read_text(encoding="utf-8", errors="replace").rstrip("\n")
        except OSError:
            continue
        if backing.startswith(prefix):
            found.append((f"/dev/{entry.parent.parent.name}", Path(backing.removesuffix(" (deleted)"))))
    return tuple(sorted(found))


def detach_loops_below(folder: Path) -> None:
    """Detach them all and wait until they are gone. One that is mounted stays until it is unmounted."""
    for device, _ in loops_below(folder):
        try:
            run_tool(["losetup", "--detach", device], timeout_s=30)
        except MigrationError:
            # Another process, or the kernel itself (autoclear), may have been faster.
            if device in dict(loops_below(folder)):
                raise
    deadline = time.monotonic() + _WAIT_S
    while loops_below(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
