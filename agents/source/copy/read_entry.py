"""Reads one entry of the source: metadata, and the contents of small files, noticing changes meanwhile."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass

from agents.source.copy.file_state import State
from agents.transfer.attributes import entry_path, read_flags, read_xattrs
from agents.transfer.content import read_range
from agents.transfer.entries import Entry, EntryKind, kind_of
from agents.transfer.hashing import CHUNK_BYTES

ATTEMPTS = 3
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(slots=True)
class Reading:
    """An entry as read. state: the stat that its metadata is from. is_changing: it changed in every attempt."""

    entry: Entry
    state: State
    is_changing: bool = False


def open_regular(directory: int, name: bytes) -> tuple[int, os.stat_result]:
    """Open a regular file for reading without touching its access time; descriptor and stat.

    Raises OSError, ENOENT if it is none.
    """
    try:
        descriptor = os.open(name, _READ | os.O_NOATIME, dir_fd=directory)
    except PermissionError:
        # O_NOATIME is only for the owner and root; some network and user-space file systems refuse it to all.
        descriptor = os.open(name, _READ, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise FileNotFoundError(errno.ENOENT, "no longer a regular file") from error
        raise
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "no longer a regular file")
    return descriptor, state


def read_small(directory: int, name: bytes) -> Reading | None:
    """A small regular file with contents; None when it has grown beyond a chunk. Raises OSError."""
    descriptor, before = open_regular(directory, name)
    try:
        for attempt in range(1, ATTEMPTS + 1):
            if before.st_size > CHUNK_BYTES:
                return None
            data = read_range(descriptor, 0, before.st_size) if before.st_size else b""
            entry = describe(before, name)
            entry.xattrs, entry.inode_flags = read_xattrs(descriptor), read_flags(descriptor)
            after = os.fstat(descriptor)
            is_same = is_same_state(before, after) and len(data) == before.st_size
            if is_same or attempt == ATTEMPTS:
                entry.data, entry.size = data, len(data)
                return Reading(entry, before, is_changing=not is_same)
            before = after
    finally:
        os.close(descriptor)
    return None


def read_opened(descriptor: int, name: bytes) -> Reading:
    """Metadata of an open file or directory. Raises OSError."""
    state = os.fstat(descriptor)
    entry = describe(state, name)
    entry.xattrs, entry.inode_flags = read_xattrs(descriptor), read_flags(descriptor)
    return Reading(entry, state)


def read_special(directory: int, name: bytes) -> Reading | None:
    """A symlink (data is its target), device or FIFO, never opened; None if it is of another kind by now."""
    state = os.stat(name, dir_fd=directory, follow_symlinks=False)
    kind = kind_of(state.st_mode)
    if kind in (None, EntryKind.REGULAR, EntryKind.DIRECTORY):
        return None
    entry = describe(state, name)
    if kind is EntryKind.SYMLINK:
        entry.data = os.readlink(name, dir_fd=directory)
    entry.xattrs = read_xattrs(entry_path(directory, name))
    return Reading(entry, state)


def is_same_state(before: State, after: State) -> bool:
    """Whether nothing was written between two stats, as far as they tell."""
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


def describe(state: os.stat_result, name: bytes) -> Entry:
    """An entry with what a stat says."""
    kind = kind_of(state.st_mode)
    if kind is None:
        raise FileNotFoundError(errno.ENOENT, "a socket by now")
    is_device = kind in (EntryKind.CHARACTER_DEVICE, EntryKind.BLOCK_DEVICE)
    return Entry(
        kind=kind,
        name=name,
        mode=state.st_mode & 0o7777,
        uid=state.st_uid,
        gid=state.st_gid,
        mtime_ns=state.st_mtime_ns,
        atime_ns=state.st_atime_ns,
        size=state.st_size if kind is EntryKind.REGULAR else 0,
        device=state.st_rdev if is_device else 0,
    )
