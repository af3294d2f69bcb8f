"""The hash chain of one account's trace: how a record is chained, and how a chain is checked."""

from __future__ import annotations

import hashlib
import json
from typing import Final

from contracts.base import Model
from contracts.messages.audit import AuditRecord, TraceVerified

# The first record's previous_hash.
GENESIS: Final = ""


class TraceHead(Model):
    """The end of a chain: the sequence and hash of its newest record."""

    sequence: int = 0
    record_hash: str = GENESIS


def hash_of(record: AuditRecord) -> str:
    """SHA-256, hex, over previous_hash, a line feed, and the canonical JSON of all fields but the two hashes.

    Canonical: keys sorted, no spaces, UTF-8, times in ISO 8601 with the zone. Fields that have their default are
    left out, so that a field that is added later does not change the hash of an old record.
    """
    fields = record.model_dump(mode="json", exclude={"previous_hash", "record_hash"}, exclude_defaults=True)
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{record.previous_hash}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()


def chain(record: AuditRecord, head: TraceHead) -> tuple[AuditRecord, TraceHead]:
    """The record behind the head, and the new head. Its own sequence and hashes are not looked at."""
    placed = record.model_copy(
        update={"sequence": head.sequence + 1, "previous_hash": head.record_hash, "record_hash": ""}
    )
    record_hash = hash_of(placed)
    chained = placed.model_copy(update={"record_hash": record_hash})
    return chained, TraceHead(sequence=chained.sequence, record_hash=record_hash)


class ChainCheck:
    """Checks a trace record by record, so that it need not fit into memory."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._head = TraceHead()
        self._broken: tuple[int, str] | None = None

    @property
    def is_broken(self) -> bool:
        """Whether a fault was found: later records need not be shown."""
        return self._broken is not None

    def add(self, record: AuditRecord) -> None:
        """Look at the next record in the stored order."""
        if self._broken is None:
            if reason := self._fault(record):
                self._broken = (self._head.sequence + 1, reason)
            else:
                self._head = TraceHead(sequence=record.sequence, record_hash=record.record_hash)

    def unreadable(self, reason: str) -> None:
        """The next record cannot even be read."""
        if self._broken is None:
            self._broken = (self._head.sequence + 1, reason)

    def result(self, head: TraceHead) -> TraceVerified:
        """The verdict, after the last record. head: where the trace ends according to its keeper."""
        if self._broken is None and self._head != head:
            reason = f"the trace ends at record {self._head.sequence}, but {head.sequence} were written"
            if self._head.sequence == head.sequence:
                reason = "the last record is not the one that was written"
            self._broken = (min(self._head.sequence, head.sequence) + 1, reason)
        broken_at, reason = self._broken or (0, "")
        return TraceVerified(
            is_intact=self._broken is None,
            records=self._head.sequence,
            broken_at=broken_at,
            reason=reason,
            last_hash=self._head.record_hash,
        )

    def _fault(self, record: AuditRecord) -> str:
        wanted = self._head.sequence + 1
        if record.sequence != wanted:
            return f"record {record.sequence} stands where {wanted} belongs"
        if record.account != self._account:
            return "the record belongs to another account"
        if record.previous_hash != self._head.record_hash:
            return "the record is not chained to the one before"
        if record.record_hash != hash_of(record):
            return "the record was changed"
        return ""
