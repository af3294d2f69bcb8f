"""The hash chain of one account's trace: how a record is chained, and how a chain is checked."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Final

from contracts.base import Model
from contracts.messages.audit import AuditRecord, TraceVerified

# The first record's previous_hash.
GENESIS: Final = ""
_HASHES: Final = frozenset({"previous_hash", "record_hash"})


class TraceHead(Model):
    """The end of a chain: sequence, hash and time of its newest record.

    indexed_from: the first sequence whose entry can be found by everything that it can be searched by; 0 while
    there is none. Entries of the first version were found by their task alone.
    """

    sequence: int = 0
    record_hash: str = GENESIS
    recorded_at: datetime | None = None
    indexed_from: int = 0


def canonical_json(model: Model, *, exclude: frozenset[str] = frozenset()) -> str:
    """The only text that a value is hashed and exported as: keys sorted, no spaces, times in ISO 8601 with the zone.

    Fields that have their default are left out, so that a field that is added later does not change old texts.
    """
    fields = model.model_dump(mode="json", exclude=set(exclude), exclude_defaults=True)
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def hash_of(record: AuditRecord) -> str:
    """SHA-256, hex, over previous_hash, a line feed, and the canonical JSON of all fields but the two hashes, UTF-8."""
    text = canonical_json(record, exclude=_HASHES)
    return hashlib.sha256(f"{record.previous_hash}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()


def chain(record: AuditRecord, head: TraceHead) -> tuple[AuditRecord, TraceHead]:
    """The record behind the head, and the new head. Its own sequence and hashes are not looked at.

    Times never go back along a chain, whatever the clocks of its writers do: a record's place can be searched by time.
    """
    recorded_at = max(record.recorded_at, head.recorded_at or record.recorded_at)
    sequence = head.sequence + 1
    placed = record.model_copy(
        update={
            "sequence": sequence,
            "recorded_at": recorded_at,
            "previous_hash": head.record_hash,
            "record_hash": "",
        }
    )
    record_hash = hash_of(placed)
    chained = placed.model_copy(update={"record_hash": record_hash})
    indexed_from = head.indexed_from or sequence
    return chained, TraceHead(
        sequence=sequence, record_hash=record_hash, recorded_at=recorded_at, indexed_from=indexed_from
    )


class ChainCheck:
    """Checks a trace record by record, so that it need not fit into memory."""

    def __init__(self, account: str, *, sequence: int = 0, record_hash: str = GENESIS) -> None:
        """sequence, record_hash: of the record before the first one that will be added."""
        self._account = account
        self._sequence = sequence
        self._record_hash = record_hash
        self._broken: tuple[int, str] | None = None

    @property
    def sequence(self) -> int:
        """Of the last record that was found to be right; 0 before the first."""
        return self._sequence

    @property
    def record_hash(self) -> str:
        """Of the same record."""
        return self._record_hash

    @property
    def is_broken(self) -> bool:
        """Whether a fault was found: later records need not be shown."""
        return self._broken is not None

    def add(self, record: AuditRecord) -> None:
        """Look at the next record in the stored order."""
        if self._broken is None:
            if reason := self._fault(record):
                self._broken = (self._sequence + 1, reason)
            else:
                self._sequence, self._record_hash = record.sequence, record.record_hash

    def unreadable(self, reason: str) -> None:
        """The next record cannot even be read."""
        self.fault(self._sequence + 1, reason)

    def fault(self, broken_at: int, reason: str) -> None:
        """Whoever checks more than the chain has found a fault; the first one counts."""
        if self._broken is None:
            self._broken = (broken_at, reason)

    def result(self, *, sequence: int, record_hash: str) -> TraceVerified:
        """The verdict, after the last record. sequence, record_hash: where the trace ends according to its keeper."""
        if (self._sequence, self._record_hash) != (sequence, record_hash):
            reason = f"the trace ends at record {self._sequence}, but {sequence} were written"
            if self._sequence == sequence:
                reason = "the last record is not the one that was written"
            self.fault(min(self._sequence, sequence) + 1, reason)
        broken_at, reason = self._broken or (0, "")
        return TraceVerified(
            is_intact=self._broken is None,
            records=self._sequence,
            broken_at=broken_at,
            reason=reason,
            last_hash=self._record_hash,
        )

    def _fault(self, record: AuditRecord) -> str:
        wanted = self._sequence + 1
        if record.sequence != wanted:
            return f"record {record.sequence} stands where {wanted} belongs"
        if record.account != self._account:
            return "the record belongs to another account"
        if record.previous_hash != self._record_hash:
            return "the record is not chained to the one before"
        if record.record_hash != hash_of(record):
            return "the record was changed"
        return ""
