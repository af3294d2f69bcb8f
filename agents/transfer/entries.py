"""Entries: files with their metadata as they travel, many to a frame, grouped by directory."""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from agents.transfer.frames import GREATEST_NUMBER, Payload, protocol_error

MAX_NAME_BYTES = 255
# Deeper than any real tree; PATH_MAX is no limit here, but a frame is.
MAX_PATH_BYTES = 1 << 20

_GROUP = struct.Struct("<HII")
# kind, flags, name length, mode, uid, gid, inode flags, mtime s, mtime ns, atime s, atime ns, size, rdev,
# row, data length, xattrs length
_ENTRY = struct.Struct("<BBHIIIIqIqIQQQII")
_XATTR = struct.Struct("<HI")
_NS_PER_S = 1_000_000_000
# The kernel counts bytes of a file with 63 bits.
_GREATEST_SIZE = (1 << 63) - 1

HAS_CONTENT = 1
"""The data is the file's contents (or a symlink's target); without it only metadata is set."""
IN_PLACE = 2
"""Contents go into the existing inode, which other names share."""
SPARSE = 4
"""Blocks of zeros are left as holes."""
FIRST = 8
"""First chunk of a large file that starts anew."""
LAST = 16
"""Last chunk of a large file: cut to its size and given its metadata."""
KNOWN_ENTRY_FLAGS = 31


class EntryKind(IntEnum):
    """Kinds of entries that are copied; sockets are not."""

    REGULAR = 1
    DIRECTORY = 2
    SYMLINK = 3
    CHARACTER_DEVICE = 4
    BLOCK_DEVICE = 5
    FIFO = 6


_KIND_OF_MODE = {
    stat.S_IFREG: EntryKind.REGULAR,
    stat.S_IFDIR: EntryKind.DIRECTORY,
    stat.S_IFLNK: EntryKind.SYMLINK,
    stat.S_IFCHR: EntryKind.CHARACTER_DEVICE,
    stat.S_IFBLK: EntryKind.BLOCK_DEVICE,
    stat.S_IFIFO: EntryKind.FIFO,
}
_KINDS = {int(kind): kind for kind in EntryKind}


def kind_of(mode: int) -> EntryKind | None:
    """The kind of an st_mode; None for a socket."""
    return _KIND_OF_MODE.get(stat.S_IFMT(mode))


@dataclass(slots=True)
class Entry:
    """One file. mode: permission and set-id bits only. row: its number in the source's catalogue.

    xattrs: name and value pairs, sorted. mtime_ns and atime_ns may be negative. data: contents, link target,
    or (in verification) the hash. Mutable because hundreds are made for each frame.
    """

    kind: EntryKind
    name: bytes
    mode: int = 0
    uid: int = 0
    gid: int = 0
    inode_flags: int = 0
    mtime_ns: int = 0
    atime_ns: int = 0
    size: int = 0
    device: int = 0
    row: int = 0
    flags: int = 0
    data: bytes | memoryview = b""
    xattrs: tuple[tuple[bytes, bytes], ...] = ()


def encode_entry(entry: Entry) -> list[bytes | memoryview]:
    """The entry's parts, to be joined."""
    xattrs = encode_xattrs(entry.xattrs) if entry.xattrs else b""
    mtime_s, mtime_ns = divmod(entry.mtime_ns, _NS_PER_S)
    atime_s, atime_ns = divmod(entry.atime_ns, _NS_PER_S)
    header = _ENTRY.pack(
        entry.kind,
        entry.flags,
        len(entry.name),
        entry.mode,
        entry.uid,
        entry.gid,
        entry.inode_flags,
        mtime_s,
        mtime_ns,
        atime_s,
        atime_ns,
        entry.size,
        entry.device,
        entry.row,
        len(entry.data),
        len(xattrs),
    )
    return [header, entry.name, xattrs, entry.data]


def encode_xattrs(xattrs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Pairs in the given order; the callers sort them, so that the bytes can be compared and hashed."""
    parts: list[bytes] = []
    for name, value in xattrs:
        parts += (_XATTR.pack(len(name), len(value)), name, value)
    return b"".join(parts)


def encode_group(volume: int, directory: bytes, entries: Sequence[Entry]) -> list[bytes | memoryview]:
    """A directory (path below the volume's root, ``b""`` for the root itself) and some of its entries."""
    parts: list[bytes | memoryview] = [_GROUP.pack(volume, len(directory), len(entries)), directory]
    for entry in entries:
        parts += encode_entry(entry)
    return parts


class Reader:
    """Takes values from a payload; whatever would reach beyond its end is a protocol error."""

    __slots__ = ("_offset", "_view")

    def __init__(self, payload: Payload | memoryview) -> None:
        self._view = memoryview(payload)
        self._offset = 0

    @property
    def is_at_end(self) -> bool:
        """Whether everything has been taken."""
        return self._offset >= len(self._view)

    def take(self, length: int) -> memoryview:
        """The next bytes, without copying them."""
        end = self._offset + length
        if end > len(self._view):
            raise protocol_error("record that is longer than its frame")
        taken = self._view[self._offset : end]
        self._offset = end
        return taken

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        """The next values of a fixed layout."""
        return layout.unpack(self.take(layout.size))


def decode_groups(payload: Payload | memoryview) -> Iterator[tuple[int, bytes, list[Entry]]]:
    """Volume, directory and entries of each group. Names and paths are checked (see check_name)."""
    reader = Reader(payload)
    while not reader.is_at_end:
        yield decode_group(reader)


def decode_group(reader: Reader) -> tuple[int, bytes, list[Entry]]:
    """One group; the reader stands behind it afterwards."""
    volume, path_length, count = reader.unpack(_GROUP)
    directory = bytes(reader.take(path_length))
    check_path(directory)
    return volume, directory, [decode_entry(reader) for _ in range(count)]


def decode_entry(reader: Reader) -> Entry:
    """One entry. Raises MigrationError SMS.TRANSFER.PROTOCOL for anything that is not acceptable."""
    (kind, flags, name_length, mode, uid, gid, inode_flags, mtime_s, mtime_ns, atime_s, atime_ns) = (
        values := reader.unpack(_ENTRY)
    )[:11]
    size, device, row, data_length, xattrs_length = values[11:]
    if kind not in _KINDS or flags & ~KNOWN_ENTRY_FLAGS:
        raise protocol_error(f"entry of unknown kind {kind} or flags {flags:#x}")
    if size > _GREATEST_SIZE or row > GREATEST_NUMBER or max(mtime_ns, atime_ns) >= _NS_PER_S:
        raise protocol_error(f"entry of {size} bytes, row {row}, {mtime_ns} and {atime_ns} ns past the second")
    name = bytes(reader.take(name_length))
    check_name(name)
    xattrs = decode_xattrs(reader.take(xattrs_length)) if xattrs_length else ()
    return Entry(
        kind=_KINDS[kind],
        name=name,
        mode=mode & 0o7777,
        uid=uid,
        gid=gid,
        inode_flags=inode_flags,
        mtime_ns=mtime_s * _NS_PER_S + mtime_ns,
        atime_ns=atime_s * _NS_PER_S + atime_ns,
        size=size,
        device=device,
        row=row,
        flags=flags,
        data=reader.take(data_length),
        xattrs=xattrs,
    )


def decode_xattrs(blob: bytes | memoryview) -> tuple[tuple[bytes, bytes], ...]:
    """Pairs of name and value."""
    reader = Reader(blob)
    pairs = []
    while not reader.is_at_end:
        name_length, value_length = reader.unpack(_XATTR)
        pairs.append((bytes(reader.take(name_length)), bytes(reader.take(value_length))))
    return tuple(pairs)


def check_name(name: bytes) -> None:
    """A name is one component: not empty, no slash, no NUL, not ``.`` or ``..``, at most 255 bytes.

    The empty name is allowed only as the root of a volume, whose callers pass it by themselves.
    """
    if len(name) > MAX_NAME_BYTES or b"/" in name or b"\0" in name or name in (b".", b".."):
        raise protocol_error("entry whose name is not a single component")


def check_path(path: bytes) -> None:
    """A path is relative, in components as check_name wants them, none empty; ``b""`` is the root."""
    if not path:
        return
    if len(path) > MAX_PATH_BYTES or b"\0" in path:
        raise protocol_error("path with a NUL or beyond the limit")
    for name in path.split(b"/"):
        if not name or name in (b".", b"..") or len(name) > MAX_NAME_BYTES:
            raise protocol_error("path with an empty, dotted or overlong component")
