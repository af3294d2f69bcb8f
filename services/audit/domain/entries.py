"""How a message becomes a record, and a record a stored entry."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from contracts.base import Model
from contracts.envelope import Envelope
from contracts.messages.audit import AuditRecord
from services.audit.domain.chain import ChainCheck

_SEQUENCE_DIGITS: Final = 16


class UnkeepableError(ValueError):
    """The message is no JSON object in UTF-8, or names no account."""


class Entry(Model):
    """A record as stored. record_json: its exact text, so that no database's number formats touch what is hashed;
    the other fields are copies to search by."""

    message_id: str
    task_id: str
    record_json: str


def record_of(payload: bytes, envelope: Envelope, *, now: datetime) -> AuditRecord:
    """The record of a message, not yet chained. now: UTC. Raises UnkeepableError."""
    if not envelope.account:
        raise UnkeepableError("the message names no account")
    try:
        data = json.loads(payload)
        if not isinstance(data, dict):
            raise UnkeepableError("the payload is no JSON object")
        record = AuditRecord(
            sequence=0,
            account=envelope.account,
            recorded_at=now,
            message_id=envelope.id,
            message_type=f"{envelope.type}:{envelope.version}",
            subject=envelope.subject,
            actor=envelope.actor,
            source=envelope.source,
            correlation_id=envelope.correlation_id,
            data=data,
        )
        # Once through JSON, so that what is hashed now is what will be read later.
        return AuditRecord.model_validate_json(record.model_dump_json())
    except (ValueError, RecursionError) as error:
        # json, UTF-8 and pydantic raise kinds of ValueError; their texts may repeat the payload.
        raise UnkeepableError(f"the payload cannot be kept ({type(error).__name__})") from error


def task_of(record: AuditRecord) -> str:
    """The task that a record is about; "" when it is about none."""
    parts = record.subject.split(".")
    if len(parts) > 5 and parts[2] == "evt" and parts[4] == "task":
        return parts[5]
    task_id = record.data.get("task_id", "")
    return task_id if isinstance(task_id, str) else ""


def entry_key(sequence: int) -> str:
    """The id of a record's entry: ids sort as sequences do."""
    return f"{sequence:0{_SEQUENCE_DIGITS}}"


def entry_of(record: AuditRecord) -> Entry:
    """The entry of a chained record."""
    return Entry(message_id=record.message_id, task_id=task_of(record), record_json=record.model_dump_json())


def check_entry(check: ChainCheck, key: str, entry: Entry) -> None:
    """Add a stored entry to a check: its record, and that key and copies are those of the record."""
    try:
        record = AuditRecord.model_validate_json(entry.record_json)
    except ValidationError:
        check.unreadable("the record cannot be read")
        return
    if key != entry_key(record.sequence):
        check.unreadable(f"record {record.sequence} is stored as number {key.lstrip('0')}")
    elif entry != entry_of(record):
        check.unreadable("the entry is not that of its record")
    else:
        check.add(record)
