"""Whether records and checkpoints belong together: chain, tree, signatures and the order of all of them."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from contracts.messages.audit import AuditRecord, TraceVerified
from contracts.messages.checkpoint import Checkpoint
from contracts.trace.chain import ChainCheck
from contracts.trace.checkpoint import hash_of_checkpoint, is_genuine
from contracts.trace.merkle import Frontier, leaf_hash


class TraceCheck:
    """Add every checkpoint in order of their numbers, then every record in order of their sequences.

    Memory: the checkpoints. A checkpoint that is made meanwhile may be added as long as its last record has not been.
    """

    def __init__(self, account: str, public_key: Ed25519PublicKey) -> None:
        self._account = account
        self._public_key = public_key
        self._chain = ChainCheck(account)
        self._tree = Frontier()
        self._checkpoints: list[Checkpoint] = []
        self._reached = 0

    @property
    def is_broken(self) -> bool:
        """Whether a fault was found: the rest need not be shown."""
        return self._chain.is_broken

    @property
    def checkpoints(self) -> int:
        """How many were added and found to be genuine."""
        return len(self._checkpoints)

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """The next one."""
        if self.is_broken:
            return
        if reason := self._fault(checkpoint):
            self._chain.fault(self._chain.sequence + 1, reason)
        else:
            self._checkpoints.append(checkpoint)

    def add(self, record: AuditRecord) -> None:
        """The next record."""
        if self.is_broken:
            return
        self._chain.add(record)
        if not self.is_broken:
            self._tree.append(leaf_hash(record.record_hash))
            self._compare()

    def unreadable(self, reason: str) -> None:
        """The next record or checkpoint cannot be read, or does not stand in its place."""
        self._chain.unreadable(reason)

    def result(self, *, sequence: int, record_hash: str) -> TraceVerified:
        """The verdict, after the last record. sequence, record_hash: where the trace ends according to its keeper."""
        if self._reached < len(self._checkpoints):
            missed = self._checkpoints[self._reached]
            reason = f"checkpoint {missed.number} covers {missed.tree_size} records, but there are {self._tree.size}"
            self._chain.fault(self._tree.size + 1, reason)
        verdict = self._chain.result(sequence=sequence, record_hash=record_hash)
        return verdict.model_copy(
            update={
                "checkpoints": len(self._checkpoints),
                "last_checkpoint": self._checkpoints[-1].tree_size if self._checkpoints else 0,
                "public_key": self._public_key.public_bytes_raw().hex(),
            }
        )

    def _compare(self) -> None:
        while self._reached < len(self._checkpoints):
            due = self._checkpoints[self._reached]
            if due.tree_size > self._tree.size:
                return
            if due.record_hash != self._chain.record_hash or due.root_hash != self._tree.root().hex():
                self._chain.fault(due.tree_size, f"the records are not those under checkpoint {due.number}")
                return
            self._reached += 1

    def _fault(self, checkpoint: Checkpoint) -> str:
        before = self._checkpoints[-1] if self._checkpoints else None
        wanted = before.number + 1 if before else 1
        if checkpoint.number != wanted:
            return f"checkpoint {checkpoint.number} stands where {wanted} belongs"
        if checkpoint.account != self._account:
            return f"checkpoint {checkpoint.number} belongs to another account"
        if not is_genuine(checkpoint, self._public_key):
            return (
                f"checkpoint {checkpoint.number} is not signed by the key {self._public_key.public_bytes_raw().hex()}"
            )
        if checkpoint.previous != (hash_of_checkpoint(before) if before else ""):
            return f"checkpoint {checkpoint.number} is not chained to the one before"
        if checkpoint.tree_size <= max(before.tree_size if before else 0, self._tree.size):
            return f"checkpoint {checkpoint.number} covers no more records than the one before"
        return ""
