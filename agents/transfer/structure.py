"""Changes to the tree itself: moves, removals and hard links, in the order in which they are to happen."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from agents.transfer.entries import Reader, check_path
from agents.transfer.frames import GREATEST_NUMBER, Payload, protocol_error

_OPERATION = struct.Struct("<BHQII")


class Change(IntEnum):
    """STAGE takes an entry out of the tree and keeps it aside under its row's number; UNSTAGE puts it back in
    elsewhere; what is left aside at the end of a round is removed. RENAME and LINK go from path to new_path."""

    STAGE = 1
    UNSTAGE = 2
    RENAME = 3
    LINK = 4


_CHANGES = {int(change): change for change in Change}


@dataclass(frozen=True, slots=True)
class Operation:
    """One change. row: the entry's number in the source's catalogue. Paths are below the volume's root."""

    change: Change
    volume: int
    row: int
    path: bytes
    new_path: bytes = b""


def encode_operations(operations: Sequence[Operation]) -> bytes:
    """The payload of a STRUCTURE frame."""
    parts: list[bytes] = []
    for item in operations:
        header = _OPERATION.pack(item.change, item.volume, item.row, len(item.path), len(item.new_path))
        parts += (header, item.path, item.new_path)
    return b"".join(parts)


def decode_operations(payload: Payload) -> Iterator[Operation]:
    """The operations of a payload, their paths checked. Raises MigrationError SMS.TRANSFER.PROTOCOL."""
    reader = Reader(payload)
    while not reader.is_at_end:
        change, volume, row, path_length, new_length = reader.unpack(_OPERATION)
        if change not in _CHANGES:
            raise protocol_error(f"unknown change {change}")
        if row > GREATEST_NUMBER:
            raise protocol_error(f"row {row}")
        path, new_path = bytes(reader.take(path_length)), bytes(reader.take(new_length))
        check_path(path)
        check_path(new_path)
        yield Operation(_CHANGES[change], volume, row, path, new_path)
