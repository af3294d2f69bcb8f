"""Fixed-offset fields of on-disk structures."""

from __future__ import annotations

import struct
import uuid


def u16(data: bytes, offset: int) -> int:
    """Little-endian, 16 bits."""
    return int.from_bytes(data[offset : offset + 2], "little")


def u32(data: bytes, offset: int) -> int:
    """Little-endian, 32 bits."""
    return int.from_bytes(data[offset : offset + 4], "little")


def u64(data: bytes, offset: int) -> int:
    """Little-endian, 64 bits."""
    return int.from_bytes(data[offset : offset + 8], "little")


def big(data: bytes, offset: int, code: str) -> int:
    """Big-endian; code as in struct: H, I, Q, B."""
    value: int = struct.unpack_from(f">{code}", data, offset)[0]
    return value


def text(data: bytes, offset: int, length: int) -> str:
    """A label padded with NUL bytes. Unreadable bytes are replaced, as it travels as JSON."""
    return data[offset : offset + length].split(b"\0", 1)[0].decode("utf-8", "replace")


def uuid_text(data: bytes, offset: int) -> str:
    """A big-endian UUID as blkid writes it; "" when all bytes are zero."""
    raw = data[offset : offset + 16]
    return str(uuid.UUID(bytes=raw)) if any(raw) else ""


def flag_names(value: int, names: dict[int, str]) -> tuple[str, ...]:
    """The names of the bits that are set, in the table's order."""
    return tuple(name for bit, name in names.items() if value & bit)
