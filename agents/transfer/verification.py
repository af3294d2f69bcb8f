"""What travels in a verification: parts of directories as the catalogue has them, and what differs."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntFlag

from agents.transfer.entries import Entry, Reader, decode_group, encode_group

_RANGE = struct.Struct("<HHHB")
# content hash, hash of the extended attributes, block size (0: hashed whole), names of the inode, link group
EXPECTED = struct.Struct("<16s8sIIQ")
# As block size: compare everything but the contents.
UNREAD = 0xFFFFFFFF
# status, what differs
RESULT = struct.Struct("<BH")


class Status(IntFlag):
    """Verdict on one name."""

    DIFFERENT = 1
    MISSING = 2
    EXTRA = 4


class Aspect(IntFlag):
    """What differs."""

    CONTENTS = 1
    SIZE = 2
    OWNER = 4
    MODE = 8
    MTIME = 16
    XATTRS = 32
    INODE_FLAGS = 64
    LINK_TARGET = 128
    HARD_LINK = 256
    DEVICE = 512
    KIND = 1024


@dataclass(frozen=True, slots=True)
class DirectoryPart:
    """The entries of one directory whose names are greater than after and not greater than until (no limit when
    is_last). entries[i].data is an EXPECTED record; a directory's path is below the volume's root."""

    volume: int
    path: bytes
    after: bytes
    until: bytes
    is_last: bool
    entries: Sequence[Entry]


def encode_part(part: DirectoryPart) -> bytes:
    """One part; several make a VERIFY_BATCH payload."""
    parts: list[bytes | memoryview] = [
        _RANGE.pack(part.volume, len(part.after), len(part.until), part.is_last),
        part.after,
        part.until,
    ]
    return b"".join(parts + encode_group(part.volume, part.path, part.entries))


def decode_parts(payload: bytes) -> Iterator[DirectoryPart]:
    """The parts of a payload."""
    reader = Reader(payload)
    while not reader.is_at_end:
        _, after_length, until_length, is_last = reader.unpack(_RANGE)
        after, until = bytes(reader.take(after_length)), bytes(reader.take(until_length))
        volume, path, entries = decode_group(reader)
        yield DirectoryPart(volume, path, after, until, bool(is_last), entries)
