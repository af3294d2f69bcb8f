"""Frames: a fixed little-endian header and a payload whose length and checksum are checked before it is used."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import xxhash

from contracts.errors.code import MigrationError
from contracts.errors.transfer import PROTOCOL

PROTOCOL_VERSION = 1
OLDEST_PROTOCOL_VERSION = 1
MAX_PAYLOAD_BYTES = 4 << 20
GREATEST_NUMBER = 1 << 62
"""Of a sequence, a row, a number of bytes that a peer says: both ends count and store with 64 bits."""

# version, kind, flags, stream, payload length, sequence, after, xxh3-64 of the payload
HEADER = struct.Struct("<BBBBIQQQ")
FLAG_COMPRESSED = 1
KNOWN_FLAGS = FLAG_COMPRESSED


# What was received stays in the buffer that it was received in.
Payload = bytes | bytearray


class Kind(IntEnum):
    """What a frame carries. HELLO to PROBE_REPLY and the RESULT kinds have no sequence; the others are numbered."""

    HELLO = 1
    HELLO_REPLY = 2
    BEGIN = 3
    JOIN = 4
    ACK = 5
    FAILURE = 6
    PROBE = 7
    PROBE_REPLY = 8
    BATCH = 10
    CHUNK = 11
    STRUCTURE = 12
    DIRECTORIES = 13
    END_ROUND = 14
    VERIFY_BATCH = 20
    VERIFY_RESULT = 21
    LOST_ENTRIES = 22


_KINDS = {int(kind): kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. sequence: its number, 0 for frames that are not numbered. after: it may be applied only once
    every frame up to that number has been. payload as it travelled (compressed if the flag says so)."""

    kind: Kind
    flags: int
    stream: int
    sequence: int
    after: int
    payload: Payload

    @property
    def wire_bytes(self) -> int:
        """What the frame takes on the wire, without TLS."""
        return HEADER.size + len(self.payload)

    def header(self) -> bytes:
        """What travels before the payload."""
        checksum = xxhash.xxh3_64_intdigest(self.payload)
        return HEADER.pack(
            PROTOCOL_VERSION,
            self.kind,
            self.flags,
            self.stream,
            len(self.payload),
            self.sequence,
            self.after,
            checksum,
        )


def protocol_error(reason: str) -> MigrationError:
    """The error for whatever the other end must never send."""
    return MigrationError(PROTOCOL, reason=reason)


def control_frame(kind: Kind, payload: bytes) -> Frame:
    """A frame without a number."""
    return Frame(kind=kind, flags=0, stream=0, sequence=0, after=0, payload=payload)


def read_frame(read_exactly: Callable[[int], Payload]) -> Frame:
    """Read one frame. read_exactly(n) returns n bytes or raises EOFError.

    Raises MigrationError SMS.TRANSFER.PROTOCOL before anything of the payload's size is allocated when the
    header is not acceptable, and after reading it when the checksum differs.
    """
    version, kind, flags, stream, length, sequence, after, checksum = HEADER.unpack(read_exactly(HEADER.size))
    if not OLDEST_PROTOCOL_VERSION <= version <= PROTOCOL_VERSION:
        raise protocol_error(f"frame of version {version}")
    if kind not in _KINDS:
        raise protocol_error(f"frame of unknown kind {kind}")
    if flags & ~KNOWN_FLAGS:
        raise protocol_error(f"frame with unknown flags {flags:#x}")
    if length > MAX_PAYLOAD_BYTES:
        raise protocol_error(f"frame of {length} bytes, more than {MAX_PAYLOAD_BYTES}")
    if max(sequence, after) > GREATEST_NUMBER:
        raise protocol_error(f"frame with number {max(sequence, after)}")
    payload = read_exactly(length) if length else b""
    if xxhash.xxh3_64_intdigest(payload) != checksum:
        raise protocol_error("frame whose checksum differs from its contents")
    return Frame(_KINDS[kind], flags, stream, sequence, after, payload)
