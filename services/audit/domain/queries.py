"""What a query of the trace means: which stored fields it compares, between which sequences."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from contracts.messages.audit import AuditRecord, ListRecords

Conditions = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Span:
    """Sequences between after and before, both outside. before is never 0."""

    after: int
    before: int

    def within(self, *, after: int, before: int) -> Span:
        """What both spans share. before: 0 for no bound."""
        return Span(after=max(self.after, after), before=min(self.before, before or self.before))

    @property
    def is_empty(self) -> bool:
        """Whether no sequence is in it."""
        return self.before - self.after <= 1


def conditions_of(request: ListRecords) -> tuple[Conditions, ...]:
    """Alternatives: a record is wanted when it meets all conditions of one of them."""
    wanted = {
        "task_id": request.task_id,
        "type_name": request.message_type.partition(":")[0],
        "actor": request.actor,
        "access_key": request.access_key,
        "outcome": request.outcome,
        "request_id": request.request_id,
    }
    base = {name: value for name, value in wanted.items() if value}
    if not request.resource:
        return (base,)
    return ({**base, "resource": request.resource}, {**base, "other_resource": request.resource})


def is_wanted(record: AuditRecord, request: ListRecords) -> bool:
    """What no stored field says: the version of the type."""
    return ":" not in request.message_type or record.message_type == request.message_type


async def first_at(time: datetime, *, last: int, recorded_at: Callable[[int], Awaitable[datetime]]) -> int:
    """The first sequence whose record is not older than time, last + 1 when all are older.

    Times never go back along a chain, so that a handful of records is looked at, however long it is.
    """
    low, high = 1, last + 1
    while low < high:
        middle = (low + high) // 2
        if await recorded_at(middle) < time:
            low = middle + 1
        else:
            high = middle
    return low
