"""Initial RAM disks: several cpio archives in a row, each plain or compressed."""

from __future__ import annotations

import bz2
import lzma
import stat
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

import zstandard

from agents.target.adaptation.formats.lz4 import MAGIC as LZ4_MAGIC
from agents.target.adaptation.formats.lz4 import Lz4Decompressor, Lz4Error

_HEADER_BYTES: Final = 110
_TRAILER: Final = "TRAILER!!!"
UNPACKED_LIMIT_BYTES: Final = 1 << 30
# The image comes from the source: 4 KiB of zstd can unpack to 128 MiB, so the limit is looked at after each bit.
_FED_BYTES: Final = 4096
_DEPTH_LIMIT: Final = 2
_NEWC: Final = (b"070701", b"070702")
_FILE_LIMIT_BYTES: Final = 1 << 20


class InitramfsError(ValueError):
    """The image cannot be unpacked, for the reason that it says."""


@dataclass
class ImageContent:
    """names: of everything inside (``usr/lib/modules/…``). files: the content of those that were asked for."""

    names: set[str] = field(default_factory=set)
    files: dict[str, bytes] = field(default_factory=dict)


def names_in_image(image: bytes) -> set[str]:
    """The paths of everything in the image. Raises InitramfsError."""
    return read_image(image, lambda _: False).names


def read_image(image: bytes, is_wanted: Callable[[str], bool], *, depth: int = 0) -> ImageContent:
    """Everything in the image, later archives over earlier ones. Raises InitramfsError."""
    found = ImageContent()
    while image := image.lstrip(b"\0"):
        if image.startswith(_NEWC):
            # Members are aligned to the start of their archive.
            image = image[_collect(image, 0, found, is_wanted) :]
        else:
            content, image = _unpack(image)
            if depth == _DEPTH_LIMIT:
                raise InitramfsError("compressed members lie within each other")
            inner = read_image(content, is_wanted, depth=depth + 1)
            found.names |= inner.names
            found.files |= inner.files
    return found


def _collect(image: bytes, position: int, found: ImageContent, is_wanted: Callable[[str], bool]) -> int:
    """Read one archive; the position after its trailer."""
    while True:
        name, mode, data_at, size = _entry(image, position)
        position = _aligned(data_at + size)
        if name == _TRAILER:
            return position
        name = name.removeprefix("./").removeprefix("/")
        found.names.add(name)
        if stat.S_ISREG(mode) and size <= _FILE_LIMIT_BYTES and is_wanted(name):
            found.files[name] = image[data_at : data_at + size]


def _entry(image: bytes, position: int) -> tuple[str, int, int, int]:
    """(name, mode, where its data begins, size of its data)."""
    header = image[position : position + _HEADER_BYTES]
    if len(header) < _HEADER_BYTES or header[:6] not in _NEWC:
        raise InitramfsError(f"no archive member at byte {position}")
    try:
        mode, size, name_size = (int(header[at : at + 8], 16) for at in (14, 54, 94))
    except ValueError as error:
        raise InitramfsError(f"a damaged archive member at byte {position}") from error
    name_at = position + _HEADER_BYTES
    data_at = _aligned(name_at + name_size)
    if data_at + size > len(image):
        raise InitramfsError(f"it ends in the middle of an archive member, at byte {len(image)}")
    return image[name_at : name_at + name_size - 1].decode("utf-8", "surrogateescape"), mode, data_at, size


def _aligned(position: int) -> int:
    return -(-position // 4) * 4


def _unpack(packed: bytes) -> tuple[bytes, bytes]:
    """(content of the compressed member that the bytes begin with, the bytes behind it)."""
    make = next((make for magic, make in _UNPACKERS.items() if packed.startswith(magic)), None)
    if make is None:
        raise InitramfsError(f"unknown compression, starting with {packed[:6].hex()}")
    unpacker = make()
    parts: list[bytes] = []
    size_bytes = 0
    position = 0
    try:
        while not unpacker.eof and position < len(packed):
            parts.append(unpacker.decompress(packed[position : position + _FED_BYTES]))
            position += _FED_BYTES
            size_bytes += len(parts[-1])
            if size_bytes > UNPACKED_LIMIT_BYTES:
                raise InitramfsError(f"it unpacks to more than {UNPACKED_LIMIT_BYTES} bytes")
        if isinstance(unpacker, Lz4Decompressor):
            unpacker.finish()
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, Lz4Error) as error:
        raise InitramfsError(f"damaged compressed data ({error})") from error
    if not unpacker.eof:
        raise InitramfsError("the end of the compressed data is missing")
    return b"".join(parts), unpacker.unused_data + packed[position:]


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


_UNPACKERS: Final[dict[bytes, Callable[[], _Unpacker]]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(wbits=31),
    b"\x28\xb5\x2f\xfd": lambda: zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj(),
    b"\xfd7zXZ\0": lzma.LZMADecompressor,
    b"]\0\0": lzma.LZMADecompressor,
    b"BZh": bz2.BZ2Decompressor,
    LZ4_MAGIC: Lz4Decompressor,
}
