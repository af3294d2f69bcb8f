"""How a message becomes a record, and a record a stored entry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from pydantic import ValidationError

from contracts.base import Model
from contracts.envelope import Envelope
from contracts.messages.api import ApiRequestRecorded
from contracts.messages.audit import AuditRecord
from contracts.messages.identity import LoginDenied

_SEQUENCE_DIGITS: Final = 16


class UnkeepableError(ValueError):
    """The message is no JSON object in UTF-8, or names no account."""


class Entry(Model):
    """A record as stored. record_json: its exact text, so that no database's number formats touch what is hashed;
    the other fields are copies to search by.

    type_name: the message type without its version. resource, other_resource: what the record is about, as
    ``<type>:<id>``; a request's path and an event's data name two things at most. access_key, outcome: of a request
    to the API. request_id: of that request, also with what it caused.
    """

    message_id: str
    task_id: str
    record_json: str
    type_name: str = ""
    actor: str = ""
    access_key: str = ""
    outcome: str = ""
    resource: str = ""
    other_resource: str = ""
    request_id: str = ""


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
    return _text(record.data, "task_id")


def entry_key(sequence: int) -> str:
    """The id of a record's entry: ids sort as sequences do."""
    return f"{sequence:0{_SEQUENCE_DIGITS}}"


def resources_of(record: AuditRecord) -> tuple[str, ...]:
    """What a record is about: the things of a request's path, or an event's aggregate and the task and server that
    its data names."""
    named = record.data.get("resource")
    if record.message_type.partition(":")[0] == ApiRequestRecorded.TYPE:
        return tuple(dict.fromkeys(named.split())) if isinstance(named, str) else ()
    parts = record.subject.split(".")
    found = [f"{parts[4]}:{parts[5]}"] if len(parts) > 5 and parts[2] == "evt" else []
    named_ids = ((kind, _text(record.data, f"{kind}_id")) for kind in ("task", "server"))
    found += [f"{kind}:{identifier}" for kind, identifier in named_ids if identifier]
    return tuple(dict.fromkeys(found))


def entry_of(record: AuditRecord, *, is_indexed: bool = True) -> Entry:
    """The entry of a chained record. is_indexed: False as the first version wrote it."""
    entry = Entry(message_id=record.message_id, task_id=task_of(record), record_json=record.model_dump_json())
    if not is_indexed:
        return entry
    resource, other_resource, *_ = (*resources_of(record), "", "")
    access_key, outcome = _access_of(record)
    return entry.model_copy(
        update={
            "type_name": record.message_type.partition(":")[0],
            "actor": record.actor,
            "access_key": access_key,
            "outcome": outcome,
            "resource": resource,
            "other_resource": other_resource,
            "request_id": _text(record.data, "request_id") or record.correlation_id,
        }
    )


def read_entry(entry: Entry) -> AuditRecord:
    """The record of a stored entry. Raises ValueError when its text was damaged."""
    return AuditRecord.model_validate_json(entry.record_json)


class Check(Protocol):
    """What looks at one record after the other."""

    def add(self, record: AuditRecord) -> None:
        """The next record."""

    def unreadable(self, reason: str) -> None:
        """The next record cannot be read."""


def check_entry(check: Check, key: str, entry: Entry, *, indexed_from: int) -> None:
    """Add a stored entry to a check: its record, and that key and copies are those of the record."""
    try:
        record = read_entry(entry)
    except ValidationError:
        check.unreadable("the record cannot be read")
        return
    is_indexed = 0 < indexed_from <= record.sequence
    if key != entry_key(record.sequence):
        check.unreadable(f"record {record.sequence} is stored as number {key.lstrip('0')}")
    elif entry != entry_of(record, is_indexed=is_indexed):
        check.unreadable("the entry is not that of its record")
    else:
        check.add(record)


def _access_of(record: AuditRecord) -> tuple[str, str]:
    """Access key and outcome of a request to the API or of a denied login; "" where there is none."""
    type_name = record.message_type.partition(":")[0]
    if type_name == LoginDenied.TYPE:
        form, _, identifier = _text(record.data, "login").partition(":")
        return identifier if form == "ak" else "", "denied"
    outcome = _text(record.data, "outcome") if type_name == ApiRequestRecorded.TYPE else ""
    return _text(record.data, "access_key"), outcome


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name, "")
    return value if isinstance(value, str) else ""
