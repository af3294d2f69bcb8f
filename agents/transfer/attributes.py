"""Extended attributes and inode flags, read and set through descriptors."""

from __future__ import annotations

import errno
import fcntl
import os
import struct

_FS_IOC_GETFLAGS = 0x80086601
_FS_IOC_SETFLAGS = 0x40086602
_LONG = struct.Struct("l")

SYNC = 0x00000008
IMMUTABLE = 0x00000010
APPEND_ONLY = 0x00000020
NO_DUMP = 0x00000040
NO_ATIME = 0x00000080
DIRECTORY_SYNC = 0x00010000
NO_COPY_ON_WRITE = 0x00800000
COPIED_FLAGS = SYNC | IMMUTABLE | APPEND_ONLY | NO_DUMP | NO_ATIME | DIRECTORY_SYNC | NO_COPY_ON_WRITE
"""Flags that mean the same on every file system; the others describe how one stores its data."""

DEFAULT_ACL = b"system.posix_acl_default"
ACCESS_ACL = b"system.posix_acl_access"
# XFS shows each ACL a second time under its own name; it makes these itself from the system.posix_acl_ ones.
_SHADOWS = frozenset((b"trusted.SGI_ACL_FILE", b"trusted.SGI_ACL_DEFAULT"))
_UNSUPPORTED = frozenset((errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS))

Xattrs = tuple[tuple[bytes, bytes], ...]


def read_flags(descriptor: int) -> int:
    """The copied inode flags of an open file or directory; 0 where the file system has none."""
    try:
        return int(_LONG.unpack(fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, bytes(8)))[0]) & COPIED_FLAGS
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return 0
        raise


def write_flags(descriptor: int, wanted: int) -> None:
    """Set the copied inode flags and leave the others as they are. Raises OSError."""
    current = int(_LONG.unpack(fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, bytes(8)))[0])
    flags = (current & ~COPIED_FLAGS) | (wanted & COPIED_FLAGS)
    if flags != current:
        fcntl.ioctl(descriptor, _FS_IOC_SETFLAGS, _LONG.pack(flags))


def entry_path(directory: int, name: bytes) -> bytes:
    """A path to an entry that calls without a directory argument accept; its length does not depend on depth."""
    return b"/proc/self/fd/%d/%s" % (directory, name)


def read_xattrs(target: int | bytes) -> Xattrs:
    """All attributes, sorted by name. target: a descriptor, or an entry_path whose last component is not followed."""
    try:
        names = os.listxattr(target, follow_symlinks=isinstance(target, int))
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return ()
        raise
    pairs = []
    for name in sorted({os.fsencode(text) for text in names} - _SHADOWS):
        try:
            pairs.append((name, os.getxattr(target, name, follow_symlinks=isinstance(target, int))))
        except OSError as error:
            if error.errno != errno.ENODATA:  # removed since it was listed
                raise
    return tuple(pairs)


def write_xattrs(target: int | bytes, wanted: Xattrs, *, current: Xattrs) -> list[bytes]:
    """Make the attributes as wanted, given those that are there. Returns names that the file system refuses."""
    follow = isinstance(target, int)
    have = dict(current)
    names = {name for name, _ in wanted}
    refused = []
    for name in have.keys() - names:
        try:
            os.removexattr(target, name, follow_symlinks=follow)
        except OSError as error:
            if error.errno not in _UNSUPPORTED | {errno.ENODATA, errno.EPERM}:
                raise
    for name, value in wanted:
        if have.get(name) == value:
            continue
        try:
            os.setxattr(target, name, value, follow_symlinks=follow)
        except OSError as error:
            if error.errno not in _UNSUPPORTED | {errno.EPERM}:
                raise
            refused.append(name)
    return refused
