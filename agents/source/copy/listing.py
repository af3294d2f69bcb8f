"""Looks at directories ahead of the walk, many in one call, and tells which are as the catalogue has them."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from agents.source.copy.round_context import RoundContext
from agents.source.copy.rows import RACY_NS, UNHELD, Row
from agents.source.scan.directory_scan import Look, Scan, new_scanner, scan_names, signed
from agents.transfer.paths import join, open_directory

_AT_ONCE: Final = 32
_MOST_AHEAD: Final = 256
# What is listed and not visited yet is in memory: about 60 bytes an entry.
_MOST_ENTRIES_AHEAD: Final = 100_000
# Several, as a cold disk is mostly waited for; fewer directories than a share are not worth waking a thread.
_THREADS: Final = 3
_SHARE: Final = 8
Place = tuple[bytes, Row]
"""Path of a directory, and its row."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A directory as it was at one moment. descriptor: open, the taker closes it."""

    descriptor: int
    state: os.stat_result
    read_at_ns: int
    scan: Scan


@dataclass(frozen=True, slots=True)
class Same:
    """The target certainly holds a directory and all that is in it, as far as that is no directory.

    files, regular_bytes: as in Scan. directories: the rows of those in it, by name.
    """

    files: int
    regular_bytes: int
    directories: list[Row]


@dataclass(frozen=True, slots=True)
class _Ahead:
    look: Look | None
    read_at_ns: int

    @property
    def entries(self) -> int:
        """How many are kept in memory."""
        return self.look.scan.count if self.look and self.look.scan else 0


class ListingsAhead:
    """Used by the thread that leads the round.

    What the catalogue has in a directory is mostly still there, so that hundreds are looked at together: what the
    interpreter did for each directory took longer than what the kernel does for its entries.
    """

    def __init__(self, context: RoundContext) -> None:
        self._context = context
        self._scanners = [new_scanner() for _ in range(_THREADS)]
        self._helpers = ThreadPoolExecutor(_THREADS - 1, thread_name_prefix="listing")
        # By path: for which row, as another directory may have come in the place of one that was expected.
        self._ready: dict[bytes, tuple[int, Same | _Ahead]] = {}
        self._entries = 0

    def take(self, path: bytes, row: Row, following: Sequence[Place]) -> Listing | Same:
        """A directory's listing. following: what will be taken later, the next one last.

        Raises OSError when it cannot be opened or read, ENOENT also when another one has come in its place.
        """
        if not self._has(path, row):
            waiting = islice(reversed(following), 0 if self._is_full else _MOST_AHEAD)
            others = islice((place for place in waiting if not self._has(*place)), _AT_ONCE - 1)
            self._look_ahead([(path, row), *others])
        _, found = self._ready.pop(path)
        if isinstance(found, Same):
            return found
        self._entries -= found.entries
        return self._open(path, row, found)

    def close(self) -> None:
        """End the threads."""
        self._helpers.shutdown()

    @property
    def _is_full(self) -> bool:
        return self._entries > _MOST_ENTRIES_AHEAD

    def _has(self, path: bytes, row: Row) -> bool:
        found = self._ready.get(path)
        return found is not None and found[0] == row.row

    def _look_ahead(self, places: list[Place]) -> None:
        left = _MOST_AHEAD
        while places:
            left -= len(places)
            places = self._look(places)[: 0 if self._is_full else left]

    def _look(self, places: Sequence[Place]) -> list[Place]:
        """Look at directories together; returns those that are likely to be in them, and to be looked at."""
        catalogue, exclusions = self._context.catalogue, self._context.exclusions
        known = catalogue.listings([row.row for _, row in places])
        read_at_ns = time.time_ns()
        looks = self._shared_out(places, [known.get(row.row, (None, None))[0] for _, row in places])
        seen = zip(places, looks, strict=True)
        inner = catalogue.subdirectories(
            [row.row for (path, row), look in seen if look and look.directories and exclusions.is_none(path)]
        )
        found: list[Place] = []
        for (path, row), look in zip(places, looks, strict=True):
            rows = inner.get(row.row, [])
            found += [(join(path, each.name), each) for each in rows]
            if look and look.scan is None and self._is_same(path, row, look, known[row.row][1], read_at_ns):
                self._ready[path] = row.row, Same(look.files, look.regular_bytes, rows)
            else:
                ahead = _Ahead(look, read_at_ns)
                self._ready[path] = row.row, ahead
                self._entries += ahead.entries
        return found

    def _shared_out(self, places: Sequence[Place], digests: Sequence[bytes | None]) -> list[Look | None]:
        root, paths = self._context.root, [path for path, _ in places]
        share = max(_SHARE, -(-len(paths) // _THREADS))
        parts = [slice(start, start + share) for start in range(0, len(paths), share)]
        others = [
            self._helpers.submit(scanner.look, root, paths[part], digests[part])
            for scanner, part in zip(self._scanners[1:], parts[1:], strict=False)
        ]
        first = self._scanners[0].look(root, paths[parts[0]], digests[parts[0]])
        return list(chain(first, *(other.result() for other in others)))

    def _is_same(self, path: bytes, row: Row, look: Look, generation: int | None, read_at_ns: int) -> bool:
        """Of a directory whose entries are the same: whether it is itself, and a visit would change nothing."""
        context = self._context
        return (
            row.sequence != UNHELD
            and not (row.is_racy or row.is_partial or row.is_pending)
            and (row.inode, row.size, row.mtime_ns, row.ctime_ns) == look.identity
            and row.ctime_ns <= read_at_ns - RACY_NS
            and context.exclusions.is_none(path)
            and (context.tracker is None or generation == look.generation)
        )

    def _open(self, path: bytes, row: Row, ahead: _Ahead) -> Listing:
        descriptor = open_directory(self._context.root, path)
        try:
            read_at_ns, state = time.time_ns(), os.fstat(descriptor)
            if path and signed(state.st_ino) != row.inode:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            if ahead.look and ahead.look.scan and _identity(state) == ahead.look.identity:
                return Listing(descriptor, state, ahead.read_at_ns, ahead.look.scan)
            return Listing(descriptor, state, read_at_ns, self._scanners[0].scan(descriptor))
        except BaseException:
            os.close(descriptor)
            raise


def _identity(state: os.stat_result) -> tuple[int, int, int, int]:
    return signed(state.st_ino), state.st_size, signed(state.st_mtime_ns), signed(state.st_ctime_ns)


def look_at(descriptor: int, names: Collection[bytes]) -> Listing:
    """Only some names of an open directory, which the listing takes over. Raises OSError."""
    state, read_at_ns = os.fstat(descriptor), time.time_ns()
    return Listing(descriptor, state, read_at_ns, scan_names(descriptor, names))
