"""Lists directories ahead of the walk: a cold disk gives several of them at once nearly as fast as one."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from agents.transfer.paths import open_directory

_THREADS: Final = 3
_MAX_AHEAD: Final = 32
# What is listed and not visited yet is in memory: about 500 bytes an entry.
_MAX_ENTRIES_AHEAD: Final = 20_000
_AHEAD_AT_A_TIME: Final = 256


@dataclass(frozen=True, slots=True)
class Listing:
    """A directory as it was at one moment. descriptor: open, the taker closes it. entries: in bytewise order of the
    names; a state of None means that the entry was gone again."""

    descriptor: int
    state: os.stat_result
    read_at_ns: int
    entries: list[tuple[bytes, os.stat_result | None]]


class ListingsAhead:
    """Used by the thread that leads the round. root: descriptor of the volume's root.

    Threads are of use only where listing waits for the disk: when the last directory that was not listed ahead had to
    be read from it, the next 256 are, and then it is tried again without.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._waiting: dict[bytes, Future[Listing]] = {}
        self._left = 0
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="listing")

    def expect(self, paths: Sequence[bytes]) -> None:
        """Begin with those directories, in this order, as far as there is room and it is of use."""
        if not self._left:
            return
        done = [future for future in self._waiting.values() if future.done() and not future.exception()]
        entries = sum(len(future.result().entries) for future in done)
        if entries > _MAX_ENTRIES_AHEAD:
            return
        for path in paths[: min(self._left, _MAX_AHEAD - len(self._waiting))]:
            if path not in self._waiting:
                self._left -= 1
                self._waiting[path] = self._pool.submit(_list, self._root, path)

    def take(self, path: bytes) -> Listing:
        """A directory's listing. Raises OSError when it cannot be opened or read."""
        future = self._waiting.pop(path, None)
        if future:
            return future.result()
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_inblock
        listing = _list(self._root, path)
        if resource.getrusage(resource.RUSAGE_THREAD).ru_inblock > before:
            self._left = _AHEAD_AT_A_TIME
        return listing

    def close(self) -> None:
        """Give up what nobody took."""
        self._pool.shutdown(cancel_futures=True)
        for future in self._waiting.values():
            if not future.cancelled():
                with suppress(OSError):
                    os.close(future.result().descriptor)


def look_at(descriptor: int, names: Collection[bytes]) -> Listing:
    """Only some names of an open directory, which the listing takes over. Raises OSError."""
    return Listing(descriptor, os.fstat(descriptor), time.time_ns(), [(n, _look(descriptor, n)) for n in sorted(names)])


def _look(directory: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _list(root: int, path: bytes) -> Listing:
    descriptor = open_directory(root, path)
    try:
        read_at_ns = time.time_ns()
        state = os.fstat(descriptor)
        with os.scandir(descriptor) as listing:
            found = sorted([(os.fsencode(entry.name), entry) for entry in listing])
        return Listing(descriptor, state, read_at_ns, [(name, _state(entry)) for name, entry in found])
    except BaseException:
        os.close(descriptor)
        raise


def _state(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
