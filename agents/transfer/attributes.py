"""Extended attributes and inode flags, read and set through descriptors."""

from __future__ import annotations

import errno
import fcntl
import os
import struct

_FS_IOC_GETFLAGS = 0x80086601
_FS_IOC_SETFLAGS = 0x40086602
_FS_IOC_FSGETXATTR = 0x801C581F
_FS_IOC_FSSETXATTR = 0x401C5820
_LONG = struct.Struct("l")
# struct fsxattr: flags, extent size, extents, project, extent size for copies, padding
_FSXATTR = struct.Struct("<5I8x")

SYNC = 0x00000008
IMMUTABLE = 0x00000010
APPEND_ONLY = 0x00000020
NO_DUMP = 0x00000040
NO_ATIME = 0x00000080
DIRECTORY_SYNC = 0x00010000
NO_COPY_ON_WRITE = 0x00800000
COPIED_FLAGS = SYNC | IMMUTABLE | APPEND_ONLY | NO_DUMP | NO_ATIME | DIRECTORY_SYNC | NO_COPY_ON_WRITE
"""Flags that mean the same on every file system; the others describe how one stores its data."""
_COMPRESSED = 0x00000004
_NOT_COMPRESSED = 0x00000400
_INHERITS_PROJECT = 0x00000200
# The same flags as FS_IOC_FSSETXATTR numbers them.
_EXTENDED = {SYNC: 0x20, IMMUTABLE: 0x08, APPEND_ONLY: 0x10, NO_DUMP: 0x80, NO_ATIME: 0x40}

COMPRESSION = b"btrfs.compression"
PROJECT = b"sms.project"
"""Travels as an attribute and is none: the project of quotas, and whether what is made in a directory gets it. The
kernel knows no attribute of such a name, so that no file system has one, and an older target only leaves it out."""
_PROJECT = struct.Struct("<IB")
DEFAULT_ACL = b"system.posix_acl_default"
ACCESS_ACL = b"system.posix_acl_access"
SHADOWS = frozenset((b"trusted.SGI_ACL_FILE", b"trusted.SGI_ACL_DEFAULT"))
"""XFS shows each ACL a second time under its own name; it makes these itself from the system.posix_acl_ ones."""
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
    if flags == current:
        return
    if current & (_COMPRESSED | _NOT_COMPRESSED):
        # Btrfs takes these flags, given back to it, for the wish to compress by its default method, or to forget one.
        _write_extended(descriptor, wanted)
    else:
        fcntl.ioctl(descriptor, _FS_IOC_SETFLAGS, _LONG.pack(flags))


def _write_extended(descriptor: int, wanted: int) -> None:
    flags, *others = _FSXATTR.unpack(fcntl.ioctl(descriptor, _FS_IOC_FSGETXATTR, bytes(_FSXATTR.size)))
    flags &= ~sum(_EXTENDED.values())
    flags |= sum(value for flag, value in _EXTENDED.items() if wanted & flag)
    fcntl.ioctl(descriptor, _FS_IOC_FSSETXATTR, _FSXATTR.pack(flags, *others))


def _read_project(descriptor: int) -> Xattrs:
    try:
        flags, _, _, project, _ = _FSXATTR.unpack(fcntl.ioctl(descriptor, _FS_IOC_FSGETXATTR, bytes(_FSXATTR.size)))
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return ()
        raise
    inherits = bool(flags & _INHERITS_PROJECT)
    return ((PROJECT, _PROJECT.pack(project, inherits)),) if project or inherits else ()


def _write_project(descriptor: int, value: bytes) -> None:
    """Raises OSError."""
    if len(value) != _PROJECT.size:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    project, inherits = _PROJECT.unpack(value)
    flags, size, extents, _, copy_size = _FSXATTR.unpack(
        fcntl.ioctl(descriptor, _FS_IOC_FSGETXATTR, bytes(_FSXATTR.size))
    )
    flags = (flags & ~_INHERITS_PROJECT) | (_INHERITS_PROJECT if inherits else 0)
    fcntl.ioctl(descriptor, _FS_IOC_FSSETXATTR, _FSXATTR.pack(flags, size, extents, project, copy_size))


def leave_project(descriptor: int) -> bool:
    """Make a directory give its project to nothing; whether it did. Nothing of another can be moved into such a one."""
    project = _read_project(descriptor)
    if not project:
        return False
    _write_project(descriptor, _PROJECT.pack(0, 0))
    return True


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
    for name in sorted({os.fsencode(text) for text in names} - SHADOWS):
        try:
            pairs.append((name, os.getxattr(target, name, follow_symlinks=isinstance(target, int))))
        except OSError as error:
            if error.errno != errno.ENODATA:  # removed since it was listed
                raise
    if isinstance(target, int) and (project := _read_project(target)):
        return tuple(sorted((*pairs, *project)))
    return tuple(pairs)


def write_xattrs(target: int | bytes, wanted: Xattrs, *, current: Xattrs) -> list[bytes]:
    """Make the attributes as wanted, given those that are there. Returns names that the file system refuses."""
    have = dict(current)
    names = {name for name, _ in wanted}
    refused = []
    for name in have.keys() - names:
        try:
            _remove(target, name)
        except OSError as error:
            if error.errno not in _UNSUPPORTED | {errno.ENODATA, errno.EPERM}:
                raise
    for name, value in wanted:
        if have.get(name) == value:
            continue
        try:
            _set(target, name, value)
        except OSError as error:
            if error.errno not in _UNSUPPORTED | {errno.EPERM}:
                raise
            refused.append(name)
    return refused


def _set(target: int | bytes, name: bytes, value: bytes) -> None:
    if name == PROJECT and isinstance(target, int):
        _write_project(target, value)
    else:
        os.setxattr(target, name, value, follow_symlinks=isinstance(target, int))


def _remove(target: int | bytes, name: bytes) -> None:
    if name == PROJECT and isinstance(target, int):
        _write_project(target, _PROJECT.pack(0, 0))
    else:
        os.removexattr(target, name, follow_symlinks=isinstance(target, int))
