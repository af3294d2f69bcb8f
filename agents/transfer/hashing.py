"""How the contents of a file are hashed: whole when small, by blocks in chunks when large."""

from __future__ import annotations

import struct

import xxhash

CHUNK_BYTES = 1 << 20
"""Files up to this size travel in batches and are hashed whole; larger ones go by chunks of this size."""
HASH_BYTES = 16
SMALLEST_BLOCK_BYTES = 16 << 10
_BLOCKS_SCALE_FROM_BYTES = 512 << 20
_CHUNK_INDEX = struct.Struct("<Q")
_zero_hashes: dict[int, bytes] = {}


def block_bytes_of(size: int) -> int:
    """The block size for a new large file: 16 KiB, growing with the square root beyond 512 MiB up to 1 MiB."""
    block = SMALLEST_BLOCK_BYTES
    while block < CHUNK_BYTES and (block / SMALLEST_BLOCK_BYTES) ** 2 * _BLOCKS_SCALE_FROM_BYTES < size:
        block *= 2
    return block


def hash_whole(data: bytes | memoryview) -> bytes:
    """Content hash of a small file."""
    return xxhash.xxh3_128_digest(data)


def hash_blocks(chunk: bytes | memoryview, block_bytes: int) -> bytes:
    """The hashes of a chunk's blocks, one after the other; b"" when the chunk is nothing but zeros."""
    view = memoryview(chunk)
    digest = xxhash.xxh3_128_digest
    hashes = b"".join([digest(view[at : at + block_bytes]) for at in range(0, len(view), block_bytes)])
    return b"" if hashes == _hashes_of_zeros(len(view), block_bytes) else hashes


def _hashes_of_zeros(length: int, block_bytes: int) -> bytes:
    full, rest = divmod(length, block_bytes)
    return _zero_hash(block_bytes) * full + (_zero_hash(rest) if rest else b"")


def _zero_hash(length: int) -> bytes:
    if length not in _zero_hashes:
        if len(_zero_hashes) > 64:
            _zero_hashes.clear()
        _zero_hashes[length] = xxhash.xxh3_128_digest(bytes(length))
    return _zero_hashes[length]


class ChunkedHash:
    """Content hash of a large file: over the chunks that are not all zeros, in order, and the size.

    Chunks of zeros are left out, so that a file with terabytes of holes costs nothing.
    """

    def __init__(self) -> None:
        self._state = xxhash.xxh3_128()

    def add(self, index: int, block_hashes: bytes) -> None:
        """Take in a chunk; b"" is one of zeros."""
        if block_hashes:
            self._state.update(_CHUNK_INDEX.pack(index))
            self._state.update(block_hashes)

    def digest(self, size: int) -> bytes:
        """The hash of the file, given its size in bytes."""
        self._state.update(_CHUNK_INDEX.pack(size))
        return self._state.digest()
