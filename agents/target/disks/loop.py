"""Loop devices: a part of a disk or image as a block device that vanishes with its last user."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
from pathlib import Path
from types import TracebackType
from typing import Final

from contracts.errors import MigrationError
from contracts.errors.disks import LOOP_UNAVAILABLE

_CONTROL: Final = "/dev/loop-control"
_LOOP_CONFIGURE: Final = 0x4C0A
_LOOP_CLR_FD: Final = 0x4C01
_LOOP_CTL_ADD: Final = 0x4C80
_LOOP_MAJOR: Final = 7
# Cleared by the kernel at the last close or unmount, so a killed agent leaves none behind.
_AUTOCLEAR: Final = 4
# GRUB's scripts turn /dev/loop0 to /dev/loop9 into the backing file.
FIRST_NUMBER: Final = 10
_LAST_NUMBER: Final = 4096
# struct loop_config: fd, block size, struct loop_info64, reserved (include/uapi/linux/loop.h).
_CONFIG: Final = struct.Struct("=II QQQQQ IIII 64s64s32s QQ 64x")


class LoopDevice:
    """One attached loop device; it lives until `close`, and beyond it while it is mounted."""

    def __init__(self, path: Path, *, offset_bytes: int = 0, size_bytes: int = 0, is_read_only: bool = False) -> None:
        """size_bytes 0: up to the end. Raises MigrationError SMS.DISK.LOOP_UNAVAILABLE."""
        mode = os.O_RDONLY if is_read_only else os.O_RDWR
        try:
            backing = os.open(path, mode | os.O_CLOEXEC)
            try:
                self.number, self._fd = _attach(backing, offset_bytes, size_bytes, mode, str(path))
            finally:
                os.close(backing)
        except OSError as error:
            raise MigrationError(LOOP_UNAVAILABLE, path=path, reason=error.strerror or error) from error
        self.path = Path(f"/dev/loop{self.number}")
        self.device_number = os.makedev(_LOOP_MAJOR, self.number)

    def sync(self) -> None:
        """Write the device's dirty pages to the backing file, and that to its disk."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Let go of the device; the kernel detaches it when nothing else uses it. May be repeated."""
        if self._fd < 0:
            return
        # Dirty pages of the device reach the backing file before anything reads that file.
        os.fsync(self._fd)
        os.close(self._fd)
        self._fd = -1

    def __enter__(self) -> LoopDevice:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _attach(backing: int, offset_bytes: int, size_bytes: int, mode: int, name: str) -> tuple[int, int]:
    label = os.fsencode(name)[-63:]
    config = _CONFIG.pack(
        backing, 0, 0, 0, 0, offset_bytes, size_bytes, 0, 0, 0, _AUTOCLEAR, label, b"", b"", 0, 0
    )  # fmt: skip
    control = os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        for number in range(FIRST_NUMBER, _LAST_NUMBER):
            with contextlib.suppress(FileExistsError):
                fcntl.ioctl(control, _LOOP_CTL_ADD, number)
            device = _open_device(number, mode)
            try:
                fcntl.ioctl(device, _LOOP_CONFIGURE, config)
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:
                    raise
                continue
            return number, device
    finally:
        os.close(control)
    raise OSError(errno.EBUSY, f"all loop devices below {_LAST_NUMBER} are in use")


def _open_device(number: int, mode: int) -> int:
    path = f"/dev/loop{number}"
    if not os.path.exists(path):
        os.mknod(path, stat.S_IFBLK | 0o660, os.makedev(_LOOP_MAJOR, number))
    return os.open(path, mode | os.O_CLOEXEC)
