"""The index of a folder: a B-tree of names, read as a whole and in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from agents.source.inventory.superblocks.binary import u16, u32, u64
from agents.source.ntfs.records import NtfsError

_RECORD_MASK: Final = (1 << 48) - 1
_DOS_NAME: Final = 2
_HAS_BELOW: Final = 1
_IS_LAST: Final = 2
_NAME_AT: Final = 66
# About a million names; a tree that goes on is damaged, or made to keep its reader busy.
_MOST_BLOCKS: Final = 1 << 16
_DEEPEST: Final = 32


@dataclass(frozen=True)
class Entry:
    """A name in a folder. number: the record of what it names. attributes: as Windows shows them (0x400 a link)."""

    name: str
    number: int
    size_bytes: int
    attributes: int


def index_entries(root: bytes, block: Callable[[int], bytes]) -> Iterator[Entry]:
    """root: the value of the index root. block: a mended index block by its number; raises NtfsError."""
    if len(root) < 32:
        raise NtfsError("index")
    yield from _Tree(block).node(root, 16, 0)


class _Tree:
    """The blocks below a root; each is read once."""

    def __init__(self, block: Callable[[int], bytes]) -> None:
        self._block = block
        self._seen: set[int] = set()

    def node(self, data: bytes, header: int, depth: int) -> Iterator[Entry]:
        """The names of a node and of everything below it. header: where its list of entries is described."""
        at, end = header + u32(data, header), header + u32(data, header + 4)
        if end > len(data):
            raise NtfsError("index")
        while at + 16 <= end:
            length, flags = u16(data, at + 8), data[at + 12]
            if length < 16 or length % 8 or at + length > end:
                raise NtfsError("index entry")
            raw = data[at : at + length]
            if flags & _HAS_BELOW:
                yield from self._below(u64(raw, length - 8), depth + 1)
            if flags & _IS_LAST:
                return
            if (found := _entry(raw)) is not None:
                yield found
            at += length
        raise NtfsError("index without an end")

    def _below(self, number: int, depth: int) -> Iterator[Entry]:
        if number in self._seen or len(self._seen) >= _MOST_BLOCKS or depth > _DEEPEST:
            raise NtfsError("index with a loop")
        self._seen.add(number)
        yield from self.node(self._block(number), 24, depth)


def _entry(raw: bytes) -> Entry | None:
    key = raw[16 : 16 + u16(raw, 10)]
    if len(key) < _NAME_AT or len(key) < _NAME_AT + 2 * key[64]:
        raise NtfsError("index entry")
    if key[65] == _DOS_NAME:
        return None
    name = key[_NAME_AT : _NAME_AT + 2 * key[64]].decode("utf-16-le", "replace")
    return Entry(name, u64(raw, 0) & _RECORD_MASK, u64(key, 48), u32(key, 56))
