"""Sends a large file by chunks: all of a new one, of a known one the blocks that differ."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

from agents.source.copy.file_state import State
from agents.source.copy.read_entry import ATTEMPTS, is_same_state, open_regular, read_opened
from agents.source.copy.rows import UNHELD, ChunkRow, Row
from agents.source.copy.work import OpenDirectory
from agents.source.scan.directory_scan import signed
from agents.transfer.chunks import Piece, encode_chunk
from agents.transfer.content import chunks_with_data, hash_xattrs, read_range
from agents.transfer.entries import FIRST, HAS_CONTENT, IN_PLACE, LAST, SPARSE, Entry
from agents.transfer.frames import Kind
from agents.transfer.hashing import CHUNK_BYTES, HASH_BYTES, ChunkedHash, block_bytes_of, hash_blocks

if TYPE_CHECKING:
    from agents.source.copy.sender import Output

_FRAME_CHUNKS = 64
_HOLE_BYTES = 4096
_ZEROS = bytes(_HOLE_BYTES)


class LargeFileSender:
    """Used by one thread, for one file at a time."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def send(self, directory: OpenDirectory, row: Row) -> bool:
        """Bring the target's file up to what can be read; whether it changed in every attempt. Raises OSError."""
        descriptor, state = open_regular(directory.descriptor, row.name)
        try:
            if not row.is_still(state):
                raise FileNotFoundError(errno.ENOENT, "another file by now")
            for attempt in range(1, ATTEMPTS + 1):
                pass_ = _Pass(self._output, directory, row, descriptor)
                is_same = pass_.run(is_last=attempt == ATTEMPTS)
                if is_same or attempt == ATTEMPTS:
                    return not is_same
        finally:
            os.close(descriptor)
        return False


class _Pass:
    """One reading of the file from start to end."""

    def __init__(self, output: Output, directory: OpenDirectory, row: Row, descriptor: int) -> None:
        self._output = output
        self._catalogue = output.catalogue
        self._directory = directory
        self._row = row
        self._descriptor = descriptor
        self._read_at_ns = time.time_ns()
        self._reading = read_opened(descriptor, row.name)
        state = self._reading.state
        self._size = state.st_size
        is_held = row.sequence != UNHELD and row.block_bytes > 0
        self._is_new = not is_held and not (row.is_partial and self._catalogue.has_held_chunks(row.row))
        self._is_fresh = self._is_new
        # The same inode, untouched since the chunks that are held were read: they need not be read again.
        self._may_skip = row.is_partial and not row.is_racy and _is_as_in(row, state)
        self._was = (row.content, row.mode, row.uid, row.gid, row.mtime_ns, row.inode_flags, row.xattrs_hash)
        self._is_in_place = bool(row.link_group) and row.sequence != UNHELD
        self._pieces: list[Piece] = []
        self._chunks: list[ChunkRow] = []
        self._pending_bytes = 0
        self._has_sent = False
        self._is_short = False

    def run(self, *, is_last: bool) -> bool:
        """Read and send; False if the file changed meanwhile (its end is then sent only if is_last)."""
        self._begin()
        content = self._contents()
        is_same = is_same_state(self._reading.state, os.fstat(self._descriptor)) and not self._is_short
        if is_same or is_last:
            self._finish(content, is_same=is_same)
        elif self._pieces or self._chunks:
            self._flush()
        return is_same

    def _begin(self) -> None:
        row, state = self._row, self._reading.state
        if self._is_new:
            self._catalogue.forget_chunks(row.row)
            row.block_bytes = block_bytes_of(self._size)
        elif not row.is_partial:
            # A kill may have left hashes of what was cut off when the file was last sent.
            self._catalogue.forget_chunks(row.row, first=_chunks_of(row.size))
        row.take(state, read_at_ns=self._read_at_ns)
        row.inode_flags = self._reading.entry.inode_flags
        row.xattrs_hash = hash_xattrs(self._reading.entry.xattrs)

    def _contents(self) -> ChunkedHash:
        total = ChunkedHash()
        with_data = chunks_with_data(self._descriptor, self._size)
        following = next(with_data, None)
        for index in range(_chunks_of(self._size)):
            if self._is_short:
                break
            is_hole = index != following
            if not is_hole:
                following = next(with_data, None)
            elif self._is_fresh:
                continue
            total.add(index, self._chunk(index, is_hole=is_hole))
        return total

    def _chunk(self, index: int, *, is_hole: bool) -> bytes:
        """Send what differs of one chunk; returns its block hashes."""
        known = None if self._is_fresh else self._catalogue.chunk(self._row.row, index)
        offset, length = index * CHUNK_BYTES, min(CHUNK_BYTES, self._size - index * CHUNK_BYTES)
        if known and known.sequence != UNHELD and self._may_skip:
            self._output.tally.done(self._directory.volume, files=0, size=length)
            return known.hashes
        data = b"" if is_hole else read_range(self._descriptor, offset, length)
        if not is_hole and len(data) < length:
            self._is_short = True
            self._size = offset + len(data)
        hashes = hash_blocks(data, self._row.block_bytes) if data else b""
        old = known.hashes if known and known.sequence != UNHELD else None
        if hashes != (old if known else b""):
            self._add(index, offset, data, hashes, old, length)
        self._output.tally.done(self._directory.volume, files=0, size=length)
        return hashes

    def _add(self, index: int, offset: int, data: bytes, hashes: bytes, old: bytes | None, length: int) -> None:
        if not hashes:
            pieces = [Piece(offset, length, None)]
        elif old and len(old) == len(hashes):
            pieces = _differing(offset, data, hashes, old, self._row.block_bytes)
        else:
            pieces = [Piece(offset, len(data), data)]
        if not self._is_fresh and self._is_sparse:
            pieces = [part for piece in pieces for part in _zeros_as_holes(piece)]
        self._pieces += pieces
        self._pending_bytes += sum(piece.length for piece in pieces if piece.data is not None)
        self._chunks.append(ChunkRow(self._row.row, index, UNHELD, hashes))
        if self._pending_bytes >= CHUNK_BYTES or len(self._chunks) >= _FRAME_CHUNKS:
            self._flush()

    def _flush(self, *, flags: int = 0, content: bytes = b"") -> None:
        entry = self._entry(flags)
        payload = encode_chunk(self._directory.volume, self._directory.path, entry, self._pieces)
        row, chunks, size = self._row, self._chunks, self._pending_bytes
        self._pieces, self._chunks, self._pending_bytes, self._has_sent = [], [], 0, True
        row.is_partial = not flags & LAST
        if row.is_partial:
            row.sequence = UNHELD
        else:
            row.content = content
        if not self._is_fresh and chunks:
            self._catalogue.begin_chunks(chunks)
        self._output.send(Kind.CHUNK, payload, (row,), chunks)
        self._is_new = False
        self._output.tally.sent(self._directory.volume, files=int(not row.is_partial), size=size)

    def _entry(self, flags: int) -> Entry:
        entry = self._reading.entry
        entry.row = self._row.row
        entry.flags = HAS_CONTENT | flags
        # Beyond what has been sent in this pass the size may still change; the last chunk sets it.
        entry.size = self._size
        if self._is_new:
            entry.flags |= FIRST
            if self._is_in_place:
                entry.flags |= IN_PLACE
        if self._is_fresh and self._is_sparse:
            entry.flags |= SPARSE
        return entry

    @property
    def _is_sparse(self) -> bool:
        return self._reading.state.st_blocks * 512 < self._size

    def _finish(self, total: ChunkedHash, *, is_same: bool) -> None:
        row = self._row
        row.size = self._size
        content = total.digest(self._size)
        is_complete = row.sequence != UNHELD and not row.is_partial
        now = (content, row.mode, row.uid, row.gid, row.mtime_ns, row.inode_flags, row.xattrs_hash)
        if not is_same:
            row.is_racy = True
        if is_complete and now == self._was and not self._pieces and not self._chunks and not self._has_sent:
            row.content = content
            self._catalogue.put((row,))
        else:
            self._flush(flags=LAST, content=content)
            self._catalogue.forget_chunks(row.row, first=_chunks_of(self._size))
        self._output.tally.done(self._directory.volume, files=1, size=0)


def _chunks_of(size: int) -> int:
    return (size + CHUNK_BYTES - 1) // CHUNK_BYTES


def _is_as_in(row: Row, state: State) -> bool:
    return (row.size, row.mtime_ns, row.ctime_ns, row.inode) == (
        state.st_size,
        signed(state.st_mtime_ns),
        signed(state.st_ctime_ns),
        signed(state.st_ino),
    )


def _differing(offset: int, data: bytes, hashes: bytes, old: bytes, block_bytes: int) -> list[Piece]:
    """The blocks whose hashes differ, neighbours joined."""
    pieces: list[Piece] = []
    view = memoryview(data)
    start = None
    for at in range(0, len(data), block_bytes):
        place = at // block_bytes * HASH_BYTES
        if hashes[place : place + HASH_BYTES] == old[place : place + HASH_BYTES]:
            if start is not None:
                pieces.append(Piece(offset + start, at - start, view[start:at]))
                start = None
        elif start is None:
            start = at
    if start is not None:
        pieces.append(Piece(offset + start, len(data) - start, view[start:]))
    return pieces


def _zeros_as_holes(piece: Piece) -> list[Piece]:
    """The piece with its blocks of zeros as holes: whatever the target has there, it keeps no blocks for them."""
    if piece.data is None:
        return [piece]
    parts: list[Piece] = []
    view = memoryview(piece.data)
    start, was_zero = 0, None
    for at in range(0, len(view), _HOLE_BYTES):
        block = view[at : at + _HOLE_BYTES]
        is_zero = block == _ZEROS[: len(block)]
        if was_zero is not None and is_zero != was_zero:
            parts.append(Piece(piece.offset + start, at - start, None if was_zero else view[start:at]))
            start = at
        was_zero = is_zero
    parts.append(Piece(piece.offset + start, len(view) - start, None if was_zero else view[start:]))
    return parts
