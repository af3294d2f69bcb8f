"""Several loop devices as one block device, by the device-mapper; like them it vanishes with its last user."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agents.target.disks.loop import LoopDevice
from agents.target.disks.programs import run_program

_SECTOR_BYTES: Final = 512
_MAPPER: Final = Path("/dev/mapper")
# Device nodes are made here: the helper need not have a device manager, and no other one shall see these.
_ENVIRONMENT: Final = {"DM_DISABLE_UDEV": "1"}


class JoinedDevice:
    """Pieces one behind the other. It lives until `close`, and beyond it while it is mounted."""

    def __init__(self, pieces: Sequence[tuple[LoopDevice, int]], *, label: str, is_read_only: bool = False) -> None:
        """pieces: each with its size in bytes; they belong to this device from now on. label: what errors call it.

        Raises MigrationError SMS.DISK.PROGRAM_FAILED.
        """
        # The number of a loop device is unique for as long as this one uses it.
        name = f"sms-{pieces[0][0].path.name}"
        self.path = _MAPPER / name
        try:
            command = ["dmsetup", "create", *(["--readonly"] if is_read_only else []), name]
            run_program(command, disk=label, input_text=joined_table(pieces), environment=_ENVIRONMENT)
            try:
                self._fd = os.open(self.path, (os.O_RDONLY if is_read_only else os.O_RDWR) | os.O_CLOEXEC)
            finally:
                # With the last user the kernel takes it away, also of an agent that was killed.
                run_program(["dmsetup", "remove", "--deferred", name], disk=label, environment=_ENVIRONMENT)
            self.device_number = os.fstat(self._fd).st_rdev
            if not self.path.exists():
                os.mknod(self.path, stat.S_IFBLK | 0o600, self.device_number)
        finally:
            for piece, _ in pieces:
                piece.close()

    def sync(self) -> None:
        """Write the device's dirty pages to its pieces."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Let go of the device. May be repeated."""
        if self._fd < 0:
            return
        os.fsync(self._fd)
        os.close(self._fd)
        self._fd = -1
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()


def joined_table(pieces: Sequence[tuple[LoopDevice, int]]) -> str:
    """The device-mapper's table."""
    lines, start = [], 0
    for piece, size_bytes in pieces:
        sectors = size_bytes // _SECTOR_BYTES
        lines.append(f"{start} {sectors} linear {piece.path} 0\n")
        start += sectors
    return "".join(lines)
