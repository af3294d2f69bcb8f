"""A collection of one frozen model, so that no dict leaves the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from contracts.base import Model
from shared.store.port import Collection, OutgoingMessage, Record, Scalar, Store

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, kw_only=True)
class Stored(Generic[M]):
    """A value with the version that it was read at."""

    account: str
    id: str
    version: int
    value: M


class TypedCollection(Generic[M]):
    """The Store port for one collection and model; errors and promises are those of Store."""

    def __init__(self, store: Store, collection: Collection, model: type[M]) -> None:
        self._store = store
        self._name = collection.name
        self._model = model

    def record(self, account: str, identifier: str, value: M) -> Record:
        """The record of a value, for ``also`` of another collection's `save`."""
        data = value.model_dump(mode="json")
        return Record(collection=self._name, account=account, id=identifier, data=data)

    async def load(self, account: str, identifier: str) -> Stored[M] | None:
        """The newest version, or None."""
        record = await self._store.load(self._name, account, identifier)
        return None if record is None else self._stored(record)

    async def save(
        self,
        account: str,
        identifier: str,
        value: M,
        *,
        expected_version: int,
        outbox: Sequence[OutgoingMessage] = (),
        applied: str | None = None,
        also: Sequence[Record] = (),
    ) -> int:
        """Create (expected_version 0) or replace; returns the new version."""
        record = self.record(account, identifier, value)
        return await self._store.save(
            record, expected_version=expected_version, outbox=outbox, applied=applied, also=also
        )

    async def delete(
        self,
        account: str,
        identifier: str,
        *,
        expected_version: int,
        outbox: Sequence[OutgoingMessage] = (),
        applied: str | None = None,
    ) -> None:
        """Remove it."""
        await self._store.delete(
            self._name, account, identifier, expected_version=expected_version, outbox=outbox, applied=applied
        )

    async def was_applied(self, account: str, identifier: str, message_id: str) -> bool:
        """Whether a write to this record named the message."""
        return await self._store.was_applied(self._name, account, identifier, message_id)

    async def find(
        self,
        account: str,
        where: Mapping[str, Scalar] | None = None,
        *,
        after: str = "",
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[Stored[M]]:
        """One page, ordered by id."""
        records = await self._store.find(
            self._name, account, where, after=after, limit=limit, newest_first=newest_first
        )
        return [self._stored(record) for record in records]

    async def count(self, account: str, where: Mapping[str, Scalar] | None = None) -> int:
        """How many there are."""
        return await self._store.count(self._name, account, where)

    async def find_all_accounts(self, where: Mapping[str, Scalar] | None = None) -> AsyncIterator[Stored[M]]:
        """Of every account: only for recovery at start and look-ups by a global key."""
        async for record in self._store.find_all_accounts(self._name, where):
            yield self._stored(record)

    def _stored(self, record: Record) -> Stored[M]:
        value = self._model.model_validate(record.data)
        return Stored(account=record.account, id=record.id, version=record.version, value=value)
