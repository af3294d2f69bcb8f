"""The Merkle tree over a trace, as in RFC 9162 section 2.1: SHA-256, 0x00 before leaves, 0x01 before nodes.

A leaf is the record hash (32 bytes) of the record whose sequence is the leaf's index + 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def leaf_hash(record_hash: str) -> bytes:
    """record_hash: hex. Raises ValueError for anything that is none."""
    leaf = bytes.fromhex(record_hash)
    if len(leaf) != hashlib.sha256().digest_size:
        raise ValueError("not a record hash")
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class Node:
    """A complete subtree: the 2**level leaves from index * 2**level on."""

    level: int
    index: int


class Frontier:
    """A tree that grows leaf by leaf, held as the roots of its complete subtrees, the largest first."""

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """hashes: as `hashes` gave them at that size. Raises ValueError when they cannot be."""
        if len(hashes) != size.bit_count():
            raise ValueError("not the frontier of a tree of this size")
        self._size = size
        self._hashes = list(hashes)

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """What is to be kept to go on later."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> list[tuple[Node, bytes]]:
        """Add a leaf hash; returns the inner nodes that it completes, the lowest first."""
        completed: list[tuple[Node, bytes]] = []
        index, level, top = self._size, 0, leaf
        while index & 1:
            top = node_hash(self._hashes.pop(), top)
            index, level = index >> 1, level + 1
            completed.append((Node(level, index), top))
        self._hashes.append(top)
        self._size += 1
        return completed

    def root(self) -> bytes:
        """The root hash of the tree as it is now."""
        return fold(self._hashes)


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over neighbouring complete subtrees, the largest first."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def complete_subtrees(start: int, end: int) -> tuple[Node, ...]:
    """The subtrees whose fold is the root over leaves start to end - 1, start being a split point of the tree."""
    nodes: list[Node] = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return tuple(nodes)


Path = tuple[tuple[Node, ...], ...]


def inclusion_path(index: int, size: int) -> Path:
    """Which subtrees, folded, are the proof that leaf index is in the tree of that size (RFC 9162, 2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    return _inclusion(index, 0, size)


def consistency_path(first: int, second: int) -> Path:
    """Which subtrees prove that the tree of size first is the beginning of that of size second (2.1.4.1)."""
    if not 0 < first <= second:
        raise ValueError(f"a tree of {first} is not the beginning of one of {second}")
    return _consistency(first, 0, second, is_known=True)


def is_included(record_hash: str, index: int, *, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    """Whether a proof shows that the record is leaf index of the tree with this root (2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, computed = index, size - 1, leaf_hash(record_hash)
    for sibling in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            computed = node_hash(sibling, computed)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and computed == root


def is_consistent(first: int, second: int, *, first_root: bytes, second_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether a proof shows that the first tree is the beginning of the second (2.1.4.2)."""
    if first == second:
        return not path and first_root == second_root
    if not 0 < first < second:
        return False
    proof = [first_root, *path] if first.bit_count() == 1 else list(path)
    if not proof:
        return False
    position, last = first - 1, second - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old, new = proof[0], proof[0]
    for sibling in proof[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _split(size: int) -> int:
    """The largest power of two below size."""
    return int(1 << ((size - 1).bit_length() - 1))


def _inclusion(index: int, start: int, end: int) -> Path:
    if end - start == 1:
        return ()
    middle = start + _split(end - start)
    if start + index < middle:
        return (*_inclusion(index, start, middle), complete_subtrees(middle, end))
    return (*_inclusion(index - (middle - start), middle, end), complete_subtrees(start, middle))


def _consistency(first: int, start: int, end: int, *, is_known: bool) -> Path:
    size = end - start
    if first == size:
        return () if is_known else (complete_subtrees(start, end),)
    middle = start + _split(size)
    left = middle - start
    if first <= left:
        return (*_consistency(first, start, middle, is_known=is_known), complete_subtrees(middle, end))
    return (*_consistency(first - left, middle, end, is_known=False), complete_subtrees(start, middle))
