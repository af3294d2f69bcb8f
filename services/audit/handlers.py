"""Keeps messages as chained records, and answers questions about them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.audit import TRACE_BROKEN
from contracts.messages.audit import AuditRecord, ListRecords, RecordList, TraceVerified, VerifyTrace
from contracts.trace.chain import TraceHead, chain
from contracts.trace.check import TraceCheck
from services.audit.domain.entries import (
    Entry,
    UnkeepableError,
    check_entry,
    entry_key,
    entry_of,
    read_entry,
    record_of,
)
from services.audit.domain.queries import Span, conditions_of, first_at, is_wanted
from services.audit.records import HEAD, MAX_REPLY_CHARACTERS, PAGE, TraceRecords, account_of
from shared.bus.reading import UnreadableMessageError
from shared.store import DuplicateError, Record
from shared.store.typed import Stored
from shared.telemetry import log

_MAX_LIST: Final = 500


class Handlers:
    """Head and record are one atomic write, so that the sequence has no gap whatever is killed when."""

    def __init__(self, records: TraceRecords, public_key: Ed25519PublicKey) -> None:
        self._records = records
        self._public_key = public_key
        # Two subscriptions and one head per account: waiting here is cheaper than a conflict in the store.
        self._one_writer = asyncio.Lock()

    async def on_messages(self, messages: Sequence[tuple[bytes, Envelope]]) -> None:
        """Append them in their order, those of one account in one write; one that was kept before stays as it is."""
        try:
            records = [record_of(payload, envelope, now=datetime.now(UTC)) for payload, envelope in messages]
        except UnkeepableError as error:
            raise UnreadableMessageError(str(error)) from error
        async with self._one_writer:
            for account in dict.fromkeys(record.account for record in records):
                await self._append([record for record in records if record.account == account])

    async def list_records(self, request: ListRecords, envelope: Envelope) -> RecordList:
        """One page; shorter than asked for when the reply would not fit into a message."""
        account = account_of(envelope)
        limit = max(1, min(request.limit, _MAX_LIST))
        span = await self._span_of(request, account)
        chosen: list[AuditRecord] = []
        size = 0
        while not span.is_empty:
            page = await self._find(request, account, span, limit=limit + 1)
            for stored in page:
                size += len(stored.value.record_json)
                if len(chosen) == limit or (chosen and size > MAX_REPLY_CHARACTERS):
                    return RecordList(records=tuple(chosen), has_more=True)
                record = self._read(stored)
                if is_wanted(record, request):
                    chosen.append(record)
            if len(page) <= limit:
                break
            last = _sequence_of(page[-1])
            span = span.within(after=0, before=last) if request.newest_first else span.within(after=last, before=0)
        return RecordList(records=tuple(chosen))

    async def verify_trace(self, _: VerifyTrace, envelope: Envelope) -> TraceVerified:
        """Check all checkpoints and the whole chain against its head, which may grow meanwhile."""
        account = account_of(envelope)
        check = TraceCheck(account, self._public_key)
        number = 0
        while page := await self._records.list_checkpoints(account, after=number):
            number += len(page)
            for checkpoint in page:
                check.add_checkpoint(checkpoint)
        after = ""
        head = await self._records.load_head(account)
        while True:
            while entries := await self._records.entries.find(account, after=after, limit=PAGE):
                after = entries[-1].id
                # The first record may have come after the head was read.
                indexed_from = head.indexed_from or (await self._records.load_head(account)).indexed_from
                for stored in entries:
                    check_entry(check, stored.id, stored.value, indexed_from=indexed_from)
            newest = await self._records.load_head(account)
            if newest == head or check.is_broken:
                return check.result(sequence=newest.sequence, record_hash=newest.record_hash)
            head = newest

    async def _span_of(self, request: ListRecords, account: str) -> Span:
        last = (await self._records.load_head(account)).sequence

        async def recorded_at(sequence: int) -> datetime:
            stored = await self._records.entries.load(account, entry_key(sequence))
            if stored is None:
                raise MigrationError(TRACE_BROKEN, sequence=sequence, reason="the record is missing")
            return self._read(stored).recorded_at

        span = Span(after=max(request.after, 0), before=last + 1).within(after=0, before=max(request.before, 0))
        if request.from_time is not None:
            first = await first_at(_in_utc(request.from_time), last=last, recorded_at=recorded_at)
            span = span.within(after=first - 1, before=0)
        if request.until_time is not None:
            end = await first_at(_in_utc(request.until_time), last=last, recorded_at=recorded_at)
            span = span.within(after=0, before=end)
        return span

    async def _find(self, request: ListRecords, account: str, span: Span, *, limit: int) -> list[Stored[Entry]]:
        """Entries of the span that meet one of the alternatives, each once, in the wanted order."""
        start = span.before if request.newest_first else span.after
        found: dict[str, Stored[Entry]] = {}
        for conditions in conditions_of(request):
            page = await self._records.entries.find(
                account,
                conditions,
                after=entry_key(start) if start > 0 else "",
                limit=limit,
                newest_first=request.newest_first,
            )
            found |= {stored.id: stored for stored in page if span.after < _sequence_of(stored) < span.before}
        return [found[key] for key in sorted(found, reverse=request.newest_first)][:limit]

    @staticmethod
    def _read(stored: Stored[Entry]) -> AuditRecord:
        try:
            return read_entry(stored.value)
        except ValueError as error:
            raise MigrationError(TRACE_BROKEN, sequence=stored.id, reason="the record cannot be read") from error

    async def _append(self, records: Sequence[AuditRecord]) -> None:
        account = records[0].account
        stored = await self._records.heads.load(account, HEAD)
        head = stored.value if stored else TraceHead()
        entries: list[Record] = []
        for record in records:
            chained, head = chain(record, head)
            entries.append(self._records.entries.record(account, entry_key(chained.sequence), entry_of(chained)))
        try:
            await self._records.heads.save(
                account, HEAD, head, expected_version=stored.version if stored else 0, also=entries
            )
        except DuplicateError:
            if len(records) == 1:
                log("message already kept", level=logging.DEBUG, message_id=records[0].message_id)
                return
            for record in records:
                await self._append([record])


def _sequence_of(stored: Stored[Entry]) -> int:
    if not stored.id.isdecimal():
        raise MigrationError(TRACE_BROKEN, sequence=stored.id, reason="no record has such a number")
    return int(stored.id)


def _in_utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)
