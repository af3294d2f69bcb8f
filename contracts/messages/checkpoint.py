"""Checkpoints of a trace: what audit signs, how they are asked for, and the proofs that lead to them."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from contracts.base import Message, MessageKind, Model
from contracts.messages.audit import AuditRecord


class Checkpoint(Model):
    """A signed statement: the trace of account had tree_size records, with these hashes.

    number: from 1, without gaps. root_hash: hex, Merkle tree hash of RFC 9162 over the record hashes. record_hash:
    of the last record, where the hash chain then ended. previous: hex, SHA-256 of the signed text of the checkpoint
    before, "" for the first. key_id: hex, of the public key. signature: hex, Ed25519 over `contracts.trace`'s text.
    """

    account: str
    number: int
    tree_size: int
    root_hash: str
    record_hash: str
    previous: str = ""
    issued_at: datetime
    key_id: str
    signature: str = ""


class TraceCheckpointed(Message):
    """Event ``trace.<number>.checkpointed``: a new checkpoint. Whoever keeps it can prove any later change of the
    records that it covers. public_key: hex, Ed25519."""

    TYPE: ClassVar[str] = "sms.audit.checkpointed"
    KIND: ClassVar[MessageKind] = "event"
    checkpoint: Checkpoint
    public_key: str


class MakeCheckpoint(Message):
    """Request ``audit.make-checkpoint``: sign the trace as it is now, and answer with it (CheckpointList).

    Answered with the last one when nothing but that has been recorded since; with none for an empty trace.
    """

    TYPE: ClassVar[str] = "sms.audit.make-checkpoint"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str = ""


class ListCheckpoints(Message):
    """Request ``audit.list-checkpoints``. after: the last number of the page before. newest_first: then before it."""

    TYPE: ClassVar[str] = "sms.audit.list-checkpoints"
    KIND: ClassVar[MessageKind] = "request"
    after: int = 0
    limit: int = 100
    newest_first: bool = False


class CheckpointList(Message):
    """public_key: hex, the Ed25519 key that signs now."""

    TYPE: ClassVar[str] = "sms.audit.checkpoint-list"
    KIND: ClassVar[MessageKind] = "reply"
    checkpoints: tuple[Checkpoint, ...]
    public_key: str
    has_more: bool = False


class ProveInclusion(Message):
    """Request ``audit.prove-inclusion``: that a record is under a checkpoint.

    checkpoint: its number, 0 for the newest.
    """

    TYPE: ClassVar[str] = "sms.audit.prove-inclusion"
    KIND: ClassVar[MessageKind] = "request"
    sequence: int
    checkpoint: int = 0


class InclusionProof(Message):
    """path: hex, from the leaf's sibling to the root's child, as in RFC 9162. The leaf's index is sequence - 1."""

    TYPE: ClassVar[str] = "sms.audit.inclusion-proof"
    KIND: ClassVar[MessageKind] = "reply"
    record: AuditRecord
    checkpoint: Checkpoint
    public_key: str
    path: tuple[str, ...]


class ProveConsistency(Message):
    """Request ``audit.prove-consistency``: that one checkpoint's records are the beginning of a later one's.

    second: 0 for the newest.
    """

    TYPE: ClassVar[str] = "sms.audit.prove-consistency"
    KIND: ClassVar[MessageKind] = "request"
    first: int
    second: int = 0


class ConsistencyProof(Message):
    """path: hex, as in RFC 9162."""

    TYPE: ClassVar[str] = "sms.audit.consistency-proof"
    KIND: ClassVar[MessageKind] = "reply"
    first: Checkpoint
    second: Checkpoint
    public_key: str
    path: tuple[str, ...]


class ExportTrace(Message):
    """Request ``audit.export``: the next lines of an export. cursor: "" for a new one, then as the reply before says.

    An export begins with a checkpoint of its own and holds what is under it.
    """

    TYPE: ClassVar[str] = "sms.audit.export"
    KIND: ClassVar[MessageKind] = "request"
    cursor: str = ""


class ExportPage(Message):
    """lines: to be written as they are, each with a line feed behind it. cursor: "" after the last page."""

    TYPE: ClassVar[str] = "sms.audit.export-page"
    KIND: ClassVar[MessageKind] = "reply"
    lines: tuple[str, ...]
    cursor: str = ""
