"""The tree over a trace against the definitions of RFC 9162, and every proof that it gives."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.trace.merkle import (
    EMPTY_ROOT,
    Frontier,
    Node,
    Path,
    complete_subtrees,
    consistency_path,
    fold,
    inclusion_path,
    is_consistent,
    is_included,
    leaf_hash,
)

RECORDS = [hashlib.sha256(bytes([number & 255, number >> 8])).hexdigest() for number in range(600)]
LEAVES = [leaf_hash(record) for record in RECORDS]
SIZES = st.integers(1, len(RECORDS))


def tree_hash(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162, section 2.1.1, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


ROOTS = [tree_hash(LEAVES[:size]) for size in range(66)]


def root(size: int) -> bytes:
    return ROOTS[size] if size < len(ROOTS) else tree_hash(LEAVES[:size])


def hashes(path: Path) -> list[bytes]:
    def of(node: Node) -> bytes:
        start = node.index << node.level
        return tree_hash(LEAVES[start : start + (1 << node.level)])

    return [fold([of(node) for node in nodes]) for nodes in path]


def test_leaves_and_nodes_are_hashed_apart() -> None:
    # The leaf of RFC 9162: SHA-256 over 0x00 and the entry.
    entry = bytes(32)
    assert leaf_hash(entry.hex()) == hashlib.sha256(b"\x00" + entry).digest()
    for wrong in ("", "00", "zz" * 32, "00" * 33):
        with pytest.raises(ValueError, match=r"hex|hash"):
            leaf_hash(wrong)


def test_a_growing_tree_has_the_root_of_the_definition_at_every_size() -> None:
    tree = Frontier()
    assert tree.root() == EMPTY_ROOT
    for size, leaf in enumerate(LEAVES[:65], start=1):
        for node, found in tree.append(leaf):
            start = node.index << node.level
            assert found == tree_hash(LEAVES[start : start + (1 << node.level)])
        assert tree.root() == root(size)
        again = Frontier(tree.size, tree.hashes)
        assert again.root() == tree.root()
    with pytest.raises(ValueError, match="size"):
        Frontier(3, [b""])


@given(SIZES, st.data())
def test_every_record_is_proven_and_no_other(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    path = hashes(inclusion_path(index, size))
    expected = root(size)
    assert is_included(RECORDS[index], index, size=size, root=expected, path=path)
    other = data.draw(st.integers(0, len(RECORDS) - 1).filter(lambda number: number != index))
    assert not is_included(RECORDS[other], index, size=size, root=expected, path=path)
    assert not is_included(RECORDS[index], other, size=size, root=expected, path=path)
    assert not is_included(RECORDS[index], index, size=size, root=bytes(32), path=path)
    assert not is_included(RECORDS[index], index, size=size, root=expected, path=[*path, bytes(32)])
    for place in range(len(path)):
        assert not is_included(
            RECORDS[index], index, size=size, root=expected, path=[*path[:place], bytes(32), *path[place + 1 :]]
        )
        assert not is_included(
            RECORDS[index], index, size=size, root=expected, path=[*path[:place], *path[place + 1 :]]
        )


@given(SIZES, st.data())
def test_a_tree_is_proven_to_begin_every_later_one_and_no_forged_one(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, size))
    path = hashes(consistency_path(first, size))
    roots = {"first_root": root(first), "second_root": root(size)}
    assert is_consistent(first, size, path=path, **roots)
    forged = [*LEAVES[: first - 1], leaf_hash("00" * 32)]
    assert not is_consistent(first, size, path=path, **{**roots, "first_root": tree_hash(forged)})
    assert not is_consistent(first, size, path=path, **{**roots, "second_root": bytes(32)})
    assert not is_consistent(first, size, path=[*path, bytes(32)], **roots)
    assert not is_consistent(size + 1, size, path=path, **roots)
    for place in range(len(path)):
        assert not is_consistent(first, size, path=[*path[:place], bytes(32), *path[place + 1 :]], **roots)


@given(st.integers(0, 40), st.integers(0, 12))
def test_a_range_is_taken_apart_into_complete_subtrees(block: int, level: int) -> None:
    start = block << level
    for end in range(start, start + (1 << level) + 1):
        nodes = complete_subtrees(start, end)
        covered = [leaf for node in nodes for leaf in range(node.index << node.level, (node.index + 1) << node.level)]
        if end - start <= 64:
            assert covered == list(range(start, end))
        assert len(nodes) == (end - start).bit_count()
        if end - start > 70:
            break


def test_what_is_not_in_a_tree_has_no_path() -> None:
    for index, size in ((0, 0), (5, 5), (-1, 3)):
        with pytest.raises(ValueError, match="not in"):
            inclusion_path(index, size)
    for first, second in ((0, 1), (3, 2)):
        with pytest.raises(ValueError, match="beginning"):
            consistency_path(first, second)
