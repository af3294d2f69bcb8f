"""Open paths inside a foreign tree, which can never lead out of it (openat2 with RESOLVE_IN_ROOT)."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import Final

_SYS_OPENAT2: Final = 437  # the same number on every architecture
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_IN_ROOT: Final = 0x10
_MOST_ATTEMPTS: Final = 1000

_libc = ctypes.CDLL(None, use_errno=True)


def open_in_root(root_fd: int, path: str, flags: int, mode: int = 0) -> int:
    """A descriptor of path as a program whose root is root_fd would see it. Raises OSError."""
    # struct open_how: flags, mode, resolve.
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, mode, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    relative = os.fsencode(path.lstrip("/") or ".")
    for _ in range(_MOST_ATTEMPTS):
        fd: int = _libc.syscall(_SYS_OPENAT2, root_fd, relative, how, len(how))
        if fd >= 0:
            return fd
        # The kernel cannot tell where ".." leads while anything on the machine is renamed or mounted: ask again.
        if ctypes.get_errno() != errno.EAGAIN:
            break
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), path)
