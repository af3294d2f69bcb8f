"""A chunk of a large file: the file's entry and the pieces that are to be written."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from agents.transfer.entries import Entry, EntryKind, Reader, decode_group, encode_group
from agents.transfer.frames import Payload, protocol_error
from agents.transfer.hashing import CHUNK_BYTES

_COUNT = struct.Struct("<I")
_PIECE = struct.Struct("<QIB")


@dataclass(frozen=True, slots=True)
class Piece:
    """A range of a file. data: its bytes; None makes the range a hole."""

    offset: int
    length: int
    data: bytes | memoryview | None


def encode_chunk(volume: int, path: bytes, entry: Entry, pieces: Sequence[Piece]) -> bytes:
    """The payload of a CHUNK frame. path: the file's directory below the root; entry.data must be empty."""
    parts = encode_group(volume, path, [entry])
    parts.append(_COUNT.pack(len(pieces)))
    for piece in pieces:
        parts.append(_PIECE.pack(piece.offset, piece.length, piece.data is None))
        if piece.data is not None:
            parts.append(piece.data)
    return b"".join(parts)


def chunk_volume(payload: Payload) -> int:
    """The volume that a payload is for, without decoding the rest."""
    return int.from_bytes(payload[:2], "little")


def decode_chunk(payload: Payload) -> tuple[bytes, Entry, list[Piece]]:
    """Directory, entry and pieces. Raises MigrationError SMS.TRANSFER.PROTOCOL."""
    reader = Reader(payload)
    _, path, entries = decode_group(reader)
    if len(entries) != 1 or entries[0].kind is not EntryKind.REGULAR or not entries[0].name:
        raise protocol_error("chunk that is not of one regular file")
    (count,) = reader.unpack(_COUNT)
    pieces = []
    for _ in range(count):
        offset, length, is_hole = reader.unpack(_PIECE)
        if not is_hole and length > CHUNK_BYTES:
            raise protocol_error("piece that is longer than a chunk")
        pieces.append(Piece(offset, length, None if is_hole else reader.take(length)))
    return path, entries[0], pieces
