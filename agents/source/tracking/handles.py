"""Directories by the handles that events name them with, and what tells a directory from a later one of its inode."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from pathlib import Path
from typing import Final

_FS_IOC_GETVERSION: Final = 0x80087601
_LONG: Final = struct.Struct("l")
_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SYS_FSOPEN: Final = 430
_SYS_FSCONFIG: Final = 431
_SYS_FSMOUNT: Final = 432
_FSOPEN_CLOEXEC: Final = 1
_FSMOUNT_CLOEXEC: Final = 1
_SET_STRING: Final = 1
_CREATE: Final = 6
_NO_DEVICES_SUID_PROGRAMS: Final = 0x2 | 0x4 | 0x8

_libc = ctypes.CDLL(None, use_errno=True)


def open_by_handle(mount: int, handle: bytes, flags: int = _FLAGS) -> int:
    """A descriptor of a directory (or what the flags say), wherever it is by now.

    mount: any descriptor of its file system. Raises OSError: ESTALE when it has been removed.
    """
    descriptor: int = _libc.open_by_handle_at(mount, handle, flags)
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return descriptor


def generation(descriptor: int) -> int:
    """Tells an inode from an earlier one of the same number; 0 where the file system does not say."""
    try:
        return _generation(descriptor)
    except OSError:
        return 0


def check_generations(descriptor: int) -> None:
    """Raises OSError where the file system does not tell them. A root's own may be 0, as that of XFS is."""
    try:
        _generation(descriptor)
    except OSError as error:
        raise OSError(errno.ENOTTY, "directories of this file system cannot be told apart") from error


def _generation(descriptor: int) -> int:
    return int(_LONG.unpack(fcntl.ioctl(descriptor, _FS_IOC_GETVERSION, bytes(8)))[0])


def open_top_level(path: str) -> int:
    """The root of the whole Btrfs of which path is in a subvolume, as a mount that nobody else sees.

    Raises OSError when it is no Btrfs or the kernel is older than 5.2.
    """
    device = _device_of(path)
    context = _syscall(_SYS_FSOPEN, b"btrfs", _FSOPEN_CLOEXEC)
    try:
        for key, value in ((b"source", device), (b"subvolid", b"5")):
            _syscall(_SYS_FSCONFIG, context, _SET_STRING, key, value, 0)
        _syscall(_SYS_FSCONFIG, context, _CREATE, None, None, 0)
        return _syscall(_SYS_FSMOUNT, context, _FSMOUNT_CLOEXEC, _NO_DEVICES_SUID_PROGRAMS)
    finally:
        os.close(context)


def _device_of(path: str) -> bytes:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        facts = Path(f"/proc/self/fdinfo/{descriptor}").read_text().split()
    finally:
        os.close(descriptor)
    wanted = facts[facts.index("mnt_id:") + 1].encode()
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        before, _, after = line.partition(b" - ")
        kind, device = after.split()[:2]
        if before.split()[0] == wanted and kind == b"btrfs":
            return device.decode("unicode_escape").encode("latin-1")
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)


def _syscall(number: int, *arguments: object) -> int:
    result: int = _libc.syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
