"""Scans a directory: its entries' names and what tells whether they have changed."""

from __future__ import annotations

import ctypes
import functools
import os
import stat
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import xxhash

from agents.compiled import load

_HALF: Final = 1 << 63
_RECORD: Final = struct.Struct("=qqqqII")
_BUFFER_BYTES: Final = 64 << 10
# The shortest entry that getdents64 gives takes 24 bytes.
_MOST_RECORDS: Final = _BUFFER_BYTES // 24
_LOOK: Final = struct.Struct("=qqqqqqIIII")
# For all directories that are looked at in one call.
_LOOK_RECORDS: Final = 16384
_LOOK_NAMES_BYTES: Final = 512 << 10

Identity = tuple[int, int, int, int]
"""Inode, size, mtime and ctime in ns, as the catalogue has them. Of a directory only the inode, the rest is 0."""


def signed(value: int) -> int:
    """A 64-bit value as SQLite stores it; inodes and times beyond the range wrap, which keeps them comparable."""
    if -_HALF <= value < _HALF:
        return value
    return (value + _HALF) % (2 * _HALF) - _HALF


@dataclass(frozen=True, slots=True)
class Scan:
    """Entries in the order in which the file system gives them, about 60 bytes for each. files: all but directories.
    regular_bytes: sum of the sizes of regular files. vanished: how many were gone before they could be looked at."""

    records: bytes = b""
    names: bytes = b""
    directories: int = 0
    regular_bytes: int = 0
    vanished: int = 0

    @property
    def count(self) -> int:
        """How many entries there are."""
        return len(self.records) // _RECORD.size

    @property
    def files(self) -> int:
        """How many of them are no directories."""
        return self.count - self.directories

    def digest(self) -> bytes:
        """The same for the same entries in the same state and order."""
        return _digest(self.records, self.names)

    def entries(self) -> Iterator[tuple[bytes, Identity, bool]]:
        """Name, identity, and whether it is a regular file, of each."""
        for name, record in zip(self.names.split(b"\0"), _RECORD.iter_unpack(self.records), strict=False):
            yield name, record[:4], bool(record[5])


@dataclass(frozen=True, slots=True)
class Look:
    """A directory as it was at one moment: its own inode, size, mtime and ctime, its generation as in handles.py, what
    is in it as in Scan. scan: None where its digest is the one that was known."""

    identity: Identity
    generation: int
    files: int
    directories: int
    regular_bytes: int
    scan: Scan | None


class Scanner(Protocol):
    """Scans one directory after the other; used by one thread."""

    def scan(self, descriptor: int) -> Scan:
        """All entries of an open directory, which is read from its beginning. Raises OSError."""

    def look(self, root: int, paths: Sequence[bytes], digests: Sequence[bytes | None]) -> list[Look | None]:
        """Directories below a root, as open_directory reaches them, with the digests that are known of their scans.

        None for those that must be opened and scanned one by one: they cannot be opened, are too large, or change.
        """


class _Totals(ctypes.Structure):
    _fields_ = (
        ("regular_bytes", ctypes.c_int64),
        ("directories", ctypes.c_uint32),
        ("vanished", ctypes.c_uint32),
        ("names_bytes", ctypes.c_uint32),
        ("is_at_end", ctypes.c_uint32),
    )


class CompiledScanner:
    """By directory_scan.c: one call for some hundred entries, during which other threads run."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._scan = library.sms_scan
        self._look = library.sms_look
        self._buffer = ctypes.create_string_buffer(_BUFFER_BYTES)
        self._records = ctypes.create_string_buffer(_MOST_RECORDS * _RECORD.size)
        self._names = ctypes.create_string_buffer(_BUFFER_BYTES)

    def scan(self, descriptor: int) -> Scan:
        """As Scanner has it."""
        os.lseek(descriptor, 0, os.SEEK_SET)
        totals = _Totals()
        pointer = ctypes.byref(totals)
        records, names = memoryview(self._records), memoryview(self._names)
        all_records, all_names = bytearray(), bytearray()
        while not totals.is_at_end:
            count = self._scan(descriptor, self._buffer, _BUFFER_BYTES, self._records, self._names, pointer)
            if count < 0:
                raise OSError(-count, os.strerror(-count))
            all_records += records[: count * _RECORD.size]
            all_names += names[: totals.names_bytes]
        return Scan(bytes(all_records), bytes(all_names), totals.directories, totals.regular_bytes, totals.vanished)

    def look(self, root: int, paths: Sequence[bytes], digests: Sequence[bytes | None]) -> list[Look | None]:
        """As Scanner has it."""
        records, names = self._room
        looks = ctypes.create_string_buffer(_LOOK.size * len(paths))
        joined = b"\0".join(paths) + b"\0"
        rooms = (ctypes.c_uint32(_LOOK_RECORDS), ctypes.c_uint32(_LOOK_NAMES_BYTES))
        self._look(root, joined, len(paths), records, rooms[0], names, rooms[1], looks)
        found: list[Look | None] = []
        record_at = name_at = 0
        for item, digest in zip(_LOOK.iter_unpack(looks), digests, strict=True):
            generation, regular_bytes, count, names_bytes, directories, error = item[4:]
            if error:
                found.append(None)
                continue
            record_end, name_end = record_at + count * _RECORD.size, name_at + names_bytes
            parts = memoryview(records)[record_at:record_end], memoryview(names)[name_at:name_end]
            record_at, name_at = record_end, name_end
            is_known = digest is not None and _digest(*parts) == digest
            scan = None if is_known else Scan(bytes(parts[0]), bytes(parts[1]), directories, regular_bytes)
            found.append(Look(item[:4], generation, count - directories, directories, regular_bytes, scan))
        return found

    @functools.cached_property
    def _room(self) -> tuple[ctypes.Array[ctypes.c_char], ctypes.Array[ctypes.c_char]]:
        return ctypes.create_string_buffer(_LOOK_RECORDS * _RECORD.size), ctypes.create_string_buffer(_LOOK_NAMES_BYTES)


class InterpretedScanner:
    """The same where there is no compiled one; it takes about ten times the interpreter's time."""

    def scan(self, descriptor: int) -> Scan:
        """As Scanner has it."""
        with os.scandir(descriptor) as found:
            return scan_names(descriptor, (os.fsencode(entry.name) for entry in found))

    def look(self, root: int, paths: Sequence[bytes], digests: Sequence[bytes | None]) -> list[Look | None]:
        """None of them: there is nothing to gain."""
        return [None] * len(paths)


def _digest(records: bytes | memoryview, names: bytes | memoryview) -> bytes:
    digest = xxhash.xxh3_128(records)
    digest.update(names)
    return bytes(digest.digest())


def scan_names(descriptor: int, names: Iterable[bytes]) -> Scan:
    """Only some names of an open directory. Raises OSError."""
    records, found = bytearray(), bytearray()
    directories = regular_bytes = vanished = 0
    for name in names:
        try:
            state = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except FileNotFoundError:
            vanished += 1
            continue
        is_regular = stat.S_ISREG(state.st_mode)
        directories += stat.S_ISDIR(state.st_mode)
        regular_bytes += state.st_size * is_regular
        records += _RECORD.pack(*_identity(state), state.st_mode, is_regular)
        found += name + b"\0"
    return Scan(bytes(records), bytes(found), directories, regular_bytes, vanished)


def _identity(state: os.stat_result) -> Identity:
    if stat.S_ISDIR(state.st_mode):
        return signed(state.st_ino), 0, 0, 0
    return signed(state.st_ino), state.st_size, signed(state.st_mtime_ns), signed(state.st_ctime_ns)


def new_scanner() -> Scanner:
    """One for the calling thread."""
    library = load(__file__)
    return CompiledScanner(library) if library else InterpretedScanner()
