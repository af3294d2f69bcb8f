"""The Merkle tree of one trace as it is kept: what it grows from, what proofs are made from, what is signed next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from contracts.base import Model
from contracts.messages.audit import AuditRecord
from contracts.messages.checkpoint import Checkpoint, TraceCheckpointed
from contracts.trace.chain import GENESIS, ChainCheck
from contracts.trace.checkpoint import hash_of_checkpoint
from contracts.trace.merkle import Frontier, Node, fold, leaf_hash

# Inner nodes are kept at every eighth level, one row per 256 records and 1 in 256 of that; what is between them is
# computed when a proof needs it.
TILE_HEIGHT: Final = 8
_LEVEL_DIGITS: Final = 2
_INDEX_DIGITS: Final = 16


class Tree(Model):
    """How far the tree of a trace has grown. frontier: hex, see `Frontier.hashes`. record_hash: of the last record.

    has_news: among the records behind the last checkpoint there are others than the event of that checkpoint.
    checkpoint: the number of the last one; checkpoint_hash: what the next one names as previous.
    """

    size: int = 0
    frontier: tuple[str, ...] = ()
    record_hash: str = GENESIS
    has_news: bool = False
    checkpoint: int = 0
    checkpoint_hash: str = ""


class Tile(Model):
    """A kept inner node. hash: hex."""

    hash: str


class BrokenTraceError(Exception):
    """The next record does not fit to those before: nothing that is behind it may be signed."""

    def __init__(self, sequence: int, reason: str) -> None:
        super().__init__(f"record {sequence}: {reason}")
        self.sequence = sequence
        self.reason = reason


def tile_key(node: Node) -> str:
    """The id of a kept node: those of one level lie together, in order."""
    return f"{node.level:0{_LEVEL_DIGITS}}:{node.index:0{_INDEX_DIGITS}}"


def tile_before(node: Node) -> str:
    """What sorts right before that id, to search from."""
    return tile_key(Node(node.level, node.index - 1)) if node.index else f"{node.level:0{_LEVEL_DIGITS}}:"


def grow(tree: Tree, records: Sequence[AuditRecord], *, account: str) -> tuple[Tree, list[tuple[Node, Tile]]]:
    """The tree with the next records, and the nodes to keep. Raises BrokenTraceError: what is chained wrongly must
    not be signed as if it were right."""
    frontier = Frontier(tree.size, [bytes.fromhex(each) for each in tree.frontier])
    check = ChainCheck(account, sequence=tree.size, record_hash=tree.record_hash)
    kept: list[tuple[Node, Tile]] = []
    has_news = tree.has_news
    for record in records:
        check.add(record)
        if check.is_broken:
            verdict = check.result(sequence=check.sequence, record_hash=check.record_hash)
            raise BrokenTraceError(verdict.broken_at, verdict.reason)
        has_news = has_news or record.message_type.partition(":")[0] != TraceCheckpointed.TYPE
        completed = frontier.append(leaf_hash(record.record_hash))
        kept += [(node, Tile(hash=found.hex())) for node, found in completed if node.level % TILE_HEIGHT == 0]
    grown = tree.model_copy(
        update={
            "size": frontier.size,
            "frontier": tuple(each.hex() for each in frontier.hashes),
            "record_hash": check.record_hash,
            "has_news": has_news,
        }
    )
    return grown, kept


def next_checkpoint(tree: Tree, *, account: str, now: datetime) -> Checkpoint:
    """The statement to be signed about the tree as it is. now: UTC."""
    root = fold([bytes.fromhex(each) for each in tree.frontier])
    return Checkpoint(
        account=account,
        number=tree.checkpoint + 1,
        tree_size=tree.size,
        root_hash=root.hex(),
        record_hash=tree.record_hash,
        previous=tree.checkpoint_hash,
        issued_at=now,
        key_id="",
    )


def with_checkpoint(tree: Tree, checkpoint: Checkpoint) -> Tree:
    """The tree after its checkpoint was signed."""
    return tree.model_copy(
        update={
            "has_news": False,
            "checkpoint": checkpoint.number,
            "checkpoint_hash": hash_of_checkpoint(checkpoint),
        }
    )
