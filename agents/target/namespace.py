"""A mount namespace of the target agent's own: its mounts die with it and are seen by nobody else."""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Final

CLONE_NEWNS: Final = 0x0002_0000
CLONE_NEWUTS: Final = 0x0400_0000
CLONE_NEWIPC: Final = 0x0800_0000
CLONE_NEWPID: Final = 0x2000_0000
CLONE_NEWNET: Final = 0x4000_0000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REMOUNT: Final = 32
MS_NOATIME: Final = 1024
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MS_SLAVE: Final = 1 << 19
MS_SHARED: Final = 1 << 20
MNT_DETACH: Final = 2
UMOUNT_NOFOLLOW: Final = 8

_libc = ctypes.CDLL(None, use_errno=True)


def enter_private_mount_namespace() -> None:
    """Give the calling process a mount namespace of its own; mounts of the host still arrive in it.

    A namespace belongs to a thread, and new threads inherit their creator's: call this in the main thread
    before any other thread runs. Raises RuntimeError when it is too late for that, OSError without root.
    """
    if threading.active_count() > 1 or threading.current_thread() is not threading.main_thread():
        raise RuntimeError("the mount namespace must be entered before other threads are started")
    unshare(CLONE_NEWNS)
    mount("none", "/", flags=MS_REC | MS_SLAVE)


def unshare(flags: int) -> None:
    """Like unshare(2). Raises OSError."""
    if _libc.unshare(flags) != 0:
        _raise("unshare")


def mount(source: str, target: str, kind: str = "", *, flags: int = 0, options: str = "") -> None:
    """Like mount(2); options are the file system's own. Raises OSError."""
    arguments = [os.fsencode(text) if text else None for text in (source, target, kind, options)]
    if _libc.mount(arguments[0], arguments[1], arguments[2], ctypes.c_ulong(flags), arguments[3]) != 0:
        _raise(target)


def unmount(target: str, *, flags: int = UMOUNT_NOFOLLOW) -> None:
    """Like umount2(2). Raises OSError."""
    if _libc.umount2(os.fsencode(target), flags) != 0:
        _raise(target)


def pivot_root(new_root: str, old_root: str) -> None:
    """Like pivot_root(2). Raises OSError."""
    if _libc.pivot_root(os.fsencode(new_root), os.fsencode(old_root)) != 0:
        _raise(new_root)


def _raise(subject: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), subject)
