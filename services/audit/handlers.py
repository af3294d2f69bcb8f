"""Keeps messages as chained records, and answers questions about them."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Final

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.audit import AUDIT_NO_ACCOUNT
from contracts.messages.audit import AuditRecord, ListRecords, RecordList, TraceVerified, VerifyTrace
from services.audit.domain.chain import ChainCheck, TraceHead, chain
from services.audit.domain.entries import Entry, UnkeepableError, check_entry, entry_key, entry_of, record_of
from shared.bus.reading import UnreadableMessageError
from shared.store import Collection, DuplicateError, Store, TypedCollection, Unique
from shared.telemetry import log

HEADS: Final = Collection(name="heads")
ENTRIES: Final = Collection(
    name="entries",
    fields=("task_id",),
    unique=(Unique(name="one_record_per_message", fields=("account", "message_id")),),
)
COLLECTIONS: Final = (HEADS, ENTRIES)

_HEAD: Final = "head"
_PAGE: Final = 500
_MAX_LIST: Final = 500
# A reply must fit into one bus message of 1 MiB.
_MAX_REPLY_CHARACTERS: Final = 700_000


class Handlers:
    """Head and record are one atomic write, so that the sequence has no gap whatever is killed when."""

    def __init__(self, store: Store) -> None:
        self._heads = TypedCollection(store, HEADS, TraceHead)
        self._entries = TypedCollection(store, ENTRIES, Entry)
        # Two subscriptions and one head per account: waiting here is cheaper than a conflict in the store.
        self._one_writer = asyncio.Lock()

    async def on_message(self, payload: bytes, envelope: Envelope) -> None:
        """Append one message; a message that was delivered before is found by its id."""
        try:
            record = record_of(payload, envelope, now=datetime.now(UTC))
        except UnkeepableError as error:
            raise UnreadableMessageError(str(error)) from error
        async with self._one_writer:
            await self._append(record, envelope)

    async def list_records(self, request: ListRecords, envelope: Envelope) -> RecordList:
        """One page in order of sequence; shorter than asked for when the reply would not fit into a message."""
        account = _account_of(envelope)
        limit = max(1, min(request.limit, _MAX_LIST))
        where = {"task_id": request.task_id} if request.task_id else {}
        entries = await self._entries.find(
            account, where, after=entry_key(request.after) if request.after > 0 else "", limit=limit + 1
        )
        chosen: list[AuditRecord] = []
        size = 0
        for entry in entries[:limit]:
            size += len(entry.value.record_json)
            if chosen and size > _MAX_REPLY_CHARACTERS:
                break
            chosen.append(AuditRecord.model_validate_json(entry.value.record_json))
        return RecordList(records=tuple(chosen), has_more=len(chosen) < len(entries))

    async def verify_trace(self, _: VerifyTrace, envelope: Envelope) -> TraceVerified:
        """Check the whole chain against its head, which may grow meanwhile."""
        account = _account_of(envelope)
        check = ChainCheck(account)
        after = ""
        head = await self._load_head(account)
        while True:
            while page := await self._entries.find(account, after=after, limit=_PAGE):
                after = page[-1].id
                for stored in page:
                    check_entry(check, stored.id, stored.value)
            newest = await self._load_head(account)
            if newest == head or check.is_broken:
                return check.result(newest)
            head = newest

    async def _load_head(self, account: str) -> TraceHead:
        stored = await self._heads.load(account, _HEAD)
        return stored.value if stored else TraceHead()

    async def _append(self, record: AuditRecord, envelope: Envelope) -> None:
        stored = await self._heads.load(record.account, _HEAD)
        chained, head = chain(record, stored.value if stored else TraceHead())
        entry = self._entries.record(record.account, entry_key(chained.sequence), entry_of(chained))
        try:
            await self._heads.save(
                record.account,
                _HEAD,
                head,
                expected_version=stored.version if stored else 0,
                applied=envelope.id,
                also=[entry],
            )
        except DuplicateError:
            # Delivered again after so many others that the head has forgotten its id; the record has not.
            log("message already kept", level=logging.DEBUG, message_id=envelope.id)


def _account_of(envelope: Envelope) -> str:
    if not envelope.account:
        raise MigrationError(AUDIT_NO_ACCOUNT, subject=envelope.subject)
    return envelope.account
