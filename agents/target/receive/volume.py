"""A volume as it is written: its root, its staging folder, directories made on the way, safe removal."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from agents.target.receive.metadata import Inherited, inherited_from
from agents.transfer.attributes import APPEND_ONLY, IMMUTABLE, leave_project, read_flags, write_flags
from agents.transfer.frames import protocol_error
from agents.transfer.paths import open_directory, open_root, sync_file_system

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PROTECTING = IMMUTABLE | APPEND_ONLY
Result = TypeVar("Result")


class Backing(Protocol):
    """What stands behind a folder that is no mounted file system (FAT by mtools)."""

    def store(self, *, without: bytes = b"") -> None:
        """Bring the folder's files into the file system. Raises MigrationError."""

    def reload(self) -> None:
        """Take the file system's files in place of the folder's. Raises MigrationError."""


class Volume:
    """One file system of the target. root is a private descriptor of its root directory.

    backing: where the folder is not the file system itself. Such a one keeps names and contents only.

    The staging folder lies in the root under a name of the task's own. New contents of existing files and
    entries on their way from one place to another are in it; it is removed at the end of each round.
    """

    def __init__(self, index: int, path: Path, *, staging_name: bytes, backing: Backing | None = None) -> None:
        self.index = index
        self.backing = backing
        self.path = path
        self.root = open_root(path)
        self.staging_name = staging_name
        self._staging = -1
        self._staging_inherits: Inherited | None = None
        self._lock = threading.Lock()
        self._names = itertools.count()

    def close(self) -> None:
        """Give the descriptors back, so that the file system can be unmounted."""
        with self._lock:
            for descriptor in (self._staging, self.root):
                if descriptor >= 0:
                    os.close(descriptor)
            self._staging = self.root = -1

    def sync(self) -> None:
        """Everything written until now is on the disk afterwards. Raises OSError, MigrationError."""
        sync_file_system(self.root)
        if self.backing is not None:
            self.backing.store(without=self.staging_name)

    def read_from_disk(self) -> None:
        """What is read afterwards comes from the disk, as far as this kernel's cache allows. Errors as `sync`."""
        self.sync()
        if self.backing is not None:
            self.backing.reload()

    @property
    def staging(self) -> int:
        """Descriptor of the staging folder, which is made when it is first needed."""
        with self._lock:
            if self._staging < 0:
                with keep_times(self.root), contextlib.suppress(FileExistsError):
                    os.mkdir(self.staging_name, 0o700, dir_fd=self.root)
                self._staging = os.open(self.staging_name, _DIRECTORY, dir_fd=self.root)
                # Whatever the root is a part of: anything may be moved in here.
                leave_project(self._staging)
            return self._staging

    def staging_inherits(self) -> Inherited:
        """What is made in the staging folder gets by itself."""
        staging = self.staging
        if self._staging_inherits is None:
            self._staging_inherits = inherited_from(staging)
        return self._staging_inherits

    def check_not_reserved(self, path: bytes) -> None:
        """The staging folder is this end's own. Raises MigrationError SMS.TRANSFER.PROTOCOL."""
        if path.partition(b"/")[0] == self.staging_name:
            raise protocol_error("path into the folder that the target keeps for itself")

    def staged_name(self, row: int) -> bytes:
        """Name under which an entry is kept aside."""
        return b"row-%x" % row

    def temporary_name(self) -> bytes:
        """A name in the staging folder that nothing has."""
        return b"new-%x-%x" % (os.getpid(), next(self._names))

    def remove_temporary(self) -> None:
        """Remove half-written files that a killed process left in the staging folder; kept-aside entries stay."""
        if not self._has_staging():
            return
        for name in _names_in(self.staging):
            if name.startswith(b"new-"):
                self.remove_tree(self.staging, name)

    def remove_staging(self) -> None:
        """Remove the staging folder with all that is in it; the root's times stay as they are."""
        if not self._has_staging():
            return
        staging = self.staging
        for name in _names_in(staging):
            self.remove_tree(staging, name)
        with self._lock, keep_times(self.root):
            os.close(self._staging)
            self._staging, self._staging_inherits = -1, None
            os.rmdir(self.staging_name, dir_fd=self.root)

    def _has_staging(self) -> bool:
        try:
            return stat.S_ISDIR(os.stat(self.staging_name, dir_fd=self.root, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return False

    @contextmanager
    def directory(self, path: bytes) -> Iterator[int]:
        """A directory's descriptor; missing ones on the way are made, and other kinds in their place replaced."""
        try:
            descriptor = open_directory(self.root, path)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
            descriptor = self._make_directories(path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def open_child(self, parent: int, name: bytes) -> int:
        """Open a directory by name, made (mode 0700 until it gets its own) if there is none."""
        for _ in range(3):
            try:
                return os.open(name, _DIRECTORY, dir_fd=parent)
            except FileNotFoundError:
                with contextlib.suppress(FileExistsError):
                    unprotected(parent, name, lambda: os.mkdir(name, 0o700, dir_fd=parent))
            except OSError as error:
                if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                    raise
                with contextlib.suppress(FileNotFoundError):
                    unprotected(parent, name, lambda: os.unlink(name, dir_fd=parent))
        return os.open(name, _DIRECTORY, dir_fd=parent)

    def _make_directories(self, path: bytes) -> int:
        current = os.dup(self.root)
        for name in path.split(b"/"):
            try:
                following = self.open_child(current, name)
            finally:
                os.close(current)
            current = following
        return current

    def remove_tree(self, parent: int, name: bytes) -> None:
        """Remove an entry with all that is below it. Depth costs neither stack nor descriptors: directories
        found inside are moved to the staging folder first and emptied there one by one."""
        try:
            unprotected(parent, name, lambda: os.unlink(name, dir_fd=parent))
            return
        except FileNotFoundError:
            return
        except (IsADirectoryError, PermissionError):
            pass
        waiting = [self._take_aside(parent, name)]
        while waiting:
            aside = waiting.pop()
            descriptor = os.open(aside, _DIRECTORY, dir_fd=self.staging)
            try:
                waiting += self._empty(descriptor)
            finally:
                os.close(descriptor)
            os.rmdir(aside, dir_fd=self.staging)

    def _empty(self, descriptor: int) -> list[bytes]:
        inner = []
        for text in os.listdir(descriptor):
            child = os.fsencode(text)
            if stat.S_ISDIR(os.stat(child, dir_fd=descriptor, follow_symlinks=False).st_mode):
                inner.append(self._take_aside(descriptor, child))
            else:
                unprotected(descriptor, child, lambda name=child: os.unlink(name, dir_fd=descriptor))  # type: ignore[misc]
        return inner

    def _take_aside(self, parent: int, name: bytes) -> bytes:
        aside, staging = self.temporary_name(), self.staging
        unprotected(parent, name, lambda: os.rename(name, aside, src_dir_fd=parent, dst_dir_fd=staging))
        return aside


def _names_in(directory: int) -> list[bytes]:
    """By a new descriptor: on Btrfs since Linux 6.5 one shows only what was there when it was opened."""
    descriptor = os.open(".", _DIRECTORY, dir_fd=directory)
    try:
        return [os.fsencode(name) for name in os.listdir(descriptor)]
    finally:
        os.close(descriptor)


@contextmanager
def keep_times(descriptor: int) -> Iterator[None]:
    """Whatever is done inside leaves the directory's own times as they were."""
    before = os.fstat(descriptor)
    try:
        yield
    finally:
        os.utime(descriptor, ns=(before.st_atime_ns, before.st_mtime_ns))


def unprotected(parent: int, name: bytes, action: Callable[[], Result]) -> Result:
    """Do something to an entry; if it or its directory is immutable or append-only, free both and try again.

    The flags come back with the metadata that the source sends for both at the end.
    """
    try:
        return action()
    except PermissionError:
        # Another thread may have just freed the directory for something of its own; then there is nothing left to free.
        _unprotect(parent, b".")
        _unprotect(parent, name)
        return action()


def brought_in(directory: int, action: Callable[[], Result]) -> Result:
    """Move or link something into a directory; if that gives its project to all in it, have it end that and try again.

    The project comes back with the metadata that the source sends for the directory at the end.
    """
    try:
        return action()
    except OSError as error:
        if error.errno != errno.EXDEV or not leave_project(directory):
            raise
        return action()


def _unprotect(parent: int, name: bytes) -> None:
    try:
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    except OSError:
        return
    try:
        flags = read_flags(descriptor)
        if flags & _PROTECTING:
            write_flags(descriptor, flags & ~_PROTECTING)
    finally:
        os.close(descriptor)
