"""Initial RAM disks: several cpio archives in a row, each plain or compressed."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Final

import zstandard

_HEADER_BYTES: Final = 110
_TRAILER: Final = "TRAILER!!!"
_NEWC: Final = (b"070701", b"070702")
UNPACKED_LIMIT_BYTES: Final = 1 << 30


class InitramfsError(ValueError):
    """The image cannot be unpacked, for the reason that it says."""


def names_in_image(image: bytes) -> set[str]:
    """The paths of everything in the image (``usr/lib/modules/…``). Raises InitramfsError."""
    names: set[str] = set()
    position = 0
    while position < len(image):
        if image[position : position + 4] == b"\0\0\0\0":
            position += 4
        elif image[position : position + 6] in _NEWC:
            position = _collect(image, position, names)
        else:
            # A compressed member is the last one that any known builder writes, but for padding.
            unpacked = _unpack(memoryview(image)[position:])
            names |= names_in_image(unpacked)
            break
    return names


def _collect(image: bytes, position: int, names: set[str]) -> int:
    """Read one archive; the position after its trailer."""
    while True:
        name, position = _entry(image, position)
        if name == _TRAILER:
            return position
        names.add(name.removeprefix("./").removeprefix("/"))


def _entry(image: bytes, position: int) -> tuple[str, int]:
    """(name, position of the next entry)."""
    header = image[position : position + _HEADER_BYTES]
    if len(header) < _HEADER_BYTES or header[:6] not in _NEWC:
        raise InitramfsError(f"no archive member at byte {position}")
    try:
        size, name_size = int(header[54:62], 16), int(header[94:102], 16)
    except ValueError as error:
        raise InitramfsError(f"a damaged archive member at byte {position}") from error
    name_at = position + _HEADER_BYTES
    data_at = _aligned(name_at + name_size)
    if data_at + size > len(image):
        raise InitramfsError(f"it ends in the middle of an archive member, at byte {len(image)}")
    return image[name_at : name_at + name_size - 1].decode("utf-8", "surrogateescape"), _aligned(data_at + size)


def _aligned(position: int) -> int:
    return -(-position // 4) * 4


def _unpack(packed: memoryview) -> bytes:
    for magic, unpack in _UNPACKERS.items():
        if packed[: len(magic)] == magic:
            try:
                return unpack(packed)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
                raise InitramfsError(f"damaged compressed data ({error})") from error
    raise InitramfsError(f"unknown compression, starting with {bytes(packed[:6]).hex()}")


def _gzip(packed: memoryview) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    content = unpacker.decompress(packed, UNPACKED_LIMIT_BYTES)
    if not unpacker.eof:
        raise EOFError("the end is missing")
    return content


def _zstd(packed: memoryview) -> bytes:
    unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()
    content = unpacker.decompress(packed)
    if not unpacker.eof:
        raise EOFError("the end is missing")
    return content


def _lzma(packed: memoryview) -> bytes:
    unpacker = lzma.LZMADecompressor()
    content = unpacker.decompress(bytes(packed), UNPACKED_LIMIT_BYTES)
    if not unpacker.eof:
        raise EOFError("the end is missing")
    return content


_UNPACKERS: Final[dict[bytes, Callable[[memoryview], bytes]]] = {
    b"\x1f\x8b": _gzip,
    b"\x28\xb5\x2f\xfd": _zstd,
    b"\xfd7zXZ\0": _lzma,
    b"]\0\0": _lzma,
    b"BZh": lambda packed: bz2.BZ2Decompressor().decompress(bytes(packed), UNPACKED_LIMIT_BYTES),
}
