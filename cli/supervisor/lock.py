"""One supervisor per data folder: who runs holds a lock, which ends with its process however it dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from cli.installation import DataFolder
from contracts.errors import MigrationError
from contracts.errors.cli import ALREADY_RUNNING


@contextmanager
def only_supervisor(folder: DataFolder) -> Iterator[None]:
    """Hold the folder's lock. Raises MigrationError SMS.CLI.ALREADY_RUNNING when another supervisor has it."""
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    with folder.lock_file.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            state = folder.state()
            pid = state.pid if state else "unknown"
            raise MigrationError(ALREADY_RUNNING, folder=folder.path, pid=pid) from error
        yield


def is_running(folder: DataFolder) -> bool:
    """Whether a supervisor holds the folder's lock."""
    try:
        lock = folder.lock_file.open("r")
    except FileNotFoundError:
        return False
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
