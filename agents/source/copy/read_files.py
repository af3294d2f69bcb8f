"""Reads the small files of a directory: many in one call where that part is compiled."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from typing import Final

from agents.compiled import load
from agents.source.copy.file_state import FileState
from agents.source.copy.read_entry import Reading
from agents.transfer.attributes import COPIED_FLAGS, SHADOWS
from agents.transfer.entries import Entry, EntryKind, decode_xattrs
from agents.transfer.hashing import CHUNK_BYTES

# The state's fields, then inode flags, bytes of attributes, and whether the file was read.
_RECORD: Final = struct.Struct("=QQqqqqqIIIIII")
_STATE_FIELDS: Final = len(FileState._fields)
# Files of up to a chunk are handed over together until they are of a chunk's size.
_BUFFER_BYTES: Final = 2 * CHUNK_BYTES + (256 << 10)


class FileReader:
    """Used by one thread."""

    def __init__(self) -> None:
        self._library = load(__file__)
        # Of zeros that take no memory until something is read into them.
        self._bytes = memoryview(bytearray(_BUFFER_BYTES if self._library else 0))
        self._buffer = (ctypes.c_char * len(self._bytes)).from_buffer(self._bytes)

    def read(self, directory: int, names: Sequence[bytes]) -> list[Reading | None]:
        """Small regular files with contents. None for those that must be read one by one, by read_small."""
        if self._library is None or not names:
            return [None] * len(names)
        records = ctypes.create_string_buffer(_RECORD.size * len(names))
        joined = b"\0".join(names) + b"\0"
        limits = (ctypes.c_int64(_BUFFER_BYTES), ctypes.c_int64(CHUNK_BYTES))
        self._library.sms_read_files(directory, joined, len(names), self._buffer, *limits, records)
        found = list(_RECORD.iter_unpack(records))
        contents = memoryview(bytes(self._bytes[: sum(item[2] + item[-2] for item in found if item[-1])]))
        readings: list[Reading | None] = []
        at = 0
        for name, item in zip(names, found, strict=True):
            if not item[-1]:
                readings.append(None)
                continue
            state = FileState._make(item[:_STATE_FIELDS])
            inode_flags, xattrs_bytes, _ = item[_STATE_FIELDS:]
            entry = Entry(
                kind=EntryKind.REGULAR,
                name=name,
                mode=state.st_mode & 0o7777,
                uid=state.st_uid,
                gid=state.st_gid,
                inode_flags=inode_flags & COPIED_FLAGS,
                mtime_ns=state.st_mtime_ns,
                atime_ns=state.st_atime_ns,
                size=state.st_size,
            )
            if xattrs_bytes:
                pairs = decode_xattrs(contents[at : at + xattrs_bytes])
                entry.xattrs = tuple(sorted(pair for pair in pairs if pair[0] not in SHADOWS))
                at += xattrs_bytes
            entry.data = contents[at : at + state.st_size]
            at += state.st_size
            readings.append(Reading(entry, state))
        return readings
