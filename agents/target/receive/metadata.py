"""Owner, mode, attributes, times and flags of an entry, set with as few calls as its values need."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import threading
from dataclasses import dataclass

from agents.transfer.attributes import (
    COMPRESSION,
    DEFAULT_ACL,
    PROJECT,
    entry_path,
    read_flags,
    read_xattrs,
    write_flags,
    write_xattrs,
)
from agents.transfer.entries import Entry

_CLONE_FS = 0x200
_libc = ctypes.CDLL(None, use_errno=True)
_thread = threading.local()


def free_umask() -> bool:
    """Give the calling thread a umask of its own and set it to 0; False where that cannot be done.

    The process's umask stays, as its other threads write secrets and logs.
    """
    if not hasattr(_thread, "is_free"):
        _thread.is_free = _libc.unshare(_CLONE_FS) == 0
        if _thread.is_free:
            os.umask(0)
    return bool(_thread.is_free)


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a new file in a directory gets by itself: group of a set-gid directory, flags, and attributes by a default
    ACL, compression or project."""

    gid: int
    inode_flags: int
    has_attributes: bool
    has_exact_mode: bool


def inherited_from(directory: int) -> Inherited:
    """Ask a directory once, instead of each file that is made in it."""
    state = os.fstat(directory)
    names = {name for name, _ in read_xattrs(directory)}
    gid = state.st_gid if state.st_mode & stat.S_ISGID else os.getegid()
    is_free = free_umask()
    has_attributes = not names.isdisjoint((DEFAULT_ACL, COMPRESSION, PROJECT))
    return Inherited(gid, read_flags(directory), has_attributes, is_free and DEFAULT_ACL not in names)


def finish_new(descriptor: int, entry: Entry, inherited: Inherited) -> None:
    """Metadata of a file that was just made with its permission bits."""
    has_moved = entry.uid != os.geteuid() or entry.gid != inherited.gid
    if has_moved:
        os.fchown(descriptor, entry.uid, entry.gid)
    if entry.mode & 0o7000 or not inherited.has_exact_mode:
        os.fchmod(descriptor, entry.mode)
    if entry.xattrs or inherited.has_attributes:
        current = read_xattrs(descriptor) if inherited.has_attributes else ()
        write_xattrs(descriptor, entry.xattrs, current=current)
    os.utime(descriptor, ns=(entry.atime_ns, entry.mtime_ns))
    if entry.inode_flags or inherited.inode_flags:
        _set_flags(descriptor, entry.inode_flags)


def finish_existing(descriptor: int, entry: Entry) -> None:
    """Metadata of a file or directory that was there before; only what differs is changed."""
    if read_flags(descriptor):
        _set_flags(descriptor, 0)
    state = os.fstat(descriptor)
    is_same = (state.st_uid, state.st_gid, state.st_mode & 0o7777) == (entry.uid, entry.gid, entry.mode)
    if (state.st_uid, state.st_gid) != (entry.uid, entry.gid):
        os.fchown(descriptor, entry.uid, entry.gid)
    current = read_xattrs(descriptor)
    if current != entry.xattrs:
        write_xattrs(descriptor, entry.xattrs, current=current)
    # After the attributes: an access ACL that came or went changes the group's permission bits.
    if not is_same or current != entry.xattrs:
        os.fchmod(descriptor, entry.mode)
    os.utime(descriptor, ns=(entry.atime_ns, entry.mtime_ns))
    if entry.inode_flags:
        _set_flags(descriptor, entry.inode_flags)


def finish_special(directory: int, entry: Entry) -> None:
    """Metadata of a symlink, device or FIFO, by name and without ever opening it or following a link."""
    os.chown(entry.name, entry.uid, entry.gid, dir_fd=directory, follow_symlinks=False)
    path = os.open(entry.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        mode = os.fstat(path).st_mode
        if not stat.S_ISLNK(mode) and stat.S_IMODE(mode) != entry.mode:
            os.chmod(b"/proc/self/fd/%d" % path, entry.mode)
    finally:
        os.close(path)
    target = entry_path(directory, entry.name)
    write_xattrs(target, entry.xattrs, current=read_xattrs(target))
    times = (entry.atime_ns, entry.mtime_ns)
    os.utime(entry.name, ns=times, dir_fd=directory, follow_symlinks=False)


def _set_flags(descriptor: int, flags: int) -> None:
    try:
        write_flags(descriptor, flags)
    except OSError as error:
        # Not every file system knows every flag; verification lists the difference.
        if error.errno not in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL):
            raise
