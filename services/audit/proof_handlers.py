"""Proves that a record is under a checkpoint, and that a checkpoint's records begin a later one's."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.audit import NOT_UNDER_CHECKPOINT, TRACE_BROKEN
from contracts.messages.checkpoint import ConsistencyProof, InclusionProof, ProveConsistency, ProveInclusion
from contracts.trace.merkle import (
    Frontier,
    Node,
    Path,
    consistency_path,
    fold,
    inclusion_path,
    is_consistent,
    is_included,
    leaf_hash,
)
from services.audit.domain.entries import entry_key, read_entry
from services.audit.domain.tree import TILE_HEIGHT, tile_before
from services.audit.records import TraceRecords, account_of


class ProofHandlers:
    """Proofs are checked before they leave: one that does not hold means that the store was changed."""

    def __init__(self, records: TraceRecords, public_key: Ed25519PublicKey) -> None:
        self._records = records
        self._public_key = public_key.public_bytes_raw().hex()

    async def prove_inclusion(self, request: ProveInclusion, envelope: Envelope) -> InclusionProof:
        """Raises SMS.AUDIT.NO_CHECKPOINT, NOT_UNDER_CHECKPOINT, TRACE_BROKEN."""
        account = account_of(envelope)
        checkpoint = await self._records.load_checkpoint(account, request.checkpoint)
        if not 1 <= request.sequence <= checkpoint.tree_size:
            raise MigrationError(
                NOT_UNDER_CHECKPOINT,
                sequence=request.sequence,
                number=checkpoint.number,
                tree_size=checkpoint.tree_size,
            )
        index = request.sequence - 1
        stored = await self._records.entries.load(account, entry_key(request.sequence))
        if stored is None:
            raise MigrationError(TRACE_BROKEN, sequence=request.sequence, reason="the record is missing")
        record = read_entry(stored.value)
        path = await self._hashes(account, inclusion_path(index, checkpoint.tree_size))
        root = bytes.fromhex(checkpoint.root_hash)
        if not is_included(record.record_hash, index, size=checkpoint.tree_size, root=root, path=path):
            raise MigrationError(TRACE_BROKEN, sequence=request.sequence, reason="no proof of it holds")
        return InclusionProof(
            record=record, checkpoint=checkpoint, public_key=self._public_key, path=tuple(each.hex() for each in path)
        )

    async def prove_consistency(self, request: ProveConsistency, envelope: Envelope) -> ConsistencyProof:
        """Raises SMS.AUDIT.NO_CHECKPOINT, NOT_UNDER_CHECKPOINT, TRACE_BROKEN."""
        account = account_of(envelope)
        first = await self._records.load_checkpoint(account, request.first)
        second = await self._records.load_checkpoint(account, request.second)
        if first.number > second.number:
            raise MigrationError(
                NOT_UNDER_CHECKPOINT, sequence=first.tree_size, number=second.number, tree_size=second.tree_size
            )
        path = await self._hashes(account, consistency_path(first.tree_size, second.tree_size))
        roots = bytes.fromhex(first.root_hash), bytes.fromhex(second.root_hash)
        if not is_consistent(first.tree_size, second.tree_size, first_root=roots[0], second_root=roots[1], path=path):
            raise MigrationError(TRACE_BROKEN, sequence=first.tree_size, reason="no proof of consistency holds")
        return ConsistencyProof(
            first=first, second=second, public_key=self._public_key, path=tuple(each.hex() for each in path)
        )

    async def _hashes(self, account: str, path: Path) -> list[bytes]:
        return [fold([await self._node(account, node) for node in nodes]) for nodes in path]

    async def _node(self, account: str, node: Node) -> bytes:
        """From the kept nodes, or the records, right below it: at most 2**(TILE_HEIGHT - 1) of them."""
        base = node.level - node.level % TILE_HEIGHT
        width = node.level - base
        count, start = 1 << width, node.index << width
        below = Frontier()
        for found in await self._row(account, base, start, count):
            below.append(found)
        if below.size != count:
            raise MigrationError(TRACE_BROKEN, sequence=(start << base) + 1, reason="records or nodes are missing")
        return below.root()

    async def _row(self, account: str, level: int, start: int, count: int) -> list[bytes]:
        if level == 0:
            key = entry_key(start) if start else ""
            entries = await self._records.entries.find(account, after=key, limit=count)
            return [leaf_hash(read_entry(each.value).record_hash) for each in entries]
        tiles = await self._records.tiles.find(account, after=tile_before(Node(level, start)), limit=count)
        return [bytes.fromhex(each.value.hash) for each in tiles]
