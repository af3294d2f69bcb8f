"""The trace: queries and offline verification."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from contracts.base import Message, MessageKind, Model


class AuditRecord(Model):
    """One record. sequence is gap-free per account from 1; record_hash = SHA-256 over previous_hash and the
    canonical JSON of all other fields. data: the message as it was published."""

    sequence: int
    account: str
    recorded_at: datetime
    message_id: str
    message_type: str
    subject: str
    actor: str = ""
    source: str = ""
    correlation_id: str = ""
    data: dict[str, Any] = {}
    previous_hash: str = ""
    record_hash: str = ""


class ListRecords(Message):
    """Request ``audit.list``. after: the last sequence of the page before. task_id: only of this task."""

    TYPE: ClassVar[str] = "sms.audit.list"
    KIND: ClassVar[MessageKind] = "request"
    after: int = 0
    limit: int = 200
    task_id: str = ""


class RecordList(Message):
    """Records in order of their sequence."""

    TYPE: ClassVar[str] = "sms.audit.records"
    KIND: ClassVar[MessageKind] = "reply"
    records: tuple[AuditRecord, ...]
    has_more: bool = False


class VerifyTrace(Message):
    """Request ``audit.verify``: check the account's whole chain."""

    TYPE: ClassVar[str] = "sms.audit.verify"
    KIND: ClassVar[MessageKind] = "request"


class TraceVerified(Message):
    """is_intact, or the first sequence at which the chain breaks and why."""

    TYPE: ClassVar[str] = "sms.audit.verified"
    KIND: ClassVar[MessageKind] = "reply"
    is_intact: bool
    records: int
    broken_at: int = 0
    reason: str = ""
    last_hash: str = ""
