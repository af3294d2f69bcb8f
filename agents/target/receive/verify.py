"""The target's half of a verification: reads entries back from disk and compares them with the catalogue's."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterable

from agents.target.receive.volume import Volume
from agents.transfer.attributes import entry_path, read_flags, read_xattrs
from agents.transfer.content import hash_file, hash_xattrs
from agents.transfer.entries import Entry, EntryKind, encode_group, kind_of
from agents.transfer.hashing import hash_whole
from agents.transfer.paths import open_directory
from agents.transfer.verification import EXPECTED, RESULT, UNREAD, Aspect, DirectoryPart, Status, decode_parts

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOATIME | os.O_CLOEXEC
_ALWAYS_THERE = b"lost+found"


class Verifier:
    """Shared by all connections. Remembers which inode stands for which link group within a round."""

    def __init__(self, volumes: Iterable[Volume]) -> None:
        self._devices = {os.fstat(volume.root).st_dev for volume in volumes}
        self._lock = threading.Lock()
        self._inodes: dict[tuple[int, int], int] = {}
        self._synced: set[int] = set()

    def begin_round(self) -> None:
        """Forget what an earlier verification learned."""
        with self._lock:
            self._inodes.clear()
            self._synced.clear()

    def compare(self, volume_of: Callable[[int], Volume], payload: bytes) -> bytes:
        """Verdicts on the parts of a payload: groups of entries (equal ones left out) whose data is a RESULT."""
        results: list[bytes | memoryview] = []
        for part in decode_parts(payload):
            volume = volume_of(part.volume)
            self._sync(volume)
            verdicts = self._compare_part(volume, part)
            if verdicts:
                results += encode_group(part.volume, part.path, verdicts)
        return b"".join(results)

    def _sync(self, volume: Volume) -> None:
        # Only clean pages can be dropped from the cache, so that the disk is what is read.
        with self._lock:
            if volume.index not in self._synced:
                volume.read_from_disk()
                self._synced.add(volume.index)

    def _compare_part(self, volume: Volume, part: DirectoryPart) -> list[Entry]:
        try:
            directory = open_directory(volume.root, part.path)
        except OSError:
            return [_verdict(entry, Status.MISSING, Aspect(0)) for entry in part.entries]
        known = {entry.name for entry in part.entries} | ({volume.staging_name} if not part.path else set())
        if not part.path:
            # Made by mkfs; the source's own, if it has one with something in it, is in the catalogue.
            known.add(_ALWAYS_THERE)
        try:
            present = _names(directory, part)
            compare = self._compare if volume.backing is None else _compare_plain
            verdicts = [compare(volume, directory, entry) for entry in part.entries]
            unknown = [name for name in sorted(present - known) if not self._is_other_volume(directory, name)]
        finally:
            os.close(directory)
        extra = [_verdict(Entry(EntryKind.REGULAR, name), Status.EXTRA, Aspect(0)) for name in unknown]
        return [verdict for verdict in verdicts if verdict is not None] + extra

    def _is_other_volume(self, directory: int, name: bytes) -> bool:
        """Whether a name is a subvolume that is compared by itself."""
        own = os.fstat(directory).st_dev
        try:
            device = os.stat(name, dir_fd=directory, follow_symlinks=False).st_dev
        except FileNotFoundError:
            return False
        return device != own and device in self._devices

    def _compare(self, volume: Volume, directory: int, entry: Entry) -> Entry | None:
        name = entry.name or b"."
        try:
            state = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return _verdict(entry, Status.MISSING, Aspect(0))
        if kind_of(state.st_mode) is not entry.kind:
            return _verdict(entry, Status.DIFFERENT, Aspect.KIND)
        content, xattrs, block_bytes, names, group = EXPECTED.unpack(entry.data)
        found = _compare_state(entry, state)
        if entry.kind is not EntryKind.DIRECTORY and not self._is_linked(volume.index, group, names, state):
            found |= Aspect.HARD_LINK
        if entry.kind in (EntryKind.REGULAR, EntryKind.DIRECTORY):
            found |= _compare_opened(directory, entry, content, xattrs, block_bytes)
        else:
            if entry.kind is EntryKind.SYMLINK and hash_whole(os.readlink(name, dir_fd=directory)) != content:
                found |= Aspect.LINK_TARGET
            if hash_xattrs(read_xattrs(entry_path(directory, name))) != xattrs:
                found |= Aspect.XATTRS
        return _verdict(entry, Status.DIFFERENT, found) if found else None

    def _is_linked(self, volume: int, group: int, names: int, state: os.stat_result) -> bool:
        # Also of a single file: one that has two names here was put in the place of another one that looks alike.
        if names != state.st_nlink:
            return False
        if not group:
            return True
        with self._lock:
            inode = self._inodes.setdefault((volume, group), state.st_ino)
        return inode == state.st_ino


def _compare_plain(_: Volume, directory: int, entry: Entry) -> Entry | None:
    """On a file system that keeps neither owner, mode, attributes nor exact times: kind, size and contents."""
    try:
        state = os.stat(entry.name or b".", dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return _verdict(entry, Status.MISSING, Aspect(0))
    if kind_of(state.st_mode) is not entry.kind:
        return _verdict(entry, Status.DIFFERENT, Aspect.KIND)
    if entry.kind is not EntryKind.REGULAR:
        return None
    content, _xattrs, block_bytes, _names, _group = EXPECTED.unpack(entry.data)
    found = Aspect(0) if state.st_size == entry.size else Aspect.SIZE
    if block_bytes == UNREAD:
        return _verdict(entry, Status.DIFFERENT, found) if found else None
    descriptor = os.open(entry.name, _READ, dir_fd=directory)
    try:
        if hash_file(descriptor, block_bytes) != content:
            found |= Aspect.CONTENTS
    finally:
        os.close(descriptor)
    return _verdict(entry, Status.DIFFERENT, found) if found else None


def _compare_state(entry: Entry, state: os.stat_result) -> Aspect:
    found = Aspect(0)
    if (state.st_uid, state.st_gid) != (entry.uid, entry.gid):
        found |= Aspect.OWNER
    if entry.kind is not EntryKind.SYMLINK and stat.S_IMODE(state.st_mode) != entry.mode:
        found |= Aspect.MODE
    if (state.st_mtime_ns - entry.mtime_ns) % (1 << 64):  # the catalogue keeps 64 bits of it
        found |= Aspect.MTIME
    if entry.kind is EntryKind.REGULAR and state.st_size != entry.size:
        found |= Aspect.SIZE
    if entry.kind in (EntryKind.CHARACTER_DEVICE, EntryKind.BLOCK_DEVICE) and state.st_rdev != entry.device:
        found |= Aspect.DEVICE
    return found


def _compare_opened(directory: int, entry: Entry, content: bytes, xattrs: bytes, block_bytes: int) -> Aspect:
    found = Aspect(0)
    descriptor = os.open(entry.name or b".", _READ, dir_fd=directory)
    try:
        if hash_xattrs(read_xattrs(descriptor)) != xattrs:
            found |= Aspect.XATTRS
        if read_flags(descriptor) != entry.inode_flags:
            found |= Aspect.INODE_FLAGS
        if entry.kind is EntryKind.REGULAR and block_bytes != UNREAD:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            if hash_file(descriptor, block_bytes) != content:
                found |= Aspect.CONTENTS
    finally:
        os.close(descriptor)
    return found


def _names(directory: int, part: DirectoryPart) -> set[bytes]:
    names = {os.fsencode(name) for name in os.listdir(directory)}
    return {name for name in names if name > part.after and (part.is_last or name <= part.until)}


def _verdict(entry: Entry, status: Status, aspects: Aspect) -> Entry:
    return Entry(entry.kind, entry.name, row=entry.row, data=RESULT.pack(status, aspects))
