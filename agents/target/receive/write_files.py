"""Makes the plain new files of a batch: many in one call where that part is compiled."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence
from typing import Final

from agents.compiled import load
from agents.target.receive.metadata import Inherited
from agents.transfer.attributes import COMPRESSION, PROJECT
from agents.transfer.entries import HAS_CONTENT, SPARSE, Entry, EntryKind

# Size, times (s, s, ns, ns), mode, owner, group, whether these are others than a new file's, bytes of attributes, and
# whether the file was made.
_RECORD: Final = struct.Struct("=qqqIIIIIIII")
_NS_PER_S: Final = 1_000_000_000


def is_plain(entry: Entry) -> bool:
    """Whether nothing is to be heeded when the file is made but the order of the calls."""
    return (
        entry.kind is EntryKind.REGULAR
        and entry.flags & (HAS_CONTENT | SPARSE) == HAS_CONTENT
        and not entry.inode_flags
        and len(entry.data) == entry.size
        and all(name and b"\0" not in name and name not in (COMPRESSION, PROJECT) for name, _ in entry.xattrs)
    )


def make_files(directory: int, entries: Sequence[Entry], inherited: Inherited) -> list[Entry]:
    """Make new files of plain entries; returns those that were not made, as if they had not been tried."""
    library = load(__file__)
    if library is None or inherited.inode_flags or inherited.has_attributes or not inherited.has_exact_mode:
        return list(entries)
    own = (os.geteuid(), inherited.gid)
    records = bytearray(_RECORD.size * len(entries))
    parts: list[bytes | memoryview] = []
    for number, entry in enumerate(entries):
        attributes = _attributes(entry) if entry.xattrs else b""
        parts += (attributes, entry.data)
        mtime_s, mtime_ns = divmod(entry.mtime_ns, _NS_PER_S)
        atime_s, atime_ns = divmod(entry.atime_ns, _NS_PER_S)
        owner = (entry.uid, entry.gid)
        times = (mtime_s, atime_s, mtime_ns, atime_ns)
        _RECORD.pack_into(
            records,
            number * _RECORD.size,
            *(entry.size, *times, entry.mode, *owner, owner != own, len(attributes), 0),
        )
    names = b"\0".join([entry.name for entry in entries]) + b"\0"
    made = (ctypes.c_char * len(records)).from_buffer(records)
    library.sms_write_files(directory, names, len(entries), b"".join(parts), made)
    return [entry for entry, record in zip(entries, _RECORD.iter_unpack(records), strict=True) if not record[-1]]


def _attributes(entry: Entry) -> bytes:
    return b"".join(b"%s\0%s%s" % (name, struct.pack("=I", len(value)), value) for name, value in entry.xattrs)
