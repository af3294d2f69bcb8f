"""In a helper VM the disks that commands name are block devices: found by a serial, never by a name."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from contracts.errors import MigrationError
from contracts.errors.disks import DISK_MISSING
from contracts.messages.agent import AttachedDisk

_BLOCK: Final = Path("/sys/block")
_PATIENCE_S: Final = 30.0
_PAUSE_S: Final = 0.1


def as_devices(disks: Sequence[AttachedDisk], block: Path = _BLOCK) -> tuple[AttachedDisk, ...]:
    """The same disks as this machine has them: raw devices. They may still be on their way into the machine.

    Raises MigrationError SMS.DISK.MISSING.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        found = _by_serial(block)
        missing = [disk.name for disk in disks if serial_of(disk.path) not in found]
        if not missing:
            return tuple(
                disk.model_copy(update={"path": f"/dev/{found[serial_of(disk.path)]}", "format": "raw"})
                for disk in disks
            )
        if time.monotonic() > deadline:
            raise MigrationError(DISK_MISSING, disk=missing[0], attached=", ".join(sorted(found.values())) or "none")
        time.sleep(_PAUSE_S)


def serial_of(path: str) -> str:
    """As the provider's host makes it from the path on its own side (agents/host/helper_vm/disks.py)."""
    return hashlib.sha256(path.encode()).hexdigest()[:20]


def _by_serial(block: Path) -> dict[str, str]:
    found = {}
    for folder in block.glob("vd*"):
        try:
            found[(folder / "serial").read_text(encoding="ascii").strip()] = folder.name
        except (OSError, UnicodeDecodeError):
            continue
    return found
