"""A FAT file system as a plain folder, by mtools: the helper's kernel may have no driver for it, and needs none.

The folder is the truth from `open` to `close`; `store` writes it into the file system. FAT keeps neither owner nor
mode, and times to two seconds: what lies in the folder may have more than arrives.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from pathlib import Path
from typing import Final

from agents.target.disks.format import make_file_system
from agents.target.disks.programs import run_program
from contracts.errors import MigrationError
from contracts.inventory import FileSystem

# Times on FAT have no zone, and names are shown in the locale's.
_ENVIRONMENT: Final = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1"}
_MOST_NAMES: Final = 100_000

_ATTEMPTS: Final = 5

# Of every entry: path, inode, time of the last change of anything.
Snapshot = frozenset[tuple[str, int, int]]


class FatFolder:
    """May be used by several threads. Raises MigrationError SMS.DISK.PROGRAM_FAILED when mtools or mkfs cannot do what
    they must."""

    def __init__(self, device: Path, file_system: FileSystem, folder: Path, *, name: str) -> None:
        """folder: a folder of this object's own, on a disk that outlives the process. name: what errors call it."""
        self._device = device
        self._file_system = file_system
        self._folder = folder
        self._name = name
        self._stored: Snapshot | None = None
        # A folder that is half reloaded must never be stored.
        self._lock = threading.RLock()
        self.path = folder / "files"

    def open(self) -> Path:
        """The files as a folder. One that a killed process left is used as it is: it may hold what was not stored."""
        with self._lock:
            if not self._is_loaded.exists():
                self.reload()
            return self.path

    def reload(self) -> None:
        """Take the files from the file system again, in place of what the folder holds."""
        with self._lock:
            self._is_loaded.unlink(missing_ok=True)
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in os.listdir(self.path):
                _remove(self.path / name)
            if run_program(["mdir", "-i", str(self._device), "-b", "::/"], disk=self._name, environment=_ENVIRONMENT):
                command = ["mcopy", "-i", str(self._device), "-s", "-Q", "-m", "-n", "::/", f"{self.path}/"]
                run_program(command, disk=self._name, environment=_ENVIRONMENT)
            self._is_loaded.touch()
            self._stored = self._snapshot()

    def store(self, *, without: bytes = b"") -> None:
        """Make the file system anew with the folder's files; nothing is done when they have not changed.

        without: a name in the root that does not belong to it.
        """
        with self._lock:
            for attempt in range(_ATTEMPTS):
                snapshot = self._snapshot(without=without)
                if snapshot == self._stored:
                    return
                try:
                    self._write(without)
                except MigrationError:
                    # A file may go while it is read: others write into the folder meanwhile.
                    if attempt == _ATTEMPTS - 1 or self._snapshot(without=without) == snapshot:
                        raise
                    continue
                self._stored = snapshot
                return

    def close(self) -> None:
        """Store the files and remove the folder. May be repeated."""
        with self._lock:
            if self._is_loaded.exists():
                self.store()
                self._is_loaded.unlink()
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _is_loaded(self) -> Path:
        return self._folder / "loaded"

    def _write(self, without: bytes) -> None:
        size_bytes = self._file_system.size_bytes
        make_file_system(self._device, self._file_system, name=self._name, size_bytes=size_bytes)
        names = [f"./{name}" for name in sorted(os.listdir(self.path)) if os.fsencode(name) != without]
        if names:
            command = ["mcopy", "-i", str(self._device), "-s", "-Q", "-m", *names, "::/"]
            run_program(command, disk=self._name, environment=_ENVIRONMENT, folder=self.path)

    def _snapshot(self, *, without: bytes = b"") -> Snapshot:
        found: set[tuple[str, int, int]] = set()
        left_out = os.fsdecode(without)
        for folder, directories, names in os.walk(self.path):
            if left_out in directories and folder == str(self.path):
                directories.remove(left_out)
            for name in (*directories, *names):
                path = os.path.join(folder, name)
                with contextlib.suppress(FileNotFoundError):
                    status = os.lstat(path)
                    found.add((path, status.st_ino, status.st_ctime_ns))
            if len(found) > _MOST_NAMES:
                break
        return frozenset(found)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
