"""Reading a stretch of a disk or image file, with every length checked against its end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class VolumeReader:
    """A window of a disk: offset_bytes and size_bytes count on the disk behind the descriptor."""

    descriptor: int
    offset_bytes: int
    size_bytes: int

    def read(self, offset_bytes: int, length: int) -> bytes:
        """Up to length bytes at an offset within the window; shorter at its end, empty outside of it."""
        if offset_bytes < 0 or offset_bytes >= self.size_bytes:
            return b""
        length = min(length, self.size_bytes - offset_bytes)
        try:
            return os.pread(self.descriptor, length, self.offset_bytes + offset_bytes)
        except OSError:
            # An unreadable sector in a place where a superblock could be is the same as no superblock there.
            return b""

    def window(self, offset_bytes: int, size_bytes: int) -> VolumeReader:
        """A part of this window, cut at its end."""
        offset = min(max(offset_bytes, 0), self.size_bytes)
        size = min(max(size_bytes, 0), self.size_bytes - offset)
        return VolumeReader(descriptor=self.descriptor, offset_bytes=self.offset_bytes + offset, size_bytes=size)


@contextmanager
def open_volume(path: Path, *, offset_bytes: int = 0, size_bytes: int | None = None) -> Iterator[VolumeReader]:
    """Open a block device or an image file for reading. Raises OSError when it cannot be opened."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        end = os.lseek(descriptor, 0, os.SEEK_END)
        size = max(end - offset_bytes, 0)
        if size_bytes:
            size = min(size, size_bytes)
        yield VolumeReader(descriptor=descriptor, offset_bytes=offset_bytes, size_bytes=size)
    finally:
        os.close(descriptor)
