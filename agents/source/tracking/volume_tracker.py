"""What is known of one volume's changes: whether the catalogue is in step but for them, and since when not."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Mapping
from enum import Enum
from typing import Final

from agents.source.tracking.changes import Changes
from agents.source.tracking.fanotify import Notifier, QueueOverflowError
from agents.source.tracking.handles import check_generations, open_top_level
from agents.transfer.paths import open_root

WALK_INTERVAL_S: Final = 24 * 3600.0
"""What gives no event (a write through mmap, inode flags on older kernels) is found after this long at the latest."""
_SECOND_HALF_S: Final = 0.002
_MAX_IGNORED: Final = 10_000
Scope = tuple[str, ...]


class _Standing(Enum):
    """OUT: a walk is needed. WALKING: one is under way. IN_STEP: the catalogue and the changes together are the
    source. TAKEN: a round looks at the changes that there were."""

    OUT = 1
    WALKING = 2
    IN_STEP = 3
    TAKEN = 4


class VolumeTracker:
    """Methods may be called from any thread. scope: what a round leaves out; another one asks for a walk."""

    def __init__(self, path: str) -> None:
        """path: as CopyVolume.source_path. Raises OSError where the kernel or the file system cannot report."""
        self._lock = threading.Lock()
        self.root = self._mark = open_root(path)
        try:
            check_generations(self.root)
            self.notifier = Notifier()
            self._begin_watching(path)
        except OSError:
            os.close(self.root)
            raise
        self._standing = _Standing.OUT
        self._is_watching = True
        self._changes = Changes()
        self._ignored: set[bytes] = set()
        self._scope: Scope | None = None
        self._walked_at = -WALK_INTERVAL_S
        self._began_at = 0.0
        self._taken_since: float | None = None
        self._in_step_at: float | None = None

    def close(self) -> None:
        """End the reports and give the descriptors back."""
        with self._lock:
            self.notifier.close()
            for descriptor in {self.root, self._mark}:
                os.close(descriptor)

    def begin_walk(self, scope: Scope) -> None:
        """A walk of everything begins: what has been reported until now it will find by itself."""
        with self._lock:
            if not self._is_watching:
                self.notifier.watch(self._mark)
                self._is_watching = True
            self._standing, self._scope = _Standing.WALKING, scope
            self._ignored.clear()
            self._drain()
            self._changes = Changes()
            self._taken_since = None
            self._walked_at = self._began_at = time.monotonic()

    def take(self, scope: Scope) -> Changes | None:
        """What has changed since the last confirmed round; None if everything must be walked instead."""
        with self._lock:
            self._drain()
            is_due = time.monotonic() - self._walked_at >= WALK_INTERVAL_S
            if self._standing is not _Standing.IN_STEP or self._scope != scope or is_due:
                return None
            taken, self._changes = self._changes, Changes()
            self._taken_since, self._began_at = taken.oldest_at, time.monotonic()
            self._standing = _Standing.TAKEN
            return taken

    def confirm(self, postponed: Mapping[int, set[bytes]]) -> None:
        """The round is over and on the target's disk. postponed: names by row that it could not settle."""
        with self._lock:
            since = self._taken_since if self._taken_since is not None else self._began_at
            self._taken_since, self._in_step_at = None, self._began_at
            if self._standing is _Standing.OUT:
                return
            self._standing = _Standing.IN_STEP
            for row, names in postponed.items():
                for name in names:
                    self._changes.add_row(row, name, at=since)

    def give_up(self) -> None:
        """Something was lost: the next round must walk."""
        with self._lock:
            self._lose()

    def ignore(self, handle: bytes) -> None:
        """Nothing in this directory is copied."""
        with self._lock:
            if len(self._ignored) < _MAX_IGNORED:
                self._ignored.add(handle)

    def collect(self) -> bool:
        """Take in what the kernel has reported; whether there is something to be looked at."""
        with self._lock:
            self._drain()
            return self._standing is _Standing.IN_STEP and self._changes.count > 0

    @property
    def needs_walk(self) -> bool:
        """Whether a walk is under way, or the next round must be one."""
        return self._standing in {_Standing.OUT, _Standing.WALKING}

    def lag_s(self, now: float) -> float | None:
        """Age of the oldest change that is not on the target; None until it was in step for the first time."""
        with self._lock:
            if self._in_step_at is None:
                return None
            since = [at for at in (self._taken_since, self._changes.oldest_at) if at is not None]
            if self._standing in {_Standing.OUT, _Standing.WALKING}:
                since.append(self._in_step_at)
            return max(0.0, now - min(since)) if since else 0.0

    def _begin_watching(self, path: str) -> None:
        try:
            self.notifier.watch(self.root)
        except OSError as error:
            if error.errno != errno.EXDEV:
                self.notifier.close()
                raise
            # A subvolume cannot be marked, the Btrfs around it can: with its other subvolumes, which are sorted out.
            try:
                self._mark = open_top_level(path)
                self.notifier.watch(self._mark)
            except OSError:
                self.notifier.close()
                raise

    def _drain(self) -> None:
        try:
            while events := self.notifier.read():
                now = time.monotonic()
                for event in events:
                    if event.is_moved_directory:
                        self._ignored.clear()
                    if event.handle not in self._ignored:
                        is_replaced = event.is_replaced
                        self._changes.add(event.handle, event.name, event.written, is_replaced=is_replaced, at=now)
                if self._changes.is_full:
                    self._lose()
                    return
                if events[-1].has_left:
                    # A move is told by two events; with one of them alone it would be a removal.
                    time.sleep(_SECOND_HALF_S)
        except QueueOverflowError:
            self._lose()

    def _lose(self) -> None:
        """From here on nothing is collected, so that a task at rest costs nothing."""
        self._standing = _Standing.OUT
        self._changes = Changes()
        if self._is_watching:
            self.notifier.unwatch(self._mark)
            self._is_watching = False
