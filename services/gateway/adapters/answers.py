"""First answers in the service's store, and their removal after ten minutes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts.base import Model
from contracts.subjects import audit
from services.gateway.domain.answers import KEPT_S, Answer
from services.gateway.domain.ports import FoundAnswer, TraceEntry
from services.gateway.domain.trace import NO_ACCOUNT
from shared.store import Collection, ConflictError, OutgoingMessage, Store, TypedCollection

ANSWERS: Final = Collection(name="answers", fields=("minute",))
COUNTS: Final = Collection(name="counts")
_COUNTER: Final = "denials"


class TraceCount(Model):
    """How many denials were traced."""

    records: int


class StoredAnswers:
    """The port Answers."""

    def __init__(self, store: Store) -> None:
        self._answers = TypedCollection(store, ANSWERS, Answer)
        self._cleaned_to = 0

    async def load(self, account: str, identifier: str) -> FoundAnswer | None:
        """See Answers."""
        stored = await self._answers.load(account, identifier)
        return FoundAnswer(answer=stored.value, version=stored.version) if stored else None

    async def save(
        self, account: str, identifier: str, answer: Answer, *, over: int, trace: TraceEntry | None = None
    ) -> int | None:
        """See Answers."""
        outbox = [trace_message(trace)] if trace else []
        try:
            return await self._answers.save(account, identifier, answer, expected_version=over, outbox=outbox)
        except ConflictError:
            return None

    async def forget(self, account: str, identifier: str, *, version: int, trace: TraceEntry) -> None:
        """See Answers."""
        try:
            await self._answers.delete(account, identifier, expected_version=version, outbox=[trace_message(trace)])
        except ConflictError:
            return

    async def clean(self, *, now_s: float) -> int:
        """Remove what is too old to be asked for, the first time by looking at everything; returns how many."""
        newest = int((now_s - KEPT_S) // 60) - 1
        removed = 0
        wheres = (
            [{"minute": minute} for minute in range(self._cleaned_to + 1, newest + 1)] if self._cleaned_to else [{}]
        )
        for where in wheres:
            async for stored in self._answers.find_all_accounts(where):
                if stored.value.minute <= newest:
                    await self._remove(stored.account, stored.id, stored.version)
                    removed += 1
        self._cleaned_to = newest
        return removed

    async def _remove(self, account: str, identifier: str, version: int) -> None:
        try:
            await self._answers.delete(account, identifier, expected_version=version)
        except ConflictError:
            return  # a new request with the old key has just taken its place


class StoredTrace:
    """The port TraceWriter: a counter of denials, whose change carries their records."""

    def __init__(self, store: Store) -> None:
        self._counts = TypedCollection(store, COUNTS, TraceCount)

    async def write(self, entries: Sequence[TraceEntry]) -> None:
        """See TraceWriter."""
        outbox = [trace_message(entry) for entry in entries]
        while True:
            stored = await self._counts.load(NO_ACCOUNT, _COUNTER)
            before, version = (stored.value.records, stored.version) if stored else (0, 0)
            count = TraceCount(records=before + len(entries))
            try:
                await self._counts.save(NO_ACCOUNT, _COUNTER, count, expected_version=version, outbox=outbox)
            except ConflictError:
                continue
            return


def trace_message(entry: TraceEntry) -> OutgoingMessage:
    """The audit record of a request, under an id of its own."""
    return OutgoingMessage.of(
        audit(entry.account, "api-request"),
        entry.record,
        source="gateway",
        account=entry.account,
        actor=entry.actor,
        message_id=f"api:{entry.record.request_id}",
        correlation_id=entry.record.request_id,
    )
