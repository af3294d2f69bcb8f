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
    """Request ``audit.list``: records that meet all conditions; empty ones are none.

    Pages: after and before are sequences between which records are taken, both outside; 0 for no bound. With
    newest_first the next page is before the last one of this page, else after it. from_time, until_time: of
    recorded_at, from included, until excluded. resource: ``<type>:<id>``. message_type: with or without the
    version. outcome: as in ApiRequestRecorded. request_id: of a request to the API, with all that it caused.
    """

    TYPE: ClassVar[str] = "sms.audit.list"
    KIND: ClassVar[MessageKind] = "request"
    after: int = 0
    limit: int = 200
    task_id: str = ""
    before: int = 0
    newest_first: bool = False
    from_time: datetime | None = None
    until_time: datetime | None = None
    actor: str = ""
    access_key: str = ""
    resource: str = ""
    message_type: str = ""
    outcome: str = ""
    request_id: str = ""


class RecordList(Message):
    """Records in order of their sequence, or the other way round when the newest were asked for first."""

    TYPE: ClassVar[str] = "sms.audit.records"
    KIND: ClassVar[MessageKind] = "reply"
    records: tuple[AuditRecord, ...]
    has_more: bool = False


class VerifyTrace(Message):
    """Request ``audit.verify``: check the account's whole chain."""

    TYPE: ClassVar[str] = "sms.audit.verify"
    KIND: ClassVar[MessageKind] = "request"


class TraceVerified(Message):
    """is_intact, or the first sequence at which the trace breaks and why.

    checkpoints: how many were found to be genuine and to fit; last_checkpoint: how many records the last one covers.
    public_key: hex, the key that they were checked with.
    """

    TYPE: ClassVar[str] = "sms.audit.verified"
    KIND: ClassVar[MessageKind] = "reply"
    is_intact: bool
    records: int
    broken_at: int = 0
    reason: str = ""
    last_hash: str = ""
    checkpoints: int = 0
    last_checkpoint: int = 0
    public_key: str = ""
