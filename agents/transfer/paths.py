"""Directories reached by descriptors only: below a root, through no symlink, to any depth."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

_SYS_OPEN_TREE = 428
_SYS_OPENAT2 = 437
_RESOLVE = 0x01 | 0x02 | 0x04 | 0x08  # NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS, BENEATH
_OPEN_TREE_CLONE = 1
_AT_FDCWD = -100
# The kernel's limit for one call is 4096 with the final NUL.
_PIECE_BYTES = 4000
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_HOW = _OpenHow(_DIRECTORY_FLAGS, 0, _RESOLVE)
_HOW_POINTER = ctypes.byref(_HOW)
_HOW_SIZE = ctypes.c_size_t(ctypes.sizeof(_HOW))
_has_openat2 = True


def open_root(path: str | os.PathLike[str]) -> int:
    """Open a directory as a root, without anything that is mounted below it where the kernel allows that.

    A private copy of the mount is taken (open_tree, Linux 5.2): a file system mounted on a directory of this
    one is then not seen. Elsewhere the directory itself is opened; crossing into another file system is
    refused in both cases.
    """
    encoded = os.fsencode(path)
    tree = _syscall(_SYS_OPEN_TREE, _AT_FDCWD, encoded, _OPEN_TREE_CLONE | os.O_CLOEXEC)
    if tree < 0:
        return os.open(encoded, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return os.open(".", _DIRECTORY_FLAGS, dir_fd=tree)
    finally:
        os.close(tree)


def open_directory(root: int, path: bytes) -> int:
    """Open the directory at a path below root; b"" is the root itself. The caller closes the descriptor.

    No component may be a symlink or lie on another file system, whatever another process does at the same
    time. Raises OSError (ELOOP, EXDEV, ENOTDIR, ENOENT) when the path is not like that.
    """
    if not path:
        return os.open(".", _DIRECTORY_FLAGS, dir_fd=root)
    if len(path) <= _PIECE_BYTES:
        return _open_piece(root, path)
    current = os.dup(root)
    for piece in _pieces(path):
        try:
            following = _open_piece(current, piece)
        finally:
            os.close(current)
        current = following
    return current


@contextmanager
def directory(root: int, path: bytes) -> Iterator[int]:
    """open_directory as a context."""
    descriptor = open_directory(root, path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def split(path: bytes) -> tuple[bytes, bytes]:
    """Directory and name of a path below a root."""
    parent, _, name = path.rpartition(b"/")
    return parent, name


def join(parent: bytes, name: bytes) -> bytes:
    """The path of a name in a directory below a root."""
    return parent + b"/" + name if parent else name


def _pieces(path: bytes) -> Iterator[bytes]:
    while len(path) > _PIECE_BYTES:
        cut = path.rindex(b"/", 0, _PIECE_BYTES)
        yield path[:cut]
        path = path[cut + 1 :]
    yield path


def _open_piece(parent: int, path: bytes) -> int:
    global _has_openat2  # noqa: PLW0603 - a fact about the running kernel, learned at the first call
    while _has_openat2:
        result = _syscall(_SYS_OPENAT2, parent, path, _HOW_POINTER, _HOW_SIZE)
        if result >= 0:
            return int(result)
        error = ctypes.get_errno()
        if error == errno.ENOSYS:
            _has_openat2 = False
        elif error not in (errno.EAGAIN, errno.EINTR):
            raise OSError(error, os.strerror(error), os.fsdecode(path[-200:]))
    return _open_by_components(parent, path)


def _open_by_components(parent: int, path: bytes) -> int:
    """What openat2 does, for kernels before 5.6: O_NOFOLLOW at each component."""
    device = os.fstat(parent).st_dev
    current = os.dup(parent)
    for name in path.split(b"/"):
        try:
            following = os.open(name, _DIRECTORY_FLAGS, dir_fd=current)
        finally:
            os.close(current)
        current = following
        if os.fstat(current).st_dev != device:
            os.close(current)
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), os.fsdecode(path[-200:]))
    return current


def sync_file_system(descriptor: int) -> None:
    """syncfs(2): everything written to the descriptor's file system is on disk when this returns."""
    if _libc.syncfs(descriptor) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def punch_hole(descriptor: int, offset: int, length: int) -> None:
    """Make a range of a file a hole (zeros that take no space); the size stays. Raises OSError."""
    keep_size_and_punch = 0x01 | 0x02
    result = _libc.fallocate(descriptor, keep_size_and_punch, ctypes.c_int64(offset), ctypes.c_int64(length))
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
