"""Writes large files chunk by chunk, new ones in place and known ones as patches."""

from __future__ import annotations

import os

from agents.target.receive.metadata import finish_existing
from agents.target.receive.volume import Volume
from agents.target.receive.write_entries import create_file, open_existing, write_data
from agents.transfer.chunks import Piece, decode_chunk
from agents.transfer.entries import FIRST, IN_PLACE, LAST, SPARSE, Entry
from agents.transfer.frames import Payload, protocol_error
from agents.transfer.paths import punch_hole

_ZEROS = bytes(1 << 20)


class ChunkWriter:
    """Keeps the file open that one connection is sending. Used by one thread."""

    def __init__(self) -> None:
        self._descriptor = -1
        self._file: tuple[int, bytes, bytes] | None = None

    def close(self) -> None:
        """Give up the open file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
        self._file = None

    def write(self, volume: Volume, payload: Payload) -> list[int]:
        """Apply a CHUNK frame; returns the file's row if it should have been there but is not."""
        path, entry, pieces = decode_chunk(payload)
        volume.check_not_reserved(path or entry.name)
        try:
            self._open(volume, path, entry)
        except FileNotFoundError:
            return [entry.row]
        for piece in pieces:
            if piece.offset + piece.length > entry.size:
                raise protocol_error("chunk that reaches beyond its file")
            _apply(self._descriptor, piece, is_sparse=bool(entry.flags & SPARSE))
        if entry.flags & LAST:
            os.ftruncate(self._descriptor, entry.size)
            finish_existing(self._descriptor, entry)
            self.close()
        return []

    def _open(self, volume: Volume, path: bytes, entry: Entry) -> None:
        file = (volume.index, path, entry.name)
        if self._file == file and not entry.flags & FIRST:
            return
        self.close()
        with volume.directory(path) as directory:
            if entry.flags & FIRST:
                self._descriptor = _start(volume, directory, entry)
            else:
                self._descriptor = open_existing(directory, entry.name, os.O_WRONLY)
        self._file = file


def _start(volume: Volume, directory: int, entry: Entry) -> int:
    """An empty file: the existing inode where other names share it, else a new one."""
    if entry.flags & IN_PLACE:
        try:
            descriptor = open_existing(directory, entry.name, os.O_WRONLY)
        except FileNotFoundError:
            pass
        else:
            os.ftruncate(descriptor, 0)
            return descriptor
    try:
        return create_file(volume, directory, entry.name, entry)
    except FileExistsError:
        volume.remove_tree(directory, entry.name)
        return create_file(volume, directory, entry.name, entry)


def _apply(descriptor: int, piece: Piece, *, is_sparse: bool) -> None:
    if piece.data is not None:
        write_data(descriptor, piece.data, piece.offset, is_sparse=is_sparse)
        return
    try:
        punch_hole(descriptor, piece.offset, piece.length)
    except OSError:
        # No holes on this file system: zeros read the same.
        for at in range(piece.offset, piece.offset + piece.length, len(_ZEROS)):
            size = min(len(_ZEROS), piece.offset + piece.length - at)
            write_data(descriptor, _ZEROS[:size], at, is_sparse=False)
