"""Writes the entries of a batch: small files with their contents, links, devices, metadata alone."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable

from agents.target.receive.metadata import (
    Inherited,
    finish_existing,
    finish_new,
    finish_special,
    free_umask,
    inherited_from,
)
from agents.target.receive.volume import Volume, brought_in, unprotected
from agents.target.receive.write_files import is_plain, make_files
from agents.transfer.attributes import COMPRESSION, NO_COPY_ON_WRITE, read_flags, write_flags
from agents.transfer.entries import HAS_CONTENT, IN_PLACE, SPARSE, Entry, EntryKind
from agents.transfer.frames import protocol_error

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SPARSE_BLOCK_BYTES = 4096
_ZEROS = bytes(_SPARSE_BLOCK_BYTES)
# Fewer are made one by one: mostly they are there already and are replaced.
_MADE_TOGETHER = 3
_MAX_LINK_TARGET_BYTES = 4095
_NODE_TYPES = {
    EntryKind.CHARACTER_DEVICE: stat.S_IFCHR,
    EntryKind.BLOCK_DEVICE: stat.S_IFBLK,
    EntryKind.FIFO: stat.S_IFIFO,
}


class _Inheritance:
    """What new files in a directory inherit; it is asked once."""

    __slots__ = ("_directory", "_found")

    def __init__(self, directory: int) -> None:
        self._directory = directory
        self._found: Inherited | None = None

    def __call__(self) -> Inherited:
        if self._found is None:
            self._found = inherited_from(self._directory)
        return self._found


def write_entries(volume: Volume, directory: int, entries: list[Entry]) -> list[int]:
    """Write entries into one directory; returns the rows of those that should have been there but are not."""
    free_umask()
    # Asked for only where a file is made that was not there.
    inherited = _Inheritance(directory)
    for entry in entries:
        if not entry.name or entry.kind is EntryKind.DIRECTORY:
            raise protocol_error("batch entry without a name or of a directory")
    plain: list[Entry] = []
    others: list[Entry] = []
    for entry in entries:
        (plain if is_plain(entry) else others).append(entry)
    if len(plain) >= _MADE_TOGETHER:
        plain = make_files(directory, plain, inherited())
    lost = []
    for entry in (*plain, *others):
        if entry.flags & HAS_CONTENT:
            _write(volume, directory, entry, inherited)
        elif not _write_metadata(directory, entry):
            lost.append(entry.row)
    return lost


def write_directories(volume: Volume, parent: int, entries: list[Entry]) -> None:
    """Give directories (made if they are missing) their metadata; the empty name is the root itself."""
    for entry in entries:
        if entry.kind is not EntryKind.DIRECTORY:
            raise protocol_error("directory entry of another kind")
        descriptor = volume.open_child(parent, entry.name) if entry.name else os.dup(parent)
        try:
            finish_existing(descriptor, entry)
        finally:
            os.close(descriptor)


def create_file(volume: Volume, directory: int, name: bytes, entry: Entry) -> int:
    """Make an empty file under a name where there is none; the caller closes the descriptor."""
    descriptor = unprotected(directory, name, lambda: os.open(name, _CREATE, entry.mode & 0o777, dir_fd=directory))
    if entry.inode_flags & NO_COPY_ON_WRITE:
        # Takes effect only while the file is empty.
        write_flags(descriptor, NO_COPY_ON_WRITE)
    for attribute, value in entry.xattrs:
        if attribute == COMPRESSION:
            # What is written before stays as large as it is. Another kind of file system has no such attribute.
            with contextlib.suppress(OSError):
                os.setxattr(descriptor, attribute, value)
    return descriptor


def open_existing(directory: int, name: bytes, access: int) -> int:
    """Open a regular file that is there. Raises FileNotFoundError when there is none or it is of another kind."""
    try:
        descriptor = unprotected(directory, name, lambda: os.open(name, access | _OPEN, dir_fd=directory))
    except OSError as error:
        # EACCES: a device node, as the replica is mounted nodev.
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.ENODEV, errno.EACCES):
            raise FileNotFoundError(errno.ENOENT, "not a regular file") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "not a regular file")
    return descriptor


def write_data(descriptor: int, data: bytes | memoryview, offset: int, *, is_sparse: bool) -> None:
    """Write all of the data at an offset; where is_sparse, blocks of zeros are skipped (the file is new there)."""
    view = memoryview(data)
    if not is_sparse:
        _write_fully(descriptor, view, offset)
        return
    start = None
    for at in range(0, len(view), _SPARSE_BLOCK_BYTES):
        block = view[at : at + _SPARSE_BLOCK_BYTES]
        if block == _ZEROS[: len(block)]:
            if start is not None:
                _write_fully(descriptor, view[start:at], offset + start)
                start = None
        elif start is None:
            start = at
    if start is not None:
        _write_fully(descriptor, view[start:], offset + start)


def _write_fully(descriptor: int, view: memoryview, offset: int) -> None:
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written


def _write(volume: Volume, directory: int, entry: Entry, inherited: Callable[[], Inherited]) -> None:
    if entry.kind is EntryKind.REGULAR:
        if len(entry.data) != entry.size:
            raise protocol_error("file whose contents are not of its size")
        try:
            descriptor = create_file(volume, directory, entry.name, entry)
        except FileExistsError:
            _replace_regular(volume, directory, entry)
        else:
            _fill(descriptor, entry, inherited)
        return
    try:
        _make_special(directory, entry.name, entry)
    except FileExistsError:
        _replace_special(volume, directory, entry)
    else:
        finish_special(directory, entry)


def _fill(descriptor: int, entry: Entry, inherited: Callable[[], Inherited]) -> None:
    """Contents and metadata of a file that was just made; closes it."""
    try:
        if entry.data:
            is_sparse = bool(entry.flags & SPARSE)
            write_data(descriptor, entry.data, 0, is_sparse=is_sparse)
            if is_sparse:
                os.ftruncate(descriptor, entry.size)
        finish_new(descriptor, entry, inherited())
    finally:
        os.close(descriptor)


def _replace_regular(volume: Volume, directory: int, entry: Entry) -> None:
    if entry.flags & IN_PLACE:
        try:
            descriptor = open_existing(directory, entry.name, os.O_WRONLY)
        except FileNotFoundError:
            pass
        else:
            try:
                write_data(descriptor, entry.data, 0, is_sparse=False)
                os.ftruncate(descriptor, entry.size)
                finish_existing(descriptor, entry)
            finally:
                os.close(descriptor)
            return
    temporary = volume.temporary_name()
    _fill(create_file(volume, volume.staging, temporary, entry), entry, volume.staging_inherits)
    has_flags = bool(entry.inode_flags or volume.staging_inherits().inode_flags)
    move_over(volume, temporary, directory, entry.name, has_flags=has_flags)


def _make_special(directory: int, name: bytes, entry: Entry) -> None:
    if entry.kind is EntryKind.SYMLINK:
        target = bytes(entry.data)
        if not target or b"\0" in target or len(target) > _MAX_LINK_TARGET_BYTES:
            raise protocol_error("symlink whose target is empty, too long or has a NUL")
        unprotected(directory, name, lambda: os.symlink(target, name, dir_fd=directory))
        return
    mode = entry.mode | _NODE_TYPES[entry.kind]
    unprotected(directory, name, lambda: os.mknod(name, mode, entry.device, dir_fd=directory))


def _replace_special(volume: Volume, directory: int, entry: Entry) -> None:
    temporary = volume.temporary_name()
    _make_special(volume.staging, temporary, entry)
    move_over(volume, temporary, directory, entry.name, has_flags=False)
    finish_special(directory, entry)


def move_over(volume: Volume, staged: bytes, directory: int, name: bytes, *, has_flags: bool = True) -> None:
    """Move an entry from the staging folder to its place, over whatever is there. has_flags: whether it may have inode
    flags."""
    staging = volume.staging

    def move() -> None:
        brought_in(directory, lambda: os.rename(staged, name, src_dir_fd=staging, dst_dir_fd=directory))

    # An entry that is already immutable cannot be moved; it gets its flags once it is in place.
    flags = flags_of(staging, staged) if has_flags else 0
    try:
        unprotected(directory, name, lambda: unprotected(staging, staged, move))
    except (IsADirectoryError, NotADirectoryError, FileExistsError):
        volume.remove_tree(directory, name)
        move()
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
        volume.remove_tree(directory, name)
        move()
    if flags:
        restore_flags(directory, name, flags)


def restore_flags(directory: int, name: bytes, flags: int) -> None:
    """Set the inode flags of a regular file that is there."""
    descriptor = open_existing(directory, name, os.O_RDONLY)
    try:
        write_flags(descriptor, flags)
    finally:
        os.close(descriptor)


def flags_of(directory: int, name: bytes) -> int:
    """The inode flags of a regular file; 0 for anything else."""
    try:
        descriptor = open_existing(directory, name, os.O_RDONLY)
    except FileNotFoundError:
        return 0
    try:
        return read_flags(descriptor)
    finally:
        os.close(descriptor)


def _write_metadata(directory: int, entry: Entry) -> bool:
    """Set the metadata of an entry that is there; False when it is not there, or of another kind."""
    try:
        if entry.kind is EntryKind.REGULAR:
            descriptor = open_existing(directory, entry.name, os.O_RDONLY)
            try:
                finish_existing(descriptor, entry)
            finally:
                os.close(descriptor)
            return True
        finish_special(directory, entry)
    except FileNotFoundError:
        return False
    return True
