"""Hives of the Windows registry: the format regf, read cell by cell.

A hive is hostile input: every offset and count is checked, and what does not fit raises HiveError. Transaction logs
are not applied; what a running Windows had not yet written into the hive is not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from agents.source.inventory.superblocks.binary import u16, u32

STRING: Final = 1
EXPANDED_STRING: Final = 2
BINARY: Final = 3
NUMBER: Final = 4
STRINGS: Final = 7

_BASE: Final = 4096
_NONE: Final = 0xFFFFFFFF
_LARGEST_CELL: Final = 4 << 20
_LARGEST_VALUE: Final = 1 << 20
_SEGMENT: Final = 16344
_MOST_KEYS: Final = 1 << 16
_MOST_VALUES: Final = 1 << 14
_COMPRESSED_NAME: Final = 0x20
_ASCII_NAME: Final = 1
_INLINE: Final = 1 << 31

ReadAt = Callable[[int, int], bytes]


class HiveError(Exception):
    """What is in the file is not what Windows would have written."""


class Key:
    """A key of a hive."""

    def __init__(self, hive: Hive, cell: bytes) -> None:
        if cell[:2] != b"nk" or len(cell) < 76:
            raise HiveError("key")
        self._hive = hive
        self._cell = cell
        self.name = _name(cell[76 : 76 + u16(cell, 72)], is_ascii=bool(u16(cell, 2) & _COMPRESSED_NAME))

    def children(self) -> Iterator[Key]:
        """The keys below it."""
        if u32(self._cell, 20) and u32(self._cell, 28) != _NONE:
            for offset in self._hive.listed(u32(self._cell, 28)):
                yield Key(self._hive, self._hive.cell(offset))

    def find(self, path: str) -> Key | None:
        """A key below, by a path with backslashes, in any case."""
        found: Key | None = self
        for name in filter(None, path.split("\\")):
            if found is None:
                return None
            found = next((key for key in found.children() if key.name.upper() == name.upper()), None)
        return found

    def values(self) -> Iterator[Value]:
        """Its values."""
        count = u32(self._cell, 36)
        if not count:
            return
        if count > _MOST_VALUES:
            raise HiveError("number of values")
        offsets = self._hive.cell(u32(self._cell, 40))
        if len(offsets) < 4 * count:
            raise HiveError("list of values")
        for index in range(count):
            yield Value(self._hive, self._hive.cell(u32(offsets, 4 * index)))

    def value(self, name: str) -> Value | None:
        """One of its values, by name in any case; "" is the unnamed one."""
        return next((value for value in self.values() if value.name.upper() == name.upper()), None)

    def text(self, name: str) -> str:
        """A value as text; "" when there is none of that name and kind."""
        found = self.value(name)
        return found.text() if found else ""

    def number(self, name: str) -> int | None:
        """A value as a number; None when there is none of that name and kind."""
        found = self.value(name)
        return u32(found.data(), 0) if found and found.kind == NUMBER and len(found.data()) == 4 else None


class Value:
    """A value of a key. kind: STRING, NUMBER and so on."""

    def __init__(self, hive: Hive, cell: bytes) -> None:
        if cell[:2] != b"vk" or len(cell) < 20:
            raise HiveError("value")
        self._hive = hive
        self._cell = cell
        self.kind = u32(cell, 12)
        self.name = _name(cell[20 : 20 + u16(cell, 2)], is_ascii=bool(u16(cell, 16) & _ASCII_NAME))

    def data(self) -> bytes:
        """As it is stored."""
        size = u32(self._cell, 4)
        if size & _INLINE:
            return self._cell[8 : 8 + min(size & ~_INLINE, 4)]
        if size > _LARGEST_VALUE:
            raise HiveError("size of a value")
        return self._hive.value_data(u32(self._cell, 8), size) if size else b""

    def text(self) -> str:
        """Of a string, up to its first NUL; "" for other kinds."""
        return self.texts()[0] if self.kind in (STRING, EXPANDED_STRING) else ""

    def texts(self) -> tuple[str, ...]:
        """Of a list of strings; a plain string is a list of one."""
        if self.kind not in (STRING, EXPANDED_STRING, STRINGS):
            return ()
        return tuple(self.data().decode("utf-16-le", "replace").rstrip("\0").split("\0"))


class Hive:
    """read: bytes of the file at an offset, short at its end. Raises HiveError when it is no hive."""

    def __init__(self, read: ReadAt) -> None:
        self._read = read
        base = read(0, 512)
        if len(base) < 512 or base[:4] != b"regf":
            raise HiveError("no hive")
        self._size = u32(base, 40)
        # Windows counts the first up before it writes, and the second after.
        self.is_torn = u32(base, 4) != u32(base, 8)
        self.root = Key(self, self.cell(u32(base, 36)))

    def cell(self, offset: int) -> bytes:
        """The contents of a cell that is in use, by its place behind the base block."""
        if offset % 8 or offset + 4 > self._size:
            raise HiveError("place of a cell")
        size = -int.from_bytes(self._read(_BASE + offset, 4), "little", signed=True)
        if not 8 <= size <= min(self._size - offset, _LARGEST_CELL):
            raise HiveError("size of a cell")
        data = self._read(_BASE + offset + 4, size - 4)
        if len(data) < size - 4:
            raise HiveError("cell beyond the end of the file")
        return data

    def listed(self, offset: int, *, is_outer: bool = True) -> Iterator[int]:
        """The cells that a list of keys names; a list of lists is at most one level deep."""
        cell = self.cell(offset)
        kind, count = cell[:2], u16(cell, 2)
        width = {b"lf": 8, b"lh": 8, b"li": 4, b"ri": 4}.get(kind)
        if width is None or count > _MOST_KEYS or 4 + count * width > len(cell) or (kind == b"ri" and not is_outer):
            raise HiveError("list of keys")
        for index in range(count):
            place = u32(cell, 4 + index * width)
            if kind == b"ri":
                yield from self.listed(place, is_outer=False)
            else:
                yield place

    def value_data(self, offset: int, size: int) -> bytes:
        """The data of a value that is not in its own cell; more than a segment is in several."""
        cell = self.cell(offset)
        if size <= _SEGMENT or cell[:2] != b"db":
            if len(cell) < size:
                raise HiveError("data of a value")
            return cell[:size]
        count = u16(cell, 2)
        segments = self.cell(u32(cell, 4))
        if count * _SEGMENT < size or len(segments) < 4 * count:
            raise HiveError("segments of a value")
        parts = (self.cell(u32(segments, 4 * index))[:_SEGMENT] for index in range(-(-size // _SEGMENT)))
        data = b"".join(parts)[:size]
        if len(data) < size:
            raise HiveError("segments of a value")
        return data


def _name(raw: bytes, *, is_ascii: bool) -> str:
    return raw.decode("latin-1" if is_ascii else "utf-16-le", "replace")
