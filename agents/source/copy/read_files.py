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
# For attributes; a file that finds no room, as one that has grown, is left out.
_SPARE_BYTES: Final = 16 << 10
_new_buffer = ctypes.pythonapi.PyByteArray_FromStringAndSize
_new_buffer.restype, _new_buffer.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_ssize_t)


def read_files(directory: int, names: Sequence[bytes], size: int) -> list[Reading | None]:
    """Small regular files with contents, which were of that size together when they were looked at.

    None for those that must be read one by one, by read_small.
    """
    library = load(__file__)
    if library is None or not names:
        return [None] * len(names)
    records = ctypes.create_string_buffer(_RECORD.size * len(names))
    # Not filled with zeros first, nor copied afterwards.
    buffer = _new_buffer(None, size + _SPARE_BYTES)
    limits = (ctypes.c_int64(len(buffer)), ctypes.c_int64(CHUNK_BYTES))
    joined = b"\0".join(names) + b"\0"
    library.sms_read_files(
        directory, joined, len(names), ctypes.byref(ctypes.c_char.from_buffer(buffer)), *limits, records
    )
    contents = memoryview(buffer)
    readings: list[Reading | None] = []
    at = 0
    for name, item in zip(names, _RECORD.iter_unpack(records), strict=True):
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
