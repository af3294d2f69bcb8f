"""LZ4's legacy format, in which kernels take compressed initial RAM disks; the library has no reader of it."""

from __future__ import annotations

import struct
from typing import Final

MAGIC: Final = b"\x02\x21\x4c\x18"
_MAGIC_NUMBER: Final = 0x184C2102
_BLOCK_LIMIT_BYTES: Final = 8 << 20
_LEAST_MATCH: Final = 4


class Lz4Error(ValueError):
    """The data is damaged."""


class Lz4Decompressor:
    """As the library's decompressors: fed with bytes, it gives what they unpack to.

    The format has no end mark. Zeros, or the head of an archive, where a block's size would be end it.
    """

    def __init__(self) -> None:
        self.eof = False
        self.unused_data = b""
        self._pending = bytearray()
        self._is_begun = False

    def decompress(self, data: bytes, /) -> bytes:
        """What could be unpacked with this data. Raises Lz4Error."""
        self._pending += data
        if not self._is_begun and len(self._pending) >= len(MAGIC):
            del self._pending[: len(MAGIC)]
            self._is_begun = True
        parts = []
        while self._is_begun and not self.eof and len(self._pending) >= 4:
            (size,) = struct.unpack_from("<I", self._pending)
            if size == _MAGIC_NUMBER:
                del self._pending[:4]
                continue
            if size == 0 or size > _BLOCK_LIMIT_BYTES + _BLOCK_LIMIT_BYTES // 255 + 16:
                self.eof, self.unused_data = True, bytes(self._pending)
                self._pending.clear()
                break
            if len(self._pending) < 4 + size:
                break
            parts.append(_block(bytes(self._pending[4 : 4 + size])))
            del self._pending[: 4 + size]
        return b"".join(parts)

    def finish(self) -> None:
        """No more data comes. Raises Lz4Error when a block is cut short."""
        if not self.eof and self._pending:
            raise Lz4Error("the last block is cut short")
        self.eof = True


def _block(packed: bytes) -> bytes:
    out = bytearray()
    position, end = 0, len(packed)
    while position < end:
        token = packed[position]
        size, position = _length(packed, position + 1, token >> 4)
        if position + size > end:
            raise Lz4Error("a run of literals is cut short")
        out += packed[position : position + size]
        position += size
        if position >= end:
            break
        if position + 2 > end:
            raise Lz4Error("a match is cut short")
        offset = packed[position] | packed[position + 1] << 8
        size, position = _length(packed, position + 2, token & 15)
        _repeat(out, offset, size + _LEAST_MATCH)
    return bytes(out)


def _length(packed: bytes, position: int, nibble: int) -> tuple[int, int]:
    size = nibble
    if nibble == 15:
        while True:
            if position >= len(packed):
                raise Lz4Error("a length is cut short")
            size += packed[position]
            position += 1
            if packed[position - 1] != 255:
                break
    return size, position


def _repeat(out: bytearray, offset: int, size: int) -> None:
    start = len(out) - offset
    if offset == 0 or start < 0 or len(out) + size > _BLOCK_LIMIT_BYTES:
        raise Lz4Error("a match points outside of its block")
    if offset >= size:
        out += out[start : start + size]
        return
    pattern = bytes(out[start:])
    out += (pattern * (size // offset + 1))[:size]
