"""A FAT file system as a plain folder, by mtools: the helper's kernel may have no driver for it, and needs none.

The folder is the truth from `open` to `close`; `store` writes it into the file system. FAT keeps neither owner nor
mode, and times to two seconds: what lies in the folder may have more than arrives.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Final

from agents.target.disks.format import make_file_system
from agents.target.disks.programs import run_program
from contracts.inventory import FileSystem

# Times on FAT have no zone, and names are shown in the locale's.
_ENVIRONMENT: Final = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1"}
_MOST_NAMES: Final = 100_000

Snapshot = frozenset[tuple[str, int, int]]


class FatFolder:
    """Raises MigrationError SMS.DISK.PROGRAM_FAILED when mtools or mkfs cannot do what they must."""

    def __init__(self, device: Path, file_system: FileSystem, folder: Path, *, name: str) -> None:
        """folder: a folder of this object's own, on a disk that outlives the process. name: what errors call it."""
        self._device = device
        self._file_system = file_system
        self._folder = folder
        self._name = name
        self._stored: Snapshot | None = None
        self.path = folder / "files"

    def open(self) -> Path:
        """The files as a folder. One that a killed process left is used as it is: it may hold what was not stored."""
        if not self._is_loaded.exists():
            self.reload()
        return self.path

    def reload(self) -> None:
        """Take the files from the file system again, in place of what the folder holds."""
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
        snapshot = self._snapshot()
        if snapshot == self._stored:
            return
        size_bytes = self._file_system.size_bytes
        make_file_system(self._device, self._file_system, name=self._name, size_bytes=size_bytes)
        names = [f"./{name}" for name in sorted(os.listdir(self.path)) if os.fsencode(name) != without]
        if names:
            command = ["mcopy", "-i", str(self._device), "-s", "-Q", "-m", *names, "::/"]
            run_program(command, disk=self._name, environment=_ENVIRONMENT, folder=self.path)
        self._stored = snapshot

    def close(self) -> None:
        """Store the files and remove the folder. May be repeated."""
        if self._is_loaded.exists():
            self.store()
            self._is_loaded.unlink()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _is_loaded(self) -> Path:
        return self._folder / "loaded"

    def _snapshot(self) -> Snapshot:
        found: set[tuple[str, int, int]] = set()
        for folder, directories, names in os.walk(self.path):
            for name in (*directories, *names):
                status = os.lstat(os.path.join(folder, name))
                found.add((os.path.join(folder, name), status.st_mtime_ns, _size(status)))
            if len(found) > _MOST_NAMES:
                break
        return frozenset(found)


def _size(status: os.stat_result) -> int:
    return status.st_size if stat.S_ISREG(status.st_mode) else -1


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
