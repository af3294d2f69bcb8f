"""Lists directories ahead of the walk: while the last one is compared, and several at once from a cold disk."""

from __future__ import annotations

import os
import queue
import resource
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from agents.source.scan.directory_scan import Scan, Scanner, new_scanner, scan_names
from agents.transfer.paths import open_directory

_THREADS: Final = 1
_COLD_THREADS: Final = 3
_AHEAD: Final = 8
_COLD_AHEAD: Final = 32
# What is listed and not visited yet is in memory: about 60 bytes an entry.
_MAX_ENTRIES_AHEAD: Final = 100_000
_AHEAD_AT_A_TIME: Final = 256


@dataclass(frozen=True, slots=True)
class Listing:
    """A directory as it was at one moment. descriptor: open, the taker closes it."""

    descriptor: int
    state: os.stat_result
    read_at_ns: int
    scan: Scan


class ListingsAhead:
    """Used by the thread that leads the round. root: descriptor of the volume's root. scanner: of that thread.

    One thread is always ahead: most of what a listing costs is time in the kernel. More are of use only where listing
    waits for the disk: when the last directory that was not listed ahead had to be read from it, three threads list the
    next 256.
    """

    def __init__(self, root: int, scanner: Scanner) -> None:
        self._root = root
        self._scanner = scanner
        self._wanted: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._found: queue.SimpleQueue[tuple[bytes, Listing | Exception]] = queue.SimpleQueue()
        self._asked: set[bytes] = set()
        self._ready: dict[bytes, Listing | Exception] = {}
        self._entries = 0
        self._left = 0
        self._is_closed = False
        self._threads: list[threading.Thread] = []

    def expect(self, paths: Sequence[bytes]) -> None:
        """Begin with those directories, in this order, as far as there is room."""
        while not self._found.empty():
            self._receive()
        if self._entries > _MAX_ENTRIES_AHEAD:
            return
        is_cold = self._left > 0
        while len(self._threads) < (_COLD_THREADS if is_cold else _THREADS):
            self._threads.append(threading.Thread(target=self._run, name="listing", daemon=True))
            self._threads[-1].start()
        ahead = _COLD_AHEAD if is_cold else _AHEAD
        for path in paths[: max(0, ahead - len(self._asked) - len(self._ready))]:
            if path not in self._asked and path not in self._ready:
                self._left -= is_cold
                self._asked.add(path)
                self._wanted.put(path)

    def take(self, path: bytes) -> Listing:
        """A directory's listing. Raises OSError when it cannot be opened or read."""
        while path in self._asked:
            self._receive()
        found = self._ready.pop(path, None)
        if isinstance(found, Listing):
            self._entries -= found.scan.count
            return found
        if found is not None:
            raise found
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_inblock
        listing = _list(self._root, path, self._scanner)
        if resource.getrusage(resource.RUSAGE_THREAD).ru_inblock > before:
            self._left = _AHEAD_AT_A_TIME
        return listing

    def close(self) -> None:
        """Give up what nobody took."""
        self._is_closed = True
        for _ in self._threads:
            self._wanted.put(None)
        for thread in self._threads:
            thread.join()
        while not self._found.empty():
            self._receive()
        for found in self._ready.values():
            if isinstance(found, Listing):
                os.close(found.descriptor)

    def _receive(self) -> None:
        path, found = self._found.get()
        self._asked.discard(path)
        self._ready[path] = found
        if isinstance(found, Listing):
            self._entries += found.scan.count

    def _run(self) -> None:
        scanner = new_scanner()
        while (path := self._wanted.get()) is not None and not self._is_closed:
            try:
                self._found.put((path, _list(self._root, path, scanner)))
            except Exception as error:  # noqa: BLE001 - edge of a thread: whoever takes it raises it
                self._found.put((path, error))


def look_at(descriptor: int, names: Collection[bytes]) -> Listing:
    """Only some names of an open directory, which the listing takes over. Raises OSError."""
    state, read_at_ns = os.fstat(descriptor), time.time_ns()
    return Listing(descriptor, state, read_at_ns, scan_names(descriptor, names))


def _list(root: int, path: bytes, scanner: Scanner) -> Listing:
    descriptor = open_directory(root, path)
    try:
        read_at_ns = time.time_ns()
        state = os.fstat(descriptor)
        return Listing(descriptor, state, read_at_ns, scanner.scan(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
