"""Hashes of what is on a disk: an open file's contents, a set of extended attributes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import xxhash

from agents.transfer.attributes import Xattrs
from agents.transfer.entries import encode_xattrs
from agents.transfer.hashing import CHUNK_BYTES, ChunkedHash, hash_blocks, hash_whole

XATTRS_HASH_BYTES = 8


def hash_xattrs(xattrs: Xattrs) -> bytes:
    """Eight bytes over the sorted names and values."""
    return xxhash.xxh3_64_digest(encode_xattrs(xattrs))


def hash_file(descriptor: int, block_bytes: int) -> bytes:
    """Content hash of an open file, by the rules of agents.transfer.hashing; block_bytes 0: hashed whole.

    Holes are not read.
    """
    size = os.fstat(descriptor).st_size
    if block_bytes == 0:
        return hash_whole(read_range(descriptor, 0, min(size, CHUNK_BYTES + 1)))
    state = ChunkedHash()
    for index in chunks_with_data(descriptor, size):
        state.add(index, hash_blocks(read_range(descriptor, index * CHUNK_BYTES, CHUNK_BYTES), block_bytes))
    return state.digest(size)


def read_range(descriptor: int, offset: int, length: int) -> bytes:
    """Bytes of a file; fewer only where it ends. Raises OSError."""
    data = os.pread(descriptor, length, offset)
    if len(data) in (length, 0):
        return data
    parts = [data]
    done = len(data)
    while done < length:
        data = os.pread(descriptor, length - done, offset + done)
        if not data:
            break
        parts.append(data)
        done += len(data)
    return b"".join(parts)


def chunks_with_data(descriptor: int, size: int) -> Iterator[int]:
    """Numbers of the chunks that are not wholly holes, in order (all of them where holes are not reported)."""
    state = os.fstat(descriptor)
    last = (size + CHUNK_BYTES - 1) // CHUNK_BYTES
    if state.st_blocks * 512 >= size:
        yield from range(last)
        return
    following = 0
    position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        position = os.lseek(descriptor, start, os.SEEK_HOLE)
        first = max(following, start // CHUNK_BYTES)
        following = max(following, min(last, (position + CHUNK_BYTES - 1) // CHUNK_BYTES))
        yield from range(first, following)
