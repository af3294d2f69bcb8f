"""What the thread that leads a round hands to the threads that read and send."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from agents.source.copy.rows import Row


class OpenDirectory:
    """A directory's descriptor, shared by its work items; closed when the last one lets go."""

    __slots__ = ("_lock", "_users", "descriptor", "path", "row", "volume")

    def __init__(self, descriptor: int, *, volume: int, path: bytes, row: int) -> None:
        self.descriptor = descriptor
        self.volume = volume
        self.path = path
        self.row = row
        self._users = 1
        self._lock = threading.Lock()

    def hold(self) -> None:
        """One more user."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """One user less."""
        with self._lock:
            self._users -= 1
            if self._users:
                return
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Work:
    """Entries of one directory to be read and, where the target lacks them, sent.

    items: a row each; a row that the target does not hold in any form has sequence UNHELD and no content. The
    threads own the rows from here on. is_large: one file that goes by chunks.
    """

    directory: OpenDirectory
    items: tuple[Row, ...]
    is_large: bool = False
