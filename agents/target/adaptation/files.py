"""Write, replace and remove files of a foreign tree by descriptors, with everything a file is besides content."""

from __future__ import annotations

import array
import contextlib
import ctypes
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from agents.target.adaptation.tree import Tree

TEMPORARY_SUFFIX: Final = ".sms-new"
SELINUX_LABEL: Final = "security.selinux"
_MOST_NEIGHBOURS: Final = 20
_GET_FLAGS: Final = 0x80086601
_SET_FLAGS: Final = 0x40086602
_IMMUTABLE: Final = 0x10
_NO_COPY_ON_WRITE: Final = 0x00800000

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Owner, mode, times and extended attributes (ACLs and SELinux labels are among them)."""

    mode: int
    uid: int = 0
    gid: int = 0
    mtime_ns: int | None = None
    attributes: dict[str, bytes] = field(default_factory=dict)
    is_immutable: bool = False


@contextlib.contextmanager
def parent_of(tree: Tree, path: str) -> Iterator[tuple[int, str]]:
    """A descriptor of the folder that holds path, and the last name. Raises OSError."""
    folder, _, name = path.rstrip("/").rpartition("/")
    if name in {"", ".", ".."}:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    descriptor = tree.open(folder or "/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor, name
    finally:
        os.close(descriptor)


def read_metadata(tree: Tree, path: str) -> Metadata:
    """Of the file that path leads to. Raises OSError."""
    descriptor = tree.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        return Metadata(
            mode=stat.S_IMODE(status.st_mode),
            uid=status.st_uid,
            gid=status.st_gid,
            mtime_ns=status.st_mtime_ns,
            attributes={name: os.getxattr(descriptor, name) for name in os.listxattr(descriptor)},
            is_immutable=bool(_flags(descriptor) & _IMMUTABLE),
        )
    finally:
        os.close(descriptor)


def neighbour_label(tree: Tree, path: str) -> dict[str, bytes]:
    """The SELinux label of a file in the same folder, else of the folder, or of the one that it is made in; nothing on
    a system without labels."""
    folder = path.rpartition("/")[0] or "/"
    while tree.status(folder) is None:
        folder = folder.rpartition("/")[0] or "/"
    neighbours = [f"{folder}/{name}" for name in tree.names(folder)[:_MOST_NEIGHBOURS]]
    for candidate in (*(each for each in neighbours if tree.is_file(each)), folder):
        with contextlib.suppress(OSError):
            descriptor = tree.open(candidate, os.O_RDONLY | os.O_NONBLOCK)
            try:
                return {SELINUX_LABEL: os.getxattr(descriptor, SELINUX_LABEL)}
            finally:
                os.close(descriptor)
    return {}


def _flags(descriptor: int) -> int:
    value = array.array("l", [0])
    with contextlib.suppress(OSError):  # not every file system has flags
        fcntl.ioctl(descriptor, _GET_FLAGS, value)
    return value[0]


def _set_immutable(descriptor: int, *, is_immutable: bool) -> None:
    flags = _flags(descriptor)
    wanted = flags | _IMMUTABLE if is_immutable else flags & ~_IMMUTABLE
    if wanted != flags:
        fcntl.ioctl(descriptor, _SET_FLAGS, array.array("l", [wanted]))


def avoid_copy_on_write(descriptor: int) -> None:
    """Have an empty file of Btrfs written in place (chattr +C). Raises OSError."""
    fcntl.ioctl(descriptor, _SET_FLAGS, array.array("l", [_flags(descriptor) | _NO_COPY_ON_WRITE]))


def sync_file_system(tree: Tree, path: str) -> None:
    """Bring everything that was written to path's file system to the disk. Raises OSError."""
    descriptor = tree.open(path)
    try:
        if _libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), "syncfs", path)
    finally:
        os.close(descriptor)


def write_file(tree: Tree, path: str, content: bytes, metadata: Metadata, *, is_durable: bool = True) -> None:
    """Replace the file at path (its links already resolved) as a whole; a power cut leaves the old or the new.

    A file with several links is written in place, since a rename would part it from them. is_durable False:
    the caller syncs the file system after many files (285 modules of GRUB: 6 s become 1 s). Raises OSError.
    """
    with parent_of(tree, path) as (folder, name):
        existing = _open_existing(folder, name)
        if existing is not None:
            with os.fdopen(existing, "rb+") as file:
                _set_immutable(existing, is_immutable=False)
                if os.fstat(existing).st_nlink > 1:
                    file.write(content)
                    file.truncate()
                    file.flush()
                    _finish(existing, metadata, is_durable=is_durable)
                    _keep_immutable(existing, metadata)
                    return
        temporary = name + TEMPORARY_SUFFIX
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o600, dir_fd=folder), "wb") as file:
            file.write(content)
            file.flush()
            _finish(file.fileno(), metadata, is_durable=is_durable)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            _keep_immutable(file.fileno(), metadata)
        if is_durable:
            os.fsync(folder)


def _open_existing(folder: int, name: str) -> int | None:
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):
        return None
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", name)
    read_only = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        _set_immutable(read_only, is_immutable=False)
    finally:
        os.close(read_only)
    return os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)


def _finish(descriptor: int, metadata: Metadata, *, is_durable: bool) -> None:
    os.fchown(descriptor, metadata.uid, metadata.gid)
    os.fchmod(descriptor, metadata.mode)
    for name in os.listxattr(descriptor):
        if name not in metadata.attributes:
            os.removexattr(descriptor, name)
    for name, value in metadata.attributes.items():
        os.setxattr(descriptor, name, value)
    if metadata.mtime_ns is not None:
        os.utime(descriptor, ns=(metadata.mtime_ns, metadata.mtime_ns))
    if is_durable:
        os.fsync(descriptor)


def _keep_immutable(descriptor: int, metadata: Metadata) -> None:
    """Last of all: such a file can no longer be renamed."""
    if metadata.is_immutable:
        _set_immutable(descriptor, is_immutable=True)


def make_link(tree: Tree, path: str, target: str) -> None:
    """Make or replace a symbolic link. Raises OSError."""
    with parent_of(tree, path) as (folder, name):
        temporary = name + TEMPORARY_SUFFIX
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        os.symlink(target, temporary, dir_fd=folder)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)


def remove_file(tree: Tree, path: str) -> None:
    """Remove a file or link, if it is there. Raises OSError."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), parent_of(tree, path) as (folder, name):
        existing = _open_existing(folder, name)
        if existing is not None:
            os.close(existing)
        os.unlink(name, dir_fd=folder)
        os.fsync(folder)


def set_label(tree: Tree, path: str, label: str) -> None:
    """Give what is at path, a link itself and not where it leads to, its SELinux label. Raises OSError."""
    with parent_of(tree, path) as (folder, name):
        value = label.encode() + b"\0"
        os.setxattr(f"/proc/self/fd/{folder}/{name}", SELINUX_LABEL, value, follow_symlinks=False)


def make_folders(tree: Tree, path: str, mode: int = 0o755) -> list[str]:
    """Make a folder and its parents; the paths of those that were missing, outermost first. Raises OSError."""
    made: list[str] = []
    names = [name for name in path.split("/") if name]
    for depth in range(1, len(names) + 1):
        partial = "/" + "/".join(names[:depth])
        if tree.status(partial) is not None:
            continue
        with parent_of(tree, partial) as (folder, name):
            os.mkdir(name, mode, dir_fd=folder)
            _label_as_parent(folder, name)
            os.fsync(folder)
        made.append(partial)
    return made


def _label_as_parent(folder: int, name: str) -> None:
    with contextlib.suppress(OSError):
        label = os.getxattr(folder, SELINUX_LABEL)
        made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            os.setxattr(made, SELINUX_LABEL, label)
        finally:
            os.close(made)


def remove_folder(tree: Tree, path: str) -> None:
    """Remove an empty folder, if it is there and empty."""
    with contextlib.suppress(OSError), parent_of(tree, path) as (folder, name):
        os.rmdir(name, dir_fd=folder)
