"""fanotify by system calls: each change on a whole file system as directory handle and name (Linux 5.9 and later)."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_CLOEXEC: Final = 0x1
_NONBLOCK: Final = 0x2
_REPORT_OBJECT: Final = 0x200
_REPORT_DIRECTORY_AND_NAME: Final = 0x400 | 0x800
_MARK_ADD: Final = 0x1
_MARK_FLUSH: Final = 0x80
_MARK_FILE_SYSTEM: Final = 0x100
_MODIFY: Final = 0x2
_ATTRIBUTES: Final = 0x4
_MOVED_FROM: Final = 0x40
_MOVED_TO: Final = 0x80
_CREATE: Final = 0x100
_DELETE: Final = 0x200
_OVERFLOW: Final = 0x4000
_ON_DIRECTORY: Final = 0x40000000
_REPLACED: Final = _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
_WATCHED: Final = _MODIFY | _ATTRIBUTES | _REPLACED | _ON_DIRECTORY
_INFO_OBJECT: Final = 1
_INFO_DIRECTORY_AND_NAME: Final = 2
# event length, version, reserved, metadata length, mask, descriptor, pid
_EVENT: Final = struct.Struct("=IBBHQii")
# type, padding, length of the record, file system id
_INFO: Final = struct.Struct("=BBHQ")
# length of what follows, type: then the handle's bytes, then the name with a NUL
_HANDLE: Final = struct.Struct("=Ii")
_READ_BYTES: Final = 256 << 10

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a name in a directory. handle: as open_by_handle_at takes it. name: ``.`` is the
    directory itself. written: the handle of what was written to or got other metadata, which may have further names.
    is_replaced: the name has come, gone, or stands for something else now.
    A name moved away is the first half of a move, whose second half is the next event."""

    handle: bytes
    name: bytes
    written: bytes | None
    is_replaced: bool
    has_left: bool
    is_moved_directory: bool


class QueueOverflowError(Exception):
    """The kernel has dropped events, as they were not read in time."""


class Notifier:
    """One queue of events. Raises OSError ENOSYS or EINVAL on kernels that know no handles, EPERM without root."""

    def __init__(self) -> None:
        flags = _CLOEXEC | _NONBLOCK | _REPORT_OBJECT | _REPORT_DIRECTORY_AND_NAME
        self.descriptor = _checked(_libc.fanotify_init(flags, os.O_RDONLY | os.O_CLOEXEC))

    def watch(self, descriptor: int) -> None:
        """Report every change on the descriptor's whole file system. Raises OSError EXDEV for a Btrfs subvolume."""
        self._mark(_MARK_ADD | _MARK_FILE_SYSTEM, _WATCHED, descriptor)

    def unwatch(self, descriptor: int) -> None:
        """Report nothing until watch is called again."""
        self._mark(_MARK_FLUSH | _MARK_FILE_SYSTEM, 0, descriptor)

    def read(self) -> list[Event]:
        """What has been reported since the last call. Raises QueueOverflowError."""
        try:
            return list(parse(os.read(self.descriptor, _READ_BYTES)))
        except BlockingIOError:
            return []

    def close(self) -> None:
        """End the reports."""
        os.close(self.descriptor)

    def _mark(self, flags: int, mask: int, descriptor: int) -> None:
        _checked(_libc.fanotify_mark(self.descriptor, flags, ctypes.c_uint64(mask), descriptor, b"."))


def parse(buffer: bytes) -> Iterator[Event]:
    """The events of what a read returned. Raises QueueOverflowError."""
    offset = 0
    while offset < len(buffer):
        length, _, _, metadata_length, mask, _, _ = _EVENT.unpack_from(buffer, offset)
        if mask & _OVERFLOW:
            raise QueueOverflowError
        end = offset + length
        named, written = b"", None
        for kind, record in _records(buffer, offset + metadata_length, end):
            if kind == _INFO_DIRECTORY_AND_NAME:
                named = record
            elif kind == _INFO_OBJECT and mask & (_MODIFY | _ATTRIBUTES) and not mask & _ON_DIRECTORY:
                written = record
        if named:
            split = _HANDLE.size + _HANDLE.unpack_from(named)[0]
            is_moved = bool(mask & _ON_DIRECTORY) and bool(mask & _MOVED_TO)
            name = named[split:].partition(b"\0")[0]
            yield Event(named[:split], name, written, bool(mask & _REPLACED), bool(mask & _MOVED_FROM), is_moved)
        offset = end


def _records(buffer: bytes, position: int, end: int) -> Iterator[tuple[int, bytes]]:
    while position < end:
        kind, _, length, _ = _INFO.unpack_from(buffer, position)
        yield kind, buffer[position + _INFO.size : position + length]
        position += length


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
